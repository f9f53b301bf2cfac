package sim

import (
	"fmt"
	"math"
	"testing"
)

// TestBalancedPlan sends the configured share of all pushes, evenly, and to each target from distinct faulty nodes,
// whatever the numbers of targets and faulty nodes have in common.
func TestBalancedPlan(t *testing.T) {
	for _, c := range []struct {
		nodes, away   int
		faulty, share float64
	}{
		{100, 0, .2, -1}, {100, 1, .2, -1}, {100, 3, .1, .3}, {120, 0, .5, -1}, {121, 0, .25, .4}, {60, 5, .4, .6},
		{100, 11, .1, .2}, {50, 2, .02, .01}, {100, 1, .3, .81},
	} {
		t.Run(fmt.Sprintf("%d-%d f=%v p=%v", c.nodes, c.away, c.faulty, c.share), func(t *testing.T) {
			w := build(t, network(c.nodes, 1, func(x *Config) { x.Faulty, x.PushShare, x.L1, x.Perfect = c.faulty, c.share, 40, false }))
			w.off(w.pick(c.away))
			w.sent = len(w.correct) * w.fanout // as if all had sent what they may in the last round
			p := c.share
			if p < 0 {
				p = float64(len(w.faulty)) / float64(c.nodes)
			}
			sentBy := map[int]int{}
			total := 0
			for round := range 20 {
				pushes := w.attack.plan(w, nil)
				total += len(pushes)
				correct := w.sent
				if want := p / (1 - p) * float64(correct); math.Abs(float64(len(pushes))-want) > .5 {
					t.Fatalf("%d pushes to %d of correct nodes, want %v", len(pushes), correct, want)
				}
				got := map[int]int{}
				pairs := map[push]int{}
				for _, x := range pushes {
					if !w.members[x.from].faulty || !w.members[x.to].up || w.members[x.to].faulty {
						t.Fatalf("push from %d to %d", x.from, x.to)
					}
					got[x.to]++
					pairs[x]++
					sentBy[x.from]++
				}
				lo, hi := math.MaxInt, 0
				for _, n := range w.correct {
					lo, hi = min(lo, got[n]), max(hi, got[n])
				}
				if hi-lo > 1 {
					t.Fatalf("round %d: targets get %d to %d pushes", round, lo, hi)
				}
				for x, count := range pairs {
					if allowed := (hi + len(w.faulty) - 1) / len(w.faulty); count > allowed {
						t.Fatalf("round %d: %d of the %d pushes to %d come from one of %d faulty nodes", round, count, got[x.to], x.to, len(w.faulty))
					}
				}
			}
			for n, count := range sentBy {
				if mean := float64(total) / float64(len(w.faulty)); math.Abs(float64(count)-mean) > .3*mean+10 {
					t.Errorf("faulty node %d sends %d pushes, the mean is %.1f", n, count, mean)
				}
			}
		})
	}
}
