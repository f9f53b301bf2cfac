package host

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A ChangeReason says why the sample changed. The reasons are a closed set: ChangeReasons.
type ChangeReason string

// The reasons.
const (
	// ChangeDied: Removed failed to answer in two distinct rounds.
	ChangeDied ChangeReason = "died"
	// ChangeLeft: Removed said that they leave.
	ChangeLeft ChangeReason = "left"
	// ChangeResized: Removed lost their slots when the sample became smaller with the network (or to better ids, in
	// that round).
	ChangeResized ChangeReason = "resized"
	// ChangeWon: Added answered a probe and took slots that were empty or belonged to Removed.
	ChangeWon ChangeReason = "won"
	// ChangeCounted: Added and Removed hold slots as before, and these begin or cease to count. Slots that are not
	// mature count until the first one is; those of a restored sample count when their peer has answered.
	ChangeCounted ChangeReason = "counted"
)

// ChangeReasons returns the closed set of reasons, in the order in which the events of a round come.
func ChangeReasons() []ChangeReason {
	return []ChangeReason{ChangeDied, ChangeLeft, ChangeResized, ChangeWon, ChangeCounted}
}

// EvtSampleChanged is emitted on the host's event bus at the end of a round when peers came into what Sample returns,
// or went from it: one event for each reason.
//
// A service starts with an empty sample, and the events since then always add up to one that Sample returned. Where a
// subscriber is slow they wait, and what changed meanwhile comes in one. What else is said of subscribers at
// EvtPeerMisbehaved holds here.
type EvtSampleChanged struct {
	Prefix  string // the service's protocol prefix: a host may have several services
	Round   uint64 // the closed round
	Reason  ChangeReason
	Added   []peer.AddrInfo // shared by all subscribers: nobody may change it
	Removed []peer.ID
}

// changes knows what subscribers know of the sample. The loop owns it.
type changes struct {
	told map[peer.ID]bool         // the sample that the events add up to
	gone map[peer.ID]ChangeReason // those of told that died or left, until that is told
}

// lost notes that id died or left. Whoever is not in told is nobody that an event has to explain.
func (c *changes) lost(id peer.ID, why ChangeReason) {
	if c.told[id] {
		c.gone[id] = why
	}
}

// since returns the events that lead from what is told to the sample of now. before is the snapshot of the round
// before.
func (c *changes) since(before, now *Snapshot) []EvtSampleChanged {
	held, holds := holders(before), holders(now)
	by := make(map[ChangeReason]*EvtSampleChanged)
	event := func(why ChangeReason) *EvtSampleChanged {
		if by[why] == nil {
			by[why] = &EvtSampleChanged{Round: now.Round, Reason: why}
		}
		return by[why]
	}
	in := make(map[peer.ID]bool, len(now.Peers))
	for _, p := range now.Peers {
		in[p.ID] = true
		if c.told[p.ID] {
			delete(c.gone, p.ID) // it is back
			continue
		}
		why := ChangeWon
		if held[p.ID] {
			why = ChangeCounted
		}
		e := event(why)
		e.Added = append(e.Added, p)
	}
	for id := range c.told {
		if in[id] {
			continue
		}
		why, ok := c.gone[id]
		switch {
		case ok:
		case holds[id]:
			why = ChangeCounted
		case len(now.Slots) < len(before.Slots):
			why = ChangeResized
		default:
			why = ChangeWon
		}
		e := event(why)
		e.Removed = append(e.Removed, id)
	}
	var out []EvtSampleChanged
	for _, why := range ChangeReasons() {
		if e := by[why]; e != nil {
			slices.Sort(e.Removed) // told is a map
			out = append(out, *e)
		}
	}
	return out
}

// tell notes that subscribers get e.
func (c *changes) tell(e EvtSampleChanged) {
	if c.told == nil {
		c.told, c.gone = make(map[peer.ID]bool), make(map[peer.ID]ChangeReason)
	}
	for _, p := range e.Added {
		c.told[p.ID] = true
	}
	for _, id := range e.Removed {
		delete(c.told, id)
		delete(c.gone, id)
	}
}

// holders returns who holds a slot, whether it counts or not.
func holders(s *Snapshot) map[peer.ID]bool {
	out := make(map[peer.ID]bool, len(s.Slots))
	for _, slot := range s.Slots {
		if slot.ID != "" {
			out[slot.ID] = true
		}
	}
	return out
}

// tellChanges announces how the sample differs from what was announced last, as far as there is room in the queue.
func (s *Service) tellChanges(snap *Snapshot, dead []peer.ID) {
	c := &s.loop.changes
	if s.announcer.sampled == nil {
		return
	}
	for _, id := range dead {
		c.lost(id, ChangeDied)
	}
	for _, e := range c.since(s.Snapshot(), snap) {
		e.Prefix = s.cfg.prefix
		if !s.announcer.sample.offer(e) {
			return // it comes with a later round
		}
		c.tell(e)
	}
}
