//go:build !race

package protocol

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// Networks of up to 300 nodes with fixed seeds: what the rules are worth together, each defence beside its negative
// control. go test ./protocol -v -run Acceptance prints the figures.

func run(n int, faulty float64, p Params, seed uint64, rounds int, change ...func(*testNet)) *testNet {
	net := newTestNet(n, faulty, p, seed)
	for _, f := range change {
		f(net)
	}
	for range rounds {
		net.round()
	}
	return net
}

func TestAcceptanceHardenedBeatsPaper(t *testing.T) {
	paper := run(300, .2, Paper(40), 1, 60)
	hardened := run(300, .2, Hardened(40), 1, 60)
	pv, ps, _, _ := paper.shares()
	hv, hs, filled, _ := hardened.shares()
	t.Logf("n=300 f=.2 l=40, 60 rounds: view_faulty paper %.3f hardened %.3f, sample_faulty paper %.3f hardened %.3f", pv, hv, ps, hs)
	if hs < .17 || hs > .23 {
		t.Errorf("sample_faulty %.3f, want about .2", hs)
	}
	if filled < .999 {
		t.Errorf("%.3f of the slots are filled", filled)
	}
	if hv > pv-.1 {
		t.Errorf("view_faulty %.3f is not clearly below the paper's %.3f", hv, pv)
	}
}

// TestAcceptanceSampleIsUniform over the live peers, faulty ones that answer included. The view is the negative control.
func TestAcceptanceSampleIsUniform(t *testing.T) {
	const seed = 2
	net := run(300, .2, Hardened(40), seed, 60)
	index := map[peer.ID]int{}
	expected := make([]float64, len(net.ids)) // how many nodes may hold it: nobody holds itself
	for i, id := range net.ids {
		index[id] = i
		expected[i] = float64(len(net.nodes))
		if !net.bad[id] {
			expected[i]--
		}
	}
	samples, views := make([]int, len(net.ids)), make([]int, len(net.ids))
	for _, id := range net.correct() {
		for _, x := range net.nodes[id].Sample() {
			samples[index[x]]++
		}
		for _, x := range net.nodes[id].View() {
			views[index[x]]++
		}
	}
	stattest.RequireProportions(t, samples, expected, errorRate, seed)
	var v verdict
	if stattest.RequireProportions(&v, views, expected, errorRate, seed); !v.failed {
		t.Error("the control is void: the view passes for uniform")
	}
}

// TestAcceptanceKeyKeptOnDeath: correct peers flap and faulty ones do not. With a fresh key at each death (the negative
// control) the sample fills with faulty ids, with the key kept it does not.
func TestAcceptanceKeyKeptOnDeath(t *testing.T) {
	flap := func(rekey bool) float64 {
		p := with(Hardened(24), func(p *Params) { p.Rekey, p.Misses = rekey, 1 })
		net := newTestNet(100, .2, p, 3)
		for range 120 {
			clear(net.silent)
			for _, id := range net.correct() {
				net.silent[id] = net.rng.Float64() < .05
			}
			net.round()
		}
		_, s, _, _ := net.shares()
		return s
	}
	kept, fresh := flap(false), flap(true)
	t.Logf("n=100 f=.2 l=24, 5%% of correct nodes silent each round, 120 rounds: sample_faulty %.3f with the key kept, %.3f with a fresh one", kept, fresh)
	if kept > .4 {
		t.Errorf("sample_faulty %.3f with the key kept", kept)
	}
	if fresh < kept+.1 {
		t.Errorf("the control is void: %.3f with a fresh key", fresh)
	}
}

// TestAcceptanceProbeBeforeSlot: faulty nodes name ids that never answer. Fed directly (the negative control) they take
// the sample; probed first they get no slot.
func TestAcceptanceProbeBeforeSlot(t *testing.T) {
	phantoms := func(net *testNet) { net.phantom = true }
	share := func(direct bool) float64 {
		p := with(Hardened(40), func(p *Params) { p.Direct = direct })
		net := run(150, .2, p, 4, 40, phantoms)
		held, slots := 0, 0
		for _, id := range net.correct() {
			for _, s := range net.nodes[id].Slots() {
				slots++
				if s.ID != "" && !slices.Contains(net.ids, s.ID) {
					held++
				}
			}
		}
		return float64(held) / float64(slots)
	}
	probed, direct := share(false), share(true)
	t.Logf("n=150 f=.2 l=40, faulty replies name phantoms, 40 rounds: slots held by phantoms %.3f, fed directly %.3f", probed, direct)
	if probed != 0 {
		t.Errorf("phantoms hold %.3f of the slots", probed)
	}
	if direct < .2 {
		t.Errorf("the control is void: fed directly they hold %.3f", direct)
	}
}

// TestAcceptanceHistory: without gamma, views collapse to faulty ids alone.
func TestAcceptanceHistory(t *testing.T) {
	gamma := func(alpha, beta, gamma float64) float64 {
		p := with(Paper(20), func(p *Params) { p.Alpha, p.Beta, p.Gamma = alpha, beta, gamma })
		v, _, _, _ := run(150, .2, p, 5, 60).shares()
		return v
	}
	with, without := gamma(.45, .45, .10), gamma(.50, .50, 0)
	t.Logf("n=150 f=.2 l=20, paper, 60 rounds: view_faulty %.3f with gamma=.1, %.3f with gamma=0", with, without)
	if without < with+.15 {
		t.Errorf("the control is void: view_faulty %.3f with gamma=.1, %.3f with gamma=0", with, without)
	}
}

// TestAcceptanceFloodIsRefilled: ten-fold pushes overload every round. The hardened view renews and stays mixed; kept, as
// in the paper, it never changes; let through (the negative control) it is lost.
func TestAcceptanceFloodIsRefilled(t *testing.T) {
	flood := func(rule OverloadRule, tau float64) (view, sample, kept float64) {
		p := with(Hardened(40), func(p *Params) { p.Overload, p.Threshold = rule, tau })
		net := run(150, .3, p, 6, 40, func(net *testNet) { net.force = 10 })
		rounds := 0.
		for range 10 {
			net.round()
			for _, id := range net.correct() {
				rounds++
				if net.nodes[id].Status().Outcome.Kept() {
					kept++
				}
			}
		}
		view, sample, _, _ = net.shares()
		return view, sample, kept / rounds
	}
	view, sample, kept := flood(OverloadRefill, 1.25)
	_, _, frozen := flood(OverloadKeep, 1.25)
	through, _, _ := flood(OverloadRefill, 1e9)
	t.Logf("n=150 f=.3 l=40, ten-fold pushes, 50 rounds: view_faulty %.3f sample_faulty %.3f kept %.3f; kept under keep %.3f; view_faulty let through %.3f", view, sample, kept, frozen, through)
	if view > .5 || sample > .36 || kept > 0 {
		t.Errorf("view_faulty %.3f, sample_faulty %.3f, kept %.3f", view, sample, kept)
	}
	if frozen < .9 || through < view+.2 {
		t.Errorf("the controls are void: kept %.3f, let through %.3f", frozen, through)
	}
}
