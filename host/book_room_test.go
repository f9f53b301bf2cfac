package host

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// TestBookEvictionOrder: gossip, then restored, then first-hand, the oldest first, never what is pinned; and each class
// keeps to its part.
func TestBookEvictionOrder(t *testing.T) {
	b := fakeBook(16, 1<<20)
	for i := range 6 {
		mustPut(t, b, fakeRecord(fmt.Sprint("r", i), 1, 0), fromRestored, "", putAdded)
	}
	for i := range 10 {
		id := fmt.Sprint("f", i)
		mustPut(t, b, fakeRecord(id, 1, 0), fromFirstHand, peer.ID(id), putAdded)
	}
	if st := b.stats(); st.class != [provenances]int{0, 0, 4, 8} || st.evicted != [provenances]uint64{0, 0, 2, 2} {
		t.Fatalf("%+v", st)
	}
	for i := range 4 {
		mustPut(t, b, fakeRecord(fmt.Sprint("g", i), 1, 0), fromGossip, peer.ID(fmt.Sprint(i)), putAdded)
	}
	b.setPinned([]peer.ID{"g0", "r2", "r2", "unknown"})
	b.touch("f2")
	b.touch("r3")
	b.touch("g1")
	b.touch("nobody")
	var gone []peer.ID
	all := []peer.ID{"g0", "g1", "g2", "g3", "r2", "r3", "r4", "r5", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"}
	for i := range 13 { // seeds push everything else out, one by one
		if err := b.addSeed(peer.AddrInfo{ID: peer.ID(fmt.Sprint("s", i))}); err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(id peer.ID) bool {
			_, ok := b.get(id)
			if !ok {
				gone = append(gone, id)
			}
			return !ok
		})
	}
	want := []peer.ID{"g2", "g3", "g1", "r4", "r5", "r3", "f3", "f4", "f5", "f6", "f7", "f8", "f9"}
	if !slices.Equal(gone, want) {
		t.Errorf("evicted %q, want %q", gone, want)
	}
}

// TestBookFullOfPinned: where nothing may go, newcomers are refused and counted, while what is held can be renewed; and
// room comes back with the next set of pins.
func TestBookFullOfPinned(t *testing.T) {
	b := fakeBook(16, 1<<20)
	var ids []peer.ID
	for i := range 16 {
		id := peer.ID(fmt.Sprint("g", i))
		mustPut(t, b, fakeRecord(string(id), 1, 0), fromGossip, id, putAdded)
		ids = append(ids, id)
	}
	b.setPinned(ids)
	for i := range 3 {
		for from := fromGossip; from < provenances; from++ {
			id := fmt.Sprint("new", i)
			if _, _, err := b.put(fakeRecord(id, 1, 0), from, peer.ID(id), classPublic); err != errFull {
				t.Fatalf("provenance %d: %v", from, err)
			}
		}
	}
	if err := b.addSeed(peer.AddrInfo{ID: "seed"}); !errors.Is(err, errFull) {
		t.Errorf("seed: %v", err)
	}
	if _, _, err := b.put(fakeRecord("new", 1, 0), fromGossip, "g3", classPublic); err != errFull {
		t.Errorf("a namer whose quota is pinned: %v", err)
	}
	mustPut(t, b, fakeRecord("g3", 2, 50), fromGossip, "g3", putNewer)
	mustPut(t, b, fakeRecord("g3", 2, 50), fromFirstHand, "g3", putUpgraded)
	if st := b.stats(); st.refused[errFull] != 11 || st.entries != 16 || st.evicted != [provenances]uint64{} {
		t.Errorf("%+v", st)
	}
	b.setPinned(ids[2:])
	if _, _, err := b.put(fakeRecord("new", 1, 0), fromGossip, "g4", classPublic); err != errQuota {
		t.Errorf("a namer whose quota is pinned: %v", err)
	}
	mustPut(t, b, fakeRecord("new", 1, 0), fromGossip, "x", putAdded)
	if _, ok := b.get("g0"); ok {
		t.Error("the oldest unpinned entry stayed")
	}
}

