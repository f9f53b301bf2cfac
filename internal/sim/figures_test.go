//go:build !race

package sim

import (
	"flag"
	"math"
	"testing"
)

// The figures that the laboratory must reproduce: those of the paper's rules as measured by an independent simulation,
// and the bounds that the hardened rules were built for. One run each: n=1000, 150 rounds, l=40. go test -v prints them. Two of
// them without -figures: CI has the small suite besides, make suite-large the rest.

var allFigures = flag.Bool("figures", false, "all that TestFiguresAreReproduced knows")

func TestFiguresAreReproduced(t *testing.T) {
	near := func(t *testing.T, word string, got, want, by float64) {
		t.Helper()
		if !(math.Abs(got-want) <= by) {
			t.Errorf("%s is %.4f, want %.3f within %.3f", word, got, want, by)
		}
	}
	most := func(t *testing.T, word string, got, bound float64) {
		t.Helper()
		if !(got <= bound) {
			t.Errorf("%s is %.4f, want at most %.3f", word, got, bound)
		}
	}
	paper := func(view, sample float64) func(*testing.T, *Result) {
		return func(t *testing.T, r *Result) {
			near(t, "view_faulty", r.ViewFaulty, view, .03)
			near(t, "sample_faulty", r.SampleFaulty, sample, .015)
		}
	}
	for _, c := range []struct {
		name, preset string
		faulty       float64
		always       bool // also without -figures
		check        func(*testing.T, *Result)
	}{
		{"paper healthy", "paper", 0, false, func(t *testing.T, r *Result) { near(t, "renewal_blocked", r.Blocked, .43, .03) }},
		{"paper f=.1", "paper", .1, false, paper(.34, .10)},
		{"paper f=.2", "paper", .2, true, paper(.57, .20)},
		{"paper f=.3", "paper", .3, false, paper(.76, .31)},
		{"hardened healthy", "hardened", 0, false, func(t *testing.T, r *Result) {
			most(t, "over_threshold", r.Over, .05)
			most(t, "renewal_blocked", r.Blocked, 0)
		}},
		{"hardened f=.2", "hardened", .2, false, func(t *testing.T, r *Result) {
			most(t, "view_faulty", r.ViewFaulty, .40)
			most(t, "sample_faulty", r.SampleFaulty, .215)
			most(t, "isolated_both", float64(r.IsolatedBoth), 0)
		}},
		{"hardened f=.3", "hardened", .3, true, func(t *testing.T, r *Result) {
			most(t, "view_faulty", r.ViewFaulty, .56)
			most(t, "sample_faulty", r.SampleFaulty, .32)
		}},
	} {
		if !c.always && !*allFigures {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			cfg := Default()
			cfg.Preset, cfg.Faulty, cfg.L1, cfg.Perfect = c.preset, c.faulty, 40, false
			r := simulate(t, cfg)
			t.Logf("n=1000 f=%v: view_faulty %.3f sample_faulty %.3f renewal_blocked %.3f over_threshold %.3f isolated_both %d, theory %.3f, %.1f s of CPU",
				c.faulty, r.ViewFaulty, r.SampleFaulty, r.Blocked, r.Over, r.IsolatedBoth, r.Theory, r.CPUSeconds)
			c.check(t, r)
		})
	}
}

// TestBaselinesUnderFlood: as published, BASALT withstands a flood at f=.3, n=1000, v=50 in which each faulty node pushes
// ten times as much as a correct one, and the naive sampler is overrun.
func TestBaselinesUnderFlood(t *testing.T) {
	for algorithm, within := range map[string][2]float64{Basalt: {.25, .6}, Cyclon: {.99, 1}} {
		cfg := Default()
		cfg.Algorithm, cfg.Attack, cfg.Faulty, cfg.Force, cfg.L1 = algorithm, "flood", .3, 10, 50
		r := simulate(t, cfg)
		t.Logf("%s: view_faulty %.3f sample_faulty %.3f isolated %d, %.1f s of CPU", algorithm, r.ViewFaulty, r.SampleFaulty, r.Isolated, r.CPUSeconds)
		if !(r.ViewFaulty >= within[0] && r.ViewFaulty <= within[1]) {
			t.Errorf("%s: view_faulty %.3f, want between %.2f and %.2f", algorithm, r.ViewFaulty, within[0], within[1])
		}
		if !(r.SampleFaulty >= within[0] && r.SampleFaulty <= within[1]) {
			t.Errorf("%s: sample_faulty %.3f, want between %.2f and %.2f", algorithm, r.SampleFaulty, within[0], within[1])
		}
	}
}
