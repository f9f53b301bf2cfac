package sim

import "github.com/libp2p/go-libp2p/core/peer"

var _ = register("poisoned-start", "--share of the first views is faulty, up to all; otherwise balanced", true,
	func(*world) attack { return &poisonedStart{} })

// poisonedStart has faulty nodes among the first contacts far above their share.
type poisonedStart struct{ balanced }

func (p *poisonedStart) contacts(w *world, m *member) []peer.ID {
	if w.round > 0 {
		return w.anyContacts(m)
	}
	out := w.faultyIDs(m, w.params.L1)
	share := w.cfg.share(.8)
	for i := range out {
		if m.net.Float64() >= share {
			out[i] = w.members[w.correct[m.net.IntN(len(w.correct))]].id
		}
	}
	return out
}
