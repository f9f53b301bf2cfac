package suite

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
	"github.com/brahms-p2p/brahms-p2p/internal/sim/plots"
)

// Options are how a suite is run.
type Options struct {
	Only     *regexp.Regexp // run the scenarios of which it matches the name; nil for all
	Progress func(Progress) // called after every round, unless nil
}

// Progress says how far a suite is.
type Progress struct {
	Scenario    string
	Number, Of  int // of the scenario, from 1
	Run, Round  int // from 1
	Done, Total int // node-rounds, which take about equally long
}

// An Outcome is what a scenario came to.
type Outcome struct {
	Scenario *Scenario
	Summary  *sim.Summary
	Verdicts []Verdict
	Seconds  float64

	rounds [][]sim.Round // of each run, if they are drawn
}

// A Verdict is whether a figure is as expected.
type Verdict struct {
	Expectation
	Value float64 // the mean; of an Expectation of each run the least if that is too low, otherwise the most
	Pass  bool
}

// A Comparison is the outcome of a negative control.
type Comparison struct {
	*Compare
	ValueWorse, ValueBetter float64
	Pass                    bool
}

// A Report is what a suite came to.
type Report struct {
	Suite       *Suite
	Outcomes    []*Outcome // in the order of Suite.Scenarios, those that ran
	Comparisons []*Comparison
	Differences []Difference // from a baseline: Report.Compare
	Seconds     float64
}

// Check fails if o leaves nothing to run.
func (s *Suite) Check(o Options) error {
	if len(s.chosen(o)) == 0 {
		return fmt.Errorf("only=%q matches no scenario of %s", o.Only, s.File)
	}
	return nil
}

func (s *Suite) chosen(o Options) []*Scenario {
	var out []*Scenario
	for _, c := range s.Scenarios {
		if o.Only == nil || o.Only.MatchString(c.Name) {
			out = append(out, c)
		}
	}
	return out
}

// Run runs all scenarios that were chosen, also after one fell short. It fails only where nothing was measured: if none
// was chosen, or ctx ended.
func Run(ctx context.Context, s *Suite, o Options) (*Report, error) {
	if err := s.Check(o); err != nil {
		return nil, err
	}
	began := time.Now()
	chosen := s.chosen(o)
	p := Progress{Of: len(chosen)}
	for _, c := range chosen {
		p.Total += c.weight() * c.Runs * c.Config.Rounds
	}
	r := &Report{Suite: s}
	for i, c := range chosen {
		p.Scenario, p.Number = c.Name, i+1
		out, err := c.run(ctx, func(run, round int) {
			p.Run, p.Round = run+1, round
			p.Done += c.weight()
			if o.Progress != nil {
				o.Progress(p)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("%s: scenario %q: %w", s.File, c.Name, err)
		}
		r.Outcomes = append(r.Outcomes, out)
	}
	for _, c := range s.Compares {
		if v := r.compare(c); v != nil {
			r.Comparisons = append(r.Comparisons, v)
		}
	}
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

func (c *Scenario) weight() int { return c.Config.Nodes }

func (c *Scenario) run(ctx context.Context, each func(run, round int)) (*Outcome, error) {
	began := time.Now()
	out := &Outcome{Scenario: c}
	if c.keep {
		out.rounds = make([][]sim.Round, c.Runs)
	}
	var err error
	out.Summary, err = sim.RunMany(ctx, c.Config, c.Runs, func(run int, r sim.Round) {
		if c.keep {
			out.rounds[run] = append(out.rounds[run], r)
		}
		each(run, r.Round)
	})
	if err != nil {
		return nil, err
	}
	for _, e := range c.Expect {
		out.Verdicts = append(out.Verdicts, out.judge(e))
	}
	out.Seconds = time.Since(began).Seconds()
	return out, nil
}

func (o *Outcome) judge(e Expectation) Verdict {
	f, _ := figure(o.Summary, e.Word)
	v := Verdict{Expectation: e, Value: f.Mean, Pass: e.Band.holds(f.Mean)}
	if e.Each {
		v.Pass = e.Band.holds(f.Min) && e.Band.holds(f.Max)
		if v.Value = f.Max; f.Min < e.Band.Min {
			v.Value = f.Min
		}
	}
	return v
}

func (r *Report) outcome(c *Scenario) *Outcome {
	for _, o := range r.Outcomes {
		if o.Scenario == c {
			return o
		}
	}
	return nil
}

// compare judges a negative control, nil if one of its scenarios was not run.
func (r *Report) compare(c *Compare) *Comparison {
	worse, better := r.outcome(c.Worse), r.outcome(c.Better)
	if worse == nil || better == nil {
		return nil
	}
	w, _ := figure(worse.Summary, c.Word)
	b, _ := figure(better.Summary, c.Word)
	return &Comparison{Compare: c, ValueWorse: w.Mean, ValueBetter: b.Mean, Pass: c.shows(w.Mean, b.Mean)}
}

// shows reports whether the value of the worse is as much worse as it must be.
func (c *Compare) shows(worse, better float64) bool {
	low, high := better, worse
	if slices.Contains(goodWhenHigh, c.Word) {
		low, high = worse, better
	}
	switch {
	case !(high > low): // equal, or both never
		return false
	case c.Ratio > 0:
		return high >= c.Ratio*low
	}
	return high-low >= c.Difference
}

// Want says in words how far the two must be apart.
func (c *Compare) Want() string {
	relation := map[bool]string{false: "above", true: "below"}[slices.Contains(goodWhenHigh, c.Word)]
	if c.Ratio > 0 {
		return fmt.Sprintf("%s by a factor of %s", relation, exact(c.Ratio))
	}
	return fmt.Sprintf("%s by %s", relation, exact(c.Difference))
}

// runs are the outcome as plots has it. Without kept rounds there are none.
func (o *Outcome) runs() []plots.Run {
	var out []plots.Run
	for i, rounds := range o.rounds {
		out = append(out, plots.Run{Result: o.Summary.Each[i], Rounds: rounds})
	}
	return out
}

// Err is nil if all is as expected; otherwise it says how much is not.
func (r *Report) Err() error {
	var short []string
	count := func(n, of int, what string) {
		if n > 0 {
			short = append(short, fmt.Sprintf("%d of %d %s", n, of, what))
		}
	}
	missed, bands := r.bands()
	count(missed, bands, "bands fall short")
	hidden := 0
	for _, c := range r.Comparisons {
		if !c.Pass {
			hidden++
		}
	}
	count(hidden, len(r.Comparisons), "negative controls do not show")
	if n := len(r.Differences); n > 0 {
		short = append(short, fmt.Sprintf("%d differences from the baseline: if they are meant, renew it with --write-baseline", n))
	}
	if short == nil {
		return nil
	}
	return errors.New(strings.Join(short, "; "))
}

// bands counts the expectations that were missed, and all of them.
func (r *Report) bands() (short, all int) {
	for _, o := range r.Outcomes {
		for _, v := range o.Verdicts {
			if all++; !v.Pass {
				short++
			}
		}
	}
	return short, all
}
