package host

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const (
	// bookCap and bookBytes bound the book: entries, and their estimated size in memory. At either bound the oldest entry
	// of the least proven class goes; where everything left is held, the newcomer is refused as full.
	bookCap   = 4096
	bookBytes = 8 << 20

	// namerPart: what one peer has told of others takes at most 1/namerPart of each bound. Beyond it the oldest that
	// this very peer told goes, never anybody else's; and so it does in a full book when this peer has more than the
	// namers' average there.
	namerPart = 16

	// firstHandPart and restoredPart: first-hand records take at most 1/firstHandPart of each bound, restored ones
	// 1/restoredPart; beyond it the oldest of the same class goes. Ids cost nothing, and a push makes a first-hand
	// record: without the bound pushers could leave no room for what pulls bring.
	firstHandPart = 2
	restoredPart  = 4

	// bookNotes is for how many records that were not stored the book remembers why; the oldest note is
	// overwritten. Old versions of held records, records of private peers and our own come with every pull.
	bookNotes = 1024

	entryOverhead     = 512 // of an entry besides record and addresses: maps, queues, the structs
	componentOverhead = 48  // of a multiaddr component besides its bytes, which are no more than the record's
)

// book is the service's own bounded store of signed records and seeds: libp2p's identify leaves no record of a remote in
// the peerstore, and what others tell must not fill the application's. It is safe for concurrent use. Records are
// verified outside its lock, those that others tell when they are used: book_lazy.go.
type book struct {
	self         peer.ID
	allowPrivate bool
	open, peek   func([]byte) (*wire.Record, error) // peek leaves the signature unchecked
	unsettled    func(refusal)                      // told of each record whose signature did not hold when it was settled; may be nil
	now          func() time.Time

	mu      sync.Mutex
	byID    map[peer.ID]*bookSlot
	bySum   map[[sha256.Size]byte]*bookSlot
	pins    map[peer.ID]struct{}
	pinned  []peer.ID // the keys of pins, in the order of setPinned
	notes   map[[sha256.Size]byte]bookNote
	noted   [][sha256.Size]byte // the keys of notes, a ring
	noteAt  int
	total   bookQuota
	class   [provenances]bookQuota
	namers  map[peer.ID]*bookQuota // only those with entries
	evicted [provenances]uint64
	refused [refusals]uint64
}

// newBook returns an empty book for the host self. allowPrivate lets addresses in that are not public, by the rules of
// firstHandPolicy and thirdPartyPolicy.
func newBook(self peer.ID, allowPrivate bool) *book {
	return newBookOf(self, allowPrivate, bookCap, bookBytes)
}

// newBookOf is newBook with bounds of its own.
func newBookOf(self peer.ID, allowPrivate bool, entries, size int) *book {
	b := &book{
		self: self, allowPrivate: allowPrivate, open: wire.OpenRecord, peek: wire.PeekRecord, now: time.Now,
		byID:   make(map[peer.ID]*bookSlot),
		bySum:  make(map[[sha256.Size]byte]*bookSlot),
		notes:  make(map[[sha256.Size]byte]bookNote),
		namers: make(map[peer.ID]*bookQuota),
		total:  bookQuota{maxN: entries, maxBytes: size},
	}
	for from, part := range [provenances]int{1, 1, restoredPart, firstHandPart} {
		b.class[from] = b.total.part(part)
	}
	return b
}

// put offers a signed record of scope, the class (connScope) of the connection that brought it. by is who sent it: for
// fromFirstHand the authenticated remote, whose record it must be; for fromGossip the namer; for fromRestored nobody,
// and scope is that with which the record was stored. raw is not kept. A record of the same content is recognised
// without parsing it, otherwise it is verified, unless others tell it of an id of which nothing is known (settle), and then
//
//   - a first-hand record always replaces what is held, since clocks go back;
//   - any other replaces only a record with a strictly lower seq, whatever that one's provenance.
//
// A refused put returns an error of type refusal and changes nothing but the count of refusals.
func (b *book) put(raw []byte, from provenance, by peer.ID, scope class) (entry, outcome, error) {
	if len(raw) > wire.MaxRecordSize {
		return b.refuse(errTooLarge)
	}
	floor := thirdPartyPolicy(scope, b.allowPrivate).floor
	if from == fromFirstHand {
		floor = firstHandPolicy(scope, b.allowPrivate).floor
	}
	sum := sha256.Sum256(raw)
	if e, did, why := b.recall(&sum, from, by, floor); why != 0 {
		return b.refuse(why)
	} else if did != putNone {
		return e, did, nil
	}
	rec, unchecked, err := b.read(raw, from, by)
	if err != nil {
		return b.refuse(refusalOf(err))
	}
	addrs := filterAddrs(rec.Addrs, rec.ID, addrPolicy{floor})
	s := &bookSlot{sum: sum, entry: entry{
		id: rec.ID, seq: rec.Seq, addrs: addrs, from: from, floor: floor, claim: claimedPrefix(addrs), unchecked: unchecked,
	}}
	if from == fromGossip {
		s.namer = by
	}
	e, did, why := b.offer(s, raw, by)
	if why != 0 {
		return b.refuse(why)
	}
	return e, did, nil
}

