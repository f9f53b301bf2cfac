package sim

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// TestBasaltHoldsTheLeast: each slot holds the id of least rank among all that were met since its seed was drawn.
func TestBasaltHoldsTheLeast(t *testing.T) {
	const v = 10
	rng := stattest.Rand(1)
	ids := make([]peer.ID, 200)
	for i := range ids {
		ids[i] = makeID(memberID, uint64(i))
	}
	some := func() (out []peer.ID) {
		for range rng.IntN(6) {
			out = append(out, ids[rng.IntN(len(ids))])
		}
		return out
	}
	self := ids[0]
	met := make([][]peer.ID, v) // by slot
	meet := func(ids []peer.ID) {
		for i := range met {
			met[i] = append(met[i], ids...)
		}
	}
	first := some()
	b := newBasalt(self, v, first, stattest.Rand(2), nil)
	meet(first)
	renewed := 0
	for round := 1; round <= 120; round++ {
		seeds, before := make([]uint64, v), b.View()
		for i := range b.slots {
			seeds[i] = b.slots[i].seed
		}
		b.Tick()
		fresh := 0
		for i := range b.slots {
			if b.slots[i].seed != seeds[i] {
				fresh++
				met[i] = slices.Clone(before)
			}
		}
		if want := map[bool]int{true: v / basaltRenew}[round%basaltEvery == 0]; fresh != want {
			t.Fatalf("round %d: %d slots were renewed, want %d", round, fresh, want)
		}
		renewed += fresh
		if want := min(v, renewed); renewed > 0 && len(b.Sample()) != want {
			t.Fatalf("round %d: %d samples, want %d", round, len(b.Sample()), want)
		}
		from, pushed, pulled := ids[rng.IntN(len(ids))], append(some(), self), some()
		b.HandlePush(from, pushed)
		if err := b.HandlePullReply(from, pulled); err != nil {
			t.Fatal(err)
		}
		meet(append(append(pushed, from), pulled...))
		for i, s := range b.slots {
			var want peer.ID
			for _, id := range met[i] {
				rank := func(id peer.ID) uint64 { return mix(s.seed ^ mix(idNumber(id)<<8|memberID)) }
				if id != self && (want == "" || rank(id) < rank(want)) {
					want = id
				}
			}
			if s.id != want {
				t.Fatalf("round %d: slot %d holds %x, the least it met is %x", round, i, s.id, want)
			}
		}
	}
}

// TestBasaltSamplesAreUniform without faulty nodes: the ids of each node's last slots, over many small networks. Views of
// the naive sampler, which mix as well, are drawn from at the same rate.
func TestBasaltSamplesAreUniform(t *testing.T) {
	const nodes, runs, seed = 30, 40, 100
	counts := make([]int, nodes)
	for run := range runs {
		w := build(t, network(nodes, 60, func(c *Config) { c.Algorithm, c.L1, c.Seed = Basalt, 10, seed+uint64(run) }))
		for range 60 {
			w.step()
		}
		for _, n := range w.correct {
			ids := w.members[n].node.Sample()
			for _, id := range ids[len(ids)-2:] { // renewed together in the last round
				counts[w.member(id).number]++
			}
		}
	}
	stattest.RequireUniform(t, counts, falseAlarm, seed)
}

// TestBasaltPartnerIsConfirmedLeast: and being the partner counts as one more.
func TestBasaltPartnerIsConfirmedLeast(t *testing.T) {
	b := newBasalt("", 3, nil, stattest.Rand(1), nil)
	if p := b.partner(); p != nil {
		t.Errorf("of nobody %v", p)
	}
	for i := range b.slots {
		b.slots[i].id, b.slots[i].hits = makeID(memberID, uint64(i)), []int{5, 2, 2}[i]
	}
	var picks [3]int
	for range 6 { // each pick counts as one confirmation: 2, 2, 3, 3, 4, 4
		picks[idNumber(b.partner()[0])]++
	}
	if picks != [3]int{0, 3, 3} {
		t.Errorf("picked %v times, want 0, 3 and 3", picks)
	}
}

// TestCyclonShuffles: an exchange takes the oldest entry out, and what arrives stands in the place of what was sent. No id
// stands twice, nor does the node's own.
func TestCyclonShuffles(t *testing.T) {
	rng := stattest.Rand(4)
	ids := make([]peer.ID, 60)
	for i := range ids {
		ids[i] = makeID(memberID, uint64(i))
	}
	const size = 20
	c := newCyclon(ids[0], size, ids[:size+1], stattest.Rand(5))
	for round := range 200 {
		oldest := slices.MaxFunc(c.entries, func(a, b cyclonEntry) int { return a.age - b.age })
		acts := c.Tick()
		if len(acts.Pushes) != 1 || !slices.Equal(acts.Pushes, acts.Pulls) || slices.Contains(c.View(), acts.Pushes[0]) {
			t.Fatalf("round %d: %+v", round, acts)
		}
		if acts.Pushes[0] != oldest.id {
			t.Fatalf("round %d: the partner is not the oldest entry", round)
		}
		sent := slices.Clone(c.Carries())
		if len(sent) != cyclonShuffle-1 {
			t.Fatalf("round %d: %d entries are sent", round, len(sent))
		}
		kept := slices.DeleteFunc(c.View(), func(id peer.ID) bool { return slices.Contains(sent, id) })
		var reply []peer.ID
		for range cyclonShuffle {
			reply = append(reply, ids[rng.IntN(len(ids))])
		}
		if err := c.HandlePullReply(acts.Pulls[0], reply); err != nil {
			t.Fatal(err)
		}
		view := c.View()
		for _, id := range append(kept, reply...) {
			if id != ids[0] && !slices.Contains(sent, id) && !slices.Contains(view, id) {
				t.Fatalf("round %d: %x is lost", round, id)
			}
		}
		for i, id := range view {
			if slices.Contains(view[:i], id) || id == ids[0] {
				t.Fatalf("round %d: view %x", round, view)
			}
		}
		if len(view) > size {
			t.Fatalf("round %d: %d entries", round, len(view))
		}
		// A long push brings no more than an exchange may.
		if before := c.View(); round%10 == 0 {
			c.HandlePush(ids[1+rng.IntN(59)], ids)
			if gone := slices.DeleteFunc(before, func(id peer.ID) bool { return slices.Contains(c.View(), id) }); len(gone) > cyclonShuffle {
				t.Fatalf("round %d: a push replaced %d entries", round, len(gone))
			}
		}
	}
}
