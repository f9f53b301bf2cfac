package protocol

import (
	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/brahms-p2p/brahms-p2p/view"
)

// This file lets the sizes of view and sample follow the size of the network (D33).

// A SizeEstimate is how many nodes the network seems to have: see sampler.Group.Estimate.
type SizeEstimate = sampler.Estimate

// How fast sizes follow. A step up comes when the slots of the last one are mature, so that each step is decided by slots
// that have met the network; steps down are half as large and half as frequent: too small a size loses views to attackers,
// too large a one costs messages.
const (
	growPart   = 4 // a step up is at most 1/growPart of the size, at most one in a maturity time
	shrinkPart = 8 // a step down is at most 1/shrinkPart of it,
	shrinkWait = 2 // at most one in so many maturity times
)

// size is the one that follows the network's: that of the sample, which may be longer than the view, or of the view alone.
func (p Params) size() int {
	if p.KeepSample {
		return p.L1
	}
	return p.L2
}

// Resized returns p for samples of l slots, unless KeepSample, and views of l, at most MaxL1: all that goes by sizes keeps
// its proportion to l2, those that are bounds on views their proportion to l1. What is 1 or more stays so, and what is 0
// stays 0.
func (p Params) Resized(l int) Params {
	q := p
	q.L1 = min(l, MaxL1)
	if !p.KeepSample {
		q.L2 = l
	}
	scale := func(n, from, to int) int {
		if n == 0 {
			return 0
		}
		return max(1, n*to/from)
	}
	for _, n := range []*int{&q.Probes, &q.Challenges, &q.MaxDeaths, &q.Diverse} {
		*n = scale(*n, p.L2, q.L2)
	}
	for _, n := range []*int{&q.ViewFine, &q.ViewCoarse} {
		*n = scale(*n, p.L1, q.L1)
	}
	return q
}

// fitting returns the size for a network of n nodes within AdaptMin and AdaptMax.
func (p Params) fitting(n float64) int {
	return min(max(p.AdaptMin, cubicSize(n, p.AdaptMax)), p.AdaptMax)
}

// cubicSize is the least l with l >= 4*cbrt(n), at most most. It compares cubes: a cube root differs between machines.
func cubicSize(n float64, most int) int {
	lo, hi := 0, most
	for lo < hi {
		l := (lo + hi) / 2
		if float64(l*l*l) >= 64*n {
			hi = l
		} else {
			lo = l + 1
		}
	}
	return lo
}

// nextSize returns the size that follows size after so many rounds without a step, by the estimate e. Within one standard
// error the size stays: noise must not move it.
func (p Params) nextSize(size int, e SizeEstimate, rounds uint64) int {
	if !e.OK {
		return size
	}
	want, wait := p.fitting(e.N), uint64(max(1, p.Maturity))
	switch {
	case size < p.fitting(e.N-e.StdErr) && rounds >= wait:
		return min(want, size+max(1, size/growPart))
	case size > p.fitting(e.N+e.StdErr) && rounds >= shrinkWait*wait:
		return max(want, size-max(1, size/shrinkPart))
	}
	return size
}

// adapt takes the sizes a step towards those that fit the network, where Params.AdaptMax asks for it. It runs when the
// round is closed and before the next is planned.
func (n *Node) adapt() {
	if n.p.AdaptMax == 0 {
		return
	}
	was := n.p.size()
	size := n.p.nextSize(was, n.status.Size, n.round-n.resized)
	if size == was {
		return
	}
	n.resize(size)
	n.resized = n.round
	if size > was && !n.p.KeepSample {
		n.offerAgain() // or the new slots would know only what gossip names again
	}
	n.tally()
}

// resize sets the sizes. It is the one place in which what goes by them changes.
func (n *Node) resize(l int) {
	n.p = n.base.Resized(l)
	n.shares = n.p.Shares()
	diverse := n.p.Diverse
	if n.p.Direct {
		diverse = 0
	}
	if err := n.sample.Resize(n.p.L2, diverse); err != nil {
		panic("protocol: internal error: " + err.Error()) // Validate bounds AdaptMax
	}
	if len(n.view) > n.p.L1 {
		n.view = view.Choose(n.rng, n.view, n.p.L1)
	}
}
