package sampler

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func testPrints(n int) []uint64 {
	d := newDigester([32]byte{4})
	prints := make([]uint64, n)
	for i := range prints {
		prints[i] = d.of(testID(i)).Hi
	}
	return prints
}

func TestFilterForgetsTheOldestGeneration(t *testing.T) {
	f, prints := newFilter(ways), testPrints(ways+1) // one set
	for i, print := range prints[:ways] {
		f.note(print, uint64(i+1))
	}
	f.note(prints[ways], 99)
	if f.last(prints[0]) != 0 || f.last(prints[1]) != 2 || f.last(prints[ways]) != 99 {
		t.Errorf("the marks are %x, want that of generation 1 replaced", f.marks)
	}
	if f.note(prints[1], 100); f.last(prints[1]) != 100 {
		t.Errorf("noting again did not raise the generation")
	}
}

func TestFilterGrowsToItsLimit(t *testing.T) {
	prints := testPrints(20_000)
	for limit, want := range map[int]int{0: 8, 1: 8, 8: 8, 15: 8, 16: 16, 300: 256, 1000: 512, 8192: 8192} {
		f := newFilter(limit)
		for _, print := range prints {
			if f.note(print, 1); f.last(print) != 1 {
				t.Fatalf("limit %d: what was noted last is not there", limit)
			}
		}
		if len(f.marks) != want {
			t.Errorf("limit %d: %d places, want %d", limit, len(f.marks), want)
		}
	}
	// While it grows, and where a set overflows, it loses a few; they are noted again when they come back.
	f := newFilter(8192)
	for range 2 {
		for _, print := range prints[:5000] {
			f.note(print, 7)
		}
	}
	known := 0
	for _, print := range prints[:5000] {
		if f.last(print) == 7 {
			known++
		}
	}
	if known < 4800 {
		t.Errorf("a filter of 8192 remembers %d of 5000 ids", known)
	}
}

// TestFilterKnowsItsOwn compares the filter with a map, through growth and past the generations that a mark can tell
// apart: it may forget and must not invent.
func TestFilterKnowsItsOwn(t *testing.T) {
	prints := testPrints(3000)
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(rapid.SampledFrom([]int{8, 64, 256, 1024, 8192}).Draw(t, "limit"))
		step := rapid.SampledFrom([]uint64{0, 1, 100, maxAge}).Draw(t, "step")
		noted, generation := map[uint64]uint64{}, uint64(1)
		for range rapid.IntRange(1, 40).Draw(t, "bursts") {
			first := rapid.IntRange(0, 2900).Draw(t, "first")
			for _, print := range prints[first : first+100] {
				noted[print] = generation
				if f.note(print, generation); f.last(print) != generation {
					t.Fatalf("%x was noted in %d, the filter says %d", print, generation, f.last(print))
				}
			}
			generation += step
		}
		used := 0
		for _, print := range prints {
			switch got := f.last(print); {
			case got == 0:
			case got != noted[print]:
				t.Fatalf("%x was noted in %d, the filter says %d", print, noted[print], got)
			default:
				used++
			}
		}
		if used != f.used || used != len(f.marks)-countZeros(f.marks) {
			t.Fatalf("%d prints are known, %d counted, %d of %d places empty", used, f.used, countZeros(f.marks), len(f.marks))
		}
	})
}

func countZeros(marks []uint64) (n int) {
	for _, m := range marks {
		if m == 0 {
			n++
		}
	}
	return n
}

// TestFilterOutlivesItsGenerations: more deaths than a mark can count empty the filter, and change nothing else.
func TestFilterOutlivesItsGenerations(t *testing.T) {
	g := newTestGroup(t, Config{L2: 4, Direct: true})
	ids := testIDs(20)
	offerAll(g, ids, Namer{})
	want := incumbents(g)
	for range maxAge + 5 {
		g.Clear(want[0])
		g.Offer(want[0], Namer{}, false)
	}
	if g.filter.base == 0 {
		t.Fatal("the filter still counts from 0")
	}
	for _, id := range ids {
		if id != want[0] && g.Decided(id) {
			t.Errorf("%s counts as decided, the slots that were cleared last did not see it", id)
		}
	}
	offerAll(g, ids, Namer{})
	if !slices.Equal(incumbents(g), want) || !slices.Equal(want, least(g, ids)) {
		t.Errorf("slots %q, want %q", incumbents(g), want)
	}
	for _, id := range ids {
		if !g.Decided(id) {
			t.Errorf("%s was fed again and is not decided", id)
		}
	}
}

// TestFilterSpreadsItsLosses: ids beyond the size of a set must not all push out the same one.
func TestFilterSpreadsItsLosses(t *testing.T) {
	f, prints := newFilter(ways), testPrints(ways+100)
	for _, print := range prints {
		f.note(print, 1)
	}
	for i, print := range prints[:ways] {
		if f.last(print) != 0 {
			t.Errorf("after 100 more ids number %d of the first %d is still there", i, ways)
		}
	}
}
