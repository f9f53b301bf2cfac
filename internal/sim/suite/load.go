package suite

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// Load reads a file. It reports the first thing that is wrong with it, by file, name, value and rule.
func Load(file string) (*Suite, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, string(content))
}

// Parse is Load for the content of a file.
func Parse(file, content string) (*Suite, error) {
	var root map[string]any
	meta, err := toml.Decode(content, &root)
	if err != nil {
		if p := (toml.ParseError{}); errors.As(err, &p) {
			return nil, fmt.Errorf("%s: line %d: %s", file, p.Position.Line, p.Message)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	l := &loader{suite: &Suite{File: file}, sweeps: map[string]*sweep{}, order: varyOrder(meta)}
	f := fields{where: file, left: root, err: &l.err}
	l.defaults(f.table("defaults"))
	for _, t := range f.tables("scenario") {
		l.scenario(t)
	}
	for i, t := range f.tables("sweep") {
		l.sweep(t, i)
	}
	l.expectations(f.table("expect"))
	for _, t := range f.tables("table") {
		l.table(t)
	}
	for _, t := range f.tables("figure") {
		l.figure(t)
	}
	for _, t := range f.tables("compare") {
		l.compare(t)
	}
	f.end()
	if len(l.suite.Scenarios) == 0 {
		f.fail("there is no scenario in it")
	}
	return l.suite, l.err
}

type loader struct {
	suite  *Suite
	base   map[string]string // settings of [defaults]
	runs   int
	truth  bool
	sweeps map[string]*sweep
	order  [][]string // keys of the table vary of each sweep, as the file has them
	err    error
}

// sweep is a set of scenarios that a figure may be over.
type sweep struct {
	keys   []string
	values map[string][]string
	points []*Scenario
}

// names are of what may become a file, a marker and a line of a table.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+=,/-]*$`)

// checkName says what is wrong with a name. As a file it must not leave the directory.
func checkName(name string) error {
	if !names.MatchString(name) {
		return errors.New("must be of letters, digits and any of ._+=,/-, and begin with a letter or digit")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("must have no part between slashes that is empty or of dots only")
		}
	}
	return nil
}

func (l *loader) name(f fields, kind string) (string, fields) {
	name := f.needed("name")
	if err := checkName(name); err != nil {
		f.fail("name=%q %v", name, err)
	}
	return name, f.at(fmt.Sprintf("%s: %s %q", l.suite.File, kind, name))
}

func (l *loader) defaults(f fields) {
	l.runs, l.truth = f.whole("runs", 1), f.flag("perfect", true)
	l.base = l.settings(f, nil)
	f.end()
}

// settings takes all settings out of f and puts them over those of base. Each is checked for its type.
func (l *loader) settings(f fields, base map[string]string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	for _, key := range sortedKeys(f.left) {
		if !isSetting(key) {
			continue
		}
		value, _ := f.take(key)
		out[key] = l.settingText(f, key, value)
	}
	return out
}

func (l *loader) settingText(f fields, key string, value any) string {
	text, err := settingText(value)
	if err != nil {
		f.fail("%s %v", key, err)
		return ""
	}
	c := sim.Default()
	if err := c.Set(key, text); err != nil {
		f.fail("%s", unprefixed(err))
	}
	return text
}

func (l *loader) scenario(f fields) {
	name, f := l.name(f, "scenario")
	c := &Scenario{Name: name, About: f.text("about"), settings: l.settings(f, l.base)}
	l.common(f, c)
	l.add(f, c)
	f.end()
}

// common reads what scenarios and sweeps share.
func (l *loader) common(f fields, c *Scenario) {
	c.Runs = f.whole("runs", l.runs)
	c.Figures = f.flag("figures", false)
	c.Config.Perfect = f.flag("perfect", l.truth)
	c.Expect = l.bands(f.table("expect"), false)
	c.Expect = append(c.Expect, l.bands(f.table("expect-each"), true)...)
}

// bands reads expectations, in the order of the words.
func (l *loader) bands(f fields, each bool) []Expectation {
	var out []Expectation
	for _, word := range sim.Words() {
		value, ok := f.take(word)
		if !ok {
			continue
		}
		b, err := band(value)
		if err != nil {
			f.fail("%s %v", word, err)
		}
		out = append(out, Expectation{Word: word, Band: b, Each: each})
	}
	if left := sortedKeys(f.left); len(left) > 0 {
		f.fail("there is no word %q; the words are %s", left[0], strings.Join(sim.Words(), ", "))
	}
	return out
}

// add completes a scenario and checks it.
func (l *loader) add(f fields, c *Scenario) {
	perfect := c.Config.Perfect
	c.Config = sim.Default()
	c.Config.Perfect = perfect
	for _, key := range sortedKeys(c.settings) {
		if err := c.Config.Set(key, c.settings[key]); err != nil {
			f.fail("%s", unprefixed(err))
		}
	}
	if err := c.Config.Validate(); err != nil {
		f.fail("%s", unprefixed(err))
	}
	if c.Runs < 1 || c.Runs > sim.MaxRuns {
		f.fail("runs=%d must be between 1 and %d", c.Runs, sim.MaxRuns)
	}
	for _, e := range c.Expect {
		if err := c.checkWord(e.Word); err != nil {
			f.fail("expect: %v", err)
		}
	}
	if l.suite.scenario(c.Name) != nil {
		f.fail("there are two scenarios of this name")
	}
	c.keep = c.Figures
	l.suite.Scenarios = append(l.suite.Scenarios, c)
}

// varyOrder returns the keys below vary of each sweep.
func varyOrder(meta toml.MetaData) [][]string {
	var out [][]string
	for _, k := range meta.Keys() {
		switch {
		case len(k) == 1 && k[0] == "sweep":
			out = append(out, nil)
		case len(k) == 3 && k[0] == "sweep" && k[1] == "vary" && len(out) > 0:
			out[len(out)-1] = append(out[len(out)-1], k[2])
		}
	}
	return out
}

func (l *loader) sweep(f fields, i int) {
	name, f := l.name(f, "sweep")
	if l.sweeps[name] != nil {
		f.fail("there are two sweeps of this name")
	}
	w := &sweep{values: map[string][]string{}}
	l.sweeps[name] = w
	base := l.settings(f, l.base)
	about, template := f.text("about"), f.text("points")
	var model Scenario
	l.common(f, &model)
	perfect := model.Config.Perfect
	vary := f.table("vary")
	if i < len(l.order) {
		w.keys = l.order[i]
	}
	if len(w.keys) == 0 || len(w.keys) != len(vary.left) {
		f.fail("vary must be a table of settings, each with a list of values")
		return
	}
	for _, key := range w.keys {
		value, _ := vary.take(key)
		list, is := value.([]any)
		switch {
		case !isSetting(key):
			vary.fail("there is no setting %q", key)
		case base[key] != l.base[key]:
			vary.fail("%s has a value beside the list", key)
		case !is || len(list) == 0:
			vary.fail("%s=%v must be a list of values", key, value)
		}
		for _, v := range list {
			text := l.settingText(vary, key, v)
			if slices.Contains(w.values[key], text) {
				vary.fail("%s has the value %s twice", key, text)
			}
			w.values[key] = append(w.values[key], text)
		}
	}
	if l.err != nil {
		return
	}
	for _, values := range product(w) {
		c := model
		c.Config.Perfect = perfect
		c.settings = maps.Clone(base)
		var parts, replace []string
		for k, key := range w.keys {
			c.settings[key] = values[k]
			parts = append(parts, key+"="+values[k])
			replace = append(replace, "{"+key+"}", values[k])
		}
		c.Name, c.About = name+"/"+strings.Join(parts, ","), about
		if template != "" {
			c.Name = strings.NewReplacer(replace...).Replace(template)
		}
		if err := checkName(c.Name); err != nil {
			f.fail("points=%q makes the name %q, which %v", template, c.Name, err)
		}
		c.Expect = slices.Clone(model.Expect)
		l.add(f.at(fmt.Sprintf("%s: sweep %q: scenario %q", l.suite.File, name, c.Name)), &c)
		w.points = append(w.points, &c)
	}
	if columns := f.list("columns"); columns != nil {
		t := &Table{Name: name, Scenarios: w.points, Heads: f.texts("heads"), Range: f.flag("range", false), Across: f.text("across")}
		for _, key := range w.keys {
			if key != t.Across {
				t.Columns = append(t.Columns, key)
			}
		}
		if t.Across != "" && !slices.Contains(w.keys, t.Across) {
			f.fail("across=%q must be one of the settings that vary: %s", t.Across, strings.Join(w.keys, ", "))
		}
		t.Columns = append(t.Columns, columns...)
		l.addTable(f, t)
	}
	f.end()
}

// product lists all combinations of values, the last key changing fastest.
func product(w *sweep) [][]string {
	out := [][]string{nil}
	for _, key := range w.keys {
		var longer [][]string
		for _, head := range out {
			for _, v := range w.values[key] {
				longer = append(longer, append(slices.Clone(head), v))
			}
		}
		out = longer
	}
	return out
}

// expectations reads [expect."name of a scenario"], which is for the points of sweeps. Its bands take the place of
// others of the same word.
func (l *loader) expectations(f fields) {
	for _, name := range sortedKeys(f.left) {
		c := l.suite.scenario(name)
		if c == nil {
			f.fail("there is no scenario %q", name)
			return
		}
		for _, e := range l.bands(f.table(name), false) {
			if err := c.checkWord(e.Word); err != nil {
				f.fail("%v", err)
			}
			c.Expect = slices.DeleteFunc(c.Expect, func(old Expectation) bool { return old.Word == e.Word && !old.Each })
			c.Expect = append(c.Expect, e)
		}
	}
}

func (l *loader) table(f fields) {
	name, f := l.name(f, "table")
	t := &Table{Name: name, Columns: f.list("columns"), Heads: f.texts("heads"), Range: f.flag("range", false)}
	for _, pattern := range f.list("scenarios") {
		found := l.match(f, pattern)
		if len(found) == 0 {
			f.fail("scenarios: nothing is called %q", pattern)
		}
		t.Scenarios = append(t.Scenarios, found...)
	}
	if len(t.Scenarios) == 0 || len(t.Columns) == 0 {
		f.fail("it needs scenarios and columns")
	}
	if !slices.Contains(t.Columns, nameColumn) && !slices.Contains(t.Columns, aboutColumn) {
		t.Columns = append([]string{nameColumn}, t.Columns...)
	}
	l.addTable(f, t)
	f.end()
}

// match returns the scenarios whose name is the pattern, in which * stands for anything but a slash.
func (l *loader) match(f fields, pattern string) []*Scenario {
	var out []*Scenario
	for _, c := range l.suite.Scenarios {
		ok, err := path.Match(pattern, c.Name)
		if err != nil {
			f.fail("%q must be a name, or a pattern with * and ?", pattern)
		}
		if ok {
			out = append(out, c)
		}
	}
	return out
}

// compareTable is the name of the table of negative controls.
const compareTable = "compare"

func (l *loader) addTable(f fields, t *Table) {
	if t.Name == compareTable || slices.ContainsFunc(l.suite.Tables, func(o *Table) bool { return o.Name == t.Name }) {
		f.fail("there are two tables of this name")
	}
	for _, column := range t.Columns {
		if column == nameColumn || column == aboutColumn || isSetting(column) {
			continue
		}
		for _, c := range t.Scenarios {
			if err := c.checkWord(column); err != nil {
				f.fail("columns: %v", err)
			}
		}
	}
	for _, column := range sortedKeys(t.Heads) {
		if !slices.Contains(t.Columns, column) {
			f.fail("heads: there is no column %q", column)
		}
	}
	l.suite.Tables = append(l.suite.Tables, t)
}

func (l *loader) known(f fields, name string) *Scenario {
	c := l.suite.scenario(name)
	if c == nil {
		f.fail("there is no scenario %q", name)
		return &Scenario{Config: sim.Default()}
	}
	return c
}

func (l *loader) compare(f fields) {
	c := &Compare{About: f.needed("about")}
	f = f.at(fmt.Sprintf("%s: compare %q", l.suite.File, c.About))
	c.Word = f.needed("word")
	c.Worse, c.Better = l.known(f, f.needed("worse")), l.known(f, f.needed("better"))
	if f.has("ratio") == f.has("difference") {
		f.fail("it needs either ratio or difference")
	}
	if f.has("ratio") {
		if c.Ratio = f.number("ratio"); !(c.Ratio > 1) {
			f.fail("ratio=%v must be above 1", c.Ratio)
		}
	} else if c.Difference = f.number("difference"); !(c.Difference > 0) {
		f.fail("difference=%v must be above 0", c.Difference)
	}
	for _, s := range []*Scenario{c.Worse, c.Better} {
		if err := s.checkWord(c.Word); err != nil {
			f.fail("%v", err)
		}
	}
	l.suite.Compares = append(l.suite.Compares, c)
	f.end()
}
