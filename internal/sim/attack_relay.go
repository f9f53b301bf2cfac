package sim

import (
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var _ = registerAt("relay", "all faulty nodes and --victims correct ones are reached by one relay, in the prefix that most correct nodes are in; otherwise balanced",
	func(*world) attack { return &relay{} })

// relay is an attacker without addresses: its ids count as the relay's address, as those of everybody behind the relay do.
type relay struct{ neighbour }

func (r *relay) address(w *world, m *member, rng *rand.Rand) protocol.Prefix {
	p := r.neighbour.address(w, m, rng)
	if m.faulty || len(r.aim) > 0 && r.aim[len(r.aim)-1] == m.number {
		return w.addresses[0]
	}
	return p
}
