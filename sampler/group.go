package sampler

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Config says how a Group works. Validate names what is wrong with it.
type Config struct {
	// L2 is the number of slots, 1 to MaxL2.
	L2 int
	// Hash is the keyed hash; the zero value is AES.
	Hash Kind
	// Secret is the node's secret, which all keys are derived from together with Self. It must be unpredictable: who
	// knows it can grind ids that win every slot.
	Secret [32]byte
	// Self is the node's own id, which is never fed. Keys depend on it, so that a secret used twice by mistake does
	// not make two nodes sample alike.
	Self peer.ID
	// Maturity is the number of rounds that a slot must have been fed since it was last cleared before it counts, 0 or
	// more.
	Maturity int
	// Direct feeds ids straight into the slots, as the paper does. Otherwise an id that would win becomes a challenger
	// and must answer a probe first (D6).
	Direct bool
	// Rekey gives a slot a fresh key when its value is cleared, as the paper does. Otherwise the key is kept
	// (D7).
	Rekey bool
	// Diverse is how many of the slots, the first ones of a new group, rank ids by the prefix of their address before the id itself, 0
	// to L2 (D27, diverse.go). It needs challengers: a prefix is a claim until a probe confirms it.
	Diverse int
	// Prefix says where an id is: what an exchange of ours confirmed if there was one, else what is claimed. It must
	// depend on nothing but what its caller told the group by then. nil is nowhere: Diverse changes nothing then.
	Prefix func(peer.ID) Prefix
	// FilterSize is the number of ids that the filter remembers, rounded down to a power of two of 8 or more, 0 for
	// DefaultFilterSize. It costs 8 bytes each, grown as needed; ids beyond it cost hashes when they are fed again.
	FilterSize int
	// SettleDisplaced breaks rule (a) of challengers on purpose: an id that lost its seat without a probe counts as
	// decided. It exists to measure what the rule is worth and is never set by a preset.
	SettleDisplaced bool
}

const (
	// MaxL2 bounds the slots of a group: 100 million nodes ask for 4*cbrt(n) = 1857.
	MaxL2 = 4096
	// DefaultFilterSize is twice the number of ids that a node of a network of 4,000 ever meets: 64 KiB when full.
	DefaultFilterSize = 8192
)

// Validate reports the first field that is out of range, by name, value and rule.
func (c Config) Validate() error {
	switch {
	case c.L2 < 1 || c.L2 > MaxL2:
		return fmt.Errorf("sampler: l2=%d must be between 1 and %d", c.L2, MaxL2)
	case c.Maturity < 0:
		return fmt.Errorf("sampler: maturity=%d must not be negative", c.Maturity)
	case c.Diverse < 0 || c.Diverse > c.L2:
		return fmt.Errorf("sampler: diverse=%d must be between 0 and l2=%d", c.Diverse, c.L2)
	case c.Diverse > 0 && c.Direct:
		return fmt.Errorf("sampler: diverse=%d must be 0 where ids are fed directly: nobody confirms their prefixes", c.Diverse)
	case c.FilterSize < 0:
		return fmt.Errorf("sampler: filter size=%d must not be negative", c.FilterSize)
	}
	if c.Hash == "" {
		return nil
	}
	_, err := NewHash(c.Hash, c.Secret)
	return err
}

// A Slot is what one sampler holds, as a copy.
type Slot struct {
	ID      peer.ID // empty if the slot holds nothing
	Hash    uint64  // of ID under the slot's current key; in a diverse slot its rank, of prefix and id
	Key     uint64  // the slot's position: another one since the slot was re-keyed
	Age     int     // rounds in which the slot was fed since it was last cleared
	Mature  bool    // Age has reached Config.Maturity
	Diverse bool    // one of Config.Diverse
	Waiting bool    // ID was restored and has not answered since: the slot does not count
}

