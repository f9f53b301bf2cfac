package sim

import (
	"context"
	"sync"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// What the tests of the engine share: small networks, and nodes and attacks that do what a test says.

// falseAlarm is the chance with which a statistical test of this package fails although nothing is wrong.
const falseAlarm = 1e-6

// network is a configuration of few nodes.
func network(nodes, rounds int, change ...func(*Config)) Config {
	c := Default()
	c.Nodes, c.Rounds, c.L1 = nodes, rounds, 12
	for _, f := range change {
		f(&c)
	}
	return c
}

func simulate(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func build(t *testing.T, c Config) *world {
	t.Helper()
	w, err := newWorld(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// staged is balanced with the parts that a test replaces.
type staged struct {
	balanced
	onBegin  func(w *world)
	onPlan   func(w *world, to []push) []push
	onAnswer func(x exchange) (protocol.ProbeOutcome, int)
	aim      []int
}

func (s *staged) begin(w *world) {
	if s.onBegin != nil {
		s.onBegin(w)
	}
}

func (s *staged) plan(w *world, to []push) []push {
	if s.onPlan != nil {
		return s.onPlan(w, to)
	}
	return s.balanced.plan(w, to)
}

func (s *staged) answer(w *world, x exchange) (protocol.ProbeOutcome, int) {
	if s.onAnswer != nil {
		return s.onAnswer(x)
	}
	return s.balanced.answer(w, x)
}

func (s *staged) dialable(w *world, m *member) bool {
	o, late := s.answer(w, exchange{kind: probing, to: m, id: m.id})
	return late == 0 && o == protocol.Alive
}

func (s *staged) victims() []int { return s.aim }

// A puppet is a participant that does what a test says and takes down what it is told.
type puppet struct {
	acts         protocol.Actions
	view, sample []peer.ID
	onTick       func()

	ticks    int
	pushes   []peer.ID // since the last Tick
	replies  map[peer.ID][]peer.ID
	outcomes map[peer.ID][]protocol.ProbeOutcome
}

func (p *puppet) Tick() protocol.Actions {
	if p.ticks++; p.onTick != nil {
		p.onTick()
	}
	p.pushes, p.replies, p.outcomes = nil, map[peer.ID][]peer.ID{}, map[peer.ID][]protocol.ProbeOutcome{}
	return p.acts
}

func (p *puppet) Carries() []peer.ID                   { return nil }
func (p *puppet) HandlePush(from peer.ID, _ []peer.ID) { p.pushes = append(p.pushes, from) }
func (p *puppet) View() []peer.ID                      { return p.view }
func (p *puppet) Sample() []peer.ID                    { return p.sample }
func (p *puppet) HandlePullReply(from peer.ID, ids []peer.ID) error {
	p.replies[from] = ids
	return nil
}

func (p *puppet) HandleProbeResult(id peer.ID, o protocol.ProbeOutcome) {
	p.outcomes[id] = append(p.outcomes[id], o)
}

// stage returns a world whose correct nodes are puppets.
func stage(t *testing.T, c Config) (*world, []*puppet) {
	t.Helper()
	c.Perfect = false
	w := build(t, c)
	var puppets []*puppet
	for _, n := range w.correct {
		p := &puppet{}
		w.members[n].node = p
		puppets = append(puppets, p)
	}
	return w, puppets
}

// others are the ids of all members but one.
func (w *world) others(number int) []peer.ID {
	var ids []peer.ID
	for _, m := range w.members {
		if m.number != number {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// gossip is an attack that breaks the rule for attacks: its replies are drawn from one generator for all nodes. The lock
// keeps the race detector out of it, not the order of the draws.
type gossip struct {
	balanced
	mu sync.Mutex
}
