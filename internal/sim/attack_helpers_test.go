package sim

import (
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// What the tests of the attacks share. Where puppets stand for the correct nodes, a test sees every message.

// under is a configuration of few nodes, a share of .2 of them faulty, under the attack of that name.
func under(name string, nodes int, change ...func(*Config)) Config {
	c := network(nodes, 60, func(c *Config) { c.Attack, c.Faulty, c.Prefixes = name, .2, neededPrefixes(name) })
	for _, f := range change {
		f(&c)
	}
	return c
}

// neededPrefixes is a number of prefixes for the attacks that go by addresses, 0 for the others.
func neededPrefixes(attack string) int {
	if attacks[attack].needsPrefixes {
		return 40
	}
	return 0
}

func steps(w *world, count int) {
	for range count {
		w.step()
	}
}

// queries are acts that pull from and probe the faulty members.
func (w *world) queries() protocol.Actions {
	ids := w.idsOf(w.faulty)
	return protocol.Actions{Pulls: ids, Probes: ids}
}

func (w *world) idsOf(numbers []int) []peer.ID {
	var ids []peer.ID
	for _, n := range numbers {
		ids = append(ids, w.members[n].id)
	}
	return ids
}

// classes are the ids by class.
func (w *world) classes(ids []peer.ID) (c counts) {
	for _, id := range ids {
		c[w.class(id)]++
	}
	return c
}

// held are the classes of all filled slots of the samples of correct nodes.
func (w *world) held() (c counts) {
	for _, n := range w.correct {
		c.add(w.classes(w.members[n].slots()))
	}
	return c
}

// tally counts pushes by target, and checks that each comes from a faulty node and reaches a correct one that is up.
func tally(t *testing.T, w *world, pushes []push) (byTarget map[int]int, repeats int) {
	t.Helper()
	byTarget = map[int]int{}
	pairs := map[push]bool{}
	for _, x := range pushes {
		if !w.members[x.from].faulty || w.members[x.to].faulty || !w.members[x.to].up {
			t.Fatalf("round %d: a push from %d to %d", w.round, x.from, x.to)
		}
		if pairs[x] {
			repeats++
		}
		pairs[x] = true
		byTarget[x.to]++
	}
	return byTarget, repeats
}

// even fails t unless the given members get equal numbers of pushes, give or take one.
func even(t *testing.T, w *world, got map[int]int, numbers []int) {
	t.Helper()
	var each []int
	for _, n := range numbers {
		each = append(each, got[n])
	}
	if lo, hi := slices.Min(each), slices.Max(each); hi-lo > 1 {
		t.Fatalf("round %d: targets get from %d to %d pushes", w.round, lo, hi)
	}
}

func without(numbers, some []int) []int {
	return slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return slices.Contains(some, n) })
}

// only reports whether all that c counts is of the given class, and something is.
func only(c counts, k class) bool { return c[k] > 0 && c[k] == c.total() }

func repeats(ids []peer.ID) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(ids)))) < len(ids)
}

// seq are the numbers below n.
func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