// A Group is the l2 samplers of a node. Equal calls leave it in equal states. It is not safe for concurrent use.
type Group struct {
	cfg        Config
	digest     *digester
	hash       Hash
	filter     *filter
	slots      []slot
	byBorn     []int    // slot indices by ascending born, so the slots to feed are a suffix
	at         []uint64 // the positions of the slots of byBorn
	straight   bool     // at is 0, 1, 2 and so on, as long as no slot was cleared
	wide       []bool   // which of the slots of byBorn are diverse
	bars       []uint64 // what a hash must not exceed to be of interest to the slots of byBorn: see bar
	generation uint64   // counts clearings; born and the filter's marks are generations
	next       uint64   // first position that was never used
	held       map[peer.ID]int
	waiting    map[peer.ID]struct{} // of held, those that were restored and have not answered since; nil if none were
	members    []peer.ID            // what Members returned last, nil since an incumbent changed
	fed        bool                 // since the last EndRound
	contested  bool                 // a seat may be taken: false only if none is
	diverse    int                  // slots that are diverse

	sums    []uint64 // scratch of Offer
	ranks   []uint64 // scratch of Confirm: of its id, by slot
	scratch ranker
}

type slot struct {
	id       peer.ID // incumbent, empty if none
	hash     uint64
	born     uint64 // generation of the last clearing
	position uint64
	floor    uint64 // when it lost an id, no id that lived had a hash below this under its key; 0 is unknown
	place    int    // in byBorn
	age      int
	diverse  bool
	*seats   // nil while nobody sits, as mostly
}

// below orders (hash, id) pairs. The id breaks ties (D21), so that the least of a set does not depend on its order.
func below(h1 uint64, id1 peer.ID, h2 uint64, id2 peer.ID) bool {
	return h1 < h2 || h1 == h2 && id1 < id2
}

// NewGroup returns a group of empty slots, or the error of cfg.Validate.
func NewGroup(cfg Config) (*Group, error) {
	if cfg.Hash == "" {
		cfg.Hash = AES
	}
	if cfg.FilterSize == 0 {
		cfg.FilterSize = DefaultFilterSize
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	derive := func(label string) [32]byte {
		b := append([]byte(label), cfg.Secret[:]...)
		return sha256.Sum256(append(b, cfg.Self...))
	}
	hash, err := NewHash(cfg.Hash, derive("brahms/slots/"))
	if err != nil {
		return nil, err
	}
	g := &Group{
		cfg:        cfg,
		digest:     newDigester(derive("brahms/digest/")),
		hash:       hash,
		filter:     newFilter(cfg.FilterSize),
		slots:      make([]slot, cfg.L2),
		byBorn:     make([]int, cfg.L2),
		at:         make([]uint64, cfg.L2),
		wide:       make([]bool, cfg.L2),
		bars:       make([]uint64, cfg.L2),
		sums:       make([]uint64, cfg.L2),
		generation: 1,
		diverse:    cfg.diverse(),
		next:       uint64(cfg.L2),
		held:       make(map[peer.ID]int, cfg.L2),
	}
	for i := range g.slots {
		g.slots[i].position, g.slots[i].born, g.slots[i].diverse = uint64(i), g.generation, i < g.diverse
		g.byBorn[i] = i
	}
	g.line()
	return g, nil
}

// line brings what goes by the order of byBorn up to date with it.
func (g *Group) line() {
	g.straight = true
	for k, i := range g.byBorn {
		s := &g.slots[i]
		s.place, g.at[k], g.wide[k], g.bars[k] = k, s.position, s.diverse, s.bar()
		g.straight = g.straight && s.position == uint64(k)
	}
}

// bar is the incumbent's hash, and of an empty slot the largest hash, which no hash exceeds. An id that hashes above it
// has lost; one that hashes to it may win, by the lesser id or because the slot is empty.
func (s *slot) bar() uint64 {
	if s.id == "" {
		return math.MaxUint64
	}
	return s.hash
}

// Offer feeds one id of the stream to every slot that has not decided on it. Where it would win it becomes the slot's
// challenger; where trusted is true (the node believes that the id is alive, because it holds another slot or answered
// just now), or the group is Direct, it takes the slot at once. The caller drops ids that it knows to be dead.
//
// An id counts as decided for a slot only when its hash is not below the incumbent's or when it won (rule a). A
// challenger that was displaced or never probed is not decided: if it were, phantoms that are named once would shadow
// honest ids for ever.
func (g *Group) Offer(id peer.ID, namer Namer, trusted bool) {
	verdict := Unknown
	if trusted {
		verdict = Trusted
	}
	g.Feed([]peer.ID{id}, namer, func(peer.ID) Verdict { return verdict })
}

// Verdict is what a node thinks of an id that the stream brings.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota // must answer a probe first
	Trusted                // believed to be alive
	Refused                // is not fed
)

