package sim

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// everything lets each node push to, pull from or probe every other, dealt over the three kinds by number.
func everything(w *world, puppets []*puppet) {
	for i, p := range puppets {
		p.view = w.others(i)
		p.acts = protocol.Actions{}
		for n, id := range p.view {
			switch n % 3 {
			case 0:
				p.acts.Pushes = append(p.acts.Pushes, id)
			case 1:
				p.acts.Pulls = append(p.acts.Pulls, id)
			case 2:
				p.acts.Probes = append(p.acts.Probes, id)
			}
		}
	}
}

// TestExchangesTellAndAreTold: an exchange either succeeds, and both sides see what it brings, or it is a miss and brings
// nothing. Those that are off are always missed.
func TestExchangesTellAndAreTold(t *testing.T) {
	const seed = 5
	w, puppets := stage(t, network(60, 1, func(c *Config) { c.Loss, c.Seed = .3, seed }))
	everything(w, puppets)
	w.off([]int{7})
	w.leave([]int{20})
	lost, trials := map[kind]int{}, map[kind]int{}
	for range 10 {
		w.step()
		for i, p := range puppets {
			if i == 7 || i == 20 {
				if p.ticks > 0 || len(p.pushes) > 0 {
					t.Fatalf("node %d is off and does %d ticks, gets %d pushes", i, p.ticks, len(p.pushes))
				}
				continue
			}
			for kind, ids := range map[kind][]peer.ID{pushing: p.acts.Pushes, pulling: p.acts.Pulls, probing: p.acts.Probes} {
				for _, id := range ids {
					to := w.member(id).number
					if len(p.outcomes[id]) != 1 {
						t.Fatalf("node %d was told %v of %d, want one outcome", i, p.outcomes[id], to)
					}
					alive := p.outcomes[id][0] == protocol.Alive
					if !alive && p.outcomes[id][0] != protocol.Missed {
						t.Fatalf("node %d was told %v of %d", i, p.outcomes[id], to)
					}
					got := alive
					switch _, answered := p.replies[id]; kind {
					case pushing:
						got = slices.Contains(puppets[to].pushes, w.members[i].id)
					case pulling:
						got = answered
					}
					if got != alive {
						t.Fatalf("node %d, kind %d to %d: told %v, but what it should bring arrived: %v", i, kind, to, p.outcomes[id][0], got)
					}
					if to == 7 || to == 20 {
						if alive {
							t.Fatalf("node %d met %d, which is off", i, to)
						}
						continue
					}
					if trials[kind]++; !alive {
						lost[kind]++
					}
				}
			}
			for k, from := range p.pushes {
				if slices.Contains(p.pushes[:k], from) || from == w.members[i].id {
					t.Fatalf("node %d got the pushes %v", i, p.pushes)
				}
			}
		}
	}
	for kind, n := range trials {
		stattest.RequireBinomial(t, lost[kind], n, .3, falseAlarm, seed)
	}
}

// TestFaultyPushesAreLostToo, as often as any, and not to those that are off.
func TestFaultyPushesAreLostToo(t *testing.T) {
	const seed = 6
	w, puppets := stage(t, network(20, 1, func(c *Config) { c.Faulty, c.Loss, c.Seed = .5, .3, seed }))
	w.attack = &staged{onPlan: func(w *world, to []push) []push {
		for _, from := range w.faulty {
			for n := range 10 {
				to = append(to, push{from, n})
			}
		}
		return to
	}}
	w.off([]int{3})
	received := 0
	for range 100 {
		w.step()
		for _, p := range puppets {
			received += len(p.pushes)
		}
	}
	w.attack = &staged{onPlan: func(_ *world, to []push) []push { return to }}
	w.on([]int{3})
	if w.step(); len(puppets[3].pushes) > 0 {
		t.Errorf("%d pushes waited for a node that was off", len(puppets[3].pushes))
	}
	stattest.RequireBinomial(t, received, 100*9*10, .7, falseAlarm, seed)
}

// TestWithoutLossNothingFails: the control of the loss.
func TestWithoutLossNothingFails(t *testing.T) {
	w, puppets := stage(t, network(30, 1))
	everything(w, puppets)
	for range 3 {
		w.step()
		for i, p := range puppets {
			for id, o := range p.outcomes {
				if !slices.Equal(o, []protocol.ProbeOutcome{protocol.Alive}) {
					t.Fatalf("node %d was told %v of %d", i, o, w.member(id).number)
				}
			}
			if len(p.outcomes) != 29 {
				t.Fatalf("node %d was told of %d nodes, want 29", i, len(p.outcomes))
			}
		}
	}
}

// TestLateAnswersComeLate: an answer that takes two rounds is told two rounds later, and a pull of it brings nothing.
func TestLateAnswersComeLate(t *testing.T) {
	w, puppets := stage(t, network(4, 1, func(c *Config) { c.Faulty = .25 }))
	bad := w.members[3].id
	asked := 0
	w.attack = &staged{
		onPlan:   func(_ *world, to []push) []push { return to },
		onAnswer: func(exchange) (protocol.ProbeOutcome, int) { asked++; return protocol.Alive, 2 },
	}
	puppets[0].acts.Probes, puppets[1].acts.Pulls = []peer.ID{bad}, []peer.ID{bad}
	for round := 1; round <= 5; round++ {
		w.step()
		puppets[0].acts, puppets[1].acts = protocol.Actions{}, protocol.Actions{}
		for i, p := range puppets {
			if got, want := len(p.outcomes[bad]) == 1, i < 2 && round == 3; got != want || len(p.replies) > 0 {
				t.Errorf("round %d: node %d was told %v, replies %v", round, i, p.outcomes[bad], p.replies)
			}
		}
	}
	if asked != 2 {
		t.Errorf("the attack was asked %d times, want 2", asked)
	}
}