// TestBookNamerFlood: what one peer tells never evicts what others told while there is room, never anything that is
// pinned or first-hand, and in a full book no more than the namers' average of others' gossip.
func TestBookNamerFlood(t *testing.T) {
	for _, others := range []int{100, 400} { // of 512 entries, quota 32
		for _, pad := range []int{0, 3000} { // 3000: the bytes are what floods
			b := fakeBook(512, 512*1000)
			var mine []peer.ID
			for i := range others {
				id := peer.ID(fmt.Sprint("o", i))
				mustPut(t, b, fakeRecord(string(id), 1, 0), fromGossip, peer.ID(fmt.Sprint("n", i%50)), putAdded)
				mine = append(mine, id)
			}
			for i := range 112 {
				id := peer.ID(fmt.Sprint("f", i))
				mustPut(t, b, fakeRecord(string(id), 1, 0), fromFirstHand, id, putAdded)
				mine = append(mine, id)
			}
			b.setPinned(mine[:10])
			for i := range 5000 {
				mustPut(t, b, fakeRecord(fmt.Sprint("flood", i), 1, pad), fromGossip, "mallory", putAdded)
			}
			lost := 0
			for _, id := range mine {
				if _, ok := b.get(id); !ok {
					lost++
				}
			}
			limit := 0
			if others == 400 {
				limit = 400/50 + 1
			}
			st := b.stats()
			if lost > limit || st.class[fromFirstHand] != 112 {
				t.Errorf("%d others, pad %d: %d lost, limit %d", others, pad, lost, limit)
			}
			if n := b.namers["mallory"].n; n > 32 || n == 0 || st.bytes > 512*1000 {
				t.Errorf("%d others, pad %d: the flooder holds %d, the book %d bytes", others, pad, n, st.bytes)
			}
		}
	}
}

// TestBookNotes: notes are bounded, and spare the verification.
func TestBookNotes(t *testing.T) {
	b := fakeBook(16, 1<<20)
	opened := 0
	b.open = func(raw []byte) (*wire.Record, error) { opened++; return fakeOpen(raw) }
	b.peek = b.open
	mustPut(t, b, fakeRecord("p", 1<<30, 0), fromGossip, "x", putAdded)
	for i := range 3 * bookNotes {
		mustPut(t, b, fakeRecord("p", i, 0), fromGossip, "x", putStale)
	}
	if len(b.notes) != bookNotes || len(b.noted) != bookNotes {
		t.Fatalf("%d notes, %d in the ring, bound %d", len(b.notes), len(b.noted), bookNotes)
	}
	opened = 0
	for i := 2 * bookNotes; i < 3*bookNotes; i++ {
		mustPut(t, b, fakeRecord("p", i, 0), fromGossip, "x", putStale)
	}
	if opened != 0 {
		t.Errorf("%d records opened that were noted", opened)
	}
	b.forget("p")
	mustPut(t, b, fakeRecord("p", 3*bookNotes-1, 0), fromGossip, "x", putAdded)
}

func TestBookConcurrent(t *testing.T) {
	b := fakeBook(64, 1<<16)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				id := peer.ID(fmt.Sprint("p", i%100))
				raw := fakeRecord(string(id), i/100, i%7*50)
				from := fromGossip + provenance((i+g)%3)
				if e, _, err := b.put(raw, from, id, classPublic); err == nil && (e.id != id || len(e.addrs) == 0) {
					t.Errorf("entry %+v", e)
				}
				b.known(raw)
				b.info(id)
				switch i % 50 {
				case 0:
					b.setPinned([]peer.ID{id, "p1", "p2"})
				case 10:
					b.forget(id)
				case 20:
					b.touch("p3")
				}
				if st := b.stats(); st.entries > 64 || st.bytes > 1<<16 {
					t.Errorf("%+v", st)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkBookPutKnown(b *testing.B) {
	s := newRecordSigner(b)
	bk := newBook("self", false)
	raw := s.seal(b, 1, pub1, pub2, "/ip4/1.2.3.4/udp/1/quic-v1", "/ip6/2606:4700::1/udp/1/quic-v1")
	mustPut(b, bk, raw, fromGossip, "x", putAdded)
	b.ReportAllocs()
	for b.Loop() {
		if _, did, err := bk.put(raw, fromGossip, "x", classPublic); err != nil || did != putKnown {
			b.Fatal(did, err)
		}
	}
}

func BenchmarkBookPutNew(b *testing.B) {
	s := newRecordSigner(b)
	bk := newBook("self", false)
	raw := s.seal(b, 1, pub1, pub2, "/ip4/1.2.3.4/udp/1/quic-v1", "/ip6/2606:4700::1/udp/1/quic-v1")
	b.ReportAllocs()
	for b.Loop() {
		if _, did, err := bk.put(raw, fromGossip, "x", classPublic); err != nil || did != putAdded {
			b.Fatal(did, err)
		}
		bk.forget(s.id)
	}
}

// BenchmarkBookPutFull is the book's own part of a put that evicts.
func BenchmarkBookPutFull(b *testing.B) {
	bk := fakeBook(bookCap, bookBytes)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		mustPut(b, bk, fakeRecord(strconv.Itoa(i), 1, 0), fromGossip, peer.ID(strconv.Itoa(i%64)), putAdded)
	}
}