// read opens a record. The signature of one that others tell stays unchecked if there is no record of the id, or one that
// is not older: that one has to be settled before. Who told that one and it did not hold is not believed this time: each of
// them costs a signature, and a peer could send a whole answer of them.
func (b *book) read(raw []byte, from provenance, by peer.ID) (rec *wire.Record, unchecked bool, err error) {
	if from == fromGossip {
		rec, err = b.peek(raw)
		if err != nil {
			return nil, false, err
		}
		if liar := b.settle(rec.ID); liar != "" && liar == by {
			return nil, false, wire.ErrBadRecord
		}
		if seq, held := b.seqOf(rec.ID); !held || rec.Seq <= seq {
			return rec, true, nil
		}
	}
	rec, err = b.open(raw)
	return rec, false, err
}

// recall decides about a record by its content alone; putNone and no refusal mean that it has to be opened.
func (b *book) recall(sum *[sha256.Size]byte, from provenance, by peer.ID, floor class) (entry, outcome, refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.bySum[*sum]; s != nil {
		switch {
		case from != fromFirstHand:
			return s.entry, putKnown, 0
		case s.id != by:
			return entry{}, putNone, errWrongPeer
		case s.from == fromFirstHand && s.floor <= floor:
			b.meet(s)
			return s.entry, putKnown, 0
		}
		return entry{}, putNone, 0
	}
	n, ok := b.notes[*sum]
	switch {
	case !ok || from == fromFirstHand:
	case n.why == errNoUsableAddr && n.floor <= floor, n.why == errSelf:
		return entry{}, putNone, n.why
	case n.why == 0:
		if s := b.byID[n.id]; s != nil && s.raw != nil && n.seq <= s.seq {
			return s.entry, putStale, 0
		}
	}
	return entry{}, putNone, 0
}

// offer stores s, a verified record that by sent as raw, or says why not.
func (b *book) offer(s *bookSlot, raw []byte, by peer.ID) (entry, outcome, refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.id == b.self {
		b.note(s, errSelf)
		return entry{}, putNone, errSelf
	}
	if s.from == fromFirstHand && s.id != by {
		return entry{}, putNone, errWrongPeer
	}
	old, did := b.byID[s.id], putAdded
	if old != nil && old.raw != nil {
		switch {
		case s.unchecked: // what is held is not older, or came from another goroutine meanwhile
			b.note(s, 0)
			return old.entry, putStale, 0
		case s.seq > old.seq:
			did = putNewer
		case s.from != fromFirstHand && s.sum == old.sum: // put by another goroutine while we verified
			return old.entry, putKnown, 0
		case s.from != fromFirstHand:
			b.note(s, 0)
			return old.entry, putStale, 0
		case s.sum == old.sum:
			did = putUpgraded
		default:
			did = putReplaced
		}
	}
	if len(s.addrs) == 0 {
		b.note(s, errNoUsableAddr)
		return entry{}, putNone, errNoUsableAddr
	}
	if old != nil {
		s.seed, s.seedAddrs, s.met = old.seed, old.seedAddrs, old.met
		s.at, s.located = old.at, old.located
	}
	if s.from == fromFirstHand {
		s.met = b.now()
	}
	s.raw = bytes.Clone(raw)
	if why := b.place(s, old); why != 0 {
		return entry{}, putNone, why
	}
	return s.entry, did, 0
}

// note remembers why s was not stored.
func (b *book) note(s *bookSlot, why refusal) {
	if _, ok := b.notes[s.sum]; !ok {
		if len(b.noted) < bookNotes {
			b.noted = append(b.noted, s.sum)
		} else {
			delete(b.notes, b.noted[b.noteAt])
			b.noted[b.noteAt] = s.sum
			b.noteAt = (b.noteAt + 1) % bookNotes
		}
	}
	b.notes[s.sum] = bookNote{id: s.id, seq: s.seq, floor: s.floor, why: why}
}

func (b *book) refuse(why refusal) (entry, outcome, error) {
	b.mu.Lock()
	b.refused[why]++
	b.mu.Unlock()
	return entry{}, putNone, why
}

