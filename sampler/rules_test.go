package sampler

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// The rules of challengers, (a) to (e) of docs/design.md, each with the failure that it stops.

// ranked returns n ids by ascending hash in the only slot of g.
func ranked(g *Group, n int) []peer.ID {
	ids := testIDs(n)
	slices.SortFunc(ids, func(a, b peer.ID) int {
		if below(at(g, a, 0), a, at(g, b, 0), b) {
			return -1
		}
		return 1
	})
	return ids
}

func TestRuleAUnprobedChallengersAreNotDecided(t *testing.T) {
	for _, ablated := range []bool{false, true} {
		t.Run(fmt.Sprintf("SettleDisplaced=%v", ablated), func(t *testing.T) {
			g := newTestGroup(t, Config{L2: 1, SettleDisplaced: ablated})
			ids := ranked(g, 3)
			phantom, honest := ids[0], ids[1]

			g.Offer(honest, Namer{ID: "namer"}, false)
			g.Offer(phantom, Namer{ID: "liar"}, false) // displaces honest, is probed and fails
			if got := g.Challengers(5, 1, noShuffle); !slices.Equal(got, []peer.ID{phantom}) {
				t.Fatalf("challengers %q, want the phantom", got)
			}
			g.Refuse(phantom)
			g.Offer(honest, Namer{ID: "namer"}, false) // gossip brings it back
			back := g.Challengers(5, 2, noShuffle)
			if ablated {
				if len(back) != 0 {
					t.Fatalf("the control is void: %q came back although it was settled", back)
				}
				return
			}
			if !slices.Equal(back, []peer.ID{honest}) {
				t.Fatalf("challengers %q, want the honest id back", back)
			}
			g.Confirm(honest)
			if g.Holds(honest) != 1 {
				t.Error("the honest id did not win the slot")
			}
		})
	}
}

// TestRuleAPhantomsDoNotShadow is rule a at work: a liar names new phantoms in every round. With displaced ids settled
// (the negative control) they shadow honest ones for ever.
func TestRuleAPhantomsDoNotShadow(t *testing.T) {
	perfect := func(ablated bool) (share float64) {
		const l2, honest, rounds = 40, 60, 80
		g := newTestGroup(t, Config{L2: l2, SettleDisplaced: ablated})
		r := stattest.Rand(1)
		ids := testIDs(honest)
		for round := range uint64(rounds) {
			for i := range 40 {
				g.Offer(peer.ID(fmt.Sprintf("phantom-%d-%d", round, i)), Namer{ID: "liar"}, false)
				g.Offer(ids[r.IntN(honest)], Namer{ID: testID(r.IntN(10))}, false)
			}
			for _, id := range g.Challengers(20, round+1, r.Shuffle) {
				if id[:4] == "peer" {
					g.Confirm(id)
				} else {
					g.Refuse(id)
				}
			}
		}
		want := least(g, ids)
		for i, id := range incumbents(g) {
			if id == want[i] {
				share += 1. / l2
			}
		}
		return share
	}
	with, without := perfect(false), perfect(true)
	t.Logf("perfect slots under phantoms: %.3f, with displaced ids settled %.3f", with, without)
	if with < .97 {
		t.Errorf("%.3f of the slots are perfect, want .97 and more", with)
	}
	if without > with-.1 {
		t.Errorf("the control is void: settling displaced ids gives %.3f as against %.3f", without, with)
	}
}

func TestRuleBAChallengerUnderProbeKeepsItsSeat(t *testing.T) {
	g := newTestGroup(t, Config{L2: 1})
	ids := ranked(g, 5)
	offer := func(rank int) { g.Offer(ids[rank], Namer{ID: "namer"}, false) }

	offer(4)
	offer(3) // not under probe yet: the better one takes the seat
	if g.Seated(ids[4]) || !g.Seated(ids[3]) {
		t.Fatal("before its probe a challenger must give way to a better one")
	}
	if got := g.Challengers(1, 1, noShuffle); !slices.Equal(got, ids[3:4]) {
		t.Fatalf("challengers %q", got)
	}
	offer(1) // takes the one seat of late-comers
	offer(2) // is worse: stays undecided
	offer(0) // is better: takes over that seat
	offer(4) // worse than the challenger, but it may fail: waits in no seat, is not decided
	if !g.Seated(ids[3]) || !g.Seated(ids[0]) || g.Seated(ids[1]) || g.Seated(ids[2]) {
		t.Fatal("want the challenger under probe and the best late-comer seated")
	}
	if got := g.Challengers(1, 2, noShuffle); len(got) != 0 {
		t.Fatalf("challengers %q while one is under probe", got)
	}
	g.Confirm(ids[3])
	if g.Holds(ids[3]) != 1 {
		t.Fatal("the challenger that answered did not take the slot")
	}
	if got := g.Challengers(1, 3, noShuffle); !slices.Equal(got, ids[:1]) {
		t.Fatalf("challengers %q, want the late-comer", got)
	}
	for _, rank := range []int{1, 2, 4} {
		if g.Decided(ids[rank]) {
			t.Errorf("the id of rank %d was displaced or waits, it must not count as decided", rank)
		}
	}
	if offer(4); !g.Decided(ids[4]) {
		t.Error("an id that lost against the incumbent is decided")
	}
}

