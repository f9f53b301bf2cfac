package view_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/view"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		l1                 int
		alpha, beta, gamma float64
		want               view.Shares
	}{
		{40, .40, .30, .30, view.Shares{Push: 16, Pull: 12, History: 12}},
		{40, .45, .45, .10, view.Shares{Push: 18, Pull: 18, History: 4}},
		{10, .45, .45, .10, view.Shares{Push: 4, Pull: 5, History: 1}}, // truncated: 4+4+1, one slot lost
		{10, .30, .60, .10, view.Shares{Push: 3, Pull: 6, History: 1}}, // .3+.6+.1 is not 1 in floating point
		{10, .50, .50, 0, view.Shares{Push: 5, Pull: 5}},
		{11, .50, .50, 0, view.Shares{Push: 5, Pull: 6}},
		{3, .40, .30, .30, view.Shares{Push: 1, Pull: 1, History: 1}},
		{3, .98, .01, .01, view.Shares{Push: 1, Pull: 1, History: 1}},
		{3, .01, .98, .01, view.Shares{Push: 1, Pull: 1, History: 1}},
		{4, .01, .01, .98, view.Shares{Push: 1, Pull: 1, History: 2}},
		{40, 1, 0, 0, view.Shares{Push: 40}},
		{40, 0, 1, 0, view.Shares{Pull: 40}},
		{40, 0, 0, 1, view.Shares{History: 40}},
		{256, .40, .30, .30, view.Shares{Push: 102, Pull: 77, History: 77}},
	} {
		if got := view.Split(c.l1, c.alpha, c.beta, c.gamma); got != c.want {
			t.Errorf("Split(%d, %v, %v, %v) = %+v, want %+v", c.l1, c.alpha, c.beta, c.gamma, got, c.want)
		}
	}
}

func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l1 := rapid.IntRange(3, 256).Draw(t, "l1")
		a := rapid.IntRange(0, 1000).Draw(t, "alpha")
		b := rapid.IntRange(0, 1000-a).Draw(t, "beta")
		alpha, beta, gamma := float64(a)/1000, float64(b)/1000, float64(1000-a-b)/1000
		s := view.Split(l1, alpha, beta, gamma)
		if s.Size() != l1 {
			t.Fatalf("%+v sums to %d", s, s.Size())
		}
		for _, w := range []struct {
			name   string
			weight float64
			slots  int
		}{{"push", alpha, s.Push}, {"pull", beta, s.Pull}, {"history", gamma, s.History}} {
			if (w.weight > 0) != (w.slots > 0) || w.slots < 0 {
				t.Fatalf("%s: weight %v got %d slots", w.name, w.weight, w.slots)
			}
			if d := float64(w.slots) - w.weight*float64(l1); d < -2 || d > 2 {
				t.Fatalf("%s: weight %v of %d got %d slots", w.name, w.weight, l1, w.slots)
			}
		}
	})
}

func drawShares(t *rapid.T) view.Shares {
	n := func(label string) int { return rapid.IntRange(0, 6).Draw(t, label) }
	return view.Shares{Push: n("push slots"), Pull: n("pull slots"), History: n("history slots")}
}

// from returns the entries whose ids have that prefix.
func from(ids []peer.ID, prefix string) []peer.ID {
	return view.Without(ids, func(id peer.ID) bool { return !strings.HasPrefix(string(id), prefix) })
}

func TestFillGivesOneMessageOneSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShares(t)
		pushed, pulled := drawIDs(t, "pushed", "push"), drawIDs(t, "pulled", "pull")
		history, old := drawIDs(t, "history", "seen"), drawIDs(t, "old", "old")
		v := view.Fill(stattest.Rand(rapid.Uint64().Draw(t, "seed")), s, pushed, pulled, history, old, nil)

		byPush, byPull := from(v, "push"), from(v, "pull")
		if len(byPush) != min(s.Push, len(pushed)) || !within(byPush, pushed) {
			t.Fatalf("the push share is %v, of %v pushed for %d slots", byPush, pushed, s.Push)
		}
		// What is missing must not come from the other kind: pulls never fill more than their share.
		if len(byPull) != min(s.Pull, len(pulled)) || !within(byPull, pulled) {
			t.Fatalf("the pull share is %v, of %v pulled for %d slots", byPull, pulled, s.Pull)
		}
		missing := s.Size() - len(byPush) - len(byPull)
		if len(history) > 0 {
			if got := from(v, "seen"); len(got) != missing || len(v) != s.Size() {
				t.Fatalf("%d slots were missing, the history filled %d", missing, len(got))
			}
			return
		}
		kept := from(v, "old")
		if len(kept) != min(missing, len(old)) || !within(kept, old) {
			t.Fatalf("without history %d slots keep %v of the old view %v", missing, kept, old)
		}
	})
}

func TestFillChoosesUniformly(t *testing.T) {
	const seed = 11
	r := stattest.Rand(seed)
	s := view.Shares{Push: 2, Pull: 1, History: 1}
	counts := map[string][]int{"push": make([]int, 6), "pull": make([]int, 6), "seen": make([]int, 6)}
	for range 20_000 {
		for _, id := range view.Fill(r, s, testIDs("push", 6), testIDs("pull", 6), testIDs("seen", 6), nil, nil) {
			counts[string(id[:4])][id[len(id)-1]-'0']++
		}
	}
	for _, c := range counts {
		stattest.RequireUniform(t, c, errorRate, seed)
	}
}

// TestTupleDrawsWithMultiplicity is the paper's rule, and why Fill replaces it: who fills a share with repeats is drawn
// as often.
func TestTupleDrawsWithMultiplicity(t *testing.T) {
	const seed = 12
	r := stattest.Rand(seed)
	s := view.Shares{Push: 4, Pull: 3, History: 2}
	repeated := []peer.ID{"push0", "push0", "push0", "push1"}
	counts := make([]int, 2)
	for range 5_000 {
		v := view.Tuple(r, s, repeated, []peer.ID{"pull0"}, []peer.ID{"seen0"})
		if len(v) != s.Size() || len(from(v, "push")) != 4 || len(from(v, "pull")) != 3 || len(from(v, "seen")) != 2 {
			t.Fatalf("the tuple %v does not keep the shares %+v", v, s)
		}
		for _, id := range from(v, "push") {
			counts[id[4]-'0']++
		}
	}
	stattest.RequireProportions(t, counts, []float64{3, 1}, errorRate, seed)
}

func TestTupleLeavesAShareWithoutSourceEmpty(t *testing.T) {
	s := view.Shares{Push: 4, Pull: 3, History: 2}
	v := view.Tuple(stattest.Rand(13), s, nil, testIDs("pull", 1), nil)
	if want := []peer.ID{"pull000", "pull000", "pull000"}; !slices.Equal(v, want) {
		t.Errorf("got %v, want %v", v, want)
	}
}
