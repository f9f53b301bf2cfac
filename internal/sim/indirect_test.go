package sim

import (
	"math"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestOneway: about the given share of ordered pairs is cut, each for itself, from the given round on, and exchanges that
// the first of such a pair begins fail.
func TestOneway(t *testing.T) {
	w := build(t, network(200, 9, func(c *Config) { c.Oneway, c.OnewayAt = .1, 5 }))
	count := func() (cut, both int) {
		for _, a := range w.members {
			for _, b := range w.members[:a.number] {
				x, y := w.reaches(a, b), w.reaches(b, a)
				if !x {
					cut++
				}
				if !y {
					cut++
				}
				if !x && !y {
					both++
				}
			}
		}
		return cut, both
	}
	w.round = 4
	if cut, _ := count(); cut != 0 {
		t.Errorf("%d pairs are cut before the round", cut)
	}
	w.round = 5
	pairs := 200. * 199
	cut, both := count()
	// Six standard deviations each.
	if d := math.Abs(float64(cut) - .1*pairs); d > 6*math.Sqrt(.09*pairs) {
		t.Errorf("%d of %v ordered pairs are cut", cut, pairs)
	}
	if d := math.Abs(float64(both) - .01*pairs/2); d > 6*math.Sqrt(.01*pairs/2) {
		t.Errorf("%d pairs are cut both ways, want a hundredth of %v: directions are drawn apart", both, pairs/2)
	}

	w, puppets := stage(t, network(40, 9, func(c *Config) { c.Oneway = .3 }))
	for i, p := range puppets {
		p.acts = protocol.Actions{Probes: w.others(i)}
	}
	w.step()
	missed := 0
	for i, p := range puppets {
		for id, outcomes := range p.outcomes {
			want := protocol.Alive
			if !w.reaches(w.members[i], w.member(id)) {
				want = protocol.Missed
				missed++
			}
			if len(outcomes) != 1 || outcomes[0] != want {
				t.Errorf("%d probed %d: %v, want %v", i, w.member(id).number, outcomes, want)
			}
		}
	}
	if missed == 0 {
		t.Error("nothing is cut")
	}
}

// TestVouches: who vouches for whom, and that each leg may fail.
func TestVouches(t *testing.T) {
	w := build(t, network(20, 9, func(c *Config) { c.Faulty, c.Attack = .2, "silent" }))
	asker, helper, target := w.members[0], w.members[1], w.members[2]
	faulty, phantom := w.members[w.faulty[0]], w.member(makeID(phantomID, 1))
	for _, c := range []struct {
		name           string
		helper, target *member
		want           bool
	}{
		{"all is well", helper, target, true},
		{"a faulty helper", faulty, target, false},
		{"a faulty target that answers nobody", helper, faulty, false},
		{"a phantom helps", phantom, target, false},
		{"a phantom is the target", helper, phantom, false},
	} {
		if got := w.vouches(asker, c.helper, c.target); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	w.attack = &balanced{}
	if !w.vouches(asker, faulty, faulty) || !w.vouches(asker, helper, faulty) {
		t.Error("faulty targets that answer at large sign for whoever asks")
	}
	target.up = false
	if w.vouches(asker, helper, target) {
		t.Error("the dead sign")
	}

	w = build(t, network(20, 9, func(c *Config) { c.Loss = .3 }))
	asker, helper, target = w.members[0], w.members[1], w.members[2]
	const tries = 20000
	yes := 0
	for range tries {
		if w.vouches(asker, helper, target) {
			yes++
		}
	}
	if p := .7 * .7; math.Abs(float64(yes)-p*tries) > 6*math.Sqrt(p*(1-p)*tries) {
		t.Errorf("%d of %d indirect probes succeed, want about %v", yes, tries, p)
	}
	w = build(t, network(60, 9, func(c *Config) { c.Oneway = .5 }))
	for _, target := range w.members[2:] {
		asker, helper := w.members[0], w.members[1]
		if got, want := w.vouches(asker, helper, target), w.reaches(asker, helper) && w.reaches(helper, target); got != want {
			t.Errorf("one-way: %v, want %v", got, want)
		}
	}
}

// TestVigil follows two deaths and a false one.
func TestVigil(t *testing.T) {
	w := build(t, network(20, 9, func(c *Config) { c.Liveness, c.Rounds = true, 2 }))
	w.vigil.half = 0
	if len(w.vigil.gone) != 0 {
		t.Fatal("somebody is gone")
	}
	var puppets []*puppet
	for _, n := range w.correct {
		p := &puppet{sample: []peer.ID{w.members[3].id, w.members[4].id}}
		w.members[n].node = p
		puppets = append(puppets, p)
	}
	w.round = 1
	w.leave([]int{3, 4})
	puppets[0].acts = protocol.Actions{Dead: []peer.ID{w.members[7].id, w.members[3].id, makeID(phantomID, 1)}}
	for _, n := range w.correct {
		w.tick(w.members[n])
	}
	w.vigil.look(w)
	if len(w.vigil.noticed) != 0 || w.vigil.falseDeaths != 1 || w.vigil.nodeRound != 18 {
		t.Fatalf("%+v; want one false death in 18 node-rounds", w.vigil)
	}
	w.round = 4
	for _, p := range puppets {
		p.sample, p.acts = []peer.ID{w.members[4].id}, protocol.Actions{}
	}
	for _, n := range w.correct {
		w.tick(w.members[n])
	}
	w.vigil.look(w)
	w.round = 9
	puppets[5].sample = nil
	for _, p := range puppets[1:] {
		p.sample = nil
	}
	w.vigil.look(w)
	if len(w.vigil.noticed) != 1 {
		t.Fatalf("noticed %v although one sample still holds the second", w.vigil.noticed)
	}
	puppets[0].sample = nil
	w.vigil.look(w)
	r := &Result{}
	r.concludeLiveness(w.vigil)
	if r.Noticed.Min != 3 || *r.NoticedMax != 8 || r.Noticed.Mean != 5.5 {
		t.Errorf("noticed %+v after rounds 3 and 8", *r.Noticed)
	}
	nobody := &Result{}
	if nobody.concludeLiveness(nil); nobody.FalseDeaths != nil || nobody.Noticed != nil {
		t.Error("words of deaths that nobody followed")
	}
}

// TestIndirectProbesSaveTheLiving: with a tenth of the exchanges lost, the plain probe (the negative control) declares live
// ids dead all the time and six helpers hardly ever. The dead are noticed as soon.
func TestIndirectProbesSaveTheLiving(t *testing.T) {
	run := func(helpers string) *Result {
		c := network(80, 60, func(c *Config) { c.Loss, c.Liveness, c.Attack, c.Share, c.Start = .1, true, "churn-storm", .05, 40 })
		if err := c.Set("indirect", helpers); err != nil {
			t.Fatal(err)
		}
		return simulate(t, c)
	}
	plain, helped := run("0"), run("6")
	if *plain.FalseDeaths < 20 || *helped.FalseDeaths > *plain.FalseDeaths/20 {
		t.Errorf("false deaths a node and 1000 rounds: %v without helpers, %v with six", *plain.FalseDeaths, *helped.FalseDeaths)
	}
	if *plain.Asks != 0 || *helped.Asks == 0 {
		t.Errorf("asks %v and %v", *plain.Asks, *helped.Asks)
	}
	bound := 13.
	if *plain.NoticedMax > bound || *helped.NoticedMax > bound || plain.DeadInSamples+helped.DeadInSamples > 0 {
		t.Errorf("the dead were noticed after %v and %v rounds at most, want %v", *plain.NoticedMax, *helped.NoticedMax, bound)
	}
}

// TestIndirectProbesMoveNothingWithoutLoss: where only the dead are suspect, nobody signs and nothing else is drawn.
func TestIndirectProbesMoveNothingWithoutLoss(t *testing.T) {
	run := func(helpers string) *Result {
		c := network(60, 40, func(c *Config) { c.Churn, c.Liveness = .02, true })
		if err := c.Set("indirect", helpers); err != nil {
			t.Fatal(err)
		}
		return simulate(t, c)
	}
	plain, helped := run("0"), run("6")
	if *helped.Asks == 0 {
		t.Error("the test cannot fail: nobody was suspect")
	}
	if plain.Digest != helped.Digest {
		t.Error("indirect probes changed a run in which nobody could vouch for anybody")
	}
}
