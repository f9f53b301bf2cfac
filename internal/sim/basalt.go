package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// basalt is BASALT (Auvolat, Bromberg, Frey, Taiani: "BASALT: a rock-solid byzantine-tolerant peer sampling for very
// large decentralized networks", Middleware 2023), after the authors' published simulator: a view of v slots, each of
// which keeps the id that ranks best under a seed of its own. Each round a node pushes its view to one peer and asks
// another for its own, both from slots that were confirmed least often; every basaltEvery rounds basaltRenew slots give
// their ids out as samples and start anew with fresh seeds. It probes nobody.
//
// With where it ranks by the prefixes of addresses before ids, as BASALT's paper proposes against whoever has many ids in
// few places. Its ids are addresses, so there is nothing to confirm.
type basalt struct {
	self  peer.ID
	where func(peer.ID) protocol.Prefix // nil for the plain ranking
	rng   *rand.Rand
	slots []basaltSlot
	next  int       // slot to renew
	taken []peer.ID // the last v samples
	round int
}

type basaltSlot struct {
	seed uint64
	id   peer.ID
	rank uint64
	hits int
}

// The published setting: v=50, k=10 slots renewed every r=10 rounds. For other v the same share is renewed.
const (
	basaltEvery = 10
	basaltRenew = 5 // one slot in so many
)

func newBasalt(self peer.ID, v int, contacts []peer.ID, rng *rand.Rand, where func(peer.ID) protocol.Prefix) *basalt {
	b := &basalt{self: self, where: where, rng: rng, slots: make([]basaltSlot, v)}
	for i := range b.slots {
		b.slots[i].seed = rng.Uint64()
	}
	b.meet(contacts)
	return b
}

// meet lets ids compete for every slot. An id that holds a slot already is confirmed.
func (b *basalt) meet(ids []peer.ID) {
	for _, id := range ids {
		if id == b.self || id == "" {
			continue
		}
		n := idNumber(id)<<8 | uint64(id[len(idPrefix)])
		var coarse, fine uint64
		if b.where != nil {
			p := b.where(id)
			coarse, fine = partNumber(p.Coarse), partNumber(p.Fine)
		}
		for i := range b.slots {
			s := &b.slots[i]
			rank := mix(s.seed ^ mix(n))
			if b.where != nil {
				rank = mix(s.seed^mix(coarse^1<<62))>>48<<48 | mix(s.seed^mix(fine^1<<63))>>48<<32 | rank>>32
			}
			switch {
			case s.id == id:
				s.hits++
			case s.id == "" || rank < s.rank:
				s.id, s.rank, s.hits = id, rank, 1
			}
		}
	}
}

// partner is the id of a slot that was confirmed least often, random among those.
func (b *basalt) partner() []peer.ID {
	best, count := -1, 0
	for i, s := range b.slots {
		if s.id == "" {
			continue
		}
		switch {
		case best < 0 || s.hits < b.slots[best].hits:
			best, count = i, 1
		case s.hits == b.slots[best].hits:
			if count++; b.rng.IntN(count) == 0 {
				best = i
			}
		}
	}
	if best < 0 {
		return nil
	}
	b.slots[best].hits++
	return []peer.ID{b.slots[best].id}
}

func (b *basalt) Tick() protocol.Actions {
	b.round++
	if b.round%basaltEvery == 0 {
		ids := b.View()
		for range max(1, len(b.slots)/basaltRenew) {
			s := &b.slots[b.next]
			b.next = (b.next + 1) % len(b.slots)
			if s.id != "" {
				b.taken = append(b.taken, s.id)
			}
			*s = basaltSlot{seed: b.rng.Uint64()}
		}
		b.taken = b.taken[max(0, len(b.taken)-len(b.slots)):]
		b.meet(ids)
	}
	return protocol.Actions{Round: uint64(b.round), Pulls: b.partner(), Pushes: b.partner()}
}

func (b *basalt) Carries() []peer.ID { return b.View() }

func (b *basalt) HandlePush(from peer.ID, carried []peer.ID) {
	b.meet(carried)
	b.meet([]peer.ID{from})
}

func (b *basalt) HandlePullReply(_ peer.ID, ids []peer.ID) error {
	b.meet(ids)
	return nil
}

func (b *basalt) HandleProbeResult(peer.ID, protocol.ProbeOutcome) {}

func (b *basalt) View() []peer.ID {
	out := make([]peer.ID, 0, len(b.slots))
	for _, s := range b.slots {
		if s.id != "" {
			out = append(out, s.id)
		}
	}
	return out
}

// Sample returns the last v ids that were given out; before the first, the view.
func (b *basalt) Sample() []peer.ID {
	if len(b.taken) == 0 {
		return b.View()
	}
	return slices.Clone(b.taken)
}
