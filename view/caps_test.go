package view_test

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/view"
)

// atMost admits k ids that begin with each letter.
func atMost(k int) func(peer.ID) bool {
	in := map[byte]int{}
	return func(id peer.ID) bool {
		in[id[0]]++
		return in[id[0]] <= k
	}
}

// TestChooseIfTakesAllThatFit: exactly the cap of a crowd, all of those below it, and each id once at most.
func TestChooseIfTakesAllThatFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few, many := rapid.IntRange(0, 5).Draw(t, "few"), rapid.IntRange(0, 30).Draw(t, "many")
		k, n := rapid.IntRange(0, 6).Draw(t, "k"), rapid.IntRange(-1, 40).Draw(t, "n")
		ids := append(testIDs("a", few), testIDs("b", many)...)
		before := slices.Clone(ids)
		got := view.ChooseIf(stattest.Rand(rapid.Uint64().Draw(t, "seed")), ids, n, atMost(k))
		if !slices.Equal(ids, before) || !slices.Equal(view.Distinct(got), got) || !within(got, ids) {
			t.Fatalf("chose %v of %v", got, ids)
		}
		a, b := len(from(got, "a")), len(from(got, "b"))
		if fit := min(few, k) + min(many, k); a > k || b > k || a+b != min(max(n, 0), fit) {
			t.Fatalf("%d and %d of %d and %d ids, at most %d of each and %d of all", a, b, few, many, k, n)
		}
	})
}

// TestChooseIfWithoutARuleIsChoose, draw for draw.
func TestChooseIfWithoutARuleIsChoose(t *testing.T) {
	ids := testIDs("p", 20)
	for n := range 25 {
		a, b, c := stattest.Rand(1), stattest.Rand(1), stattest.Rand(1)
		want := view.Choose(a, ids, n)
		if got := view.ChooseIf(b, ids, n, nil); !slices.Equal(got, want) {
			t.Errorf("%d: nil gives %v, want %v", n, got, want)
		}
		if got := view.ChooseIf(c, ids, n, func(peer.ID) bool { return true }); !slices.Equal(got, want) {
			t.Errorf("%d: a rule that lets all in gives %v, want %v", n, got, want)
		}
		if x := a.Uint64(); x != b.Uint64() || x != c.Uint64() {
			t.Errorf("%d: drawn differently often", n)
		}
	}
}

// TestChooseIfIsUniform over the ids of a crowd, of which two get in, and over those beside it.
func TestChooseIfIsUniform(t *testing.T) {
	const seed = 14
	r := stattest.Rand(seed)
	crowd, others := make([]int, 12), make([]int, 6)
	for range 5000 {
		for _, id := range view.ChooseIf(r, append(testIDs("a", 12), []peer.ID{"b0", "c1", "d2", "e3", "f4", "g5"}...), 4, atMost(2)) {
			if id[0] == 'a' {
				crowd[slices.Index(testIDs("a", 12), id)]++
			} else {
				others[id[1]-'0']++
			}
		}
	}
	stattest.RequireUniform(t, crowd, errorRate, seed)
	stattest.RequireUniform(t, others, errorRate, seed)
}

// TestFillReplacesWhatTheRuleKeepsOut from the history, never from the other kind, and counts over both kinds.
func TestFillReplacesWhatTheRuleKeepsOut(t *testing.T) {
	s := view.Shares{Push: 6, Pull: 4, History: 2}
	for _, c := range []struct{ cap, crowd, history int }{{0, 0, 12}, {1, 1, 11}, {3, 3, 9}, {9, 9, 3}, {10, 10, 2}, {11, 10, 2}} {
		v := view.Fill(stattest.Rand(15), s, testIDs("x0", 8), testIDs("x1", 8), []peer.ID{"seen"}, nil, atMost(c.cap))
		if len(v) != s.Size() || len(from(v, "x")) != c.crowd || len(from(v, "seen")) != c.history {
			t.Errorf("cap %d: %v", c.cap, v)
		}
		if len(from(v, "x0")) > s.Push || len(from(v, "x1")) > s.Pull {
			t.Errorf("cap %d: a kind has more than its share: %v", c.cap, v)
		}
	}
}
