package protocol

import (
	"flag"
	"testing"
)

var figures = flag.Int("figures", 60, "nodes of the networks of TestFigures; docs/paper-map.md has the figures of 1000")

// TestFigures prints the table of docs/paper-map.md, row by row. At its small default size it only shows that all rows
// run; the figures are made by (6 minutes of one core)
//
//	go test ./protocol -run TestFigures -figures 1000 -v -timeout 30m
func TestFigures(t *testing.T) {
	rounds := 10
	if *figures >= 1000 {
		rounds = 100
	}
	flood := func(net *testNet) { net.force = 10 }
	phantoms := func(net *testNet) { net.phantom = true }
	loss := func(net *testNet) { net.loss = .3 }
	tuples := func(p *Params) { p.Tuples = true }
	for _, row := range []struct {
		name   string
		p      Params
		faulty float64
		change func(*testNet)
	}{
		{"paper f=0", Paper(40), 0, nil},
		{"paper f=.1", Paper(40), .1, nil},
		{"paper f=.2", Paper(40), .2, nil},
		{"paper f=.3", Paper(40), .3, nil},
		{"hardened f=0", Hardened(40), 0, nil},
		{"hardened f=.1", Hardened(40), .1, nil},
		{"hardened f=.2", Hardened(40), .2, nil},
		{"hardened f=.3", Hardened(40), .3, nil},
		{"hardened f=.3 flood", Hardened(40), .3, flood},
		{"hardened f=.2 phantoms", Hardened(40), .2, phantoms},
		{"hardened f=.2 loss", Hardened(40), .2, loss},

		// What single deviations are worth.
		{"D1 f=.2 l=10", Hardened(10), .2, nil},
		{"D1 f=.2 l=20", Hardened(20), .2, nil},
		{"D3 f=.2 loss drawn from all", with(Hardened(40), tuples), .2, loss},
		{"D6 f=.2 phantoms direct", with(Hardened(40), func(p *Params) { p.Direct = true }), .2, phantoms},
		{"D8 f=.2 weights of the paper", with(Hardened(40), func(p *Params) { p.Alpha, p.Beta, p.Gamma = .45, .45, .10 }), .2, nil},
		{"D9 f=.3 flood kept", with(Hardened(40), func(p *Params) { p.Overload = OverloadKeep }), .3, flood},
		{"D9 f=.3 flood let through", with(Hardened(40), func(p *Params) { p.Threshold = 1e9 }), .3, flood},
		{"D10 f=.3 flood and long replies", Hardened(40), .3, func(net *testNet) { net.force, net.replyLen = 10, MaxReply }},
	} {
		t.Run(row.name, func(t *testing.T) {
			net := newTestNet(*figures, row.faulty, row.p, 1)
			if row.change != nil {
				row.change(net)
			}
			var late, over, kept float64 // of the second half
			for round := range rounds {
				net.round()
				if round < rounds/2 {
					continue
				}
				for _, id := range net.correct() {
					late++
					s := net.nodes[id].Status()
					if s.Overloaded {
						over++
					}
					if s.Outcome.Kept() {
						kept++
					}
				}
			}
			view, sample, filled, _ := net.shares()
			t.Logf("n=%d l=%d, %d rounds: view_faulty %.3f  sample_faulty %.3f  filled %.3f  over_threshold %.3f  renewal_blocked %.3f",
				*figures, row.p.L1, rounds, view, sample, filled, over/late, kept/late)
		})
	}
}
