package sim

import (
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAttackPhantom: each named id is new, nobody has it, and it never answers.
func TestAttackPhantom(t *testing.T) {
	w, puppets := stage(t, under("phantom", 40))
	named := map[peer.ID]bool{}
	for _, p := range puppets {
		p.acts = w.queries()
	}
	for range 5 {
		w.step()
		for _, p := range puppets {
			var met []peer.ID
			if len(p.replies) != len(w.faulty) {
				t.Fatalf("%d replies to %d pulls", len(p.replies), len(w.faulty))
			}
			for _, n := range w.faulty {
				id := w.members[n].id
				if len(p.replies[id]) != w.params.L1 || !only(w.classes(p.replies[id]), isPhantom) {
					t.Fatalf("a reply names %v", w.classes(p.replies[id]))
				}
				for _, id := range p.replies[id] {
					if named[id] {
						t.Fatalf("round %d: %x is named a second time", w.round, id)
					}
					named[id] = true
				}
				met = append(met, p.replies[id][:2]...)
			}
			for id, o := range p.outcomes {
				if _, member := memberNumber(id); !member && slices.ContainsFunc(o, func(o protocol.ProbeOutcome) bool { return o != protocol.Missed }) {
					t.Fatalf("round %d: a phantom answered: %v", w.round, o)
				}
			}
			p.acts = w.queries()
			p.acts.Pushes, p.acts.Pulls, p.acts.Probes = append(p.acts.Pushes, met...), append(p.acts.Pulls, met...), append(p.acts.Probes, met...)
		}
	}

	for _, direct := range []bool{false, true} {
		w := build(t, under("phantom", 60, func(c *Config) {
			if direct {
				c.Override = map[string]string{"direct": "true"}
			}
		}))
		most := int64(0)
		for range 40 {
			w.step()
			most = max(most, w.held()[isPhantom])
		}
		if (most > 0) != direct {
			t.Errorf("direct=%v: up to %d slots hold phantoms", direct, most)
		}
	}
}

// TestAttackLiar: the share dies at the start and not before, from then on all replies name the dead, who leave the
// samples nevertheless. Where ids enter without a probe, they keep coming back.
func TestAttackLiar(t *testing.T) {
	w, puppets := stage(t, under("liar", 60, func(c *Config) { c.Start, c.Share = 3, .25 }))
	old := slices.Clone(w.correct)
	for _, p := range puppets {
		p.acts = w.queries()
	}
	for round := 1; round <= 6; round++ {
		w.step()
		want, praised := 48, isFaulty
		if round >= 3 {
			want, praised = 48-12, isDead // a quarter
		}
		if len(w.correct) != want {
			t.Fatalf("round %d: %d correct nodes, want %d", round, len(w.correct), want)
		}
		named := map[peer.ID]bool{}
		for _, n := range w.correct {
			for _, ids := range puppets[n].replies {
				if len(ids) != w.params.L1 || !only(w.classes(ids), praised) {
					t.Fatalf("round %d: a reply names %v, want class %d only", round, w.classes(ids), praised)
				}
				for _, id := range ids {
					named[id] = true
				}
			}
		}
		if round >= 3 && len(named) != len(old)-len(w.correct) {
			t.Errorf("round %d: %d of %d dead are named", round, len(named), len(old)-len(w.correct))
		}
	}

	for _, direct := range []bool{false, true} {
		w := build(t, under("liar", 60, func(c *Config) {
			c.Start, c.Share = 10, .25
			if direct {
				c.Override = map[string]string{"direct": "true", "tombstone": "0", "unverified": "0"}
			}
		}))
		steps(w, 10)
		before := w.held()
		steps(w, 40)
		after := w.held()
		if before[isDead] == 0 || (after[isDead] > 0) != direct {
			t.Errorf("direct=%v: samples hold %v at the deaths, %v 40 rounds later", direct, before, after)
		}
	}
}

// TestAttackShadowReplies: phantoms that the asker probed lately are named to it again, those that it did not are not, nor
// those that another probed.
func TestAttackShadowReplies(t *testing.T) {
	t.Run("half a reply", func(t *testing.T) { testShadowReplies(t, 12) })
	t.Run("all it remembers", func(t *testing.T) { testShadowReplies(t, 2*shadowMemory+20) })
}

func testShadowReplies(t *testing.T, l1 int) {
	w, puppets := stage(t, under("shadow", 40, func(c *Config) { c.L1 = l1 }))
	a, b := puppets[0], puppets[1]
	a.acts, b.acts = w.queries(), w.queries()
	half := w.params.L1 / 2
	probed := map[*puppet][]peer.ID{} // in order
	named := map[*puppet]map[peer.ID]bool{a: {}, b: {}}
	for range 30 {
		w.step()
		for _, p := range []*puppet{a, b} {
			before := probed[p][:max(0, len(probed[p])-len(p.acts.Probes)+len(w.faulty))] // what it probes now is seen after the round
			recent := before[max(0, len(before)-shadowMemory):]
			latest := recent[max(0, len(recent)-half):]
			var fresh []peer.ID
			for _, n := range w.faulty {
				ids := p.replies[w.members[n].id]
				if len(ids) != w.params.L1 || !only(w.classes(ids), isPhantom) {
					t.Fatalf("a reply of %d ids: %v", len(ids), w.classes(ids))
				}
				again := 0
				for _, id := range ids {
					switch {
					case slices.Contains(recent, id):
						again++
					case named[a][id] || named[b][id]:
						t.Fatalf("round %d: an id is named again that this node did not probe lately", w.round)
					default:
						fresh = append(fresh, id)
					}
				}
				if want := len(latest); again != want {
					t.Fatalf("round %d: %d of %d ids were probed before, want %d", w.round, again, len(ids), want)
				}
				for _, id := range latest {
					if !slices.Contains(ids, id) {
						t.Fatalf("round %d: a reply names none of the ids probed last", w.round)
					}
				}
			}
			for _, id := range fresh {
				named[p][id] = true
			}
			p.acts = w.queries()
			if p == a || w.round%3 == 0 { // of what was named, few are probed
				p.acts.Probes = append(p.acts.Probes, fresh[:4]...)
				probed[p] = append(probed[p], fresh[:4]...)
			}
		}
	}
	if len(probed[a]) <= shadowMemory {
		t.Error("the test cannot fail: the memory was never full")
	}
}

// TestAttackShadowAnswers: a probe of a phantom is answered one time in four, a round late; pushes and pulls of one never
// are. The faulty answer at once.
func TestAttackShadowAnswers(t *testing.T) {
	const seed, ids, rounds = 7, 100, 20
	w, puppets := stage(t, under("shadow", 20, func(c *Config) { c.Seed = seed }))
	p := puppets[0]
	answered := 0
	var last []peer.ID
	for round := range rounds {
		var fresh []peer.ID
		for i := range ids {
			fresh = append(fresh, makeID(phantomID, uint64(round*ids+i)))
		}
		never := []peer.ID{makeID(phantomID, 1<<40+uint64(round))}
		p.acts = w.queries()
		p.acts.Probes, p.acts.Pushes, p.acts.Pulls = append(p.acts.Probes, fresh...), never, append(p.acts.Pulls, never...)
		w.step()
		late := 0
		for _, id := range fresh {
			switch o := p.outcomes[id]; {
			case len(o) == 0:
				late++ // under way
			case !slices.Equal(o, []protocol.ProbeOutcome{protocol.Missed}):
				t.Fatalf("round %d: a phantom was told %v of in the round of the probe", w.round, o)
			}
		}
		for _, id := range last {
			if o := p.outcomes[id]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Alive}) {
				t.Fatalf("round %d: an answer that is due is %v", w.round, o)
			}
		}
		if o := p.outcomes[never[0]]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Missed, protocol.Missed}) {
			t.Fatalf("push and pull of a phantom: %v", o)
		}
		for _, n := range w.faulty {
			if o := p.outcomes[w.members[n].id]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Alive, protocol.Alive}) {
				t.Fatalf("a faulty node was told %v of", o)
			}
		}
		last = slices.DeleteFunc(fresh, func(id peer.ID) bool { return len(p.outcomes[id]) > 0 })
		answered += late
	}
	stattest.RequireBinomial(t, answered, ids*rounds, 1./shadowAnswers, falseAlarm, seed)
}

