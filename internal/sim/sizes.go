package sim

import (
	"fmt"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// This file holds networks that grow and shrink, what their nodes take their size for, and sizes that follow it.

// maxGrowRounds keeps the cubes of population within 64 bits.
const maxGrowRounds = 10_000

// population is how many nodes there are to be in a round, the faulty among them. The cube root of it, and so the size
// that views should have, rises and falls by the same number in each round.
func (c Config) population(round int) int {
	step := min(max(round-c.GrowAt+1, 0), c.GrowRounds)
	if c.ShrinkAt > 0 && round >= c.ShrinkAt {
		step = max(c.GrowRounds-(round-c.ShrinkAt+1), 0)
	}
	cube := func(x int) int { return x * x * x }
	return c.Nodes + (c.Grow-c.Nodes)*cube(step)/cube(c.GrowRounds)
}

// most is how many nodes the network has at its largest, as far as it is planned.
func (c Config) most() int { return max(c.Nodes, c.Grow) }

// grow lets correct nodes come, or leave without a word, until there are as many as planned. While nothing is planned to
// change it does nothing, so other events keep their effect.
func (w *world) grow() {
	c := &w.cfg
	if c.Grow == 0 || c.population(w.round) == c.population(w.round-1) {
		return
	}
	missing := c.population(w.round) - len(w.correct) - c.faulty()
	w.leave(w.pick(max(0, -missing)))
	for range missing {
		w.arrive()
	}
}

// adapting returns p with sizes that follow the network's: they start at what p has. A size of the sample that was asked for
// stays.
func adapting(p protocol.Params, keepSample bool) protocol.Params {
	p.AdaptMin, p.AdaptMax, p.KeepSample = min(p.L1, protocol.MinSize), protocol.MaxL1, keepSample
	return p
}

// validateSizes reports the first setting of this file that breaks a rule.
func (c Config) validateSizes() error {
	switch {
	case c.Grow < 0 || c.Grow > MaxNodes:
		return fmt.Errorf("sim: grow=%d must be between 0 and %d", c.Grow, MaxNodes)
	case c.Grow > 0 && c.Grow < c.Nodes:
		return fmt.Errorf("sim: grow=%d must be at least nodes=%d, or 0 for none", c.Grow, c.Nodes)
	case c.GrowAt < 1 || c.GrowAt > MaxRounds:
		return fmt.Errorf("sim: grow-at=%d must be between 1 and %d", c.GrowAt, MaxRounds)
	case c.GrowRounds < 1 || c.GrowRounds > maxGrowRounds:
		return fmt.Errorf("sim: grow-rounds=%d must be between 1 and %d", c.GrowRounds, maxGrowRounds)
	case c.ShrinkAt != 0 && (c.ShrinkAt < c.GrowAt+c.GrowRounds || c.ShrinkAt > MaxRounds):
		return fmt.Errorf("sim: shrink-at=%d must be between grow-at+grow-rounds=%d and %d, or 0 for never", c.ShrinkAt, c.GrowAt+c.GrowRounds, MaxRounds)
	case (c.Adapt || c.Sizes) && c.Algorithm != Brahms:
		return fmt.Errorf("sim: adapt and sizes need algorithm=%s, not %s", Brahms, c.Algorithm)
	}
	return nil
}

// MeasuresSizes reports whether the words of sizes are measured.
func (c Config) MeasuresSizes() bool {
	return c.Algorithm == Brahms && (c.Sizes || c.Adapt || c.Grow > 0)
}

// sizes is what the nodes of a round take the network's size for, and what sizes they have.
type sizes struct {
	estimates []int // of the nodes that have one, to the nearest node
	nodes, l1 int
}

func (w *world) sizes() sizes {
	var s sizes
	if !w.cfg.MeasuresSizes() {
		return s
	}
	for _, n := range w.correct {
		st := w.members[n].node.(brahms).Status()
		s.nodes++
		s.l1 += st.L1
		if st.Size.OK {
			s.estimates = append(s.estimates, int(st.Size.N+.5))
		}
	}
	return s
}

// note fills in the words of a round.
func (s sizes) note(r *Round) {
	r.SizeEstimate, r.L1Mean = spread(s.estimates).Mean, round6(ratio(int64(s.l1), int64(s.nodes)))
}

// concludeSizes fills in the words of sizes.
func (r *Result) concludeSizes(w *world) {
	if !w.cfg.MeasuresSizes() {
		return
	}
	s := w.sizes()
	if len(s.estimates) > 0 {
		e := spread(s.estimates)
		r.SizeEstimate = &e
	}
	known, l1 := round6(ratio(int64(len(s.estimates)), int64(s.nodes))), round6(ratio(int64(s.l1), int64(s.nodes)))
	r.SizeKnown, r.L1Mean = &known, &l1
}

// length is how many ids m takes for a view: what a faulty node answers it with, so as not to stand out.
func (w *world) length(m *member) int {
	if node, ok := m.node.(brahms); ok && w.params.AdaptMax > 0 {
		return node.Status().L1
	}
	return w.params.L1
}

// slotCount is the number of slots of m's sample.
func (w *world) slotCount(m *member) int64 {
	if node, ok := m.node.(brahms); ok && w.params.AdaptMax > 0 {
		return int64(node.Status().L2)
	}
	return int64(w.params.L2)
}
