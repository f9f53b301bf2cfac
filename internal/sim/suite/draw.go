package suite

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
	"github.com/brahms-p2p/brahms-p2p/internal/sim/plots"
)

// Draw writes the figures of which all scenarios ran to dir, and returns their files.
func (r *Report) Draw(dir string) ([]string, error) {
	var files []string
	for _, o := range r.Outcomes {
		if !o.Scenario.Figures {
			continue
		}
		some, err := plots.Write(filepath.Join(dir, filepath.FromSlash(o.Scenario.Name)), o.runs())
		files = append(files, some...)
		if err != nil {
			return files, err
		}
	}
	for _, f := range r.Suite.Figures {
		if !r.ran(f) {
			continue
		}
		p := r.plot(f)
		if len(p.Series) == 0 { // nothing of it was measured
			continue
		}
		some, err := plots.Draw(filepath.Join(dir, filepath.FromSlash(f.Name)), p)
		files = append(files, some...)
		if err != nil {
			return files, fmt.Errorf("figure %q: %w", f.Name, err)
		}
	}
	return files, nil
}

func (r *Report) ran(f *Figure) bool {
	return !slices.ContainsFunc(f.Groups, func(g group) bool {
		return slices.ContainsFunc(g.scenarios, func(c *Scenario) bool { return r.outcome(c) == nil })
	})
}

func (r *Report) plot(f *Figure) plots.Figure {
	p := plots.Figure{
		Title: f.Title, Subtitle: f.Subtitle, X: f.XLabel, Y: f.YLabel, LogX: f.LogX,
		XMin: f.XRange[0], XMax: f.XRange[1], YMin: f.YRange[0], YMax: f.YRange[1],
	}
	if p.Y == "" {
		p.Y = axisLabel(f.Words[0])
		if len(f.Words) > 1 && isShare(f.Words) {
			p.Y = "share"
			if !slices.ContainsFunc(f.Words, func(w string) bool { return !strings.HasSuffix(w, "_faulty") }) {
				p.Y = "share of faulty ids"
			}
		}
	}
	if p.Subtitle == "" {
		p.Subtitle = r.common(f)
	}
	if f.overRounds() {
		r.plotRounds(f, &p)
	} else {
		r.plotSweep(f, &p)
	}
	return p
}

// line is what the legend calls a word of a group: both, unless one of them goes without saying.
func (f *Figure) line(g group, word string) string {
	switch {
	case len(f.Words) == 1 && g.label != "":
		return g.label
	case len(f.Groups) == 1:
		return f.label(word)
	}
	return g.label + ", " + f.label(word)
}

func (r *Report) plotRounds(f *Figure, p *plots.Figure) {
	p.Kind = plots.Lines
	if p.X == "" {
		p.X = plots.Rounds
	}
	theories := map[string]bool{}
	var faulty []float64
	for _, g := range f.Groups {
		o := r.outcome(g.scenarios[0])
		for _, word := range f.Words {
			if Unsaid(o.Summary, word) {
				continue
			}
			p.Series = append(p.Series, plots.Over(f.line(g, word), o.runs(), ofRound(word)))
		}
		result := o.Summary.Each[0]
		if share := float64(result.Faulty) / float64(result.Nodes); f.Faulty && !slices.Contains(faulty, share) {
			faulty = append(faulty, share)
		}
		if text := fmt.Sprintf("%.3g", result.Theory); f.Theory && !theories[text] {
			theories[text] = true
			if Unsaid(o.Summary, theoryWord) {
				continue
			}
			label := fmt.Sprintf("theory (%s)", text)
			if len(f.Groups) > 1 {
				label = fmt.Sprintf("theory of %s (%s)", g.label, text)
			}
			p.References = append(p.References, plots.Reference{Label: label, Y: result.Theory})
		}
	}
	if len(theories) == 1 {
		for i, ref := range p.References {
			if strings.HasPrefix(ref.Label, "theory of ") {
				p.References[i].Label = fmt.Sprintf("theory (%.3g)", ref.Y)
			}
		}
	}
	for _, share := range faulty {
		p.References = append(p.References, plots.Reference{Label: fmt.Sprintf("faulty nodes (%.3g)", share), Y: share})
	}
	if f.YRange == [2]float64{} && isShare(f.Words) {
		p.YMax = plots.Ceiling(p.Series...)
	}
}

// isShare reports whether all words lie between 0 and 1.
func isShare(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool {
		return !strings.HasSuffix(w, "_faulty") && !slices.Contains([]string{"perfect", "sample_filled", "renewal_blocked", "over_threshold", "push_share", "pushes_skipped", "token_work"}, w)
	})
}

