package sampler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// places is where the ids of a test are.
type places map[peer.ID]Prefix

func (p places) of(id peer.ID) Prefix { return p[id] }

// trusted feeds ids that need no probe.
func trusted(g *Group, ids []peer.ID) {
	for _, id := range ids {
		g.Offer(id, Namer{}, true)
	}
}

// leastRanked is the brute force oracle: for each slot the id of ids with the least rank as places has it now.
func leastRanked(g *Group, ids []peer.ID) []peer.ID {
	out, ranks := make([]peer.ID, g.Len()), make([]uint64, g.Len())
	for _, id := range ids {
		for i, h := range g.Hashes(nil, id) {
			if out[i] == "" || below(h, id, ranks[i], out[i]) {
				out[i], ranks[i] = id, h
			}
		}
	}
	return out
}

// TestPlainSlotsStayAsTheyAre, bit for bit, beside however many diverse ones.
func TestPlainSlotsStayAsTheyAre(t *testing.T) {
	const l2 = 12
	for _, kind := range Kinds() {
		want := newTestGroup(t, Config{L2: l2, Hash: kind})
		trusted(want, testIDs(200))
		for diverse := range l2 + 1 {
			for _, where := range []func(peer.ID) Prefix{nil, func(id peer.ID) Prefix { return Prefix{"c", "f" + string(id[len(id)-1:])} }} {
				g := newTestGroup(t, Config{L2: l2, Hash: kind, Diverse: diverse, Prefix: where})
				trusted(g, testIDs(200))
				plain := diverse
				if where == nil {
					plain = 0
				}
				if got, want := g.Slots()[plain:], want.Slots()[plain:]; !slices.Equal(got, want) {
					t.Fatalf("%s, %d diverse slots: plain ones hold %v, want %v", kind, diverse, got, want)
				}
				for i, s := range g.Slots() {
					if s.Diverse != (i < plain) {
						t.Fatalf("%s, %d diverse slots: slot %d is diverse: %v", kind, diverse, i, s.Diverse)
					}
				}
			}
		}
	}
}

// TestDiverseSlotsAreUniform over coarse prefixes, in each over its fine ones, in each over its ids; however many ids
// crowd in one.
func TestDiverseSlotsAreUniform(t *testing.T) {
	const groups, l2, seed = 300, 64, 21
	where := places{}
	ids := testIDs(1 + 2 + 40 + 3)
	for i, id := range ids {
		switch {
		case i < 1: // alone in a coarse prefix
			where[id] = Prefix{"a", "a1"}
		case i < 3:
			where[id] = Prefix{"b", "b1"}
		case i < 43: // a crowd
			where[id] = Prefix{"b", "b2"}
		default: // without a prefix: together one
		}
	}
	for _, kind := range Kinds() {
		coarse, fine, crowd, nowhere := make([]int, 3), make([]int, 2), make([]int, 40), make([]int, 3)
		for k := range groups {
			g := newTestGroup(t, Config{L2: l2, Hash: kind, Diverse: l2, Prefix: where.of, Secret: [32]byte{9, byte(k), byte(k >> 8)}})
			trusted(g, ids)
			for _, s := range g.Slots() {
				switch i := slices.Index(ids, s.ID); {
				case i < 1:
					coarse[0]++
				case i < 3:
					coarse[1]++
					fine[0]++
				case i < 43:
					coarse[1]++
					fine[1]++
					crowd[i-3]++
				default:
					coarse[2]++
					nowhere[i-43]++
				}
			}
		}
		for _, counts := range [][]int{coarse, fine, crowd, nowhere} {
			stattest.RequireUniform(t, counts, errorRate, seed)
		}
	}
}

// TestAnOperatorsShareOfDiverseSlots is that of one prefix, whatever ids it has; of the plain ones, the negative control,
// that of its ids.
func TestAnOperatorsShareOfDiverseSlots(t *testing.T) {
	const groups, l2, honest, sybils, seed = 40, 64, 100, 1000, 22
	ids := testIDs(honest + sybils)
	where := places{}
	for i, id := range ids {
		where[id] = Prefix{"operator", "operator's"}
		if i < honest {
			where[id] = Prefix{fmt.Sprint(i / 10), fmt.Sprint("f", i)}
		}
	}
	var faulty [2]int // in plain and in diverse slots
	for k := range groups {
		g := newTestGroup(t, Config{L2: l2, Diverse: l2 / 2, Prefix: where.of, Secret: [32]byte{8, byte(k)}})
		trusted(g, ids)
		for _, s := range g.Slots() {
			if slices.Index(ids, s.ID) >= honest {
				faulty[map[bool]int{true: 1}[s.Diverse]]++
			}
		}
	}
	stattest.RequireBinomial(t, faulty[0], groups*l2/2, sybils/float64(honest+sybils), errorRate, seed)
	stattest.RequireBinomial(t, faulty[1], groups*l2/2, 1./(honest/10+1), errorRate, seed)
}

