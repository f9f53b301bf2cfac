package protocol

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/brahms-p2p/brahms-p2p/view"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrState is wrapped by the errors of Restore that are about the state, and not about the other arguments.
var ErrState = errors.New("protocol: wrong state")

// State is what a node needs to go on in another process. It holds the secret of the sampler, so it must be kept as a
// private key is. Who misses at the moment, what the open round brought and who is a challenger is not in it: a node that
// starts again thinks the worst of nobody and trusts nobody before he answered. Package protocol/state makes bytes of it.
type State struct {
	Self   peer.ID
	Round  uint64 // the open round when it was exported; a restored node counts from 0 again
	Sample sampler.State
	View   []peer.ID // with repeats, at most MaxL1
	Met    []peer.ID // distinct ids that answered lately, the longest ago first, at most 256
	// The tombstones, oldest first, at most 4096 of each: of ids that were verified once, and of those that never answered.
	Once, Never []Tomb
}

// A Tomb is the tombstone of an id. All times are in rounds, at most 2^20.
type Tomb struct {
	ID         peer.ID
	Left       uint32 // for how long it is still refused; at 0 it is only remembered that it was
	Wait       uint32 // for how long it was refused the last time
	AppealIn   uint32 // until it may appeal
	AppealWait uint32 // how long it will wait after that
}

// wakeRounds is the number of rounds in which all ids of a restored sample are probed once. guess
const wakeRounds = 3

// Export returns the state of the node, which shares nothing with it. It may be called at any time.
func (n *Node) Export() State {
	met := n.life.met
	return State{
		Self: n.self, Round: n.round, Sample: n.sample.Export(), View: slices.Clone(n.view),
		Met:  view.Distinct(append(slices.Clone(met.ids[met.next:]), met.ids[:met.next]...)),
		Once: n.life.once.export(n.round), Never: n.life.never.export(n.round),
	}
}

// Rest lets rounds go by in which the node did not run: tombstones run out.
func (s *State) Rest(rounds uint64) {
	for _, tombs := range [][]Tomb{s.Once, s.Never} {
		for i := range tombs {
			t := &tombs[i]
			t.Left = uint32(uint64(t.Left) - min(rounds, uint64(t.Left)))
			t.AppealIn = uint32(uint64(t.AppealIn) - min(rounds, uint64(t.AppealIn)))
		}
	}
}

// Restore is NewAt for a node that goes on from s. Its view is that of s, and bootstrap fills what is left of it; p may
// differ from the parameters that s was exported under but for the hash. No id of the sample counts before it has
// answered again (Sampled.Waiting); all are probed within the first rounds. It fails with ErrState if s is none
// that Export returns under this hash. The sampler's secret is that of s, and nothing of it is drawn from rng.
func Restore(s State, p Params, bootstrap []peer.ID, rng *rand.Rand, where func(peer.ID) Prefix) (*Node, error) {
	base := p
	if p.AdaptMax > 0 { // it goes on with the size that it had come to
		had := len(s.Sample.Slots)
		if p.KeepSample {
			had = len(s.View) // no more than its size, and what is missing grows again
		}
		p = p.Resized(min(max(had, p.AdaptMin), p.AdaptMax))
	}
	n, err := assemble(s.Self, p, rng, where, &s.Sample)
	if errors.Is(err, sampler.ErrState) {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if err != nil {
		return nil, err
	}
	n.base = base
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	n.life.once.restore(s.Once)
	n.life.never.restore(s.Never)
	for _, id := range s.Met {
		n.life.met.add(id)
		n.life.health[id] = health{met: true, verified: true}
	}
	for _, id := range n.sample.Members() {
		h := n.life.health[id]
		h.verified = h.verified || !p.Direct // nothing else gets into a slot
		n.life.health[id] = h
	}
	n.unheard = true
	n.waking = (n.sample.Waiting() + wakeRounds - 1) / wakeRounds
	n.status.Waiting, n.status.SampleFilled = n.sample.Waiting(), n.sample.Filled()

	n.SetSeeds(bootstrap)
	n.view = view.Choose(rng, view.Without(s.View, n.refuses), p.L1)
	n.view = append(n.view, view.Choose(rng, view.Distinct(n.seeds), p.L1-len(n.view))...)
	n.offer(n.view, sampler.Namer{})
	n.offer(n.seeds, sampler.Namer{})
	return n, nil
}

// check reports what of s no node can have exported. The sample is checked by its own package.
func (s *State) check() error {
	if len(s.View) > MaxL1 {
		return fmt.Errorf("view: %d ids, at most %d", len(s.View), MaxL1)
	}
	for _, id := range s.View {
		if id == "" || id == s.Self {
			return fmt.Errorf("view: it holds an empty id or the node's own")
		}
	}
	if err := s.distinct("met", s.Met, metSize); err != nil {
		return err
	}
	for _, g := range []struct {
		name  string
		tombs []Tomb
	}{{"once", s.Once}, {"never", s.Never}} {
		ids := make([]peer.ID, len(g.tombs))
		for i, t := range g.tombs {
			ids[i] = t.ID
			if max(t.Left, t.Wait, t.AppealIn, t.AppealWait) > maxRounds {
				return fmt.Errorf("%s: a tombstone of more than %d rounds", g.name, maxRounds)
			}
		}
		if err := s.distinct(g.name, ids, tombSize); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) distinct(name string, ids []peer.ID, most int) error {
	if len(ids) > most {
		return fmt.Errorf("%s: %d ids, at most %d", name, len(ids), most)
	}
	seen := make(map[peer.ID]bool, len(ids))
	for _, id := range ids {
		if id == "" || id == s.Self || seen[id] {
			return fmt.Errorf("%s: it holds an empty id, the node's own, or one twice", name)
		}
		seen[id] = true
	}
	return nil
}

// export returns the tombstones, the oldest first.
func (g *graveyard) export(round uint64) []Tomb {
	left := func(until uint32) uint32 { return until - uint32(min(round, uint64(until))) }
	var out []Tomb
	// An id that was removed and buried again stands in order twice: its last place counts.
	seen := make(map[peer.ID]bool, len(g.tombs))
	for i := range g.order {
		id := g.order[(g.next+len(g.order)-1-i)%len(g.order)]
		t, ok := g.tombs[id]
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, Tomb{ID: id, Left: left(t.until), Wait: t.wait, AppealIn: left(t.appealAt), AppealWait: t.appealWait})
	}
	slices.Reverse(out)
	return out
}

// restore fills an empty graveyard of a node at round 0.
func (g *graveyard) restore(tombs []Tomb) {
	for _, t := range tombs {
		g.order = append(g.order, t.ID)
		g.tombs[t.ID] = tomb{until: t.Left, wait: t.Wait, appealAt: t.AppealIn, appealWait: t.AppealWait}
	}
}
