package sim

import (
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var _ = registerAt("subnet", "all faulty nodes are one operator's, in --subnets prefixes (/24) that nobody else is in; otherwise balanced",
	func(*world) attack { return &subnet{} })

var _ = registerAt("scattered", "each faulty node is in a prefix, /24 and /16, that nobody else is in: what diversity by address cannot help against; otherwise balanced",
	func(*world) attack { return &scattered{} })

// registerAt registers an attack that goes by addresses.
func registerAt(name, about string, make func(*world) attack) struct{} {
	done := register(name, about, true, make)
	kind := attacks[name]
	kind.needsPrefixes = true
	attacks[name] = kind
	return done
}

// subnet is an attacker with many ids and few addresses: ids are free to run.
type subnet struct{ balanced }

func (s *subnet) address(w *world, m *member, rng *rand.Rand) protocol.Prefix {
	if m.faulty {
		return operators(m.number % w.cfg.Subnets)
	}
	return w.anyAddress(rng)
}

// scattered is an attacker with an address for each id, spread wider than the correct nodes.
type scattered struct{ balanced }

func (s *scattered) address(w *world, m *member, rng *rand.Rand) protocol.Prefix {
	if m.faulty {
		return alone(uint64(m.number))
	}
	return w.anyAddress(rng)
}