// TestWhereNobodyHasAPrefix a diverse slot ranks by the id alone.
func TestWhereNobodyHasAPrefix(t *testing.T) {
	const groups, l2, seed = 200, 40, 23
	ids := testIDs(20)
	counts := make([]int, len(ids))
	for k := range groups {
		g := newTestGroup(t, Config{L2: l2, Diverse: l2, Prefix: places{}.of, Secret: [32]byte{7, byte(k)}})
		trusted(g, ids)
		for _, s := range g.Slots() {
			counts[slices.Index(ids, s.ID)]++
		}
	}
	stattest.RequireUniform(t, counts, errorRate, seed)
}

// TestMovesAndClaimsEndOnTheTruth: whatever ids claimed, wherever they moved, and in whatever order they were offered,
// confirmed, refused and cleared, once everybody has answered and was offered again each slot holds the least of the
// current ranks.
func TestMovesAndClaimsEndOnTheTruth(t *testing.T) {
	ids := testIDs(14)
	rapid.Check(t, func(t *rapid.T) {
		where := places{}
		l2 := rapid.IntRange(1, 10).Draw(t, "l2")
		g := newTestGroup(t, Config{
			L2: l2, Diverse: rapid.IntRange(0, l2).Draw(t, "diverse"), Hash: drawKind(t), Prefix: where.of,
			Rekey: rapid.Bool().Draw(t, "rekey"), FilterSize: rapid.SampledFrom([]int{8, 64}).Draw(t, "filter"),
		})
		drawID := rapid.Custom(func(t *rapid.T) peer.ID { return rapid.SampledFrom(ids).Draw(t, "id") })
		drawPrefix := rapid.Custom(func(t *rapid.T) Prefix {
			n := rapid.IntRange(0, 5).Draw(t, "prefix")
			if n == 0 {
				return Prefix{}
			}
			return Prefix{Coarse: fmt.Sprint("c", n/2), Fine: fmt.Sprint("f", n)}
		})
		round := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"claim":   func(t *rapid.T) { where[drawID.Draw(t, "who")] = drawPrefix.Draw(t, "where") },
			"offer":   func(t *rapid.T) { g.Offer(drawID.Draw(t, "who"), Namer{}, rapid.Bool().Draw(t, "trusted")) },
			"confirm": func(t *rapid.T) { g.Confirm(drawID.Draw(t, "who")) },
			"move": func(t *rapid.T) {
				id := drawID.Draw(t, "who")
				where[id] = drawPrefix.Draw(t, "where")
				g.Confirm(id)
			},
			"refuse": func(t *rapid.T) { g.Refuse(drawID.Draw(t, "who")) },
			"clear":  func(t *rapid.T) { g.Clear(drawID.Draw(t, "who")) },
			"round": func(t *rapid.T) {
				round++
				g.Challengers(2, round, noShuffle)
				g.EndRound()
			},
			"": func(t *rapid.T) {
				held := map[peer.ID]int{}
				for i := range g.slots {
					if s := &g.slots[i]; s.id != "" {
						held[s.id]++
						if g.bars[s.place] != s.hash {
							t.Fatalf("slot %d: bar %x of hash %x", i, g.bars[s.place], s.hash)
						}
					}
				}
				for _, id := range ids {
					if g.Holds(id) != held[id] {
						t.Fatalf("%q holds %d slots, counted %d", id, held[id], g.Holds(id))
					}
				}
			},
		})
		for range 2 { // a slot that is cleared while the later ones answer must hear of the earlier ones again
			for _, id := range ids {
				g.Confirm(id)
			}
		}
		if got, want := incumbents(g), leastRanked(g, ids); !slices.Equal(got, want) {
			t.Fatalf("slots hold %q, want %q", got, want)
		}
		for i, s := range g.Slots() {
			if h := g.Hashes(nil, s.ID)[i]; h != s.Hash {
				t.Fatalf("slot %d holds %q under rank %x, it has %x", i, s.ID, s.Hash, h)
			}
		}
	})
}

