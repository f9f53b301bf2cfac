package sampler

import (
	"sort"

	"github.com/libp2p/go-libp2p/core/peer"
)

// This file holds how an id gets into a slot that is not Direct (D6): the rules (a) to (e) of docs/design.md, each of which
// rules_test.go shows with the failure that it stops.

// A Namer is the peer that a node heard of an id from. The probe budget is dealt over namers, so that naming many ids
// buys no more probes than naming a few.
type Namer struct {
	ID     peer.ID // empty for ids that the node itself brings up again
	Pushed bool    // the id named itself by a push; such namers are served first
}

// seat is an id that beats the slot's incumbent and has not been probed for it yet. The zero seat is empty.
type seat struct {
	id    peer.ID
	hash  uint64
	namer Namer
	asked uint64 // round in which its probe was ordered, 0 while it waits for one
}

// seats are those of one slot.
type seats struct {
	rival seat // the challenger, never empty
	late  seat // one better late-comer, waiting for the challenger's probe to end
}

// compete lets id, whose hash in s is h and does not exceed its bar, try for s and reports whether the slot has decided
// on it.
func (g *Group) compete(s *slot, id peer.ID, h uint64, namer Namer, trusted bool) bool {
	if s.id == id || s.id != "" && !below(h, id, s.hash, s.id) {
		return true
	}
	if trusted {
		g.win(s, id, h)
		return true
	}
	challenger := seat{id: id, hash: h, namer: namer}
	g.contested = true
	switch {
	case s.seats == nil:
		s.seats = &seats{rival: challenger}
	case s.rival.id == id || s.late.id == id:
	case s.rival.asked == 0 && below(h, id, s.rival.hash, s.rival.id):
		s.rival = challenger
	case s.rival.asked != 0 && (s.late.id == "" || below(h, id, s.late.hash, s.late.id)):
		// Rule b: a challenger under probe is not displaced, or an attacker who names ever better phantoms would keep
		// any probe from being of use.
		s.late = challenger
	}
	return false
}

// contests yields the slots at which somebody sits, by their numbers. While there are none it looks at no slot, which
// spares quiet rounds the walk.
func (g *Group) contests(yield func(i int, s *slot) bool) {
	for i := 0; g.contested && i < len(g.slots); i++ {
		if s := &g.slots[i]; s.seats != nil && !yield(i, s) {
			return
		}
	}
}

// vacate empties the seats of s for which gone is true. The late-comer takes the challenger's seat when that is free.
func (s *slot) vacate(gone func(seat) bool) {
	if s.seats == nil {
		return
	}
	if s.late.id != "" && gone(s.late) {
		s.late = seat{}
	}
	if gone(s.rival) {
		s.rival, s.late = s.late, seat{}
	}
	if s.rival.id == "" {
		s.seats = nil
	}
}

// unseat empties the seats of s that id holds and returns the hash that it had there.
func (s *slot) unseat(id peer.ID) (h uint64, seated bool) {
	s.vacate(func(c seat) bool {
		if c.id != id {
			return false
		}
		h, seated = c.hash, true
		return true
	})
	return h, seated
}

// Confirm records that id answered an authenticated probe: one probe settles all slots (rule d). The id is compared with
// every incumbent again, since those may have changed while it was asked, and so may what is known of its prefix. Confirm
// returns the number of diverse slots that were cleared because the id has moved away from the prefix that it held them by.
func (g *Group) Confirm(id peer.ID) (cleared int) {
	if id == "" || id == g.cfg.Self {
		return 0
	}
	cleared = g.relocate(id)
	for i, s := range g.contests {
		h, seated := s.unseat(id)
		if s.diverse {
			h = g.ranks[i] // the seat was taken by a claim
		}
		if seated && (s.id == "" || below(h, id, s.hash, s.id)) {
			g.win(s, id, h)
		}
	}
	g.Offer(id, Namer{}, true)
	return cleared
}

// Refuse records that id failed its probe: it loses its seats. The caller keeps it out from then on by its tombstone;
// the filter is not told, so that an id that comes back later is judged anew.
func (g *Group) Refuse(id peer.ID) {
	if id == "" {
		return
	}
	for _, s := range g.contests {
		s.unseat(id)
	}
}

// Expire unseats challengers whose probe was ordered in a round before oldest and brought no answer (rule c). Doubt
// favours incumbents only. They are not decided: gossip may bring them back.
func (g *Group) Expire(oldest uint64) {
	for _, s := range g.contests {
		s.vacate(func(c seat) bool { return c.asked != 0 && c.asked < oldest })
	}
}

// Challengers returns at most budget distinct challengers to probe in the given round (rule e). They are dealt
// round-robin over the peers that named them, pushers first, in an order that shuffle decides: shuffle must permute n
// elements by swap, as (*rand.Rand).Shuffle does. Challengers beyond the budget lose their seats and are not decided.
func (g *Group) Challengers(budget int, round uint64, shuffle func(n int, swap func(i, j int))) []peer.ID {
	type queue struct {
		namer Namer
		ids   []peer.ID
	}
	var queues []queue
	index := make(map[Namer]int)
	queued := make(map[peer.ID]bool)
	for _, s := range g.contests {
		r := s.rival
		if r.asked != 0 || queued[r.id] {
			continue
		}
		queued[r.id] = true
		k, ok := index[r.namer]
		if !ok {
			k = len(queues)
			index[r.namer] = k
			queues = append(queues, queue{namer: r.namer})
		}
		queues[k].ids = append(queues[k].ids, r.id)
	}
	shuffle(len(queues), func(i, j int) { queues[i], queues[j] = queues[j], queues[i] })
	sort.SliceStable(queues, func(i, j int) bool { return queues[i].namer.Pushed && !queues[j].namer.Pushed })

	var chosen []peer.ID
	probing := make(map[peer.ID]bool)
	for turn, dealt := 0, true; dealt && len(chosen) < budget; turn++ {
		dealt = false
		for _, q := range queues {
			if turn < len(q.ids) && len(chosen) < budget {
				dealt = true
				chosen = append(chosen, q.ids[turn])
				probing[q.ids[turn]] = true
			}
		}
	}
	contested := false
	for _, s := range g.contests {
		switch {
		case s.rival.asked != 0:
		case probing[s.rival.id]:
			s.rival.asked = round
		default:
			s.unseat(s.rival.id)
		}
		contested = contested || s.seats != nil
	}
	g.contested = contested
	return chosen
}

// Seated reports whether id is the challenger or late-comer of a slot.
func (g *Group) Seated(id peer.ID) bool {
	for _, s := range g.contests {
		if s.rival.id == id || s.late.id == id {
			return id != ""
		}
	}
	return false
}

// Seats returns the ids that sit as challengers or late-comers, with repeats.
func (g *Group) Seats() []peer.ID {
	var out []peer.ID
	for _, s := range g.contests {
		for _, c := range [...]seat{s.rival, s.late} {
			if c.id != "" {
				out = append(out, c.id)
			}
		}
	}
	return out
}
