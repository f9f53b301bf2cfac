package sim

import (
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// at is a configuration with addresses under the attack of that name.
func at(name string, nodes int, change ...func(*Config)) Config {
	return under(name, nodes, append([]func(*Config){func(c *Config) { c.Prefixes = 160 }}, change...)...)
}

// TestAddressesOfCorrectNodes: half of them in a quarter of the prefixes, perCoarse of which make a coarse one; a member
// keeps its own, also after it left.
func TestAddressesOfCorrectNodes(t *testing.T) {
	w := build(t, at("none", 4000, func(c *Config) { c.Faulty, c.Perfect = 0, false }))
	counts := make([]int, 4) // by quarters of the prefixes
	coarse := map[string]bool{}
	for _, m := range w.members {
		k := slices.Index(w.addresses, m.addr.own)
		if k < 0 {
			t.Fatalf("node %d is at %q", m.number, m.addr.own)
		}
		counts[k/40]++
		coarse[m.addr.own.Coarse] = true
	}
	// The share of the first x is sqrt(x).
	stattest.RequireProportions(t, counts, []float64{.5, .2071, .1589, .1340}, falseAlarm, w.cfg.Seed)
	if len(coarse) != 10 {
		t.Errorf("160 prefixes lie in %d coarse ones, want 10", len(coarse))
	}
	before := w.truly(w.members[7].id)
	w.leave([]int{7})
	if got := w.truly(w.members[7].id); got != before {
		t.Errorf("who left is at %q, was at %q", got, before)
	}
	if w := build(t, network(60, 1)); w.where(w.members[0]) != nil || w.members[0].addr.own != (protocol.Prefix{}) {
		t.Error("without --prefixes somebody has an address")
	}
}

// TestAddressesOfAttackers: who is where, and who are the victims.
func TestAddressesOfAttackers(t *testing.T) {
	for _, c := range []struct {
		attack       string
		subnets      int
		fine, coarse int // prefixes of faulty nodes
		shared       int // correct nodes in one of them, -1 for more than the victims
	}{
		{"subnet", 1, 1, 1, 0}, {"subnet", 7, 7, 1, 0}, {"subnet", 300, 120, 2, 0},
		{"scattered", 1, 120, 120, 0}, {"neighbour", 1, 1, 1, 4}, {"relay", 1, 1, 1, -1}, {"balanced", 1, 0, 10, -1},
	} {
		w := build(t, at(c.attack, 600, func(x *Config) { x.Subnets, x.Victims, x.Perfect = c.subnets, 4, false }))
		fine, coarse := map[string]bool{}, map[string]bool{}
		for _, n := range w.faulty {
			p := w.members[n].addr.own
			fine[p.Fine], coarse[p.Coarse] = true, true
		}
		shared := 0
		for _, n := range w.correct {
			if fine[w.members[n].addr.own.Fine] {
				shared++
			}
		}
		if c.attack == "balanced" {
			if len(fine) < 50 || len(coarse) != c.coarse {
				t.Errorf("balanced: faulty nodes are in %d prefixes, %d coarse ones", len(fine), len(coarse))
			}
			continue
		}
		if len(fine) != c.fine || len(coarse) != c.coarse || c.shared >= 0 && shared != c.shared || c.shared < 0 && shared <= 4 {
			t.Errorf("%+v: faulty nodes are in %d prefixes, %d coarse ones, with %d correct nodes", c, len(fine), len(coarse), shared)
		}
		for _, n := range w.attack.victims() {
			if m := w.members[n]; m.faulty || !fine[m.addr.own.Fine] || len(w.attack.victims()) != 4 {
				t.Errorf("%s: victim %d is at %q", c.attack, n, m.addr.own)
			}
		}
	}
}

// TestClaimsAreConfirmed by an answer to the node that asked, for that node only; with trust-claims never. Correct nodes claim
// the truth, phantoms what they like.
func TestClaimsAreConfirmed(t *testing.T) {
	for _, trust := range []bool{false, true} {
		w := build(t, at("subnet", 60, func(c *Config) { c.TrustClaims, c.Perfect = trust, false }))
		a, b, liar := w.members[0], w.members[1], w.members[w.faulty[0]]
		claimed, truth := w.where(a)(liar.id), liar.addr.own
		if claimed == truth || claimed != w.where(b)(liar.id) {
			t.Fatalf("claims are %q and %q, the truth is %q", claimed, w.where(b)(liar.id), truth)
		}
		for _, o := range []protocol.ProbeOutcome{protocol.Missed, protocol.NoEvidence, protocol.Leaving} {
			w.confirm(a, liar.id, o)
		}
		if got := w.where(a)(liar.id); got != claimed {
			t.Fatalf("no answer, and the node knows %q", got)
		}
		w.confirm(a, liar.id, protocol.Alive)
		want := map[bool]protocol.Prefix{false: truth, true: claimed}[trust]
		if got := w.where(a)(liar.id); got != want || w.where(b)(liar.id) != claimed {
			t.Errorf("trust %v: after an answer a knows %q and b %q, want %q and %q", trust, got, w.where(b)(liar.id), want, claimed)
		}
		if got := w.where(a)(b.id); got != b.addr.own {
			t.Errorf("a correct node claims %q and is at %q", got, b.addr.own)
		}
		ids := newPhantoms(a, 2)
		if w.where(a)(ids[0]) == w.where(a)(ids[1]) {
			t.Error("two phantoms claim one prefix")
		}
	}
}

// TestANeighbourLocksNobodyOut: a correct node in the operator's prefix is in no fewer plain slots than the others.
func TestANeighbourLocksNobodyOut(t *testing.T) {
	r := simulate(t, at("neighbour", 200, func(x *Config) {
		x.L1, x.Faulty, x.Victims, x.Perfect = 40, .5, 10, false
		x.Override = map[string]string{"diverse": "20"}
	}))
	if r.VictimPlain == nil || r.VictimDiverse == nil || r.VictimIn.Min == 0 {
		t.Fatalf("victims are sampled by %+v", r.VictimIn)
	}
	// 100 nodes have 20 plain slots each, which are uniform over 200 ids: 100*(1-(1-1/200)^20) = 9.5 have a given one.
	if m := r.VictimPlain.Mean; m < 6.5 || m > 12.5 {
		t.Errorf("victims are in plain slots of %v nodes, want 9.5", m)
	}
}

// TestBasaltRanksByPrefix, if it is told to.
func TestBasaltRanksByPrefix(t *testing.T) {
	faulty := map[string]float64{}
	for _, algorithm := range []string{Basalt, BasaltPrefix} {
		r := simulate(t, at("subnet", 200, func(x *Config) { x.Algorithm, x.L1, x.Faulty = algorithm, 40, .5 }))
		faulty[algorithm] = r.SampleFaulty
		if r.PlainFaulty != nil || r.InSamples == nil {
			t.Errorf("%s: has slots of two kinds", algorithm)
		}
	}
	if faulty[Basalt] < .35 || faulty[BasaltPrefix] > .2 {
		t.Errorf("samples are faulty by %v", faulty)
	}
}

// TestWithoutAddressesNoWordOfThem: the words and digests of simulations that were there before stay as they are.
func TestWithoutAddressesNoWordOfThem(t *testing.T) {
	s := &Summary{Each: []*Result{simulate(t, under("balanced", 60))}}
	for _, word := range []string{"plain_faulty", "diverse_faulty", "correct_in_samples", "victim_in_samples", "victim_in_plain", "victim_in_diverse"} {
		if _, ok := s.Figure(word); ok {
			t.Errorf("there is a word %s", word)
		}
		if !slices.Contains(Words(), word) {
			t.Errorf("no word %s at all", word)
		}
	}
}
