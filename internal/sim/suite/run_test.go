package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

func parse(t *testing.T, text string) *Suite {
	t.Helper()
	s, err := Parse("s.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, text string, only string) *Report {
	t.Helper()
	var o Options
	if only != "" {
		o.Only = regexp.MustCompile(only)
	}
	r, err := Run(t.Context(), parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func printed(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBand(t *testing.T) {
	for _, c := range []struct {
		value   any
		holds   []float64
		not     []float64
		printed string
	}{
		{[]any{.1, int64(2)}, []float64{.1, 1, 2}, []float64{.0999, 2.001, never}, "0.1 to 2"},
		{map[string]any{"min": .5}, []float64{.5, 9, never}, []float64{.4}, "at least 0.5"},
		{map[string]any{"max": int64(40)}, []float64{-1, 40}, []float64{41, never}, "at most 40"},
		{map[string]any{"min": .5, "max": .6}, []float64{.5, .6}, []float64{.4, .7}, "0.5 to 0.6"},
		{int64(0), []float64{0}, []float64{.001, -1}, "0"},
		{"never", []float64{never}, []float64{1e9}, "never"},
		{[]any{math.Inf(-1), math.Inf(1)}, []float64{0, never}, nil, "anything"},
	} {
		b, err := band(c.value)
		if err != nil {
			t.Fatalf("%v: %v", c.value, err)
		}
		for _, x := range c.holds {
			if !b.holds(x) {
				t.Errorf("%v does not hold %v", c.value, x)
			}
		}
		for _, x := range c.not {
			if b.holds(x) {
				t.Errorf("%v holds %v", c.value, x)
			}
		}
		if b.String() != c.printed {
			t.Errorf("%v prints as %q, want %q", c.value, b, c.printed)
		}
	}
}

// TestVerdicts: means against bands, single runs against bands of each, and rounds that never came.
func TestVerdicts(t *testing.T) {
	o := &Outcome{Summary: &sim.Summary{Each: []*sim.Result{
		{ViewFaulty: .2, PerfectNodes: 40, T99: 30, T90: 7, VictimIsolated: -1}, {ViewFaulty: .4, PerfectNodes: 40, T99: -1, T90: 9, VictimIsolated: 12},
	}}}
	for _, c := range []struct {
		e     Expectation
		value float64
		pass  bool
	}{
		{Expectation{"view_faulty", Band{.29, .31}, false}, .3, true},
		{Expectation{"view_faulty", Band{.29, .31}, true}, .2, false},
		{Expectation{"view_faulty", Band{.1, .31}, true}, .4, false},
		{Expectation{"view_faulty", Band{.2, .4}, true}, .4, true},
		{Expectation{"view_faulty", Band{.25, .4}, true}, .2, false},
		{Expectation{"t90", Band{0, 8}, false}, 8, true},
		{Expectation{"t99", Band{0, 1000}, false}, never, false}, // one run never got there
		{Expectation{"t99", Band{0, 1000}, true}, never, false},
		{Expectation{"victim_isolated_round", Band{10, never}, false}, 12, true},
		{Expectation{"victim_isolated_round", Band{never, never}, false}, 12, false},
		{Expectation{"victim_isolated_round", Band{12, never}, true}, never, true},
		{Expectation{"victim_isolated_round", Band{13, never}, true}, 12, false},
	} {
		v := o.judge(c.e)
		if v.Pass != c.pass || v.Value != c.value && c.value != never || c.value == never && !math.IsInf(v.Value, 1) {
			t.Errorf("%+v: value %v, pass %v; want %v, %v", c.e, v.Value, v.Pass, c.value, c.pass)
		}
	}
}

func TestShows(t *testing.T) {
	for _, c := range []struct {
		word              string
		ratio, difference float64
		worse, better     float64
		want              bool
	}{
		{"view_faulty", 2, 0, .4, .2, true},
		{"view_faulty", 2, 0, .39, .2, false},
		{"view_faulty", 2, 0, 0, 0, false}, // nothing shows
		{"view_faulty", 0, .1, .4, .2, true},
		{"view_faulty", 0, .3, .4, .2, false},
		{"view_faulty", 0, .1, .2, .4, false},
		{"perfect", 2, 0, .4, .9, true},
		{"perfect", 2, 0, .9, .4, false},
		{"t99", 2, 0, never, 30, true},
		{"t99", 2, 0, never, never, false},
		{"t99", 0, 5, 30, never, false},
		{"victim_isolated_round", 2, 0, 12, never, true},
	} {
		if got := (&Compare{Word: c.word, Ratio: c.ratio, Difference: c.difference}).shows(c.worse, c.better); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

const whole = `
[defaults]
nodes = 50
rounds = 10
[[scenario]]
name = "attacked"
about = "a | b"
faulty = 0.2
runs = 2
figures = true
expect = {view_faulty = {min = 0.2}, sample_filled = 7}
[[scenario]]
name = "healthy"
expect = {view_faulty = 0, t99 = {max = 9}}
[[sweep]]
name = "w"
columns = ["view_faulty", "isolated"]
heads = {view_faulty = "views"}
across = "preset"
perfect = false
[sweep.vary]
faulty = [0.1, 0.2]
preset = ["paper", "hardened"]
[[table]]
name = "both"
scenarios = ["attacked", "h*"]
columns = ["about", "faulty", "view_faulty"]
range = true
[[figure]]
name = "time"
title = "Over time"
kind = "rounds"
y = "view_faulty"
series = ["attacked", "healthy"]
theory = true
faulty-line = true
[[figure]]
name = "sub/sweep"
title = "Over shares"
kind = "sweep"
sweep = "w"
x = "faulty"
by = "preset"
y = "view_faulty"
theory = true
faulty-line = true
[[figure]]
name = "bars"
title = "Presets"
kind = "sweep"
sweep = "w"
x = "preset"
where = {faulty = 0.2}
y = ["view_faulty", "sample_faulty"]
[[compare]]
about = "faulty nodes"
word = "view_faulty"
worse = "attacked"
better = "healthy"
difference = 0.1
[[compare]]
about = "nothing"
word = "view_faulty"
worse = "attacked"
better = "attacked"
ratio = 1.1
`

func TestReport(t *testing.T) {
	r := run(t, whole, "")
	text := printed(t, r)
	for _, want := range []string{
		`attacked +view_faulty +0\.\d{3} +at least 0\.2 +pass\n`, `attacked +sample_filled +1 +7 +fall short\n`,
		`healthy +t99 +\d +at most 9 +pass\n`, `w/faulty=0\.2,preset=paper +- +- +- +no band\n`,
		`\nw\n\nfaulty +views, paper +views, hardened +isolated, paper +isolated, hardened\n0\.1 +0\.\d+ +0\.\d+ +0 +0\n0\.2 `,
		`\nboth\n\nabout +faulty +view_faulty\na \| b +0\.2 +0\.\d+ \(0\.\d+ to 0\.\d+\)\n +0 +0\n`,
		`faulty nodes +view_faulty +0\.\d+ +0 +above by 0\.1 +shows\n`, `nothing .* above by a factor of 1\.1 +does not show\n`,
		`\n6 scenarios in [0-9.]+ seconds; 3 of 4 bands pass\n`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the report does not match %q:\n%s", want, text)
		}
	}
	if err := r.Err(); err == nil || err.Error() != "1 of 4 bands fall short; 1 of 2 negative controls do not show" {
		t.Errorf("error %v", err)
	}

	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var object struct {
		Pass      *bool
		Scenarios []struct {
			Name   string
			Pass   bool
			Bands  []map[string]any
			Result map[string]any
		}
		Compares []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	if object.Pass == nil || *object.Pass || len(object.Scenarios) != 6 || object.Scenarios[0].Pass || !object.Scenarios[1].Pass || len(object.Compares) != 2 {
		t.Errorf("object %s", &b)
	}
	if object.Scenarios[0].Result["runs"] != 2. || object.Scenarios[0].Bands[0]["max"] != nil || object.Scenarios[0].Bands[0]["min"] != .2 {
		t.Errorf("object %s", &b)
	}
}

// TestOnly: of what was left out there are no tables and figures, and no word in what was judged.
func TestOnly(t *testing.T) {
	r := run(t, whole, "^healthy$")
	if len(r.Outcomes) != 1 || len(r.grids()) != 0 || len(r.Comparisons) != 0 || r.Err() != nil {
		t.Errorf("%d outcomes, tables %v, %d comparisons, error %v", len(r.Outcomes), r.grids(), len(r.Comparisons), r.Err())
	}
	if files, err := r.Draw(t.TempDir()); err != nil || len(files) != 0 {
		t.Errorf("figures %q, error %v", files, err)
	}
	o := Options{Only: regexp.MustCompile("x")}
	if _, err := Run(t.Context(), parse(t, whole), o); err == nil || err.Error() != `only="x" matches no scenario of s.toml` {
		t.Errorf("error %v", err)
	}
}

func TestDraw(t *testing.T) {
	dir := t.TempDir()
	files, err := run(t, whole, "").Draw(dir)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"time.svg":                    {"attacked", "healthy", "theory of attacked", "faulty nodes (0.2)", "share of faulty ids in views", "50 nodes"},
		"sub/sweep.svg":               {"paper", "hardened", "theory, paper", "theory, hardened", "share of faulty nodes", "after 10 rounds"},
		"bars.svg":                    {"views", "samples", "share of faulty ids", "20 % faulty"},
		"attacked/representation.svg": {"mean and range of 2 runs"},
		"attacked/convergence.svg":    {"t50 = "},
	} {
		file = filepath.Join(dir, filepath.FromSlash(file))
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !bytes.Contains(content, []byte(text)) {
				t.Errorf("%s does not say %q", file, text)
			}
		}
		if !slices.Contains(files, file) || !slices.Contains(files, strings.TrimSuffix(file, "svg")+"png") {
			t.Errorf("%s or its PNG is not in the list %q", file, files)
		}
	}
}

// TestNotMeasured: what a simulation says nothing of is a dash in tables, holds no band, shows no control, and is not
// drawn.
func TestNotMeasured(t *testing.T) {
	r := run(t, two+`
perfect = true
expect = {perfect = [0, 1], theory_view_faulty = 0}
[[sweep]]
name = "w"
columns = ["t50", "theory_view_faulty"]
range = true
runs = 2
vary = {faulty = [0, 0.1, 0.2]}
[[figure]]
name = "time"
title = "x"
kind = "rounds"
y = ["perfect", "view_faulty"]
series = ["a"]
theory = true
[[figure]]
name = "all"
title = "x"
kind = "rounds"
y = "perfect"
series = ["a", "b"]
[[figure]]
name = "sweep"
title = "x"
kind = "sweep"
sweep = "w"
x = "faulty"
y = ["t99", "view_faulty"]
theory = true
[[figure]]
name = "t99"
title = "x"
kind = "sweep"
sweep = "w"
x = "faulty"
y = "t99"
theory = true
faulty-line = true
[[compare]]
about = "x"
word = "perfect"
worse = "a"
better = "b"
ratio = 2
`, "")
	plot := func(i int) (labels []string) {
		p := r.plot(r.Suite.Figures[i])
		for _, s := range p.Series {
			labels = append(labels, s.Label)
		}
		for _, ref := range p.References {
			labels = append(labels, ref.Label)
		}
		return labels
	}
	for _, o := range r.Outcomes {
		for _, one := range o.Summary.Each {
			one.Theory = .5
			if one.PerfectNodes == 0 || one.Faulty == 0 {
				one.Theory = 0
			}
		}
	}
	if got := []int{len(plot(0)), len(plot(1)), len(plot(2)), len(plot(3))}; !slices.Equal(got, []int{3, 2, 3, 3}) {
		t.Fatalf("as long as all was measured there are %v lines", got)
	}
	if s := r.plot(r.Suite.Figures[2]).Series[2]; !slices.Equal(s.Y, []float64{0, .5, .5}) {
		t.Errorf("theory is %v", s.Y)
	}
	for _, o := range r.Outcomes {
		for _, one := range o.Summary.Each {
			one.PerfectNodes, one.Perfect, one.Theory = 0, 0, 0
		}
		o.Verdicts = nil
		for _, e := range o.Scenario.Expect {
			o.Verdicts = append(o.Verdicts, o.judge(e))
		}
	}
	r.Comparisons = []*Comparison{r.compare(r.Suite.Compares[0])}
	if got := plot(0); !slices.Equal(got, []string{"view_faulty"}) && !slices.Equal(got, []string{"views"}) {
		t.Errorf("lines %q", got)
	}
	if got := plot(2); !slices.Equal(got, []string{"views"}) {
		t.Errorf("lines %q", got)
	}
	if got := len(plot(1)) + len(plot(3)); got > 0 {
		t.Errorf("%d lines of what was not measured", got)
	}
	files, err := r.Draw(t.TempDir())
	if err != nil || len(files) != 4 {
		t.Errorf("files %q, %v; want those of time and sweep", files, err)
	}
	text := printed(t, r)
	for _, want := range []string{
		`b +perfect +- +0 to 1 +fall short\n`, `b +theory_view_faulty +- +0 +fall short\n`, `faulty +t50 +theory_view_faulty\n0 +- +-\n0\.1 +- +-\n`,
		`x +perfect +- +- +below by a factor of 2 +does not show\n`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the report does not match %q:\n%s", want, text)
		}
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil || !strings.Contains(b.String(), `{"word":"perfect","each_run":false,"value":null,"min":0,"max":1,"pass":false}`) {
		t.Errorf("object %s, %v", &b, err)
	}
}

// TestTheoryLines: equal ones are one line, also where they have gaps; one that is not that of all groups says whose it is.
func TestTheoryLines(t *testing.T) {
	r := run(t, swept+`
[[figure]]
name = "f"
title = "x"
kind = "sweep"
sweep = "w"
x = "faulty"
by = "preset"
y = "view_faulty"
theory = true
`, "^w/")
	for _, c := range []struct {
		paper, hardened [2]float64 // theory at both points of x
		want            []string
	}{
		{[2]float64{0, .4}, [2]float64{0, .4}, []string{"theory"}},
		{[2]float64{.3, .4}, [2]float64{.3, .5}, []string{"theory, paper", "theory, hardened"}},
		{[2]float64{.3, .4}, [2]float64{}, []string{"theory, paper"}},
		{[2]float64{}, [2]float64{.3, .4}, []string{"theory, hardened"}},
		{[2]float64{}, [2]float64{}, nil},
	} {
		for i, o := range r.Outcomes { // the preset changes fastest
			o.Summary.Each[0].Theory = [][2]float64{c.paper, c.hardened}[i%2][i/2]
		}
		var got []string
		for _, s := range r.plot(r.Suite.Figures[0]).Series {
			if s.Model {
				got = append(got, s.Label)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("theories %v and %v: lines %q, want %q", c.paper, c.hardened, got, c.want)
		}
	}
}

// TestCancelled: an interrupted suite is no result.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rounds := 0
	_, err := Run(ctx, parse(t, whole), Options{Progress: func(p Progress) {
		if rounds++; rounds != p.Done/50 || p.Total != 70*50 {
			t.Errorf("after %d rounds: %+v", rounds, p)
		}
		if p.Round == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || rounds != 3 {
		t.Errorf("error %v after %d rounds", err, rounds)
	}
}

// TestBaseline: the same file of scenarios gives the same baseline; a seed, a scenario more or less, and a single figure
// show as differences.
func TestBaseline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baseline.json")
	if err := run(t, two, "").WriteBaseline(file, nil); err != nil {
		t.Fatal(err)
	}
	was, err := LoadBaseline(file, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range unsteady {
		if _, ok := was["a"].Figures[word]; ok {
			t.Errorf("the baseline has %s, which differs from run to run", word)
		}
	}
	differences := func(text, only string) map[string]Difference {
		r := run(t, text, only)
		r.Compare(was)
		out := map[string]Difference{}
		for _, d := range r.Differences {
			out[d.Scenario+" "+d.Word] = d
		}
		if (r.Err() != nil) != (len(out) > 0) {
			t.Errorf("%d differences and error %v", len(out), r.Err())
		}
		return out
	}
	for _, c := range []struct {
		about, text, only string
		want              []string // some of the differences; none if empty
	}{
		{"the same", two, "", nil},
		{"with more goroutines", two + "workers = 7", "", nil},
		{"a part of it", two, "a", nil},
		{"another seed", two + "seed = 2", "", []string{"b digest", "b messages"}},
		{"another length", two + "rounds = 11", "", []string{"b digest", "b rounds"}},
		{"more runs", two + "runs = 2", "", []string{"b digest"}},
		{"a scenario more", two + "[[scenario]]\nname='c'", "", []string{"c scenario"}},
		{"a scenario less", strings.Replace(two, "[[scenario]]\nname = \"b\"\n", "", 1), "", []string{"b scenario"}},
	} {
		got := differences(c.text, c.only)
		if len(c.want) == 0 && len(got) > 0 {
			t.Errorf("%s: differences %v", c.about, got)
		}
		for _, key := range c.want {
			if _, ok := got[key]; !ok {
				t.Errorf("%s: no difference %q in %v", c.about, key, got)
			}
		}
		for key := range got {
			if !strings.HasPrefix(key, "b ") && !strings.HasPrefix(key, "c ") {
				t.Errorf("%s: difference %q", c.about, key)
			}
		}
	}
	was["a"].Figures["view_faulty"] += 1e-6
	delete(was["a"].Figures, "isolated")
	was["a"].Figures["of_old"] = 3
	got := differences(two, "")
	if len(got) != 3 || got["a isolated"].Was != absent || got["a of_old"].Is != absent || got["a view_faulty"].Was == got["a view_faulty"].Is {
		t.Errorf("differences %v", got)
	}
}

// TestBaselineOfAPart: what was left out stays, what is no longer in the file goes.
func TestBaselineOfAPart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baseline.json")
	old := Baseline{"b": {Digests: []string{"kept"}}, "gone": {}}
	if err := run(t, two, "a").WriteBaseline(file, old); err != nil {
		t.Fatal(err)
	}
	is, err := LoadBaseline(file, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(is) != 2 || is["b"].Digests[0] != "kept" || len(is["a"].Digests) != 1 {
		t.Errorf("baseline %v", is)
	}
	if _, err := LoadBaseline(file+"x", false); err == nil {
		t.Error("a baseline that is not there was read")
	}
	if b, err := LoadBaseline(file+"x", true); err != nil || len(b) != 0 {
		t.Errorf("a baseline that may lack: %v, %v", b, err)
	}
	if err := os.WriteFile(file, []byte(`{"a":{"figure":{}}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadBaseline(file, true); err == nil || !strings.Contains(err.Error(), "baseline.json: it is no baseline") {
		t.Errorf("error %v", err)
	}
	for _, more := range []string{"garbage", "{}", "}"} {
		if err := os.WriteFile(file, []byte("{}\n"+more), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadBaseline(file, true); err == nil || !strings.HasSuffix(err.Error(), "baseline.json: it is no baseline: something follows its object") {
			t.Errorf("with %q behind it: error %v", more, err)
		}
	}
}

func TestMarkdown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	marks := func(name, inside string) string { return beginMarker(name) + inside + endMarker(name) }
	s := parse(t, whole)
	for _, c := range []struct{ text, want string }{
		{"nothing", "doc.md: the marker <!-- suite:w:begin --> must be there once, it is there 0 times"},
		{marks("w", "") + marks("both", "") + beginMarker("compare"), "doc.md: the marker <!-- suite:compare:end --> must be there once, it is there 0 times"},
		{marks("w", "") + marks("w", ""), "doc.md: the marker <!-- suite:w:begin --> must be there once, it is there 2 times"},
		{endMarker("w") + beginMarker("w"), "doc.md: the marker <!-- suite:w:begin --> must stand before <!-- suite:w:end -->"},
	} {
		write(c.text)
		if err := s.CheckMarkdown(file); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}

	write("before\r\n" + marks("both", "old\nold") + "\nbetween\n" + marks("w", "") + marks("other", "stays") + marks("compare", "\n") + "after")
	if err := s.CheckMarkdown(file); err != nil {
		t.Fatal(err)
	}
	r := run(t, whole, "")
	for range 2 { // the second time the tables are there already
		if err := r.WriteMarkdown(file); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `^before\r\n<!-- suite:both:begin -->\n` +
		`\| about \| faulty \| view_faulty \|\n\| --- \| --- \| --- \|\n\| a \\\| b \| 0\.2 \| 0\.\d+ \(.*\) \|\n\|  \| 0 \| 0 \|\n` +
		`<!-- suite:both:end -->\nbetween\n<!-- suite:w:begin -->\n\| faulty \| views, paper (\|.*\n){4}<!-- suite:w:end --><!-- suite:other:begin -->stays<!-- suite:other:end -->` +
		`<!-- suite:compare:begin -->\n(\|.*\n){4}<!-- suite:compare:end -->after$`
	if !regexp.MustCompile(want).Match(content) {
		t.Errorf("the file is\n%s", content)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
		t.Errorf("the permissions of the file changed: %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) != 1 {
		t.Errorf("files left behind: %q", left)
	}
}
