package sim

import (
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var _ = registerAt("neighbour", "as subnet, with --victims correct nodes in the operator's first prefix: are they locked out?",
	func(*world) attack { return &neighbour{} })

// neighbour moves next to its victims: whatever is counted by prefix counts against them too.
type neighbour struct {
	subnet
	aim []int
}

func (n *neighbour) address(w *world, m *member, rng *rand.Rand) protocol.Prefix {
	if !m.faulty && len(n.aim) < w.cfg.Victims {
		n.aim = append(n.aim, m.number)
		return operators(0)
	}
	return n.subnet.address(w, m, rng)
}

func (n *neighbour) victims() []int { return n.aim }
