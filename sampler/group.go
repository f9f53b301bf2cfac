package sampler

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
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
	// FilterSize is the number of ids that the filter remembers, rounded down to a power of two of 8 or more, 0 for
	// DefaultFilterSize. It costs 16 bytes each, grown as needed; ids beyond it cost hashes when they are fed again.
	FilterSize int
	// SettleDisplaced breaks rule (a) of challengers on purpose: an id that lost its seat without a probe counts as
	// decided. It exists to measure what the rule is worth and is never set by a preset.
	SettleDisplaced bool
}

const (
	// MaxL2 bounds the slots of a group: 100 million nodes ask for 4*cbrt(n) = 1857.
	MaxL2 = 4096
	// DefaultFilterSize is twice the number of ids that a node of a network of 4,000 ever meets: 128 KiB when full.
	DefaultFilterSize = 8192
)

// Validate reports the first field that is out of range, by name, value and rule.
func (c Config) Validate() error {
	switch {
	case c.L2 < 1 || c.L2 > MaxL2:
		return fmt.Errorf("sampler: l2=%d must be between 1 and %d", c.L2, MaxL2)
	case c.Maturity < 0:
		return fmt.Errorf("sampler: maturity=%d must not be negative", c.Maturity)
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
	ID     peer.ID // empty if the slot holds nothing
	Hash   uint64  // of ID under the slot's current key
	Age    int     // rounds in which the slot was fed since it was last cleared
	Mature bool    // Age has reached Config.Maturity
}

// A Group is the l2 samplers of a node. Equal calls leave it in equal states. It is not safe for concurrent use.
type Group struct {
	cfg        Config
	hash       Hash
	filter     *filter
	slots      []slot
	byBorn     []int    // slot indices by ascending born, so the slots to feed are a suffix
	at         []uint64 // the positions of the slots of byBorn
	generation uint64   // counts clearings; born and the filter's marks are generations
	next       uint64   // first position that was never used
	held       map[peer.ID]int
	fed        bool // since the last EndRound

	sums []uint64 // scratch of Offer
}

type slot struct {
	id       peer.ID // incumbent, empty if none
	hash     uint64
	born     uint64 // generation of the last clearing
	position uint64
	age      int
	rival    seat // the challenger
	late     seat // one better late-comer, waiting for the challenger's probe to end
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
	fk := derive("brahms/filter/")
	g := &Group{
		cfg:        cfg,
		hash:       hash,
		filter:     newFilter(binary.LittleEndian.Uint64(fk[:]), binary.LittleEndian.Uint64(fk[8:]), cfg.FilterSize),
		slots:      make([]slot, cfg.L2),
		byBorn:     make([]int, cfg.L2),
		at:         make([]uint64, cfg.L2),
		sums:       make([]uint64, cfg.L2),
		generation: 1,
		next:       uint64(cfg.L2),
		held:       make(map[peer.ID]int, cfg.L2),
	}
	for i := range g.slots {
		g.slots[i].position, g.slots[i].born = uint64(i), g.generation
		g.byBorn[i], g.at[i] = i, uint64(i)
	}
	return g, nil
}

// Offer feeds one id of the stream to every slot that has not decided on it. Where it would win it becomes the slot's
// challenger; where trusted is true (the node believes that the id is alive, because it holds another slot or answered
// just now), or the group is Direct, it takes the slot at once. The caller drops ids that it knows to be dead.
//
// An id counts as decided for a slot only when its hash is not below the incumbent's or when it won (rule a). A
// challenger that was displaced or never probed is not decided: if it were, phantoms that are named once would shadow
// honest ids for ever.
func (g *Group) Offer(id peer.ID, namer Namer, trusted bool) {
	if id == "" || id == g.cfg.Self {
		return
	}
	g.fed = true
	print := g.filter.print(id)
	last := g.filter.last(print)
	if last == g.generation { // D25
		return
	}
	first := 0
	if last > 0 {
		first = sort.Search(len(g.byBorn), func(i int) bool { return g.slots[g.byBorn[i]].born > last })
	}
	feed, sums := g.byBorn[first:], g.sums[first:]
	g.hash.Sum(sums, id, g.at[first:])
	settled := true
	for k, i := range feed {
		s := &g.slots[i]
		if sums[k] > s.hash && s.id != "" {
			continue // compete would say so too; most slots end here
		}
		if !g.compete(s, id, sums[k], namer, trusted || g.cfg.Direct) {
			settled = false
		}
	}
	if settled || g.cfg.SettleDisplaced {
		g.filter.note(print, g.generation)
	}
}

func (g *Group) win(s *slot, id peer.ID, h uint64) {
	g.release(s.id)
	s.id, s.hash = id, h
	g.held[id]++
	if s.rival.id != "" && !below(s.rival.hash, s.rival.id, h, id) {
		s.rival = seat{}
	}
	if s.late.id != "" && !below(s.late.hash, s.late.id, h, id) {
		s.late = seat{}
	}
	s.promote()
}

func (g *Group) release(id peer.ID) {
	if id == "" {
		return
	}
	if g.held[id]--; g.held[id] == 0 {
		delete(g.held, id)
	}
}

// Clear empties every slot that holds id, which died or left, and returns how many those were. The slots are fed anew
// from then on, under the same key (D7): a fresh key would be a ratchet, since correct peers flap and faulty ones never do.
// id loses its seats too.
func (g *Group) Clear(id peer.ID) int {
	g.Refuse(id)
	n := g.held[id]
	if n == 0 {
		return 0
	}
	delete(g.held, id)
	g.generation++
	kept := make([]int, 0, len(g.byBorn))
	var cleared []int
	for _, i := range g.byBorn {
		s := &g.slots[i]
		if s.id != id {
			kept = append(kept, i)
			continue
		}
		s.id, s.hash, s.age, s.born = "", 0, 0, g.generation
		if g.cfg.Rekey {
			s.position = g.next
			g.next++
			s.rival, s.late = seat{}, seat{} // their hashes are of the old key
		}
		cleared = append(cleared, i)
	}
	g.byBorn = append(kept, cleared...)
	for k, i := range g.byBorn {
		g.at[k] = g.slots[i].position
	}
	return n
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

// Decided reports whether every slot has decided on id, so that offering it again would change nothing, and takes note
// that the stream brought it. It is the cheap question to ask first: most ids that a stream repeats end here.
func (g *Group) Decided(id peer.ID) bool {
	if id == "" || id == g.cfg.Self || g.filter.last(g.filter.print(id)) != g.generation {
		return false
	}
	g.fed = true
	return true
}

// Holds returns the number of slots that id holds.
func (g *Group) Holds(id peer.ID) int { return g.held[id] }

// Len is l2.
func (g *Group) Len() int { return len(g.slots) }

// Slots returns a copy of all slots, in the order of their positions when the group was new.
func (g *Group) Slots() []Slot {
	out := make([]Slot, len(g.slots))
	for i, s := range g.slots {
		out[i] = Slot{ID: s.id, Hash: s.hash, Age: s.age, Mature: s.age >= g.cfg.Maturity}
	}
	return out
}

// Members returns the distinct ids that hold slots, in slot order.
func (g *Group) Members() []peer.ID {
	out := make([]peer.ID, 0, len(g.held))
	seen := make(map[peer.ID]struct{}, len(g.held))
	for i := range g.slots {
		id := g.slots[i].id
		if _, ok := seen[id]; ok || id == "" {
			continue
		}
		seen[id] = struct{}{}
		out = append(out, id)
	}
	return out
}

// Sample returns the ids of the slots that count, one entry a slot: those of mature slots, or of all filled slots while
// no filled slot is mature (D12). Young slots hold the least of the few ids met so far, and what a node meets first is
// biased.
func (g *Group) Sample() []peer.ID {
	var mature, all []peer.ID
	for i := range g.slots {
		s := &g.slots[i]
		if s.id == "" {
			continue
		}
		all = append(all, s.id)
		if s.age >= g.cfg.Maturity {
			mature = append(mature, s.id)
		}
	}
	if len(mature) > 0 {
		return mature
	}
	return all
}