// TestAPullReturnsThePublishedView: that of the other's last tick, not what it has become since.
func TestAPullReturnsThePublishedView(t *testing.T) {
	for _, jitter := range []float64{0, .5} {
		w, puppets := stage(t, network(30, 1, func(c *Config) { c.Jitter = jitter }))
		everything(w, puppets)
		for _, p := range puppets {
			p.onTick = func() { p.view = []peer.ID{makeID(phantomID, uint64(p.ticks))} }
		}
		older := 0
		for round := range uint64(20) {
			w.step()
			for i, p := range puppets {
				if len(p.replies) != len(p.acts.Pulls) {
					t.Fatalf("jitter %v: node %d has %d replies to %d pulls", jitter, i, len(p.replies), len(p.acts.Pulls))
				}
				for _, ids := range p.replies {
					switch {
					case jitter > 0 && round == 0 && len(ids) == 0: // the other has not ticked yet
					case len(ids) == 1 && ids[0] == makeID(phantomID, round+1):
					case jitter > 0 && len(ids) == 1 && ids[0] == makeID(phantomID, round):
						older++
					default:
						t.Fatalf("jitter %v, round %d: node %d got %d ids, %x", jitter, round+1, i, len(ids), ids)
					}
				}
			}
		}
		if jitter > 0 && older == 0 {
			t.Error("under jitter nobody answered with the view of the round before")
		}
	}
}

// TestJitterBunchesPushes: in step each round brings one push of each neighbour. Under jitter, also of less than a part of
// a round, some bring two and some none, and as many arrive in all.
func TestJitterBunchesPushes(t *testing.T) {
	for _, c := range []struct {
		jitter  float64
		bunched bool
	}{{0, false}, {.1, true}, {.5, true}} {
		w, puppets := stage(t, network(20, 1, func(x *Config) { x.Jitter = c.jitter }))
		const rounds = 40
		total, twice, none := 0, 0, 0
		for i, p := range puppets {
			p.acts.Pushes = w.others(i)
			p.onTick = func() { // sees what came since the last tick
				if p.ticks == 1 {
					return
				}
				count := map[peer.ID]int{}
				for _, id := range p.pushes {
					count[id]++
				}
				for _, id := range w.others(i) {
					total += count[id]
					switch count[id] {
					case 0:
						none++
					case 1:
					case 2:
						twice++
					default:
						t.Errorf("jitter %v: %d pushes of a node in a round", c.jitter, count[id])
					}
				}
			}
		}
		w.cfg.Workers = 1 // the puppets count together
		for range rounds {
			w.step()
		}
		if (twice > 0) != c.bunched || (none > 0) != c.bunched {
			t.Errorf("jitter %v: %d times two pushes of a node, %d times none", c.jitter, twice, none)
		}
		if want := 20 * 19 * (rounds - 1); total < want-20*19 || total > want+20*19 {
			t.Errorf("jitter %v: %d pushes, want about %d", c.jitter, total, want)
		}
	}
}

func TestChurnKeepsTheNumberAndTheRate(t *testing.T) {
	const seed, rounds = 8, 200
	w, _ := stage(t, network(50, 1, func(c *Config) { c.Churn, c.Seed, c.Faulty = .013, seed, .2 }))
	for _, n := range w.correct {
		w.members[n].node = &puppet{}
	}
	for range rounds {
		w.churn() // without the rest of the round: newcomers are no puppets
		if len(w.correct) != 40 || !slices.IsSorted(w.correct) {
			t.Fatalf("the correct nodes are %v", w.correct)
		}
		for _, n := range w.correct {
			if m := w.members[n]; !m.up || m.node == nil || m.faulty {
				t.Fatalf("node %d is among the correct: %+v", n, m)
			}
		}
	}
	gone := len(w.members) - 50
	if want := .013 * 40 * rounds; float64(gone) < want-40 || float64(gone) > want+40 { // 10 standard deviations and more
		t.Errorf("%d left in %d rounds, want about %v", gone, rounds, want)
	}
}

// TestPartsOfARoundFollowEachOther: a push of an earlier part is there when the receiver ticks, one of a later part is not.
func TestPartsOfARoundFollowEachOther(t *testing.T) {
	w, puppets := stage(t, network(3, 1, func(c *Config) { c.Jitter = 1e-9 }))
	for i, place := range []int{1, 4, 6} {
		w.members[i].place = place
	}
	receiver := puppets[1]
	var before []peer.ID
	receiver.onTick = func() { before = slices.Clone(receiver.pushes) }
	puppets[0].acts.Pushes, puppets[2].acts.Pushes = []peer.ID{w.members[1].id}, []peer.ID{w.members[1].id}
	w.step()
	if want := []peer.ID{w.members[0].id}; !slices.Equal(before, want) {
		t.Errorf("at its tick it has %d pushes, want that of the earlier part", len(before))
	}
	if want := []peer.ID{w.members[2].id}; !slices.Equal(receiver.pushes, want) {
		t.Errorf("after the round it has %d pushes, want that of the later part", len(receiver.pushes))
	}
}
