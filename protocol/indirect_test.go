package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// asksAbout are those who are asked about id.
func asksAbout(a Actions, id peer.ID) []peer.ID {
	for _, q := range a.Indirect {
		if q.Target == id {
			return q.Helpers
		}
	}
	return nil
}

// others are the ids of a sample that no test lets miss.
func others(members []peer.ID, but ...peer.ID) []peer.ID {
	return slices.DeleteFunc(slices.Clone(members), among(but...))
}

// TestSuspectsAreAskedAbout: of other members of the sample that are not suspect, k each, in the round after the miss.
func TestSuspectsAreAskedAbout(t *testing.T) {
	for _, k := range []int{0, 1, 3, 8} {
		p := with(quiet(40), func(p *Params) { p.Indirect, p.DoubtRounds = k, 0 })
		n, members := sampled(t, p, names("p", 60)...)
		suspects := members[:3]
		verify(n, others(members, suspects...)...)
		miss(n, suspects...)
		a := n.Tick()
		requireAsks(t, n, a)
		if k == 0 {
			if len(a.Indirect) != 0 {
				t.Errorf("switched off, and asked %v", a.Indirect)
			}
			continue
		}
		if len(a.Indirect) != 3 {
			t.Fatalf("k=%d: asked about %d of 3 suspects", k, len(a.Indirect))
		}
		for _, id := range suspects {
			if got := len(asksAbout(a, id)); got != k {
				t.Errorf("k=%d: %d are asked about %s", k, got, id)
			}
		}
		verify(n, members...)
		if a := n.Tick(); len(a.Indirect) != 0 {
			t.Errorf("all have answered, and %v are asked about", a.Indirect)
		}
	}
}

// TestAsksAreBounded: many suspects, few helpers.
func TestAsksAreBounded(t *testing.T) {
	p := with(quiet(40), func(p *Params) { p.Indirect, p.DoubtRounds = 3, 0 })
	n, members := sampled(t, p, names("p", 60)...)
	helpers := members[:4]
	verify(n, helpers...)
	miss(n, others(members, helpers...)...)
	a := n.Tick()
	requireAsks(t, n, a)
	asks := 0
	for _, q := range a.Indirect {
		asks += len(q.Helpers)
	}
	if asks != MaxAsks*len(helpers) {
		t.Errorf("%d asks of %d helpers", asks, len(helpers))
	}
	for range 3 { // nobody to ask
		miss(n, members...)
		if a := n.Tick(); len(n.sample.Members()) > 0 && len(a.Indirect) != 0 && n.Status().Suspects == len(n.sample.Members()) {
			t.Errorf("all are suspect, and %v are asked about", a.Indirect)
		}
	}
}

// TestAYesPutsOffDeath, MaxPostpone times since the last answer. Without indirect probes (the negative control), and with
// answers that do not count, the second miss is death.
func TestAYesPutsOffDeath(t *testing.T) {
	lives := func(k, most int, hear func(n *Node, helpers []peer.ID)) (rounds int) {
		p := with(quiet(20), func(p *Params) { p.Indirect, p.MaxPostpone = k, most })
		n, members := sampled(t, p, append(names("p", 9), "b")...)
		var helpers []peer.ID
		for n.sample.Holds("b") > 0 {
			if rounds++; rounds > 50 {
				return rounds
			}
			miss(n, "b")
			hear(n, helpers)
			verify(n, others(members, "b")...)
			helpers = asksAbout(n.Tick(), "b")
		}
		if n.Status().Deaths != 1 || !n.refuses("b") {
			t.Errorf("k=%d, most=%d: it is gone without a death: %+v", k, most, n.Status())
		}
		return rounds
	}
	yes := func(n *Node, helpers []peer.ID) {
		for i := range helpers {
			n.HandleIndirect("b", i == len(helpers)-1) // one of them is enough
		}
	}
	for _, c := range []struct {
		name    string
		k, most int
		hear    func(*Node, []peer.ID)
		want    int
	}{
		{"no helpers", 0, 2, yes, 2},
		{"yes", 3, 2, yes, 4},
		{"yes, once", 3, 1, yes, 3},
		{"yes, never", 3, 0, yes, 2},
		{"yes, often", 3, 10, yes, 12},
		{"no", 3, 2, func(n *Node, helpers []peer.ID) {
			for range helpers {
				n.HandleIndirect("b", false)
			}
		}, 2},
		{"more than asked", 1, 2, func(n *Node, helpers []peer.ID) {
			for i := range helpers {
				n.HandleIndirect("b", false)
				n.HandleIndirect("b", i >= 0)
			}
		}, 2},
		{"of another", 3, 2, func(n *Node, helpers []peer.ID) {
			for _, id := range append(helpers, "stranger") {
				n.HandleIndirect(id, true)
			}
		}, 2},
		{"nobody was asked", 3, 2, func(n *Node, helpers []peer.ID) {
			if helpers == nil {
				n.HandleIndirect("b", true)
			}
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := lives(c.k, c.most, c.hear); got != c.want {
				t.Errorf("dead after %d misses, want %d", got, c.want)
			}
		})
	}
}