// TestAttackSelective: for 30 rounds all faulty nodes answer everybody. Later one answers those only that probed it within
// the last 15 rounds and were answered; pushes and pulls are answered likewise but do not count.
func TestAttackSelective(t *testing.T) {
	w, puppets := stage(t, under("selective", 60))
	// kept is probed every ten rounds, lapsed until round 20, pulled is asked for its view in every round, never is new in 35.
	kept, lapsed, pulled, never := w.faulty[0], w.faulty[1], w.faulty[2], w.faulty[3]
	asker, stranger := puppets[0], puppets[1]
	for round := 1; round <= 60; round++ {
		var probes []int
		if round%10 == 0 {
			probes = append(probes, kept)
			if round <= 20 || round == 40 {
				probes = append(probes, lapsed)
			}
		}
		if round == 35 {
			probes = append(probes, never)
		}
		asker.acts = protocol.Actions{Probes: w.idsOf(probes), Pulls: w.idsOf([]int{pulled})}
		stranger.acts = protocol.Actions{Probes: w.idsOf([]int{never}[:min(1, round/31)])}
		w.step()
		want := map[int]protocol.ProbeOutcome{kept: protocol.Alive, lapsed: protocol.Alive, never: protocol.Missed}
		if round == 40 {
			want[lapsed] = protocol.Missed
		}
		for _, n := range probes {
			if o := asker.outcomes[w.members[n].id]; !slices.Equal(o, []protocol.ProbeOutcome{want[n]}) {
				t.Errorf("round %d: faulty node %d: %v, want %v", round, n, o, want[n])
			}
		}
		view := protocol.Alive
		if round > selectiveFrom {
			view = protocol.Missed
			if o := stranger.outcomes[w.members[never].id]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Missed}) {
				t.Errorf("round %d: a node that never sampled it hears %v", round, o)
			}
		}
		if o := asker.outcomes[w.members[pulled].id]; !slices.Equal(o, []protocol.ProbeOutcome{view}) {
			t.Errorf("round %d: a pull is answered %v, want %v", round, o, view)
		}
	}
	if !w.attack.dialable(w, w.members[kept]) || w.attack.dialable(w, w.members[lapsed]) {
		t.Error("who is probed does not belong into samples, or who lapsed does")
	}
}
