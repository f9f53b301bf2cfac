package sampler

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

// requireOrder fails t unless what goes by the order of byBorn fits the slots.
func requireOrder(t interface{ Fatalf(string, ...any) }, g *Group, l2, diverse int) {
	if len(g.slots) != l2 || len(g.byBorn) != l2 || len(g.at) != l2 || len(g.bars) != l2 || len(g.wide) != l2 || len(g.sums) != l2 {
		t.Fatalf("%d slots, %d in order, want %d", len(g.slots), len(g.byBorn), l2)
	}
	seen, held, positions, wide := make([]bool, l2), map[peer.ID]int{}, map[uint64]bool{}, 0
	last := uint64(0)
	for k, i := range g.byBorn {
		s := &g.slots[i]
		if seen[i] || s.born < last || s.born > g.generation || s.place != k || g.at[k] != s.position || g.bars[k] != s.bar() || g.wide[k] != s.diverse {
			t.Fatalf("place %d holds slot %d, born %d after %d, which says place %d", k, i, s.born, last, s.place)
		}
		seen[i], last = true, s.born
		if positions[s.position] || s.position >= g.next {
			t.Fatalf("position %d twice, or not below %d", s.position, g.next)
		}
		positions[s.position] = true
		if s.id != "" {
			held[s.id]++
		}
		if s.diverse {
			wide++
		}
	}
	if wide != diverse || g.diverse != diverse || fmt.Sprint(held) != fmt.Sprint(g.held) {
		t.Fatalf("%d diverse slots, %d counted, want %d; held %v, counted %v", wide, g.diverse, diverse, held, g.held)
	}
}

// TestResize: whatever is fed, cleared and resized in between, each slot ends on the id of least rank of those that live,
// and what stays through a resize is as it was.
func TestResize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			L2: rapid.IntRange(1, 20).Draw(t, "l2"), Hash: drawKind(t),
			Rekey: rapid.Bool().Draw(t, "rekey"), Prefix: func(id peer.ID) Prefix { return Prefix{Fine: string(id[8:10])} },
		}
		cfg.Diverse = rapid.IntRange(0, cfg.L2).Draw(t, "diverse")
		g := newTestGroup(t, cfg)
		l2, diverse := cfg.L2, cfg.Diverse
		dead := map[peer.ID]bool{}
		feed := func(ids []peer.ID) {
			g.Feed(ids, Namer{}, func(id peer.ID) Verdict {
				if dead[id] {
					return Refused
				}
				return Trusted
			})
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				feed(drawStream(t, "stream"))
			case 1:
				id := testID(rapid.IntRange(0, 29).Draw(t, "dead"))
				dead[id] = true
				g.Clear(id)
			case 2:
				before := g.Slots()
				l2 = rapid.IntRange(1, 40).Draw(t, "new l2")
				diverse = rapid.IntRange(0, l2).Draw(t, "new diverse")
				if err := g.Resize(l2, diverse); err != nil {
					t.Fatal(err)
				}
				after := g.Slots()
				kept := 0
				for _, s := range after { // in their order, a part of those before, then new ones
					i := slices.Index(before, s)
					if i < 0 {
						if s != (Slot{Key: s.Key, Mature: s.Mature, Diverse: s.Diverse}) || s.Age != 0 {
							t.Fatalf("a new slot is %+v", s)
						}
						continue
					}
					before, kept = before[i+1:], kept+1
				}
				if most := len(after); kept > most {
					t.Fatalf("%d slots stay of %d", kept, most)
				}
			}
			requireOrder(t, g, l2, diverse)
		}
		all := testIDs(30)
		feed(all)
		live := slices.DeleteFunc(slices.Clone(all), func(id peer.ID) bool { return dead[id] })
		for i, s := range g.Slots() {
			want := peer.ID("")
			var least uint64
			for _, id := range live {
				if h := g.Hashes(nil, id)[i]; want == "" || below(h, id, least, want) {
					want, least = id, h
				}
			}
			if s.ID != want || want != "" && s.Hash != least {
				t.Fatalf("slot %d holds %q, want %q", i, s.ID, want)
			}
		}
	})
}

// TestResizeKeepsWhatIsThere: a group that grows and shrinks back is as it was, and has not to be fed again.
func TestResizeKeepsWhatIsThere(t *testing.T) {
	ids := testIDs(100)
	g := newTestGroup(t, Config{L2: 20, Direct: true, Maturity: 2})
	for range 2 {
		g.Feed(ids, Namer{}, trustAll)
		g.EndRound()
	}
	before := g.Slots()
	if err := g.Resize(30, 0); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Slots()[:20], before) || g.Filled() != 20 || len(g.Sample()) != 20 {
		t.Errorf("growing changed what was there: %d filled, %d count", g.Filled(), len(g.Sample()))
	}
	if g.Decided(ids[0]) {
		t.Error("the new slots count as decided on ids that they never met")
	}
	g.Feed(ids, Namer{}, trustAll) // gossip names them again
	if g.Filled() != 30 || !g.Decided(ids[0]) {
		t.Errorf("%d filled, want 30", g.Filled())
	}
	if len(g.Sample()) != 20 {
		t.Errorf("%d slots count, want the 20 that are mature", len(g.Sample()))
	}
	if err := g.Resize(20, 0); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Slots(), before) || !g.Decided(ids[0]) {
		t.Error("the group is not as it was before")
	}
	for _, bad := range [][2]int{{0, 0}, {MaxL2 + 1, 0}, {10, 11}, {10, -1}} {
		if err := g.Resize(bad[0], bad[1]); err == nil || !slices.Equal(g.Slots(), before) {
			t.Errorf("Resize(%d, %d): %v", bad[0], bad[1], err)
		}
	}
}