// addSeed keeps addresses that the user gave, whatever their class, beside the record of the id, now or later. Seeds are
// never evicted. A second call for the same id replaces the addresses of the first. It refuses the host itself, and is
// refused as full where seeds and pinned entries leave no room.
func (b *book) addSeed(info peer.AddrInfo) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := errSelf
	if info.ID != b.self {
		s := &bookSlot{entry: entry{id: info.ID, from: fromSeed}}
		old := b.byID[info.ID]
		if old != nil {
			s.entry, s.sum = old.entry, old.sum
		}
		s.seed = true
		for _, a := range info.Addrs {
			if bare, ok := stripID(a, info.ID); ok && !slices.ContainsFunc(s.seedAddrs, bare.Equal) {
				s.seedAddrs = append(s.seedAddrs, slices.Clone(bare))
			}
		}
		if s.claim == (protocol.Prefix{}) {
			s.claim = claimedPrefix(s.seedAddrs)
		}
		why = b.place(s, old)
	}
	if why != 0 {
		b.refused[why]++
		return why
	}
	return nil
}

// setPinned tells which ids are in use (in V, in S, at a challenger's seat): from now on exactly their entries, also
// those that come later, are not evicted. An id that is not pinned any longer counts as the newest of its class. The
// set should be far smaller than the cap: a book that is full of seeds and pinned entries refuses new ids.
func (b *book) setPinned(ids []peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pins := make(map[peer.ID]struct{}, len(ids))
	list := make([]peer.ID, 0, len(ids))
	for _, id := range ids {
		if _, ok := pins[id]; !ok {
			pins[id] = struct{}{}
			list = append(list, id)
		}
	}
	was := b.pinned
	b.pins, b.pinned = pins, list
	for _, id := range was { // not ranging over the map: the order is that of a later eviction
		if _, ok := pins[id]; !ok {
			b.hold(id, false)
		}
	}
	for _, id := range list {
		b.hold(id, true)
	}
}

func (b *book) hold(id peer.ID, pinned bool) {
	if s := b.byID[id]; s != nil && s.pinned != pinned {
		b.detach(s)
		s.pinned = pinned
		b.attach(s)
	}
}

// touch marks an id as met just now, as after a probe that it answered.
func (b *book) touch(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil {
		b.meet(s)
	}
}

// forget drops what is known of id, except for the addresses of a seed.
func (b *book) forget(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[id]
	if s == nil {
		return
	}
	b.remove(s)
	if s.seed {
		bare := &bookSlot{entry: entry{id: id, from: fromSeed}, seed: true, seedAddrs: s.seedAddrs}
		b.place(bare, nil) // fits: it takes less than s did
	}
}

// dropSeed takes back addSeed: the addresses that came with it go, a record stays and may be evicted from now on.
func (b *book) dropSeed(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[id]
	if s == nil || !s.seed {
		return
	}
	b.remove(s)
	if s.raw != nil {
		b.place(&bookSlot{entry: s.entry, sum: s.sum}, nil) // fits: it takes less than s did
	}
}

// known tells whose record raw is if the book holds exactly it. It parses nothing and allocates nothing.
func (b *book) known(raw []byte) (peer.ID, bool) {
	sum := sha256.Sum256(raw)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.bySum[sum]; s != nil && !s.unchecked {
		return s.id, true
	}
	return "", false
}

// get returns what is known of id.
func (b *book) get(id peer.ID) (entry, bool) {
	b.settle(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil {
		return s.entry, true
	}
	return entry{}, false
}

// raw returns the signed record of id, nil if there is none. It is shared and must not be written to.
func (b *book) raw(id peer.ID) []byte {
	e, _ := b.get(id)
	return e.raw
}

// addrs returns where id can be dialled: the addresses that the user gave, then those of its record. It is the caller's.
func (b *book) addrs(id peer.ID) []multiaddr.Multiaddr {
	b.settle(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[id]
	if s == nil {
		return nil
	}
	out := slices.Clone(s.seedAddrs)
	for _, a := range s.addrs {
		if !slices.ContainsFunc(s.seedAddrs, a.Equal) {
			out = append(out, a)
		}
	}
	return out
}

// given returns the addresses of id that the user gave. They are shared and must not be written to.
func (b *book) given(id peer.ID) []multiaddr.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil {
		return s.seedAddrs
	}
	return nil
}

// info returns id with its addresses, none if it is unknown.
func (b *book) info(id peer.ID) peer.AddrInfo { return peer.AddrInfo{ID: id, Addrs: b.addrs(id)} }

// acquaintances returns up to count distinct ids that are not in use, drawn uniformly from those with which an exchange of
// ours, or of an earlier run, has succeeded. To have pushed is not enough: that costs an id nothing.
func (b *book) acquaintances(count int) []peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []peer.ID
	seen := 0
	for id, s := range b.byID {
		if s.pinned || !s.located && s.from != fromRestored {
			continue
		}
		// Algorithm R (Vitter 1985): the i-th stays with a chance of count/i.
		if seen++; len(out) < count {
			out = append(out, id)
		} else if i := rand.IntN(seen); i < count {
			out[i] = id
		}
	}
	return out
}

// len returns the number of entries, seeds without a record included.
func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.byID)
}
