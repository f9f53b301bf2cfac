package sim

import (
	"math"

	"github.com/libp2p/go-libp2p/core/peer"
)

var _ = register("poisoned-start", "--share of the first views is faulty, up to all; otherwise balanced", true,
	func(*world) attack { return &poisonedStart{} })

// poisonedStart has faulty nodes among the first contacts far above their share. Contacts are distinct: where there are
// fewer faulty nodes than their places, a first view is shorter by what is missing.
type poisonedStart struct{ balanced }

func (p *poisonedStart) contacts(w *world, m *member) []peer.ID {
	if w.round > 0 {
		return w.anyContacts(m)
	}
	bad := int(math.Round(w.cfg.share(.8) * float64(w.params.L1)))
	out := w.draw(m, w.faulty, min(bad, len(w.faulty)))
	return append(out, w.draw(m, w.correct, w.params.L1-bad)...)
}
