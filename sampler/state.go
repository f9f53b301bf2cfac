package sampler

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrState is wrapped by the errors of RestoreGroup that are about the state, and not about the Config.
var ErrState = errors.New("sampler: wrong state")

// State is what a Group needs to go on in another process: the same ids in slots with the same keys. Who has it can grind
// ids that win the slots, so it must be kept as a private key is. Seats are not in it, since whoever sat there is undecided
// and gossip brings it back; nor is the filter, which costs hashes and no decision.
type State struct {
	Secret     [32]byte
	Hash       Kind
	Generation uint64 // clearings so far, from 1
	Next       uint64 // the first position that was never used
	Slots      []SlotState
}

// SlotState is one slot of a State.
type SlotState struct {
	ID      peer.ID // empty if the slot holds nothing
	Hash    uint64  // Slot.Hash, 0 for an empty slot
	Key     uint64  // the slot's position, below State.Next and no other slot's
	Born    uint64  // the generation of its last clearing, 1 to State.Generation
	Age     int     // Slot.Age, 0 or more
	Diverse bool
}

// Export returns the state of the group, which shares nothing with it.
func (g *Group) Export() State {
	s := State{Secret: g.cfg.Secret, Hash: g.cfg.Hash, Generation: g.generation, Next: g.next, Slots: make([]SlotState, len(g.slots))}
	for i := range g.slots {
		x := &g.slots[i]
		s.Slots[i] = SlotState{ID: x.id, Hash: x.hash, Key: x.position, Born: x.born, Age: x.age, Diverse: x.diverse}
	}
	return s
}

// RestoreGroup returns a group of cfg that goes on from s. cfg.Secret is not looked at: s has its own. Where cfg has more
// slots of a kind, plain or diverse, than s, the rest are empty and have fresh keys; where it has fewer, the last ones of s
// are dropped. All restored ids wait (Waiting). It fails with ErrState if s was not exported by a group of this Self
// and Hash.
func RestoreGroup(cfg Config, s State) (*Group, error) {
	cfg.Secret = s.Secret
	g, err := NewGroup(cfg)
	if err != nil {
		return nil, err
	}
	if err := g.check(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	g.generation, g.next = s.Generation, s.Next
	taken := [2]int{} // slots of s that were looked at, for plain and diverse ones
	for i := range g.slots {
		kind := 0
		if g.slots[i].diverse {
			kind = 1
		}
		for taken[kind] < len(s.Slots) && s.Slots[taken[kind]].Diverse != (kind == 1) {
			taken[kind]++
		}
		x := &g.slots[i]
		if taken[kind] == len(s.Slots) {
			x.position, x.born = g.next, g.generation
			g.next++
			continue
		}
		from := s.Slots[taken[kind]]
		taken[kind]++
		x.id, x.hash, x.position, x.born, x.age = from.ID, from.Hash, from.Key, from.Born, from.Age
		if x.id != "" {
			g.held[x.id]++
		}
	}
	// Slots that were cleared together got their keys in their order, where they got any: it is that of their keys.
	slices.SortFunc(g.byBorn, func(a, b int) int {
		return cmp.Or(cmp.Compare(g.slots[a].born, g.slots[b].born), cmp.Compare(g.slots[a].position, g.slots[b].position))
	})
	g.line()
	g.waiting = make(map[peer.ID]struct{}, len(g.held))
	for id := range g.held {
		g.waiting[id] = struct{}{}
	}
	return g, nil
}

// maxGeneration leaves Generation and Next room to grow in for ever.
const maxGeneration = 1 << 62

// check reports what of s no group with g's hash and Self can have exported.
func (g *Group) check(s State) error {
	switch {
	case s.Hash != g.cfg.Hash:
		return fmt.Errorf("it was made with hash=%q, and hash=%q is asked for", s.Hash, g.cfg.Hash)
	case len(s.Slots) == 0 || len(s.Slots) > MaxL2:
		return fmt.Errorf("it has %d slots, which must be 1 to %d", len(s.Slots), MaxL2)
	case s.Generation < 1 || s.Generation > maxGeneration:
		return fmt.Errorf("generation=%d must be between 1 and 2^62", s.Generation)
	case s.Next > maxGeneration:
		return fmt.Errorf("next position=%d must be at most 2^62", s.Next)
	}
	keys := make(map[uint64]bool, len(s.Slots))
	for i, x := range s.Slots {
		switch {
		case x.Key >= s.Next || keys[x.Key]:
			return fmt.Errorf("slot %d: position=%d must be below %d and no other slot's", i, x.Key, s.Next)
		case x.Born < 1 || x.Born > s.Generation:
			return fmt.Errorf("slot %d: born=%d must be between 1 and %d", i, x.Born, s.Generation)
		case x.Age < 0:
			return fmt.Errorf("slot %d: age=%d must not be negative", i, x.Age)
		case x.ID == g.cfg.Self && x.ID != "":
			return fmt.Errorf("slot %d holds the node itself", i)
		case !g.fits(x):
			return fmt.Errorf("slot %d: its hash is not that of its id", i)
		}
		keys[x.Key] = true
	}
	return nil
}

// fits reports whether x has the hash that its id has under the group's key. Of a diverse slot that is told of the half
// that ranks by the id: prefixes are the driver's, and may have changed.
func (g *Group) fits(x SlotState) bool {
	if x.ID == "" {
		return x.Hash == 0
	}
	var h [1]uint64
	g.hash.Sum(h[:], x.ID, g.digest.of(x.ID), []uint64{x.Key})
	if x.Diverse {
		return uint32(x.Hash) == uint32(h[0]>>32)
	}
	return x.Hash == h[0]
}

// Answered records that id answered in this process: what it holds counts from now on.
func (g *Group) Answered(id peer.ID) { delete(g.waiting, id) }

// Waits reports whether id holds slots since before RestoreGroup and has not answered since.
func (g *Group) Waits(id peer.ID) bool {
	_, ok := g.waiting[id]
	return ok
}

// Waiting returns the number of distinct ids that wait. None ever does in a group that was not restored.
func (g *Group) Waiting() int { return len(g.waiting) }
