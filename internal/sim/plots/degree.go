package plots

import "fmt"

// degreeBins is about how many bars a histogram has.
const degreeBins = 24

// inDegree is a histogram over the nodes of all runs.
func inDegree(runs []Run) (Figure, bool) {
	var degrees []int
	for _, r := range runs {
		degrees = append(degrees, r.Result.InDegrees...)
	}
	if len(degrees) == 0 {
		return Figure{}, false
	}
	lo, hi, sum := degrees[0], degrees[0], 0
	for _, d := range degrees {
		lo, hi, sum = min(lo, d), max(hi, d), sum+d
	}
	width := (hi-lo)/degreeBins + 1
	from := lo / width * width
	counts := make([]float64, (hi-from)/width+1)
	for _, d := range degrees {
		counts[(d-from)/width] += 1 / float64(len(degrees))
	}
	s := Series{Label: fmt.Sprintf("correct nodes, %d in all; mean %.1f (dashed), from %d to %d", len(degrees), float64(sum)/float64(len(degrees)), lo, hi)}
	f := Figure{
		Kind: Histogram, BinWidth: float64(width),
		Title: "How often a correct node stands in the views of others", Subtitle: Configuration(runs),
		X: "in-degree (entries of correct views at the end)", Y: "share of correct nodes",
	}
	for i, c := range counts {
		s.X = append(s.X, float64(from+i*width))
		s.Y = append(s.Y, c)
	}
	f.Series = []Series{s}
	f.Marks = []Mark{{X: float64(sum) / float64(len(degrees))}}
	return f, true
}