// TestAnAnswerStartsTheCountAnew: postponements are counted since the last answer.
func TestAnAnswerStartsTheCountAnew(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Indirect, p.MaxPostpone = 3, 1 })
	n, members := sampled(t, p, append(names("p", 9), "b")...)
	for range 5 {
		for _, yes := range []bool{false, true} {
			miss(n, "b")
			n.HandleIndirect("b", yes)
			verify(n, others(members, "b")...)
			n.Tick()
		}
		if n.Status().Postponed != 1 || n.sample.Holds("b") == 0 {
			t.Fatalf("%+v", n.Status())
		}
		verify(n, members...)
		n.Tick()
	}
}

// TestAYesProvesNothingElse: it clears no suspicion, counts as no answer, admits no challenger and lifts no tombstone.
func TestAYesProvesNothingElse(t *testing.T) {
	n, members := sampled(t, with(quiet(20), func(p *Params) { p.L2, p.MaxPostpone = 40, 100 }), append(names("p", 30), "b")...)
	miss(n, "b")
	verify(n, others(members, "b")...)
	n.Tick()
	answered := n.life.answered
	n.HandleIndirect("b", true)
	if !n.life.suspect("b") || n.life.answered != answered {
		t.Error("a yes counts as an answer")
	}
	n.offer([]peer.ID{"challenger", "q1", "q2", "q3"}, namerOf("b"))
	seated := others([]peer.ID{"challenger", "q1", "q2", "q3"}, others([]peer.ID{"challenger", "q1", "q2", "q3"}, n.sample.Seats()...)...)
	if len(seated) == 0 {
		t.Fatal("the test cannot fail: nobody challenges")
	}
	for _, id := range seated {
		n.vouching[id] = 1 // as if it had been asked for
		n.HandleIndirect(id, true)
		if n.sample.Holds(id) > 0 || n.life.verified(id) {
			t.Errorf("%s was admitted on a helper's word", id)
		}
	}
	kill(t, n, members[0])
	n.vouching[members[0]] = 1
	if n.HandleIndirect(members[0], true); !n.refuses(members[0]) {
		t.Error("a helper's word lifted a tombstone")
	}
}

// TestAYesOfARoundThatIsOverIsDropped.
func TestAYesOfARoundThatIsOverIsDropped(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Misses, p.Indirect = 2, 1 })
	n, members := sampled(t, p, append(names("p", 9), "b")...)
	miss(n, "b")
	verify(n, others(members, "b")...)
	if a := n.Tick(); len(asksAbout(a, "b")) != 1 {
		t.Fatalf("%+v", a.Indirect)
	}
	verify(n, others(members, "b")...) // no evidence of b in this round
	n.Tick()
	n.HandleIndirect("b", false) // the one ask of the open round
	n.HandleIndirect("b", true)  // that of the last one, too late
	miss(n, "b")
	verify(n, others(members, "b")...)
	if n.Tick(); n.sample.Holds("b") > 0 {
		t.Error("an answer that came too late put off the death")
	}
}

// TestHelpersMoveNoOtherDraw: while nobody vouches for anybody, nodes do the same with indirect probes as without, to the last
// draw: helpers are drawn apart.
func TestHelpersMoveNoOtherDraw(t *testing.T) {
	run := func(k int) (log []string, asks int) {
		net := newTestNet(60, .2, with(Hardened(20), func(p *Params) { p.Indirect = k }), 3)
		net.loss = .2
		for range 40 {
			net.round()
			for _, id := range net.correct() {
				a := net.acts[id]
				asks += len(a.Indirect)
				a.Indirect = nil
				log = append(log, fmt.Sprint(a, net.nodes[id].View(), net.nodes[id].Slots()))
			}
		}
		return log, asks
	}
	without, none := run(0)
	with, asks := run(3)
	if none != 0 || asks == 0 {
		t.Fatalf("asked about %d suspects without helpers, %d with", none, asks)
	}
	if !slices.Equal(without, with) {
		t.Error("asking helpers moved another draw")
	}
}

// TestDeadAreNamed: Actions.Dead are those that died, once.
func TestDeadAreNamed(t *testing.T) {
	n, members := sampled(t, quiet(20), append(names("p", 9), "b")...)
	for round, want := range [][]peer.ID{nil, {"b"}, nil} {
		miss(n, "b")
		verify(n, others(members, "b")...)
		if a := n.Tick(); !slices.Equal(a.Dead, want) || n.Status().Deaths != len(want) {
			t.Errorf("round %d: dead %v, status %d, want %v", round+1, a.Dead, n.Status().Deaths, want)
		}
	}
}
