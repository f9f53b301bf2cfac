package host

import (
	"container/list"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Every entry is charged to two or three quotas: the book's, its class's, and for gossip its
// namer's. Each keeps its entries that may go in a queue, so making room takes constant time per entry that goes.

// bookQuota is a bound and what is charged to it.
type bookQuota struct {
	maxN, maxBytes   int
	n, bytes         int       // charged
	heldN, heldBytes int       // of that, by entries that may not go
	queue            list.List // of *slot: the entries that may go, oldest first; not used in the total
}

// bookPlaces are the elements of a slot in the queues of its class and its namer, nil while it is held.
type bookPlaces struct{ inClass, inNamer *list.Element }

func (q *bookQuota) part(n int) bookQuota {
	return bookQuota{maxN: q.maxN / n, maxBytes: q.maxBytes / n}
}

// can tells whether s fits once everything that may go has gone; old is what it replaces if that is charged to q, or nil.
func (q *bookQuota) can(s, old *bookSlot) bool {
	n, size := q.heldN+1, q.heldBytes+s.cost
	if old != nil && old.held() {
		n, size = n-1, size-old.cost
	}
	return n <= q.maxN && size <= q.maxBytes
}

// has tells whether s fits now.
func (q *bookQuota) has(s *bookSlot) bool { return q.n+1 <= q.maxN && q.bytes+s.cost <= q.maxBytes }

func (q *bookQuota) charge(s *bookSlot, sign int) {
	q.n += sign
	q.bytes += sign * s.cost
	if s.held() {
		q.heldN += sign
		q.heldBytes += sign * s.cost
	}
}

func (q *bookQuota) oldest() *bookSlot {
	if e := q.queue.Front(); e != nil {
		return e.Value.(*bookSlot)
	}
	return nil
}

// namer returns the quota of a namer, a new one if it has no entries; attach keeps it.
func (b *book) namer(id peer.ID) *bookQuota {
	if q := b.namers[id]; q != nil {
		return q
	}
	q := b.total.part(namerPart)
	return &q
}

// place puts s into the book instead of old, which is the entry of the same id or nil, and evicts what has to go for it.
// A refusal changes nothing.
func (b *book) place(s, old *bookSlot) refusal {
	_, s.pinned = b.pins[s.id]
	s.cost = slotCost(s)
	class, ofClass, ofNamer := &b.class[s.from], old, old
	if old == nil || old.from != s.from {
		ofClass, ofNamer = nil, nil
	} else if old.namer != s.namer {
		ofNamer = nil
	}
	if !b.total.can(s, old) || !class.can(s, ofClass) {
		return errFull
	}
	var namer *bookQuota
	if s.from == fromGossip {
		if namer = b.namer(s.namer); !namer.can(s, ofNamer) {
			return errQuota
		}
	}
	if old != nil {
		b.remove(old)
	}
	for namer != nil && !namer.has(s) {
		b.evict(namer.oldest())
	}
	for !class.has(s) {
		b.evict(class.oldest())
	}
	for !b.total.has(s) {
		if namer != nil && namer.n*len(b.namers) > class.n && namer.oldest() != nil {
			b.evict(namer.oldest())
		} else {
			b.evict(b.oldest())
		}
	}
	b.byID[s.id] = s
	if s.raw != nil {
		b.bySum[s.sum] = s
	}
	b.attach(s)
	return 0
}

// oldest returns the entry that is to go first. There is one: place has asked every quota.
func (b *book) oldest() *bookSlot {
	for from := range b.class {
		if s := b.class[from].oldest(); s != nil {
			return s
		}
	}
	return nil
}

func (b *book) evict(s *bookSlot) {
	b.evicted[s.from]++
	b.remove(s)
}

func (b *book) remove(s *bookSlot) {
	b.detach(s)
	delete(b.byID, s.id)
	if s.raw != nil {
		delete(b.bySum, s.sum)
	}
}

// attach charges s to its quotas, and queues it there as the newest unless it is held.
func (b *book) attach(s *bookSlot) {
	b.total.charge(s, 1)
	b.class[s.from].charge(s, 1)
	if !s.held() {
		s.inClass = b.class[s.from].queue.PushBack(s)
	}
	if s.from == fromGossip {
		q := b.namer(s.namer)
		b.namers[s.namer] = q
		q.charge(s, 1)
		if !s.held() {
			s.inNamer = q.queue.PushBack(s)
		}
	}
}

// detach undoes attach.
func (b *book) detach(s *bookSlot) {
	b.total.charge(s, -1)
	b.class[s.from].charge(s, -1)
	if s.inClass != nil {
		b.class[s.from].queue.Remove(s.inClass)
	}
	if s.from == fromGossip {
		q := b.namers[s.namer]
		q.charge(s, -1)
		if s.inNamer != nil {
			q.queue.Remove(s.inNamer)
		}
		if q.n == 0 {
			delete(b.namers, s.namer)
		}
	}
	s.bookPlaces = bookPlaces{}
}

// meet marks s as met just now, which also makes it the newest of its queues.
func (b *book) meet(s *bookSlot) {
	s.met = b.now()
	if s.inClass != nil {
		b.class[s.from].queue.MoveToBack(s.inClass)
	}
	if s.inNamer != nil {
		b.namers[s.namer].queue.MoveToBack(s.inNamer)
	}
}

// slotCost estimates the memory that s takes.
func slotCost(s *bookSlot) int {
	size := entryOverhead + 2*len(s.raw) // the record, and the bytes of its addresses once more
	for _, a := range s.addrs {
		size += componentOverhead * len(a)
	}
	for _, a := range s.seedAddrs {
		size += componentOverhead*len(a) + len(a.Bytes())
	}
	return size
}
