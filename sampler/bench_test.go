package sampler

import (
	"fmt"
	"testing"
)

// Targets: a new id costs at most 1.5 times the bare hash of all slots; a repeated id at most 50 ns, whatever l2.
//
//	go test ./sampler -run '^$' -bench . -benchmem

func forEachSize(b *testing.B, run func(b *testing.B, kind Kind, l2 int)) {
	for _, kind := range Kinds() {
		for _, l2 := range []int{40, 100, 256} {
			b.Run(fmt.Sprintf("%s/l2=%d", kind, l2), func(b *testing.B) { run(b, kind, l2) })
		}
	}
}

func perSlot(b *testing.B, l2 int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(l2), "ns/slot")
}

func BenchmarkBareHash(b *testing.B) {
	ids := testIDs(1 << 14)
	forEachSize(b, func(b *testing.B, kind Kind, l2 int) {
		h := testHash(b, kind, 1)
		positions, out := make([]uint64, l2), make([]uint64, l2)
		for i := range positions {
			positions[i] = uint64(i)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			h.sum(out, ids[i%len(ids)], positions)
			i++
		}
		perSlot(b, l2)
	})
}

func BenchmarkOfferNew(b *testing.B) {
	ids := testIDs(1 << 14)
	forEachSize(b, func(b *testing.B, kind Kind, l2 int) {
		g := newTestGroup(b, Config{L2: l2, Hash: kind})
		for i := range 1000 { // the slots of a node that has met its network
			g.Offer(testID(1_000_000+i), Namer{}, true)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i%len(ids) == 0 {
				clear(g.filter.marks) // all of them are new again
				g.filter.used = 0
			}
			g.Offer(ids[i%len(ids)], Namer{}, false)
			i++
		}
		perSlot(b, l2)
	})
}

func BenchmarkOfferRepeated(b *testing.B) {
	ids := testIDs(140)
	forEachSize(b, func(b *testing.B, kind Kind, l2 int) {
		g := newTestGroup(b, Config{L2: l2, Hash: kind, Direct: true})
		for range 8 { // until no set overflows
			offerAll(g, ids, Namer{})
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			g.Offer(ids[i%len(ids)], Namer{}, false)
			i++
		}
		perSlot(b, l2)
	})
}

// BenchmarkScattered is what the choice between a page's keystream and a block for each position rests on.
func BenchmarkScattered(b *testing.B) {
	h, out := newAESHash([32]byte{1}), make([]uint64, pageSize)
	for _, n := range []int{1, 10, 100} {
		for _, spread := range []int{1, 4, 6, 8} {
			at := make([]uint64, n)
			for i := range at {
				at[i] = uint64(i * spread)
			}
			b.Run(fmt.Sprintf("n=%d/spread=%d/seal", n, spread), func(b *testing.B) {
				for b.Loop() {
					h.seal(out, at, at[n-1])
				}
			})
			b.Run(fmt.Sprintf("n=%d/spread=%d/encrypt", n, spread), func(b *testing.B) {
				for b.Loop() {
					h.encrypt(out, at)
				}
			})
		}
	}
}

func BenchmarkDecided(b *testing.B) {
	g := newTestGroup(b, Config{L2: 100, Direct: true})
	id := testID(1)
	g.Offer(id, Namer{}, true)
	b.ReportAllocs()
	for b.Loop() {
		g.Decided(id)
	}
}

func BenchmarkConfirm(b *testing.B) {
	g := newTestGroup(b, Config{L2: 100})
	ids := testIDs(256)
	for _, id := range ids {
		g.Offer(id, Namer{}, true)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		g.Confirm(ids[i%len(ids)])
		i++
	}
}

// TestOfferDoesNotAllocate, neither a repeated id nor a new one.
func TestOfferDoesNotAllocate(t *testing.T) {
	for _, kind := range Kinds() {
		g := newTestGroup(t, Config{L2: 40, Hash: kind, Direct: true})
		ids := testIDs(400)
		offerAll(g, ids[:300], Namer{})
		if n := testing.AllocsPerRun(100, func() { g.Offer(ids[299], Namer{}, false) }); n != 0 {
			t.Errorf("%s: a repeated id allocates %v times", kind, n)
		}
		i := 300
		if n := testing.AllocsPerRun(90, func() { g.Offer(ids[i], Namer{}, false); i++ }); n != 0 {
			t.Errorf("%s: a new id allocates %v times", kind, n)
		}
	}
}
