package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Addresses, as far as a simulation has them (Config.Prefixes): each member is at a fine prefix, think of a /24, of which
// perCoarse lie in one coarse one, a /16. Correct nodes are spread unevenly, as they are over providers: the member's prefix
// is that of number floor(prefixes * u^2), u uniform, so a quarter of the prefixes hold half of the nodes.
//
// Faulty nodes lie where it helps them: each claims a prefix that nobody else has, until a node that had an answer of it
// knows better. (Real ones list a false address before the true one in their records.) Correct nodes claim the truth.

// addresses is where a member is, and what it knows of where others are.
type addresses struct {
	own       protocol.Prefix
	confirmed []bool // by number: the faulty members that answered
	judged    bool   // the truth is being asked, not the node
}

func (a *addresses) knows(number int) bool { return number < len(a.confirmed) && a.confirmed[number] }

const (
	perCoarse     = 16  // prefixes of correct nodes in a coarse one
	perOperator   = 256 // prefixes of an operator in a coarse one: as many /24 as a /16 has
	firstOperator = 1 << 32
	firstClaim    = 1 << 33
)

// prefix is the fine prefix of that number in the coarse one of that number.
func prefix(coarse, fine uint64) protocol.Prefix {
	return protocol.Prefix{
		Coarse: "c" + string(binary.BigEndian.AppendUint64(nil, coarse)),
		Fine:   "f" + string(binary.BigEndian.AppendUint64(nil, fine)),
	}
}

// partNumber is the number that prefix made a part of a prefix from, 0 of the empty one.
func partNumber(part string) uint64 {
	if len(part) != 9 {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(part[1:]))
}

func makeAddresses(count int) []protocol.Prefix {
	out := make([]protocol.Prefix, count)
	for k := range out {
		out[k] = prefix(uint64(k/perCoarse), uint64(k))
	}
	return out
}

// anyAddress draws where a correct node is.
func (w *world) anyAddress(rng *rand.Rand) protocol.Prefix {
	u := rng.Float64()
	return w.addresses[int(float64(len(w.addresses))*float64(u*u))]
}

// operators returns the k-th prefix of one operator's, counted from 0.
func operators(k int) protocol.Prefix {
	return prefix(uint64(firstOperator+k/perOperator), uint64(firstOperator+k))
}

// alone is a prefix, fine and coarse, that belongs to the holder of that number only.
func alone(number uint64) protocol.Prefix { return prefix(firstClaim+number, firstClaim+number) }

// truly is where the holder of id is. A phantom is nowhere.
func (w *world) truly(id peer.ID) protocol.Prefix {
	if to := w.member(id); to != nil {
		return to.addr.own
	}
	return protocol.Prefix{}
}

// where is what m knows of where ids are, nil where nobody has an address.
func (w *world) where(m *member) func(peer.ID) protocol.Prefix {
	if w.cfg.Prefixes == 0 {
		return nil
	}
	return func(id peer.ID) protocol.Prefix {
		to := w.member(id)
		switch {
		case to == nil:
			return alone(1<<32 + idNumber(id)>>32) // whoever invents an id claims what it likes
		case to.faulty && !m.addr.judged && (w.cfg.TrustClaims || !m.addr.knows(to.number)):
			return alone(uint64(to.number))
		}
		return to.addr.own
	}
}

// confirm notes that m knows where id is, if the outcome of an exchange shows it.
func (w *world) confirm(m *member, id peer.ID, o protocol.ProbeOutcome) {
	if w.cfg.Prefixes == 0 || o != protocol.Alive && o != protocol.AliveUnproven {
		return
	}
	if to := w.member(id); to != nil && to.faulty {
		for len(m.addr.confirmed) <= to.number {
			m.addr.confirmed = append(m.addr.confirmed, false)
		}
		m.addr.confirmed[to.number] = true
	}
}

// sampled are the classes of the ids that m serves, of its diverse slots and of its plain ones.
func (w *world) sampled(m *member) (diverse, plain counts) {
	node, ok := m.node.(brahms)
	if !ok {
		return diverse, plain
	}
	slots := node.Slots()
	mature := false
	for _, s := range slots {
		mature = mature || s.ID != "" && s.Mature
	}
	for _, s := range slots {
		switch {
		case s.ID == "" || mature && !s.Mature:
		case s.Diverse:
			diverse[w.class(s.ID)]++
		default:
			plain[w.class(s.ID)]++
		}
	}
	return diverse, plain
}

// concludeAddresses fills in what is known only where members have addresses.
func (r *Result) concludeAddresses(w *world) {
	if w.cfg.Prefixes == 0 {
		return
	}
	isVictim := make(map[int]bool)
	var victims, others []int
	for _, n := range w.attack.victims() {
		isVictim[n] = true
	}
	for _, n := range w.correct {
		if isVictim[n] {
			victims = append(victims, n)
		} else {
			others = append(others, n)
		}
	}
	of := func(numbers []int, slots func(protocol.Sampled) bool) *Spread {
		if len(numbers) == 0 {
			return nil
		}
		s := spread(w.holdersIn(numbers, slots))
		return &s
	}
	r.InSamples, r.VictimIn = of(others, anySlot), of(victims, anySlot)
	if w.cfg.Algorithm != Brahms {
		return
	}
	var diverse, plain counts
	for _, n := range w.correct {
		d, p := w.sampled(w.members[n])
		diverse.add(d)
		plain.add(p)
	}
	share := func(c counts) *float64 { x := round6(c.sampleFaulty()); return &x }
	if w.params.Diverse < w.params.L2 {
		r.PlainFaulty = share(plain)
	}
	if w.params.Diverse > 0 && !w.params.Direct {
		r.DiverseFaulty = share(diverse)
		r.VictimPlain = of(victims, func(s protocol.Sampled) bool { return !s.Diverse })
		r.VictimDiverse = of(victims, func(s protocol.Sampled) bool { return s.Diverse })
	}
}
