package suite

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// Print writes the report for people: bands, tables, negative controls, differences from the baseline.
func (r *Report) Print(w io.Writer) error {
	r.verdicts().print(w)
	for _, g := range r.grids() {
		fmt.Fprintf(w, "\n%s\n\n", g.name)
		g.print(w)
	}
	if len(r.Differences) > 0 {
		g := grid{heads: []string{"scenario", "word", "was", "is"}}
		for _, d := range r.Differences {
			g.rows = append(g.rows, []string{d.Scenario, d.Word, d.Was, d.Is})
		}
		fmt.Fprint(w, "\ndifferences from the baseline\n\n")
		g.print(w)
	}
	short, all := r.bands()
	_, err := fmt.Fprintf(w, "\n%d scenarios in %.1f seconds; %d of %d bands pass\n", len(r.Outcomes), r.Seconds, all-short, all)
	return err
}

// The objects of WriteJSON.
type (
	jsonReport struct {
		File        string           `json:"file"`
		Pass        bool             `json:"pass"`
		Seconds     float64          `json:"seconds"`
		Scenarios   []jsonOutcome    `json:"scenarios"`
		Compares    []jsonComparison `json:"compares"`
		Differences []Difference     `json:"differences"`
	}
	jsonOutcome struct {
		Name   string        `json:"name"`
		Pass   bool          `json:"pass"`
		Bands  []jsonVerdict `json:"bands"`
		Result *sim.Summary  `json:"result"`
	}
	jsonVerdict struct {
		Word  string   `json:"word"`
		Each  bool     `json:"each_run"`
		Value *float64 `json:"value"` // null is never, or nothing that was measured
		Min   *float64 `json:"min"`   // null is no limit; never, if value must be
		Max   *float64 `json:"max"`
		Pass  bool     `json:"pass"`
	}
	jsonComparison struct {
		About  string   `json:"about"`
		Word   string   `json:"word"`
		Worse  string   `json:"worse"`
		Better string   `json:"better"`
		Values []string `json:"values"` // of worse and better
		Must   string   `json:"must_be"`
		Pass   bool     `json:"pass"`
	}
)

// WriteJSON writes the report as one object on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	out := jsonReport{
		File: r.Suite.File, Pass: r.Err() == nil, Seconds: math.Round(r.Seconds*1000) / 1000,
		Scenarios: []jsonOutcome{}, Compares: []jsonComparison{}, Differences: append([]Difference{}, r.Differences...),
	}
	for _, o := range r.Outcomes {
		one := jsonOutcome{Name: o.Scenario.Name, Pass: true, Bands: []jsonVerdict{}, Result: o.Summary}
		for _, v := range o.Verdicts {
			one.Pass = one.Pass && v.Pass
			one.Bands = append(one.Bands, jsonVerdict{
				Word: v.Word, Each: v.Each, Value: finite(v.Value), Min: finite(v.Band.Min), Max: finite(v.Band.Max), Pass: v.Pass,
			})
		}
		out.Scenarios = append(out.Scenarios, one)
	}
	for _, c := range r.Comparisons {
		out.Compares = append(out.Compares, jsonComparison{
			About: c.About, Word: c.Word, Worse: c.Worse.Name, Better: c.Better.Name,
			Values: []string{exact(c.ValueWorse), exact(c.ValueBetter)}, Must: c.Want(), Pass: c.Pass,
		})
	}
	return json.NewEncoder(w).Encode(out)
}

// finite is what JSON can hold of x.
func finite(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}