// batch is how many ids are looked up in the filter together. Waiting for memory is most of the cost of an id that is
// known, and the waits of a batch overlap: see filter.touch.
const batch = 64

// Feed offers the ids in their order, as Offer does. judge is asked about each id that some slot has not decided on and
// that may win one.
func (g *Group) Feed(ids []peer.ID, namer Namer, judge func(peer.ID) Verdict) {
	var keys [batch]key
	for len(ids) > 0 {
		some := ids[:min(len(ids), batch)]
		ids = ids[len(some):]
		g.filter.fetch(some)
		for i, id := range some {
			keys[i] = g.key(id, g.digest.sum(id))
		}
		g.filter.touch(keys[:len(some)])
		for i, id := range some {
			if id == "" || id == g.cfg.Self {
				continue
			}
			last := g.filter.last(keys[i].print)
			if last == g.generation { // D25
				g.fed = true
				continue
			}
			g.offer(id, keys[i], last, namer, judge)
		}
	}
}

// key is what the group computes of an id before it looks at slots.
type key struct {
	Digest
	print uint64 // what the filter knows the id by
}

// key of an id with digest d. Where there are diverse slots the filter knows an id by its prefix too, so that an id which
// moved is judged anew.
func (g *Group) key(id peer.ID, d Digest) key {
	k := key{Digest: d, print: d.Hi}
	if g.diverse > 0 {
		k.print ^= g.digest.sum(peer.ID(g.cfg.Prefix(id).Fine)).Lo
	}
	return k
}

// offer lets id, which has key x and was decided on up to generation last, try for the slots that came after. Only
// where it may win judge is asked; that it lost elsewhere stays true whatever becomes of it.
func (g *Group) offer(id peer.ID, x key, last uint64, namer Namer, judge func(peer.ID) Verdict) {
	first := 0
	if last > 0 {
		first = sort.Search(len(g.byBorn), func(i int) bool { return g.slots[g.byBorn[i]].born > last })
	}
	sums := g.sums[first:]
	bars := g.bars[first:][:len(sums)]
	g.rank(sums, id, x.Digest, first)
	settled, judged, trusted := true, false, g.cfg.Direct
	for k, h := range sums {
		if h > bars[k] {
			continue // compete would say so too; most slots end here, so no slot is touched
		}
		if !judged {
			verdict := judge(id)
			if verdict == Refused {
				return
			}
			judged, trusted = true, trusted || verdict == Trusted
		}
		if !g.compete(&g.slots[g.byBorn[first+k]], id, h, namer, trusted) {
			settled = false
		}
	}
	g.fed = true
	if settled || g.cfg.SettleDisplaced {
		g.filter.note(x.print, g.generation)
	}
}

func (g *Group) win(s *slot, id peer.ID, h uint64) {
	g.release(s.id)
	s.id, s.hash, g.members = id, h, nil
	g.bars[s.place] = s.bar()
	g.held[id]++
	s.vacate(func(c seat) bool { return !below(c.hash, c.id, h, id) })
}

func (g *Group) release(id peer.ID) {
	if id == "" {
		return
	}
	if g.held[id]--; g.held[id] == 0 {
		delete(g.held, id)
		delete(g.waiting, id)
	}
}

// Clear empties every slot that holds id, which died or left, and returns how many those were. The slots are fed anew
// from then on, under the same key (D7): a fresh key would be a ratchet, since correct peers flap and faulty ones never do.
// id loses its seats too.
func (g *Group) Clear(id peer.ID) int {
	g.Refuse(id)
	if g.held[id] == 0 {
		return 0
	}
	return g.empty(func(i int) bool { return g.slots[i].id == id }, g.cfg.Rekey)
}

