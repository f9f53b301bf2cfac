package sim

import (
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

var _ = register("shadow", "phantoms that a node was seen to probe, so that they would win a slot there, are named to it again and again; they answer few probes, late; otherwise as phantom", true,
	func(*world) attack { return &shadow{winners: map[int][]peer.ID{}} })

// shadow grinds phantoms against a node's slots without knowing its keys: a probe of a phantom tells that its hash lies
// below that of a slot. Such ids take seats from honest ones and hold them for as long as the rules let them. One probe in
// four is answered, at the last moment: an id that won a slot so is dead some rounds later, and the slot is empty again.
type shadow struct {
	phantom
	winners map[int][]peer.ID // by the number of the node that probed them, the latest last
}

const (
	shadowAnswers = 4  // one probe in so many is answered
	shadowLate    = 1  // rounds that an answer takes: as late as a challenger's may come
	shadowMemory  = 64 // ids remembered for each node
)

func (s *shadow) watches() bool { return true }

func (s *shadow) observe(w *world) {
	for _, n := range w.correct {
		for _, x := range w.members[n].contacted {
			if ids := s.winners[n]; x.to == nil && x.kind == probing && !slices.Contains(ids, x.id) {
				ids = append(ids, x.id)
				s.winners[n] = ids[max(0, len(ids)-shadowMemory):]
			}
		}
	}
}

func (s *shadow) answer(w *world, x exchange) (protocol.ProbeOutcome, int) {
	if x.to == nil && x.kind == probing && x.from.net.IntN(shadowAnswers) == 0 {
		return protocol.Alive, shadowLate
	}
	return s.balanced.answer(w, x)
}

// reply names winners in the first half and new phantoms in the second.
func (s *shadow) reply(w *world, x exchange) []peer.ID {
	out := newPhantoms(x.from, w.length(x.from))
	known := s.winners[x.from.number]
	for i := range out[:min(len(known), len(out)/2)] {
		out[i] = known[len(known)-1-i]
	}
	return out
}
