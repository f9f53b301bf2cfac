package host

import (
	"crypto/sha256"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A signature costs 85 us, and pull answers bring l1^2/2 records a round, of which the node uses what it draws into its
// view and what it probes, a tenth. Invented ids have valid records for nothing, so to verify all would only be a way to
// keep us busy: with 62 peers on two cores and answers full of invented ids that took 45% of all time. So a record that
// others tell of an id we know nothing of is taken unchecked, and verified before anything is done with it: before its
// addresses are dialled or handed out, before it is passed on or stored, and before another record of the same id is
// judged beside it. Nobody sees an unchecked one.

// settle verifies the record of id if nobody has. One that does not hold is dropped and counted; settle returns who told it.
// What stays is that it was there: who was named by such a record alone is not to blame for it.
func (b *book) settle(id peer.ID) (liar peer.ID) {
	raw, sum := b.unchecked(id)
	if raw == nil {
		return ""
	}
	_, err := b.open(raw) // not under the lock
	liar = b.settled(id, sum, err)
	if liar != "" && b.unsettled != nil {
		b.unsettled(refusalOf(err))
	}
	return liar
}

// settled notes what came of verifying the record of id that had the given sum, and returns who told it if it was dropped.
func (b *book) settled(id peer.ID, sum [sha256.Size]byte, err error) (liar peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[id]
	if s == nil || !s.unchecked || s.sum != sum {
		return ""
	}
	if err == nil {
		s.unchecked = false
		return ""
	}
	b.refused[refusalOf(err)]++
	b.remove(s)
	b.place(&bookSlot{ // fits: it takes less than s did
		entry: entry{id: id, from: s.from, namer: s.namer, met: s.met, at: s.at, located: s.located, bad: true},
		seed:  s.seed, seedAddrs: s.seedAddrs,
	}, nil)
	return s.namer
}

func (b *book) unchecked(id peer.ID) (raw []byte, sum [sha256.Size]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil && s.unchecked {
		return s.raw, s.sum
	}
	return nil, sum
}

// misnamed reports whether all that we heard of id is a record that did not hold.
func (b *book) misnamed(id peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[id]
	return s != nil && s.bad && len(s.seedAddrs) == 0
}

// seqOf returns the sequence number of the record of id, checked or not; false if there is none.
func (b *book) seqOf(id peer.ID) (seq uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil && s.raw != nil {
		return s.seq, true
	}
	return 0, false
}
