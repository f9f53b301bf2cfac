package host

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// provenance is where an entry comes from, in the order in which entries are evicted; seeds never are.
type provenance uint8

const (
	fromSeed      provenance = iota // addresses that the user gave, no record yet
	fromGossip                      // a record that another peer sent
	fromRestored                    // a record that an earlier run stored
	fromFirstHand                   // a record that its own peer sent, over an authenticated connection
	provenances
)

// outcome says what a put that was not refused has done.
type outcome uint8

const (
	putNone     outcome = iota // refused
	putKnown                   // the same record was there; a first-hand one counts as met again
	putStale                   // valid, but a better one is held: nothing changed, and the entry is the held one
	putAdded                   // the id had no record
	putUpgraded                // the same record, first-hand for the first time or over a connection of less reach
	putReplaced                // a first-hand record in place of one with the same or a higher seq
	putNewer                   // a record with a strictly higher seq than the one that was held
)

// entry is what the book knows of an id. It is a copy, but raw and addrs are shared and must not be written to.
type entry struct {
	id    peer.ID
	seq   uint64
	raw   []byte                // the signed record; nil for a seed of which no record was seen
	addrs []multiaddr.Multiaddr // the usable ones of the record, without /p2p/id
	from  provenance
	namer peer.ID // who told, for gossip
	// unchecked says that nobody has looked at the signature of raw, bad that there was a record whose did not hold: book_lazy.go.
	unchecked, bad bool
	floor          class     // the lowest class of address that was let through
	met            time.Time // last first-hand record or touch; zero if never

	claim   protocol.Prefix // of the addresses
	at      protocol.Prefix // where an exchange succeeded last, if located
	located bool
}

// bookSlot is an entry with its bookkeeping.
type bookSlot struct {
	entry
	sum       [sha256.Size]byte
	cost      int
	seed      bool
	seedAddrs []multiaddr.Multiaddr
	pinned    bool
	bookPlaces
}

func (s *bookSlot) held() bool { return s.seed || s.pinned }

// bookNote remembers a record that was not stored: why is 0 for a stale one.
type bookNote struct {
	id    peer.ID
	seq   uint64
	floor class
	why   refusal
}

// bookStats are the counts of a book.
type bookStats struct {
	entries, bytes int                 // held now; bytes is the estimate that bookBytes bounds
	class          [provenances]int    // entries by provenance
	evicted        [provenances]uint64 // evictions by provenance, ever
	refused        [refusals]uint64    // refused puts and seeds by reason, ever
}

func (b *book) stats() bookStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := bookStats{entries: len(b.byID), bytes: b.total.bytes, evicted: b.evicted, refused: b.refused}
	for from := range b.class {
		st.class[from] = b.class[from].n
	}
	return st
}

// evictions returns the number of entries that were evicted, ever.
func (b *book) evictions() (n uint64) {
	for _, k := range b.stats().evicted {
		n += k
	}
	return n
}

// refusal is the error of a put: one of the reasons below, a closed set that metrics can count.
type refusal uint8

const (
	errBadRecord    refusal = 1 + iota // does not parse, or its signature is wrong
	errNotCanonical                    // the bytes of the envelope are not those that every encoder writes
	errForged                          // signed with another key than that of the peer it names
	errTooLarge                        // more than wire.MaxRecordSize bytes
	errTooManyAddrs                    // more than wire.MaxRecordAddrs addresses
	errNoUsableAddr                    // no address that is believed from this source
	errSelf                            // names this host
	errWrongPeer                       // sent as first-hand by another peer than the one it names
	errQuota                           // everything of the namer's quota is pinned
	errFull                            // everything of the book, or of the class's part of it, is pinned or a seed
	refusals
)

func (r refusal) Error() string { return "brahms: record refused: " + r.String() }

// String returns the reason as a metric label.
func (r refusal) String() string {
	return [refusals]string{
		"none", "bad", "not_canonical", "forged", "too_large", "too_many_addrs", "no_usable_addr", "self", "wrong_peer",
		"quota", "full",
	}[r]
}

// reason is the refusal as what it is counted under.
func (r refusal) reason() Reason { return Reason("record_" + r.String()) }

// refusalOf returns the reason of an error of wire.OpenRecord.
func refusalOf(err error) refusal {
	switch {
	case errors.Is(err, wire.ErrForged):
		return errForged
	case errors.Is(err, wire.ErrNotCanonical):
		return errNotCanonical
	case errors.Is(err, wire.ErrTooLarge):
		return errTooLarge
	case errors.Is(err, wire.ErrTooManyAddrs):
		return errTooManyAddrs
	default:
		return errBadRecord
	}
}