func TestRuleCDoubtFavoursIncumbents(t *testing.T) {
	g := newTestGroup(t, Config{L2: 1})
	ids := ranked(g, 3)
	g.Offer(ids[2], Namer{}, true) // the incumbent
	g.Offer(ids[1], Namer{}, false)
	g.Challengers(1, 5, noShuffle) // probe ordered in round 5
	g.Offer(ids[0], Namer{}, false)
	if g.Expire(5); !g.Seated(ids[1]) {
		t.Fatal("at the end of round 5 the answer may still come")
	}
	if g.Expire(6); g.Seated(ids[1]) || !g.Seated(ids[0]) || g.Holds(ids[2]) != 1 {
		t.Fatal("at the end of round 6 the seat goes to the late-comer and the slot stays with the incumbent")
	}
	if g.Expire(1000); !g.Seated(ids[0]) {
		t.Fatal("a challenger whose probe was not ordered yet does not expire")
	}
	if g.Offer(ids[1], Namer{}, false); g.Decided(ids[1]) {
		t.Error("who did not answer in time is not decided")
	}
}

func TestRuleDOneProbeSettlesAllSlots(t *testing.T) {
	g := newTestGroup(t, Config{L2: 30})
	ids := testIDs(3)
	offerAll(g, ids, Namer{})
	asked := g.Challengers(2, 1, noShuffle)
	if len(asked) != 2 {
		t.Fatalf("%d challengers, want 2: the budget is of ids, not of slots", len(asked))
	}
	g.Confirm(asked[0])
	if got := g.Holds(asked[0]); got != 30 {
		t.Fatalf("it answered while all slots were empty and holds %d of 30", got)
	}
	if g.Seated(asked[0]) {
		t.Fatal("it still holds a seat")
	}
	g.Confirm(asked[1])
	want := least(g, asked)
	if !slices.Equal(incumbents(g), want) {
		t.Errorf("slots %q, want the least of the two %q", incumbents(g), want)
	}
}

func TestRuleDComparesAgainOnTheAnswer(t *testing.T) {
	g := newTestGroup(t, Config{L2: 1})
	ids := ranked(g, 2)
	g.Offer(ids[1], Namer{}, false)
	g.Challengers(1, 1, noShuffle)
	g.Offer(ids[0], Namer{}, true) // meanwhile a better id wins the slot
	if g.Seated(ids[1]) {
		t.Fatal("a challenger that the new incumbent beats must lose its seat")
	}
	if g.Confirm(ids[1]); g.Holds(ids[0]) != 1 || g.Holds(ids[1]) != 0 {
		t.Error("an answer that came too late displaced a better incumbent")
	}

	g = newTestGroup(t, Config{L2: 1})
	g.Offer(ids[0], Namer{}, false)
	g.Challengers(1, 1, noShuffle)
	g.Expire(3)
	if g.Confirm(ids[0]); g.Holds(ids[0]) != 1 {
		t.Error("an answer is proof also after the seat was lost")
	}
}

// seatAll seats challengers[i] in slot i, named by namers[i].
func seatAll(t *testing.T, challengers []peer.ID, namers []Namer) *Group {
	g := newTestGroup(t, Config{L2: len(challengers)})
	for i := range g.slots {
		g.slots[i].seats = &seats{rival: seat{id: challengers[i], hash: uint64(i), namer: namers[i]}}
	}
	g.contested = true
	return g
}

