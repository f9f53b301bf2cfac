package sim

import (
	"math"
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAttackNone: the faulty push their share and answer pulls with ids of all nodes, the asker's own apart. The control
// is balanced, whose replies name faulty ones only.
func TestAttackNone(t *testing.T) {
	const seed = 3
	for _, name := range []string{"none", "balanced"} {
		w, puppets := stage(t, under(name, 60, func(c *Config) { c.Seed = seed }))
		for _, p := range puppets {
			p.acts = w.queries()
		}
		w.sent = 12 * len(w.correct)
		if got, want := len(w.attack.plan(w, nil)), 12*len(w.correct)/4; got != want {
			t.Errorf("%s: %d pushes of faulty nodes, want %d: a fifth of all", name, got, want)
		}
		w.step()
		var all counts
		for i, p := range puppets {
			for from, ids := range p.replies {
				if len(ids) != w.params.L1 {
					t.Fatalf("%s: a reply of %d ids, want %d", name, len(ids), w.params.L1)
				}
				if slices.Contains(ids, w.members[i].id) {
					t.Fatalf("%s: node %d is named to itself by %d", name, i, w.member(from).number)
				}
				all.add(w.classes(ids))
			}
		}
		if name == "balanced" {
			if !only(all, isFaulty) {
				t.Errorf("the control is void: balanced names %v", all)
			}
			continue
		}
		// 12 of the 59 others are faulty. A reply is drawn without replacement, which only narrows the distribution.
		stattest.RequireBinomial(t, int(all[isFaulty]), int(all.total()), 12./59, falseAlarm, seed)
		if all[isCorrect]+all[isFaulty] != all.total() {
			t.Errorf("none names %v", all)
		}
	}
}

// TestAttackTargetedPlan: each victim gets its pushes from distinct faulty nodes, the others share the rest evenly, and all
// together are the configured share. Without victims the same nodes get no more than the others.
func TestAttackTargetedPlan(t *testing.T) {
	for _, c := range []struct {
		victims, pushes int
		share           float64
		want            int // pushes on a victim
	}{
		{1, 5, -1, 5}, {3, 7, -1, 7}, {6, 15, .4, 15}, {4, 1, .3, 1}, {5, 0, .2, 0},
		{8, 15, .1, -1}, // more than the budget
	} {
		w := build(t, under("targeted", 100, func(x *Config) {
			x.Victims, x.VictimPushes, x.PushShare, x.Perfect, x.L1 = c.victims, c.pushes, c.share, false, 40
		}))
		w.round = 1
		w.attack.begin(w)
		w.sent = 14 * len(w.correct)
		p := c.share
		if p < 0 {
			p = .2
		}
		budget := p / (1 - p) * float64(w.sent)
		victims := slices.Clone(w.attack.victims())
		if len(victims) != c.victims {
			t.Fatalf("%+v: %d victims", c, len(victims))
		}
		for range 10 {
			pushes := w.attack.plan(w, nil)
			got, repeats := tally(t, w, pushes)
			if math.Abs(float64(len(pushes))-budget) > .5 {
				t.Fatalf("%+v: %d pushes, want %v", c, len(pushes), budget)
			}
			if repeats > 0 {
				t.Fatalf("%+v: %d times two pushes of a node to another", c, repeats)
			}
			for _, n := range victims {
				if c.want >= 0 && got[n] != c.want {
					t.Fatalf("%+v: victim %d gets %d pushes", c, n, got[n])
				}
			}
			even(t, w, got, victims)
			even(t, w, got, without(w.correct, victims))
			w.round++
		}
	}
}

// TestAttackTargetedVictimsStay: under churn who leaves is no victim any longer, and nobody takes the place.
func TestAttackTargetedVictimsStay(t *testing.T) {
	w := build(t, under("targeted", 60, func(c *Config) {
		c.Victims, c.VictimPushes, c.Churn, c.Seed, c.Perfect = 8, 4, .02, 2, false
	}))
	w.step()
	first := slices.Clone(w.attack.victims())
	gone := 0
	for range 40 {
		w.step()
		aim := w.attack.victims()
		want := slices.DeleteFunc(slices.Clone(first), func(n int) bool { return !w.members[n].up })
		if !slices.Equal(aim, want) {
			t.Fatalf("round %d: the victims are %v, want those of %v that are up: %v", w.round, aim, first, want)
		}
		gone = len(first) - len(aim)
		got, _ := tally(t, w, w.pushes)
		for _, n := range aim {
			if got[n] != 4 {
				t.Fatalf("round %d: victim %d gets %d pushes, want 4", w.round, n, got[n])
			}
		}
	}
	if gone == 0 || gone == len(first) {
		t.Errorf("the test cannot fail: %d of %d victims left", gone, len(first))
	}
}

// TestAttackTargetedDefault: by default a victim's pushes, faulty and correct together, come to about the threshold.
func TestAttackTargetedDefault(t *testing.T) {
	w := build(t, under("targeted", 100, func(c *Config) { c.Victims, c.L1, c.Perfect = 4, 40, false }))
	w.step()
	got, _ := tally(t, w, w.pushes)
	limit := threshold(w.params)
	for _, n := range w.attack.victims() {
		if got[n] < 1 || got[n] >= limit || got[n]+w.fanout < limit {
			t.Errorf("victim %d gets %d faulty pushes beside at most %d of correct nodes, at a threshold of %d", n, got[n], w.fanout, limit)
		}
	}
}

// TestAttackFlood: each faulty node sends force times what a correct one may, whatever share that is. Balanced is held to
// the share.
func TestAttackFlood(t *testing.T) {
	for _, force := range []float64{1, 2.5, 10} {
		for _, share := range []float64{-1, 0, .1} {
			w := build(t, under("flood", 60, func(c *Config) { c.Force, c.PushShare, c.Perfect = force, share, false }))
			sentBy := map[int]int{}
			const rounds = 20
			for range rounds {
				w.sent = w.rng.IntN(1000) // nor does it follow what others send
				pushes := w.attack.plan(w, nil)
				if want := int(math.Round(force * float64(w.fanout*len(w.faulty)))); len(pushes) != want {
					t.Fatalf("force %v, push-share %v: %d pushes, want %d", force, share, len(pushes), want)
				}
				got, _ := tally(t, w, pushes)
				even(t, w, got, w.correct)
				for _, x := range pushes {
					sentBy[x.from]++
				}
				w.round++
			}
			for _, n := range w.faulty {
				mean := force * float64(w.fanout) * rounds
				if math.Abs(float64(sentBy[n])-mean) > .1*mean+float64(rounds) {
					t.Errorf("force %v: faulty node %d sends %d pushes in %d rounds, want about %v", force, n, sentBy[n], rounds, mean)
				}
			}
		}
	}
}

// TestAttackSilent: no push, no answer, and no place in a sample that is fed by answers only. Fed without probing, as in
// the paper's preset, it holds some; under balanced it holds many.
func TestAttackSilent(t *testing.T) {
	w, puppets := stage(t, under("silent", 60))
	for _, p := range puppets {
		p.acts = w.queries()
		p.acts.Pushes = w.idsOf(w.faulty)
	}
	w.step()
	if len(w.pushes) > 0 {
		t.Errorf("%d pushes", len(w.pushes))
	}
	for i, p := range puppets {
		if len(p.pushes) > 0 || len(p.replies) > 0 {
			t.Fatalf("node %d has %d pushes and %d replies of the silent", i, len(p.pushes), len(p.replies))
		}
		for _, n := range w.faulty {
			if o := p.outcomes[w.members[n].id]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Missed, protocol.Missed, protocol.Missed}) {
				t.Fatalf("node %d was told %v of the silent node %d", i, o, n)
			}
		}
	}
	if n := w.faulty[0]; w.attack.dialable(w, w.members[n]) {
		t.Error("a silent node counts among those that belong into samples")
	}

	for _, c := range []struct {
		about  string
		c      Config
		rounds int
		in     bool
	}{
		{"hardened", under("silent", 60), 40, false},
		{"control: direct", under("silent", 60, func(c *Config) { c.Override = map[string]string{"direct": "true"} }), 1, true},
		{"control: balanced", under("balanced", 60), 40, true},
	} {
		w := build(t, c.c)
		steps(w, c.rounds)
		if held := w.held(); held[isFaulty] > 0 != c.in || held[isCorrect] < int64(len(w.correct)) {
			t.Errorf("%s: the samples hold %v, faulty ones wanted: %v", c.about, held, c.in)
		}
	}
}

