package host

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

// roomModel is the book's room in its most naive form: a list in order of age, searched from the front.
type roomModel struct {
	entries, size int
	list          []roomEntry
	pins          map[peer.ID]bool
}

type roomEntry struct {
	id    peer.ID
	seq   uint64
	from  provenance
	namer peer.ID
	cost  int
	seed  bool
}

func (m *roomModel) held(e roomEntry) bool { return e.seed || m.pins[e.id] }

func (m *roomModel) find(id peer.ID) int {
	return slices.IndexFunc(m.list, func(e roomEntry) bool { return e.id == id })
}

// renew makes entry i the newest.
func (m *roomModel) renew(i int) {
	e := m.list[i]
	m.list = append(slices.Delete(m.list, i, i+1), e)
}

// room frees room for e among the entries of which in says so, or just tells whether it could.
func (m *roomModel) room(e roomEntry, part int, evict bool, in func(roomEntry) bool, next func() int) bool {
	for {
		n, size := 1, e.cost
		for _, o := range m.list {
			if in(o) && (evict || m.held(o)) && o.id != e.id {
				n, size = n+1, size+o.cost
			}
		}
		if n <= m.entries/part && size <= m.size/part {
			return true
		}
		if !evict {
			return false
		}
		i := next()
		m.list = slices.Delete(m.list, i, i+1)
	}
}

func (m *roomModel) put(e roomEntry) refusal {
	all := func(roomEntry) bool { return true }
	class := func(o roomEntry) bool { return o.from == e.from }
	named := func(o roomEntry) bool { return o.from == fromGossip && o.namer == e.namer }
	part := [provenances]int{1, 1, restoredPart, firstHandPart}[e.from]
	if !m.room(e, 1, false, all, nil) || !m.room(e, part, false, class, nil) {
		return errFull
	}
	if e.from == fromGossip && !m.room(e, namerPart, false, named, nil) {
		return errQuota
	}
	if i := m.find(e.id); i >= 0 {
		m.list = slices.Delete(m.list, i, i+1)
	}
	first := func(in func(roomEntry) bool) func() int {
		return func() int { return slices.IndexFunc(m.list, func(o roomEntry) bool { return in(o) && !m.held(o) }) }
	}
	if e.from == fromGossip {
		m.room(e, namerPart, true, named, first(named))
	}
	m.room(e, part, true, class, first(class))
	m.room(e, 1, true, all, func() int {
		gossip, mine, namers := 0, 0, map[peer.ID]bool{}
		for _, o := range m.list {
			if o.from == fromGossip {
				gossip, namers[o.namer] = gossip+1, true
				if named(o) {
					mine++
				}
			}
		}
		if i := first(named)(); e.from == fromGossip && mine*len(namers) > gossip && i >= 0 {
			return i
		}
		for from := fromGossip; from < provenances; from++ {
			if i := first(func(o roomEntry) bool { return o.from == from })(); i >= 0 {
				return i
			}
		}
		panic("model: nothing to evict")
	})
	m.list = append(m.list, e)
	return 0
}