func TestRuleEProbesAreDealtOverNamers(t *testing.T) {
	const phantoms, honest, budget = 100, 9, 11
	var ids []peer.ID
	var namers []Namer
	for i := range phantoms {
		ids, namers = append(ids, peer.ID(fmt.Sprintf("phantom%03d", i))), append(namers, Namer{ID: "liar"})
	}
	for i := range honest {
		ids, namers = append(ids, testID(i)), append(namers, Namer{ID: testID(100 + i)})
	}
	countPhantoms := func(ids []peer.ID) (n int) {
		for _, id := range ids {
			if id[:4] == "phan" {
				n++
			}
		}
		return n
	}
	g := seatAll(t, ids, namers)
	got := g.Challengers(budget, 1, stattest.Rand(1).Shuffle)
	if len(got) != budget || countPhantoms(got) != 2 {
		t.Errorf("of %d probes the liar got %d, want one in the first deal and one in the second", len(got), countPhantoms(got))
	}
	// The negative control: dealt by slots the liar takes all.
	if n := countPhantoms(ids[:budget]); n < budget {
		t.Errorf("the control is void: in slot order the liar gets %d of %d", n, budget)
	}
	for i := range g.slots {
		s := g.slots[i].seats
		if asked := slices.Contains(got, ids[i]); asked != (s != nil) || asked && (s.rival.id != ids[i] || s.rival.asked != 1) {
			t.Errorf("slot %d: %+v, its challenger %q was asked: %v", i, s, ids[i], asked)
		}
	}
	for _, id := range ids {
		if g.Decided(id) {
			t.Errorf("%q was beyond the budget and counts as decided", id)
		}
	}
}

func TestRuleEPushersComeFirst(t *testing.T) {
	ids := testIDs(20)
	namers := make([]Namer, 20)
	for i := range namers {
		namers[i] = Namer{ID: testID(100 + i)}
		if i >= 15 {
			namers[i] = Namer{ID: ids[i], Pushed: true}
		}
	}
	got := seatAll(t, ids, namers).Challengers(7, 1, stattest.Rand(2).Shuffle)
	first := slices.Clone(got[:5])
	slices.Sort(first)
	if !slices.Equal(first, ids[15:]) {
		t.Errorf("the first five probes go to %q, want the pushers %q", first, ids[15:])
	}
}

// TestRuleEDealIsUniform: whom the budget leaves out among equals is chance, so that nobody is starved for his slot.
func TestRuleEDealIsUniform(t *testing.T) {
	const seed = 3
	r := stattest.Rand(seed)
	ids := testIDs(8)
	namers := make([]Namer, 8)
	for i := range namers {
		namers[i].ID = testID(100 + i)
	}
	counts := make([]int, 8)
	for range 8_000 {
		for _, id := range seatAll(t, ids, namers).Challengers(1, 1, r.Shuffle) {
			counts[slices.Index(ids, id)]++
		}
	}
	stattest.RequireUniform(t, counts, errorRate, seed)
}

func TestAnIDInSeveralSeatsIsAskedOnce(t *testing.T) {
	g := seatAll(t, []peer.ID{"x", "x", "y", "x"}, []Namer{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}})
	if got := g.Challengers(10, 1, noShuffle); !slices.Equal(got, []peer.ID{"x", "y"}) {
		t.Errorf("asked %q", got)
	}
	if got := g.Challengers(10, 2, noShuffle); len(got) != 0 {
		t.Errorf("asked %q again while the probes are out", got)
	}
	if got := seatAll(t, []peer.ID{"x"}, []Namer{{}}).Challengers(0, 1, noShuffle); len(got) != 0 {
		t.Errorf("without a budget asked %q", got)
	}
}

func TestTrustedIDsAndDirectGroupsNeedNoProbe(t *testing.T) {
	g := newTestGroup(t, Config{L2: 6})
	if g.Offer("x", Namer{}, true); g.Holds("x") != 6 {
		t.Errorf("a trusted id holds %d of 6 empty slots", g.Holds("x"))
	}
	g = newTestGroup(t, Config{L2: 6, Direct: true})
	if g.Offer("x", Namer{}, false); g.Holds("x") != 6 || len(g.Challengers(9, 1, noShuffle)) != 0 {
		t.Errorf("in a direct group an id holds %d of 6 empty slots", g.Holds("x"))
	}
}

// TestDeathOfAnIncumbentKeepsItsChallenger, whose hash is of the same key; a re-keyed slot drops it, undecided.
func TestDeathOfAnIncumbentKeepsItsChallenger(t *testing.T) {
	for _, rekey := range []bool{false, true} {
		g := newTestGroup(t, Config{L2: 1, Rekey: rekey})
		ids := ranked(g, 2)
		g.Offer(ids[1], Namer{}, true)
		g.Offer(ids[0], Namer{}, false)
		if n := g.Clear(ids[1]); n != 1 {
			t.Fatalf("cleared %d", n)
		}
		if g.Seated(ids[0]) == rekey {
			t.Errorf("rekey=%v: seated %v", rekey, g.Seated(ids[0]))
		}
		if g.Decided(ids[0]) {
			t.Errorf("rekey=%v: a challenger that lost its seat counts as decided", rekey)
		}
	}
}
