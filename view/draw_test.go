package view_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/view"
)

// errorRate is the chance that one of the chi-square tests of this file fails with correct code and a seed picked
// blindly. The seeds are fixed, so they do not.
const errorRate = 1e-6

func testIDs(prefix string, n int) []peer.ID {
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = peer.ID(fmt.Sprintf("%s%03d", prefix, i))
	}
	return ids
}

type drawFunc func(r *rand.Rand, ids []peer.ID, n int) []peer.ID

// requireUniformDraws fails t unless draws of n from m ids take every id at every place equally often, and every pair of
// neighbouring places every pair of ids that repeats allow.
func requireUniformDraws(t stattest.TB, draw drawFunc, m, n int, repeats bool, seed uint64) {
	t.Helper()
	r, ids := stattest.Rand(seed), testIDs("p", m)
	index := map[peer.ID]int{}
	for i, id := range ids {
		index[id] = i
	}
	place := make([][]int, n)
	pairs := make([]int, m*m)
	for i := range place {
		place[i] = make([]int, m)
	}
	for range 40_000 {
		got := draw(r, ids, n)
		if len(got) != n {
			t.Fatalf("drew %d ids, want %d", len(got), n)
			return
		}
		for i, id := range got {
			place[i][index[id]]++
			if i > 0 {
				pairs[index[got[i-1]]*m+index[id]]++
			}
		}
	}
	for _, counts := range place {
		stattest.RequireUniform(t, counts, errorRate, seed)
	}
	if !repeats {
		var apart []int
		for i, c := range pairs {
			if i/m != i%m {
				apart = append(apart, c)
			} else if c > 0 {
				t.Fatalf("drew id %d twice in a row without replacement", i/m)
			}
		}
		pairs = apart
	}
	if n == 2 { // pairs of longer draws overlap, so they are not independent
		stattest.RequireUniform(t, pairs, errorRate, seed)
	}
}

// verdict takes down what a check says instead of failing.
type verdict struct{ failed bool }

func (v *verdict) Helper()               {}
func (v *verdict) Fatalf(string, ...any) { v.failed = true }

func TestDrawIsUniform(t *testing.T) {
	requireUniformDraws(t, view.Draw, 100, 3, true, 1)
	requireUniformDraws(t, view.Draw, 7, 2, true, 2)
}

// TestDrawButIsUniformAmongTheRest draws past few ids that are gone, past nearly all of them, and past all.
func TestDrawButIsUniformAmongTheRest(t *testing.T) {
	for _, gone := range []int{0, 3, 93} {
		all := append(testIDs("gone", gone), testIDs("p", 7)...)
		isGone := func(id peer.ID) bool { return strings.HasPrefix(string(id), "gone") }
		draw := func(r *rand.Rand, ids []peer.ID, n int) []peer.ID { return view.DrawBut(r, all, n, isGone) }
		requireUniformDraws(t, draw, 7, 2, true, uint64(gone))
	}
	r := stattest.Rand(1)
	everybody := func(peer.ID) bool { return true }
	if got := view.DrawBut(r, testIDs("p", 5), 3, everybody); len(got) != 0 {
		t.Errorf("drew %v where all are gone", got)
	}
	if got := view.DrawBut(r, nil, 3, everybody); len(got) != 0 {
		t.Errorf("drew %v from nobody", got)
	}
}

func TestChooseIsUniform(t *testing.T) {
	requireUniformDraws(t, view.Choose, 5, 5, false, 3)
	requireUniformDraws(t, view.Choose, 100, 10, false, 4)
	requireUniformDraws(t, view.Choose, 7, 2, false, 5)
}