// TestBookModel compares the room of a small book with the naive model after every step, and checks the bounds.
func TestBookModel(t *testing.T) {
	const entries, size = 32, 32 * 1300 // small: a run has to fill it many times over
	var evicted [provenances]uint64
	var refused [refusals]uint64
	rapid.Check(t, func(t *rapid.T) {
		b := fakeBook(entries, size)
		m := &roomModel{entries: entries, size: size, pins: map[peer.ID]bool{}}
		ids := rapid.Map(rapid.IntRange(0, 63), func(i int) peer.ID { return peer.ID(fmt.Sprintf("p%02d", i)) })
		put := func(t *rapid.T) {
			id, seq := ids.Draw(t, "id"), rapid.IntRange(0, 3).Draw(t, "seq")
			pad := rapid.SampledFrom([]int{0, 0, 0, 0, 300, 1500}).Draw(t, "pad")
			from := rapid.SampledFrom([]provenance{fromGossip, fromGossip, fromRestored, fromFirstHand}).Draw(t, "from")
			by, raw := id, fakeRecord(string(id), seq, pad)
			e := roomEntry{id: id, seq: uint64(seq), from: from}
			e.cost = entryOverhead + 2*len(raw) + componentOverhead*len(fakeAddrs[0])
			if from == fromGossip {
				by = peer.ID(fmt.Sprint("namer", rapid.IntRange(0, 19).Draw(t, "namer")))
				e.namer = by
			}
			want := refusal(0)
			i := m.find(id)
			hasRecord := i >= 0 && m.list[i].from != fromSeed
			_, known := b.known(raw)
			switch {
			case hasRecord && from != fromFirstHand && e.seq <= m.list[i].seq:
			case known && m.list[i].from == fromFirstHand: // and so is this: met again
				m.renew(i)
			default:
				e.seed = i >= 0 && m.list[i].seed
				e.cost += map[bool]int{true: seedCost}[e.seed]
				want = m.put(e)
			}
			if _, _, err := b.put(raw, from, by, classPublic); (err == nil) != (want == 0) || err != nil && err != want {
				t.Fatalf("put: %v, the model says %v", err, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": put,
			"puts": func(t *rapid.T) {
				for range rapid.IntRange(2, 40).Draw(t, "puts") {
					put(t)
					compareModel(t, b, m)
				}
			},
			"pin": func(t *rapid.T) {
				set := rapid.SliceOfN(ids, 0, 80).Draw(t, "pins")
				was, old := m.pins, slices.Clone(b.pinned)
				m.pins = map[peer.ID]bool{}
				for _, id := range set {
					m.pins[id] = true
				}
				for _, id := range old { // no longer pinned: the newest
					if i := m.find(id); was[id] && !m.pins[id] && i >= 0 {
						m.renew(i)
					}
				}
				b.setPinned(set)
			},
			"seed": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				e := roomEntry{id: id, from: fromSeed, cost: entryOverhead}
				if i := m.find(id); i >= 0 {
					e = m.list[i]
				}
				if !e.seed {
					e.seed, e.cost = true, e.cost+seedCost
				}
				want := m.put(e)
				err := b.addSeed(peer.AddrInfo{ID: id, Addrs: fakeAddrs})
				if (err == nil) != (want == 0) || err != nil && err != want {
					t.Fatalf("seed: %v, the model says %v", err, want)
				}
			},
			"touch": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				if i := m.find(id); i >= 0 {
					m.renew(i)
				}
				b.touch(id)
			},
			"forget": func(t *rapid.T) {
				id := ids.Draw(t, "id")
				if i := m.find(id); i >= 0 {
					if m.list[i].seed {
						m.list[i] = roomEntry{id: id, from: fromSeed, seed: true, cost: entryOverhead + seedCost}
					} else {
						m.list = slices.Delete(m.list, i, i+1)
					}
				}
				b.forget(id)
			},
			"": func(t *rapid.T) { compareModel(t, b, m) },
		})
		for i, n := range b.stats().evicted {
			evicted[i] += n
		}
		for i, n := range b.stats().refused {
			refused[i] += n
		}
	})
	if evicted[fromGossip]*evicted[fromRestored]*evicted[fromFirstHand]*refused[errQuota] == 0 {
		t.Errorf("the runs miss a case: evicted %v, refused %v", evicted, refused)
	}
	t.Logf("evicted %v, refused %v", evicted, refused)
}

var seedCost = componentOverhead*len(fakeAddrs[0]) + len(fakeAddrs[0].Bytes())

func compareModel(t *rapid.T, b *book, m *roomModel) {
	size, namers, class := 0, map[peer.ID]int{}, [provenances]int{}
	for _, want := range m.list {
		got, ok := b.get(want.id)
		if !ok || got.seq != want.seq || got.from != want.from || got.namer != want.namer || b.byID[want.id].seed != want.seed {
			t.Fatalf("the book has %+v (%v), the model %+v", got, ok, want)
		}
		size += want.cost
		class[want.from]++
		if want.from == fromGossip {
			namers[want.namer]++
		}
	}
	st := b.stats()
	if st.entries != len(m.list) || st.bytes != size || st.class != class || st.entries > m.entries || st.bytes > m.size {
		t.Fatalf("the book has %+v, the model %d entries, %d bytes", st, len(m.list), size)
	}
	if class[fromFirstHand] > m.entries/firstHandPart || class[fromRestored] > m.entries/restoredPart {
		t.Fatalf("a class exceeds its part: %v", class)
	}
	for namer, n := range namers {
		if n > m.entries/namerPart || b.namers[namer].n != n {
			t.Fatalf("namer %s holds %d, by the book's count %+v", namer, n, b.namers[namer])
		}
	}
	records := 0
	for _, e := range m.list {
		if e.from != fromSeed {
			records++
		}
	}
	if len(b.namers) != len(namers) || len(b.bySum) != records {
		t.Fatalf("%d namers, want %d; %d contents, want %d", len(b.namers), len(namers), len(b.bySum), records)
	}
}
