package suite

import (
	"slices"
	"strconv"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

func (l *loader) figure(f fields) {
	name, f := l.name(f, "figure")
	if slices.ContainsFunc(l.suite.Figures, func(o *Figure) bool { return o.Name == name }) {
		f.fail("there are two figures of this name")
	}
	g := &Figure{
		Name: name, Title: f.needed("title"), Subtitle: f.text("subtitle"), Words: f.list("y"), Labels: f.texts("labels"),
		XLabel: f.text("x-label"), YLabel: f.text("y-label"), XRange: f.span("x-range"), YRange: f.span("y-range"),
		LogX: f.flag("log-x", false), Theory: f.flag("theory", false), Faulty: f.flag("faulty-line", false),
	}
	if len(g.Words) == 0 {
		f.fail("y is missing: the words to draw")
	}
	switch kind := f.needed("kind"); kind {
	case "rounds":
		l.overRounds(f, g)
	case "sweep":
		l.overSweep(f, g)
	default:
		f.fail("kind=%q must be rounds or sweep", kind)
	}
	if g.LogX {
		l.logarithmic(f, g)
	}
	for _, name := range sortedKeys(g.Labels) {
		if !slices.Contains(g.Words, name) && !slices.ContainsFunc(g.Groups, func(o group) bool { return o.name == name }) {
			f.fail("labels: %q is not drawn", name)
		}
	}
	l.suite.Figures = append(l.suite.Figures, g)
	f.end()
}

// logarithmic checks what a logarithmic x axis needs.
func (l *loader) logarithmic(f fields, g *Figure) {
	if g.Bars {
		f.fail("log-x=true needs an axis of numbers, the figure has bars")
		return
	}
	if g.XRange != [2]float64{} && g.XRange[0] <= 0 {
		f.fail("x-range=%v must begin above 0 with log-x=true", g.XRange)
	}
	for _, o := range g.Groups {
		for _, c := range o.scenarios {
			if x, _ := strconv.ParseFloat(c.setting(g.X), 64); !g.overRounds() && x <= 0 {
				f.fail("%s=%s must be above 0 with log-x=true", g.X, c.setting(g.X))
			}
		}
	}
}

func (l *loader) overRounds(f fields, g *Figure) {
	for _, word := range g.Words {
		if !slices.Contains(sim.RoundWords(), word) {
			f.fail("y: rounds have no word %q; theirs are %s", word, strings.Join(sim.RoundWords(), ", "))
		}
	}
	for _, name := range f.list("series") {
		c := l.known(f, name)
		c.keep = true
		for _, word := range g.Words {
			if err := c.checkWord(word); err != nil && slices.Contains(judgedWords, word) {
				f.fail("y: %v", err)
			}
		}
		g.Groups = append(g.Groups, group{name: name, label: g.label(name), scenarios: []*Scenario{c}})
	}
	if len(g.Groups) == 0 {
		f.fail("series is missing: the scenarios to draw")
	}
	for _, o := range g.Groups {
		if a, b := o.scenarios[0], g.Groups[0].scenarios[0]; a.Config.Rounds != b.Config.Rounds && g.XRange == [2]float64{} {
			f.fail("scenario %q has rounds=%d and %q has %d: say x-range", a.Name, a.Config.Rounds, b.Name, b.Config.Rounds)
		}
	}
}

func (l *loader) overSweep(f fields, g *Figure) {
	name, by := f.needed("sweep"), f.text("by")
	w := l.sweeps[name]
	if w == nil {
		f.fail("there is no sweep %q", name)
		return
	}
	g.X = f.needed("x")
	if !slices.Contains(w.keys, g.X) {
		f.fail("x=%q must be one of the settings that vary: %s", g.X, strings.Join(w.keys, ", "))
		return
	}
	where := f.table("where")
	fixed := map[string]string{}
	values := []string{""} // of by
	for _, key := range w.keys {
		value, given := where.take(key)
		switch {
		case key == g.X || key == by:
			if given {
				where.fail("%s is what the figure is over", key)
			}
		case !given:
			f.fail("%s varies: it must be x, by, or have a value in where", key)
		default:
			text, err := settingText(value)
			if err != nil || !slices.Contains(w.values[key], text) {
				where.fail("%s=%v is not among the values of the sweep: %s", key, value, strings.Join(w.values[key], ", "))
			}
			fixed[key] = text
		}
	}
	where.end()
	if by != "" {
		if !slices.Contains(w.keys, by) || by == g.X {
			f.fail("by=%q must be another of the settings that vary: %s", by, strings.Join(w.keys, ", "))
			return
		}
		values = w.values[by]
		if chosen := f.list("series"); chosen != nil {
			for _, v := range chosen {
				if !slices.Contains(values, v) {
					f.fail("series: %q is not among the values of %s: %s", v, by, strings.Join(values, ", "))
				}
			}
			values = chosen
		}
	}
	g.Bars = f.flag("bars", !allNumbers(w.values[g.X]))
	if !g.Bars && !allNumbers(w.values[g.X]) {
		f.fail("bars=false needs numbers, %s has %s", g.X, strings.Join(w.values[g.X], ", "))
	}
	for _, v := range values {
		o := group{name: v, label: g.label(v)}
		for _, c := range w.points {
			if by != "" && c.settings[by] != v || slices.ContainsFunc(sortedKeys(fixed), func(k string) bool { return c.settings[k] != fixed[k] }) {
				continue
			}
			for _, word := range g.Words {
				if err := c.checkWord(word); err != nil {
					f.fail("y: %v", err)
				}
			}
			o.scenarios = append(o.scenarios, c)
		}
		g.Groups = append(g.Groups, o)
	}
}

// label is what the legend calls a scenario, the value of a setting, or a word.
func (f *Figure) label(name string) string {
	if label, ok := f.Labels[name]; ok {
		return label
	}
	if label, ok := wordLabels[name]; ok && slices.Contains(f.Words, name) {
		return label
	}
	return name
}

// wordLabels are words as legends have them. The others stand for themselves.
var wordLabels = map[string]string{
	"view_faulty": "views", "sample_faulty": "samples", "victim_view_faulty": "views of victims",
	"perfect": "perfect slots", "sample_filled": "filled slots",
}

func allNumbers(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool {
		_, err := strconv.ParseFloat(v, 64)
		return err != nil
	})
}