func (r *Report) plotSweep(f *Figure, p *plots.Figure) {
	p.Kind = plots.Points
	if f.Bars {
		p.Kind = plots.Bars
		for _, c := range f.Groups[0].scenarios {
			p.Names = append(p.Names, f.label(c.setting(f.X)))
		}
	}
	if p.X == "" {
		p.X = axisLabel(f.X)
	}
	var theories []plots.Series
	first, partly := 0, false // the group that has a theory first; whether some have none
	for i, g := range f.Groups {
		for _, word := range f.Words {
			if r.said(g, word) {
				p.Series = append(p.Series, r.over(f, g, f.line(g, word), word))
			}
		}
		partly = partly || !r.said(g, theoryWord)
		if f.Theory && r.said(g, theoryWord) {
			s := r.over(f, g, "theory", theoryWord)
			s.Model, s.Low, s.High = true, nil, nil
			if !slices.ContainsFunc(theories, func(o plots.Series) bool { return slices.EqualFunc(o.Y, s.Y, same) }) {
				if len(theories) > 0 {
					s.Label = "theory, " + g.label
				} else {
					first = i
				}
				theories = append(theories, s)
			}
		}
	}
	if label := f.Groups[first].label; len(theories) > 0 && (len(theories) > 1 || partly) && label != "" {
		theories[0].Label = "theory, " + label
	}
	if len(p.Series) == 0 {
		return
	}
	p.Series = append(p.Series, theories...)
	if f.Faulty {
		s := r.over(f, f.Groups[0], "faulty nodes", "faulty")
		for i := range s.Y {
			s.Y[i] /= float64(f.Groups[0].scenarios[i].Config.Nodes)
		}
		s.Model, s.Low, s.High = true, nil, nil
		p.Series = append(p.Series, s)
	}
	if f.YRange == [2]float64{} && isShare(f.Words) {
		p.YMax = plots.Ceiling(p.Series...)
	}
}

// said reports whether any scenario of the group has something to show of the word.
func (r *Report) said(g group, word string) bool {
	return slices.ContainsFunc(g.scenarios, func(c *Scenario) bool { return !Unsaid(r.outcome(c).Summary, word) })
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// over is a word over the points of a sweep. Rounds that never came are left out, and what was not measured.
func (r *Report) over(f *Figure, g group, label, word string) plots.Series {
	s := plots.Series{Label: label}
	several := false
	for _, c := range g.scenarios {
		o := r.outcome(c)
		v, _ := figure(o.Summary, word)
		switch {
		case word == theoryWord && o.Summary.Each[0].Faulty == 0:
			v = sim.Spread{} // without faulty nodes it goes without saying
		case math.IsInf(v.Mean, 0):
			v = nothing
		}
		s.Y, s.Low, s.High = append(s.Y, v.Mean), append(s.Low, v.Min), append(s.High, v.Max)
		several = several || c.Runs > 1
		if !f.Bars {
			x, _ := strconv.ParseFloat(c.setting(f.X), 64) // checked
			s.X = append(s.X, x)
		}
	}
	if !several {
		s.Low, s.High = nil, nil
	}
	return s
}

// common says in words what all scenarios of a figure have in common.
func (r *Report) common(f *Figure) string {
	var all []*Outcome
	for _, g := range f.Groups {
		for _, c := range g.scenarios {
			all = append(all, r.outcome(c))
		}
	}
	if f.overRounds() && len(all) == 1 {
		return plots.Configuration(all[0].runs())
	}
	var words []string
	same := func(text func(*sim.Result, int) string) {
		first := text(all[0].Summary.Each[0], all[0].Scenario.Runs)
		for _, o := range all {
			if text(o.Summary.Each[0], o.Scenario.Runs) != first {
				return
			}
		}
		if first != "" {
			words = append(words, first)
		}
	}
	same(func(r *sim.Result, _ int) string {
		if r.Algorithm != sim.Brahms {
			return r.Algorithm
		}
		return "Brahms, " + r.Preset
	})
	same(func(r *sim.Result, _ int) string { return fmt.Sprintf("%d nodes", r.Nodes) })
	same(func(r *sim.Result, _ int) string {
		return fmt.Sprintf("%.3g %% faulty", 100*float64(r.Faulty)/float64(r.Nodes))
	})
	same(func(r *sim.Result, _ int) string { return "attack " + r.Attack })
	if !f.overRounds() {
		same(func(r *sim.Result, _ int) string { return fmt.Sprintf("after %d rounds", r.Rounds) })
	}
	same(func(_ *sim.Result, runs int) string {
		if runs == 1 {
			return ""
		}
		return fmt.Sprintf("mean and range of %d runs", runs)
	})
	return strings.Join(words, ", ")
}
