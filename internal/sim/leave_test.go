//go:build !race

package sim

import (
	"flag"
	"fmt"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// How nodes of a network come through departures: TestGoodbye, TestHalfOfAllDie and TestHalvesMerge.

// holdsDead reports whether a correct node has one that is gone in its sample, in slots that do not count yet too.
func (w *world) holdsDead() bool {
	for _, n := range w.correct {
		for _, id := range w.members[n].slots() {
			if w.class(id) == isDead {
				return true
			}
		}
	}
	return false
}

// TestGoodbye: of nodes that say so until all have heard it nobody declares one dead, and no sample has them for longer
// than a lap of probes; samples stay full. The negative control are the same nodes leaving without a word.
func TestGoodbye(t *testing.T) {
	const nodes, rounds = 100, 20
	run := func(goodbye int) (views, samples int, deaths int64, filled float64) {
		cfg := network(nodes, 60, func(c *Config) {
			c.L1, c.Attack, c.Share, c.Start, c.Goodbye, c.Perfect = 40, "churn-storm", .3, 40, goodbye, false
		})
		w := build(t, cfg)
		steps(w, 39)
		for i := 1; i <= rounds; i++ {
			w.step()
			s := w.measure()
			deaths += s.deaths
			filled = ratio(s.filled, s.slots)
			if w.holdsDead() {
				samples = i + 1
			}
			if s.view[isDead] > 0 {
				views = i + 1
			}
		}
		return views, samples, deaths, filled
	}
	p := protocol.Hardened(40)
	lap := (p.L2 + p.Probes - 1) / p.Probes // of the rotation: until each sampled id was probed
	const goodbye = 12
	views, samples, deaths, filled := run(goodbye)
	t.Logf("30 of 100 left: no view has them after %d rounds, no sample after %d, %d deaths, samples %.3f full", views, samples, deaths, filled)
	if deaths != 0 || samples > lap+1 || views >= goodbye || filled < .999 {
		t.Errorf("want 0 deaths, full samples free of them after %d rounds, and views while they answer", lap+1)
	}
	_, later, deaths, _ := run(0)
	t.Logf("without a word: no sample has them after %d rounds, %d deaths", later, deaths)
	if deaths < nodes || later <= samples {
		t.Errorf("the negative control does not show: %d deaths, samples free after %d rounds", deaths, later)
	}
}

var halves = flag.Int("halves", 40, "nodes in each half of TestHalvesMerge and TestHalfOfAllDie")

// TestHalvesMerge: two halves that heard nothing of each other for 60 rounds are one network again within as many rounds as
// pass between two contacts to seeds. Without those contacts, and those to seeds that did not answer at first, they never are.
func TestHalvesMerge(t *testing.T) {
	const length, after = 60, 45
	run := func(t *testing.T, start int, seedEvery string) (parts, merged int) {
		w := build(t, network(2**halves, start+length+after+1, func(c *Config) {
			c.L1, c.Attack, c.Start, c.Length, c.Perfect = 40, "partition", start, length, false
			if seedEvery != "" {
				c.Override = map[string]string{"seed-every": seedEvery, "seeds-in-turn": "true"}
			}
		}))
		steps(w, start+length-1)
		parts, _ = w.graph().components()
		for i := 1; i <= after; i++ {
			w.step()
			if n, _ := w.graph().components(); n == 1 && merged == 0 {
				merged = i
			}
		}
		return parts, merged
	}
	// All nodes have started together, and so contact their seeds in the same rounds: that is why the round in which the cut
	// heals matters.
	for _, start := range []int{20, 21} {
		t.Run(fmt.Sprint("healed in round ", start+length), func(t *testing.T) {
			parts, merged := run(t, start, "")
			t.Logf("2x%d: %d components when the cut heals, one after %d rounds", *halves, parts, merged)
			if parts != 2 || merged == 0 || merged > protocol.Hardened(40).SeedEvery {
				t.Error("want 2, and one by the next turn of seeds")
			}
		})
	}
	t.Run("no seeds", func(t *testing.T) {
		if parts, merged := run(t, 20, "1048576"); parts != 2 || merged != 0 {
			t.Errorf("the negative control does not show: without seeds %d components, one after %d rounds", parts, merged)
		}
	})
}

// TestHalfOfAllDie: with half of all nodes dead at once, no sample names one of them after the bound of docs/design.md, and
// nobody is alone.
func TestHalfOfAllDie(t *testing.T) {
	const start = 40
	for seed := range uint64(2) {
		w := build(t, network(2**halves, start+40, func(c *Config) {
			c.L1, c.Attack, c.Share, c.Start, c.Perfect, c.Seed = 40, "churn-storm", .5, start, false, seed+1
		}))
		steps(w, start-1)
		ceil := func(a, b int) int { return (a + b - 1) / b }
		distinct := 0
		for _, n := range w.correct {
			distinct = max(distinct, w.members[n].node.(brahms).Status().SampleDistinct)
		}
		w.step()
		most, doubted := 0, false
		for _, n := range w.correct {
			dead := map[string]bool{}
			for _, id := range w.members[n].slots() {
				if w.class(id) == isDead {
					dead[string(id)] = true
				}
			}
			most = max(most, len(dead))
		}
		free := 0
		for i := 2; i <= 40; i++ {
			w.step()
			for _, n := range w.correct {
				doubted = doubted || w.members[n].node.(brahms).Status().Doubting
			}
			if w.holdsDead() {
				free = i + 1
			}
			if s := w.measure(); s.isolatedBoth > 0 {
				t.Errorf("seed %d: %d nodes know nobody who lives, %d rounds after half died", seed+1, s.isolatedBoth, i)
			}
		}
		bound := ceil(distinct, w.params.Probes) + ceil(most, w.params.MaxDeaths) + 4
		if doubted {
			bound += w.params.DoubtRounds
		}
		n, _ := w.graph().components()
		t.Logf("seed %d: %d of %d died, up to %d in a sample of %d: samples free of them after %d rounds, bound %d, self-doubt %v, %d component",
			seed+1, *halves, 2**halves, most, distinct, free, bound, doubted, n)
		if free > bound || n != 1 {
			t.Errorf("seed %d: samples free of the dead after %d rounds, bound %d; %d components", seed+1, free, bound, n)
		}
	}
}
