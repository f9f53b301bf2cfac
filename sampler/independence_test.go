package sampler

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// requireIndependentSlots fails t unless, over the secrets of many groups, each slot picks every id equally often and any
// two slots agree as often as chance lets them: two slots of one group, before and after all of them were re-keyed, and a
// slot with itself before and after. replace changes the hash of a group, nil leaves it.
func requireIndependentSlots(t stattest.TB, kind Kind, replace func(*Group)) {
	t.Helper()
	const groups, l2, m = 2000, 6, 8
	ids := testIDs(m)
	var counts [2 * l2][m]int
	var agree [2 * l2][2 * l2]int
	for secret := range groups {
		g := newTestGroup(t, Config{L2: l2, Hash: kind, Secret: [32]byte{byte(secret), byte(secret >> 8), 1}, Direct: true, Rekey: true})
		if replace != nil {
			replace(g)
		}
		offerAll(g, ids, Namer{})
		picks := incumbents(g)
		for _, id := range g.Members() {
			g.Clear(id)
		}
		offerAll(g, ids, Namer{})
		picks = append(picks, incumbents(g)...)
		for i, id := range picks {
			counts[i][slices.Index(ids, id)]++
			for j := range i {
				if picks[j] == id {
					agree[i][j]++
				}
			}
		}
	}
	for i := range counts {
		stattest.RequireUniform(t, counts[i][:], errorRate, fmt.Sprintf("%s, slot %d", kind, i))
		for j := range i {
			stattest.RequireBinomial(t, agree[i][j], groups, 1./m, errorRate, fmt.Sprintf("%s, slots %d and %d", kind, i, j))
		}
	}
}

func TestSlotsAreIndependent(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) { requireIndependentSlots(t, kind, nil) })
	}
}

// salted is one function for all slots, XORed with a salt for each position.
type salted struct{}

func (salted) Sum(out []uint64, _ peer.ID, d Digest, at []uint64) {
	for i, p := range at {
		out[i] = d.Lo ^ mix(p)
	}
}

// TestSaltedSlotsAreRejected is the negative control of the test above.
func TestSaltedSlotsAreRejected(t *testing.T) {
	var v verdict
	if requireIndependentSlots(&v, AES, func(g *Group) { g.hash = salted{} }); !v.failed {
		t.Error("slots that share one salted function passed for independent ones")
	}
}

// TestHashes: they are those of the slots, in slot order, whatever was cleared, and asking feeds nothing.
func TestHashes(t *testing.T) {
	for _, rekey := range []bool{false, true} {
		g := newTestGroup(t, Config{L2: 12, Direct: true, Rekey: rekey})
		ids := testIDs(30)
		offerAll(g, ids, Namer{})
		keys := g.Slots()
		g.EndRound()
		victim := g.Members()[1]
		g.Clear(victim)
		all := make(map[peer.ID][]uint64)
		for _, id := range ids {
			all[id] = slices.Clone(g.Hashes(nil, id))
		}
		if g.EndRound(); g.Slots()[0].Age != 1 || g.Decided(ids[0]) {
			t.Errorf("rekey=%v: asking for hashes fed the slots", rekey)
		}
		offerAll(g, ids, Namer{})
		out := g.Hashes(nil, "somebody")
		for i, s := range g.Slots() {
			if got := all[s.ID][i]; s.Hash != got {
				t.Errorf("rekey=%v, slot %d: hash %x, Hashes says %x", rekey, i, s.Hash, got)
			}
			if changed := s.Key != keys[i].Key; changed != (rekey && keys[i].ID == victim) {
				t.Errorf("rekey=%v, slot %d, which %s held: key changed %v", rekey, i, keys[i].ID, changed)
			}
		}
		if n := testing.AllocsPerRun(10, func() { g.Hashes(out, ids[0]) }); n != 0 {
			t.Errorf("Hashes allocates %v times beside its result", n)
		}
	}
}
