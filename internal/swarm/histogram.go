package swarm

import (
	"math"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// A Bin of a histogram: how many peers stand between From and To times (both included) in the samples of others, and
// how many would if every slot drew a peer at random.
type Bin struct {
	From, To int
	Peers    int
	Uniform  float64
}

// Histogram divides the counts of Sampled into at most bins bins of equal width, together from the least to the greatest
// count that occurs or that would be plausible (within 1 in 1,000 peers at each end). It is empty if nothing was sampled.
func (s *Summary) Histogram(bins int) []Bin {
	n, total := len(s.Sampled), 0
	for _, c := range s.Sampled {
		total += c
	}
	if n < 2 || total == 0 || bins < 1 {
		return nil
	}
	chance := 1 / float64(n)
	lo, hi := stattest.BinomialBounds(total, chance, .002)
	lo, hi = min(lo, slices.Min(s.Sampled)), max(hi, slices.Max(s.Sampled))
	width := int(math.Ceil(float64(hi-lo+1) / float64(bins)))

	var out []Bin
	for from := lo; from <= hi; from += width {
		b := Bin{From: from, To: from + width - 1}
		for _, c := range s.Sampled {
			if c >= b.From && c <= b.To {
				b.Peers++
			}
		}
		b.Uniform = float64(n) * (stattest.BinomialTail(b.From, total, chance) - stattest.BinomialTail(b.To+1, total, chance))
		out = append(out, b)
	}
	return out
}
