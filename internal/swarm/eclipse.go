package swarm

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// fed is the sampler of an eclipsed peer, as its agreement sees it: of the picks a share is faulty. How the faulty got it so
// far is not played; that is what attacks on the sampler are for.
type fed struct {
	consensus.Sampler
	faulty []peer.AddrInfo
	next   int // of them: they take turns, so that a poll asks as many as it can
	rng    *rand.Rand
}

// samplerOf is where the picks of a peer come from.
func (r *run) samplerOf(m *member) consensus.Sampler {
	if !r.eclipsed(m) {
		return m.svc
	}
	f := &fed{Sampler: m.svc, rng: rand.New(stream(r.cfg.Seed, "eclipse", slices.Index(r.members, m)))}
	for _, other := range r.members {
		if other.faulty {
			f.faulty = append(f.faulty, peer.AddrInfo{ID: other.id, Addrs: other.host.Addrs()})
		}
	}
	return f
}

// eclipsed reports whether the faulty peers have a correct one to themselves: the last of the correct are.
func (r *run) eclipsed(m *member) bool {
	if r.cfg.AgreeAttack != attack.Eclipse {
		return false
	}
	all := correct(r.members)
	n := int(math.Ceil(attack.Eclipsed * float64(len(all))))
	return slices.Contains(all[len(all)-n:], m)
}

func (f *fed) Fresh(ctx context.Context, n int) ([]peer.AddrInfo, error) {
	got, err := f.Sampler.Fresh(ctx, n)
	return f.feed(got), err
}

func (f *fed) Draw(n int) []peer.AddrInfo { return f.feed(f.Sampler.Draw(n)) }

// feed puts faulty peers in the place of others.
func (f *fed) feed(got []peer.AddrInfo) []peer.AddrInfo {
	got = slices.Clone(got)
	for i := range got {
		if f.rng.Float64() < attack.EclipsedBy {
			got[i] = f.faulty[f.next%len(f.faulty)]
			f.next++
		}
	}
	return got
}