// TestAClaimTakesNoDiverseSlot: an id that claims a prefix which would win becomes a challenger by it and is ranked by the
// prefix where it answered. Believed, the negative control, the claim wins.
func TestAClaimTakesNoDiverseSlot(t *testing.T) {
	const l2 = 32
	honest := testIDs(40)
	for _, believed := range []bool{false, true} {
		where := places{}
		for i, id := range honest {
			where[id] = Prefix{Coarse: fmt.Sprint("c", i), Fine: fmt.Sprint("f", i)}
		}
		g := newTestGroup(t, Config{L2: l2, Diverse: l2, Prefix: where.of})
		trusted(g, honest)
		truth := Prefix{Coarse: "operator", Fine: "operator's"}
		seated, won := 0, 0
		for i := range 200 {
			liar := testID(1000 + i)
			where[liar] = Prefix{Coarse: fmt.Sprint("claim", i), Fine: fmt.Sprint("claimed", i)}
			g.Offer(liar, Namer{ID: "liar"}, false)
			if g.Seated(liar) {
				seated++
			}
			if !believed {
				where[liar] = truth
			}
			g.Confirm(liar)
			if g.Seated(liar) {
				t.Fatal("an answered challenger keeps a seat")
			}
		}
		for _, s := range g.Slots() {
			if !slices.Contains(honest, s.ID) {
				won++
			}
		}
		// 1 of 41 prefixes, or 200 of 240.
		if want := believed; seated == 0 || (won > l2/2) != want || !believed && won > 6 {
			t.Errorf("claims believed: %v: %d liars had a seat, %d of %d slots are theirs", believed, seated, won, l2)
		}
	}
}

// TestAMovedIncumbentGivesItsSlotUp, is offered again by its new prefix, and reports how many slots were cleared; one that
// moved to where it ranks better stays, and one whose prefix did not change loses nothing.
func TestAMovedIncumbentGivesItsSlotUp(t *testing.T) {
	const l2 = 16
	where := places{}
	ids := testIDs(6)
	for i, id := range ids {
		where[id] = Prefix{Coarse: fmt.Sprint("c", i), Fine: fmt.Sprint("f", i)}
	}
	g := newTestGroup(t, Config{L2: l2, Diverse: l2 / 2, Prefix: where.of, Maturity: 1})
	trusted(g, ids)
	g.EndRound()
	mover := g.Slot(0).ID
	before := g.Slots()
	if n := g.Confirm(mover); n != 0 || !slices.Equal(before, g.Slots()) {
		t.Fatalf("nobody moved and %d slots were cleared", n)
	}
	worse, better, same := 0, 0, 0
	for i := range 50 {
		where[mover] = Prefix{Coarse: fmt.Sprint("new", i), Fine: fmt.Sprint("newer", i)}
		before := g.Slots()
		ranks := g.Hashes(nil, mover)
		cleared := 0
		for k, s := range before {
			if s.ID == mover && ranks[k] > s.Hash {
				cleared++
			}
		}
		if n := g.Confirm(mover); n != cleared {
			t.Fatalf("move %d: %d slots were cleared, want %d", i, n, cleared)
		}
		for k, s := range g.Slots() {
			switch was := before[k]; {
			case !s.Diverse && s != was:
				t.Fatalf("move %d: plain slot %d was %+v and is %+v", i, k, was, s)
			case s.Diverse && was.ID == mover && ranks[k] > was.Hash:
				worse++
				if s.Age != 0 || s.ID != mover || s.Hash != ranks[k] {
					t.Fatalf("move %d: slot %d was cleared and is %+v, want %q again", i, k, s, mover)
				}
			case s.Diverse && (was.ID == mover || ranks[k] < was.Hash):
				better++
				if s.ID != mover || s.Hash != ranks[k] || s.Age != was.Age {
					t.Fatalf("move %d: slot %d was %+v and is %+v, want %q with rank %x", i, k, was, s, mover, ranks[k])
				}
			default:
				same++
				if s != was {
					t.Fatalf("move %d: slot %d was %+v and is %+v", i, k, was, s)
				}
			}
		}
		trusted(g, ids)
	}
	if worse == 0 || better == 0 || same == 0 {
		t.Errorf("the test cannot fail: %d slots got worse, %d better, %d stayed", worse, better, same)
	}
}

func TestDiverseSlotsAreValidated(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{L2: 4, Diverse: 4}, ""},
		{Config{L2: 4, Diverse: 5}, "diverse=5"},
		{Config{L2: 4, Diverse: -1}, "diverse=-1"},
		{Config{L2: 4, Diverse: 1, Direct: true}, "diverse=1"},
	} {
		err := c.cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}