// empty empties the slots for which gone is true, one at least, and returns how many those were. With rekey they move to
// positions that were never used.
func (g *Group) empty(gone func(slot int) bool, rekey bool) int {
	g.members = nil
	g.generation++
	kept := make([]int, 0, len(g.byBorn))
	var cleared []int
	for _, i := range g.byBorn {
		if !gone(i) {
			kept = append(kept, i)
			continue
		}
		s := &g.slots[i]
		g.release(s.id)
		if s.holdsLeast(g.cfg.Maturity) {
			s.floor = s.hash
		}
		s.id, s.hash, s.age, s.born = "", 0, 0, g.generation
		if rekey {
			s.position, s.floor = g.next, 0
			g.next++
			s.seats = nil // their hashes are of the old key
		}
		cleared = append(cleared, i)
	}
	g.byBorn = append(kept, cleared...)
	g.line()
	return len(cleared)
}

// EndRound ends a round: slots that were fed in it grow a round older (D12).
func (g *Group) EndRound() {
	if !g.fed {
		return
	}
	g.fed = false
	for i := range g.slots {
		g.slots[i].age++
	}
}

// Decided reports whether every slot has decided on id, so that offering it again would change nothing.
func (g *Group) Decided(id peer.ID) bool {
	return id != "" && id != g.cfg.Self && g.filter.last(g.key(id, g.digest.of(id)).print) == g.generation
}

// Holds returns the number of slots that id holds.
func (g *Group) Holds(id peer.ID) int { return g.held[id] }

// Filled returns the number of slots that hold an id.
func (g *Group) Filled() int {
	filled := 0
	for i := range g.slots {
		if g.slots[i].id != "" {
			filled++
		}
	}
	return filled
}

// Len is l2.
func (g *Group) Len() int { return len(g.slots) }

// Slot returns a copy of one slot, 0 to Len()-1, by the order in which slots came.
func (g *Group) Slot(i int) Slot {
	s := &g.slots[i]
	return Slot{ID: s.id, Hash: s.hash, Key: s.position, Age: s.age, Mature: s.age >= g.cfg.Maturity, Diverse: s.diverse,
		Waiting: len(g.waiting) > 0 && g.Waits(s.id)}
}

// Slots returns a copy of all slots.
func (g *Group) Slots() []Slot {
	out := make([]Slot, len(g.slots))
	for i := range out {
		out[i] = g.Slot(i)
	}
	return out
}

// Hashes returns the hash of id under each slot's current key (in diverse slots its rank), in slot order, in the storage of out if that is large
// enough. It feeds nothing. It is for tests and simulations that compare a sample with the truth: whoever learns hashes
// can grind ids that win slots, so they must never leave the process.
func (g *Group) Hashes(out []uint64, id peer.ID) []uint64 {
	out = slices.Grow(out[:0], len(g.slots))[:len(g.slots)]
	g.rank(g.sums, id, g.digest.of(id), 0)
	for k, i := range g.byBorn {
		out[i] = g.sums[k]
	}
	return out
}

// Members returns the distinct ids that hold slots, in slot order. The slice is shared: nobody may change it.
func (g *Group) Members() []peer.ID {
	if g.members != nil || len(g.held) == 0 {
		return g.members
	}
	g.members = make([]peer.ID, 0, len(g.held)) // not in place: the caller may range over the last
	seen := make(map[peer.ID]struct{}, len(g.held))
	for i := range g.slots {
		id := g.slots[i].id
		if _, ok := seen[id]; ok || id == "" {
			continue
		}
		seen[id] = struct{}{}
		g.members = append(g.members, id)
	}
	return g.members
}

// Sample returns the ids of the slots that count, one entry a slot: those of mature slots, or of all filled slots while
// no filled slot is mature (D12). Young slots hold the least of the few ids met so far, and what a node meets first is
// biased. For the same reason a mature slot whose id waits (RestoreGroup) keeps young ones from counting, although it
// does not count itself until the id has answered.
func (g *Group) Sample() []peer.ID {
	filled, mature, old := 0, 0, false
	for i := range g.slots {
		s := g.Slot(i)
		if s.ID == "" {
			continue
		}
		old = old || s.Mature
		if s.Waiting {
			continue
		}
		filled++
		if s.Mature {
			mature++
		}
	}
	count := mature
	if !old {
		count = filled
	}
	if count == 0 {
		return nil
	}
	out := make([]peer.ID, 0, count)
	for i := range g.slots {
		if s := g.Slot(i); s.ID != "" && !s.Waiting && (s.Mature || !old) {
			out = append(out, s.ID)
		}
	}
	return out
}