// TestAttackSybil: the faulty grow by S a round, who answer and are named like any other, and push no more than before.
func TestAttackSybil(t *testing.T) {
	w, puppets := stage(t, under("sybil", 60, func(c *Config) { c.Sybils = 7 }))
	w.sent = 12 * len(w.correct)
	pushers := map[int]bool{}
	for round := 1; round <= 5; round++ {
		for _, p := range puppets {
			p.acts = protocol.Actions{Probes: []peer.ID{makeID(memberID, uint64(len(w.members)))}} // the first to come
			p.acts.Pulls = p.acts.Probes
			for len(p.acts.Pushes) < 12 {
				p.acts.Pushes = append(p.acts.Pushes, w.members[w.correct[len(p.acts.Pushes)]].id)
			}
		}
		w.step()
		if want := 12 + 7*round; len(w.faulty) != want || len(w.correct) != 48 || len(w.members) != 60+7*round {
			t.Fatalf("round %d: %d faulty, %d correct, %d members, want %d faulty", round, len(w.faulty), len(w.correct), len(w.members), want)
		}
		if len(w.pushes) != 12*48/4 {
			t.Fatalf("round %d: %d faulty pushes, want %d", round, len(w.pushes), 12*48/4)
		}
		for _, x := range w.pushes {
			pushers[x.from] = true
		}
		new := w.members[len(w.members)-7]
		if new.since != round || !new.faulty || !new.up || !w.attack.dialable(w, new) {
			t.Fatalf("round %d: the newcomer is %+v", round, new)
		}
		late := 0
		for i, p := range puppets {
			if o := p.outcomes[new.id]; !slices.Equal(o, []protocol.ProbeOutcome{protocol.Alive, protocol.Alive}) || len(p.replies[new.id]) != w.params.L1 {
				t.Fatalf("round %d: node %d was told %v of %d, with %d ids", round, i, o, new.number, len(p.replies[new.id]))
			}
			for _, id := range p.replies[new.id] {
				if w.member(id).number >= 60 {
					late++
				}
			}
		}
		if late == 0 {
			t.Errorf("round %d: no reply names a newcomer", round)
		}
	}
	if len(pushers) <= 12 {
		t.Errorf("only %d faulty nodes ever pushed", len(pushers))
	}
	// Samples follow the ids that answer; without sybils they stay near f.
	for _, sybils := range []int{0, 7} {
		w := build(t, under("sybil", 60, func(c *Config) { c.Sybils = sybils }))
		steps(w, 50)
		if got := w.held().sampleFaulty(); (got > .6) != (sybils > 0) {
			t.Errorf("%d sybils a round: a share of %.2f of the samples is faulty", sybils, got)
		}
	}
}