// TestBiasedDrawsAreRejected is the negative control of the two tests above: the biased draws that people write.
func TestBiasedDrawsAreRejected(t *testing.T) {
	moduloDraw := func(r *rand.Rand, ids []peer.ID, n int) []peer.ID {
		var out []peer.ID
		for range n {
			out = append(out, ids[int(uint8(r.Uint64()))%len(ids)]) // 256 is not a multiple of 100
		}
		return out
	}
	wrongShuffle := func(r *rand.Rand, ids []peer.ID, n int) []peer.ID {
		out := slices.Clone(ids)
		for i := range out {
			j := r.IntN(len(out)) // must leave the places alone that are done
			out[i], out[j] = out[j], out[i]
		}
		return out[:n]
	}
	sattolo := func(r *rand.Rand, ids []peer.ID, n int) []peer.ID {
		out := slices.Clone(ids)
		for i := range len(out) - 1 {
			j := i + 1 + r.IntN(len(out)-i-1) // never leaves an id in its place
			out[i], out[j] = out[j], out[i]
		}
		return out[:n]
	}
	oneDraw := func(r *rand.Rand, ids []peer.ID, n int) []peer.ID {
		i := r.IntN(len(ids)) // each place is uniform, the two together are not
		return []peer.ID{ids[i], ids[(i+1)%len(ids)]}[:n]
	}
	for _, c := range []struct {
		name    string
		draw    drawFunc
		m, n    int
		repeats bool
	}{
		{"modulo", moduloDraw, 100, 3, true},
		{"wrong shuffle", wrongShuffle, 5, 5, false},
		{"sattolo", sattolo, 7, 2, false},
		{"a window of neighbours", oneDraw, 7, 2, false},
	} {
		var v verdict
		if requireUniformDraws(&v, c.draw, c.m, c.n, c.repeats, 6); !v.failed {
			t.Errorf("%s: the biased draw passed", c.name)
		}
	}
}

func TestDrawKeepsMultiplicity(t *testing.T) {
	const seed = 7
	r := stattest.Rand(seed)
	counts := make([]int, 2)
	for _, id := range view.Draw(r, []peer.ID{"a", "b", "a", "a"}, 10_000) {
		counts[id[0]-'a']++
	}
	stattest.RequireProportions(t, counts, []float64{3, 1}, errorRate, seed)
}

func TestDrawAndChooseOfNothing(t *testing.T) {
	r := stattest.Rand(8)
	for name, draw := range map[string]drawFunc{"Draw": view.Draw, "Choose": view.Choose} {
		for _, n := range []int{-1, 0} {
			if got := draw(r, testIDs("p", 3), n); got != nil {
				t.Errorf("%s of %d ids = %v, want nil", name, n, got)
			}
		}
		if got := draw(r, nil, 3); got != nil {
			t.Errorf("%s from nobody = %v, want nil", name, got)
		}
	}
}

func TestChooseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := drawIDs(t, "ids", "p")
		before := slices.Clone(ids)
		n := rapid.IntRange(-2, len(ids)+2).Draw(t, "n")
		got := view.Choose(stattest.Rand(rapid.Uint64().Draw(t, "seed")), ids, n)
		if want := max(0, min(n, len(ids))); len(got) != want {
			t.Fatalf("chose %d of %d, want %d", len(got), len(ids), want)
		}
		if !slices.Equal(ids, before) {
			t.Fatalf("Choose changed its input")
		}
		if !within(got, ids) {
			t.Fatalf("%v is not a part of %v", got, ids)
		}
	})
}

func TestDistinctAndWithout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := append(drawIDs(t, "ids", "p"), "end")
		ids = ids[:len(ids)-1] // room to append
		before := slices.Clone(ids[:len(ids)+1])
		distinct := view.Distinct(ids)
		at := -1
		for i, id := range distinct {
			if slices.Index(distinct, id) != i {
				t.Fatalf("%s stands twice in %v", id, distinct)
			}
			first := slices.Index(ids, id)
			if first <= at {
				t.Fatalf("%v is not in the order of first occurrence of %v", distinct, ids)
			}
			at = first
		}
		gone := drawIDs(t, "gone", "p")
		isGone := func(id peer.ID) bool { return slices.Contains(gone, id) }
		if got, want := view.Without(ids, isGone), slices.DeleteFunc(slices.Clone(ids), isGone); !slices.Equal(got, want) {
			t.Fatalf("without %v: %v, want %v", gone, got, want)
		}
		_ = append(view.Without(ids, isGone), "appended") // must not reach into the array of ids
		for _, id := range ids {
			if !slices.Contains(distinct, id) {
				t.Fatalf("%s is missing from %v", id, distinct)
			}
		}
		if !slices.Equal(ids[:len(ids)+1], before) {
			t.Fatalf("the input was changed")
		}
	})
}

// drawIDs draws up to 12 ids out of 6 with one prefix.
func drawIDs(t *rapid.T, label, prefix string) []peer.ID {
	return rapid.SliceOfN(rapid.SampledFrom(testIDs(prefix, 6)), 0, 12).Draw(t, label)
}

// within reports whether part uses no entry of whole more than once.
func within(part, whole []peer.ID) bool {
	left := map[peer.ID]int{}
	for _, id := range whole {
		left[id]++
	}
	for _, id := range part {
		if left[id]--; left[id] < 0 {
			return false
		}
	}
	return true
}
