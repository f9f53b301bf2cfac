package plots

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// testRuns are made up: what a figure shows of them can be said in advance.
func testRuns(n int, victim bool) []Run {
	var runs []Run
	for i := range n {
		r := Run{Result: &sim.Result{
			Algorithm: sim.Brahms, Preset: "paper", Attack: "targeted", Nodes: 100, Correct: 80, Faulty: 20, Rounds: 30,
			L1: 40, L2: 40, Theory: .52, PerfectNodes: 80, InDegrees: []int{3, 4, 4, 5, 9},
		}}
		for k := 1; k <= 30; k++ {
			x := 1 - math.Exp(-float64(k)/5)
			round := sim.Round{Round: k, ViewFaulty: .5*x + .02*float64(i), SampleFaulty: .2, Perfect: x, Filled: 1}
			if victim {
				round.VictimView = .7 * x
			}
			r.Rounds = append(r.Rounds, round)
		}
		runs = append(runs, r)
	}
	return runs
}

func readAll(t *testing.T, files []string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = content
	}
	return out
}

func TestWrite(t *testing.T) {
	files, err := Write(filepath.Join(t.TempDir(), "new"), testRuns(2, true))
	if err != nil {
		t.Fatal(err)
	}
	contents := readAll(t, files)
	if len(contents) != 8 {
		t.Fatalf("%d files, want four figures in two formats: %q", len(contents), files)
	}
	for name, want := range map[string][]string{
		"representation.svg": {"in views", "in samples", "theory of views (0.52)", "faulty nodes (0.2)", "share of faulty ids", "time (rounds)", "100 nodes", "20 % faulty", "mean and range of 2 runs", "'Liberation Sans',Arimo"},
		"convergence.svg":    {"t50 = 4", "t90 = 12", "t99 = 24", "perfect slots", "filled slots"},
		"in-degree.svg":      {"10 in all; mean 5.0 (dashed), from 3 to 9"},
		"victims.svg":        {"in views of the victims"},
	} {
		for _, text := range want {
			if !bytes.Contains(contents[name], []byte(text)) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
	}
	for name, content := range contents {
		if !strings.HasSuffix(name, ".png") {
			continue
		}
		img, err := png.Decode(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b := img.Bounds(); b.Dx() < 1200 || b.Dy() < 800 {
			t.Errorf("%s is %v, too small to print", name, b)
		}
	}
}

func TestNoVictimsNoFigure(t *testing.T) {
	files, err := Write(t.TempDir(), testRuns(1, false))
	if err != nil {
		t.Fatal(err)
	}
	for name := range readAll(t, files) {
		if strings.HasPrefix(name, "victims") {
			t.Errorf("%s was drawn without victims", name)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	uneven := testRuns(2, false)
	uneven[1].Rounds = uneven[1].Rounds[:3]
	for _, c := range []struct {
		runs []Run
		want string
	}{
		{nil, "no run"},
		{uneven, "has 3 rounds"},
		{[]Run{{Result: &sim.Result{}}}, "has 0 rounds"},
	} {
		if _, err := Write(t.TempDir(), c.runs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

// figures are one figure of each kind.
func figures() map[string]Figure {
	s := []Series{
		{Label: "paper", Y: []float64{.2, .5, math.NaN()}, Low: []float64{.1, .4, math.NaN()}, High: []float64{.3, .6, math.NaN()}},
		{Label: "hardened", Y: []float64{.1, .3, .5}},
		{Label: "model", Y: []float64{.2, .3, .4}, Model: true},
	}
	withX := func() []Series {
		var out []Series
		for _, one := range s {
			one.X, one.Y = []float64{100, 1000, 10000}, slices.Clone(one.Y)
			out = append(out, one)
		}
		return out
	}
	return map[string]Figure{
		"bars":   {Kind: Bars, Title: "bars", Names: []string{"a", "b", "c"}, Series: s},
		"points": {Kind: Points, Title: "points", LogX: true, Series: withX(), References: []Reference{{Label: "f", Y: .2}}},
		"lines":  {Kind: Lines, Title: "lines", Series: withX(), Marks: []Mark{{Label: "here", X: 1000, Y: .3}}},
	}
}

// TestOnlyWhatWasMeasured: without judged nodes there is no figure of convergence, and without a theory no line of it.
func TestOnlyWhatWasMeasured(t *testing.T) {
	for _, measured := range []bool{true, false} {
		runs := testRuns(2, true)
		for _, r := range runs {
			if !measured {
				r.Result.PerfectNodes, r.Result.Theory = 0, 0
			}
			for k := range r.Rounds {
				r.Rounds[k].Perfect = 0 // none of those that were looked at
			}
		}
		files, err := Write(t.TempDir(), runs)
		if err != nil {
			t.Fatal(err)
		}
		contents := readAll(t, files)
		if _, drawn := contents["convergence.svg"]; drawn != measured {
			t.Errorf("measured %v, convergence drawn %v", measured, drawn)
		}
		for _, name := range []string{"representation.svg", "victims.svg"} {
			if !bytes.Contains(contents[name], []byte("faulty nodes (0.2)")) || bytes.Contains(contents[name], []byte("theory")) != measured {
				t.Errorf("%s, with a theory (%v), shows another one or lacks the share", name, measured)
			}
		}
	}
}

// TestOldFileStaysWhole: a figure takes the place of the old file, it is not written over it.
func TestOldFileStaysWhole(t *testing.T) {
	base := filepath.Join(t.TempDir(), "figure")
	if err := os.WriteFile(base+".svg", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(base+".svg", base+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := Draw(base, figures()["bars"]); err != nil {
		t.Fatal(err)
	}
	contents := readAll(t, []string{base + ".old", base + ".svg"})
	if string(contents["figure.old"]) != "old" || !bytes.Contains(contents["figure.svg"], []byte("</svg>")) {
		t.Errorf("the old file holds %.20q, the new one %.20q", contents["figure.old"], contents["figure.svg"])
	}
}

// TestSameBytes: equal figures are equal files, and a value that differs shows.
func TestSameBytes(t *testing.T) {
	draw := func(f Figure) map[string][]byte {
		files, err := Draw(filepath.Join(t.TempDir(), "figure"), f)
		if err != nil {
			t.Fatal(err)
		}
		return readAll(t, files)
	}
	for name, f := range figures() {
		a, b := draw(f), draw(f)
		f.Series[1].Y[1] = .31
		c := draw(f)
		for file := range a {
			if !bytes.Equal(a[file], b[file]) {
				t.Errorf("%s: %s differs from one time to the next", name, file)
			}
			if bytes.Equal(a[file], c[file]) {
				t.Errorf("%s: %s does not show another value", name, file)
			}
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	one := []Series{{Label: "s", X: []float64{1, 2}, Y: []float64{1, 2}}}
	for _, c := range []struct {
		f    Figure
		want string
	}{
		{Figure{Title: "x"}, "no series"},
		{Figure{Series: []Series{{Label: "s"}}}, "is empty"},
		{Figure{Series: []Series{{Label: "s", X: []float64{1}}}}, "0 values of y, want 1"},
		{Figure{Series: []Series{{Label: "s", X: []float64{1}, Y: []float64{1}, Low: []float64{1}}}}, "1 low and 0 high"},
		{Figure{Kind: Bars, Names: []string{"a", "b"}, Series: []Series{{Label: "s", Y: []float64{1}}}}, "1 values of y, want 2"},
		{Figure{LogX: true, Series: []Series{{Label: "s", X: []float64{0}, Y: []float64{1}}}}, "x=0, must be"},
		{Figure{Kind: Histogram + 1, Series: one}, "has kind=4, must be one of"},
		{Figure{Kind: Bars, LogX: true, Names: []string{"a"}, Series: []Series{{Label: "s", Y: []float64{1}}}}, "no logarithmic axis"},
		{Figure{Kind: Histogram, LogX: true, BinWidth: 1, Series: one}, "no logarithmic axis"},
		{Figure{LogX: true, XMax: 3, Series: one}, "x from 0, must be above 0"},
		{Figure{LogX: true, XMin: -1, XMax: 3, Series: one}, "x from -1, must be above 0"},
		{Figure{XMin: 3, XMax: 3, Series: one}, "x from 3 to 3, must be finite and rise"},
		{Figure{XMin: math.NaN(), XMax: 3, Series: one}, "x from NaN to 3, must be finite and rise"},
		{Figure{YMin: 3, YMax: 1, Series: one}, "y from 3 to 1, must be finite and rise"},
	} {
		if _, err := Draw(filepath.Join(t.TempDir(), "f"), c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

// TestNamesOfBars: names that do not fit beside each other are slanted.
func TestNamesOfBars(t *testing.T) {
	for name, want := range map[string]bool{"short": false, "a name that needs more than a third": true} {
		f := figures()["bars"]
		f.Names = []string{"a", "b", name}
		files, err := Draw(filepath.Join(t.TempDir(), "bars"), f)
		if err != nil {
			t.Fatal(err)
		}
		svg := readAll(t, files)["bars.svg"]
		if got := bytes.Contains(svg, []byte("rotate(36)")); got != want {
			t.Errorf("slanted with the name %q: %v", name, got)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{0, 1.02, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0, 80, "0 20 40 60 80"},
		{0, .25, "0.00 0.05 0.10 0.15 0.20 0.25"},
		{-1, 2, "-1 0 1 2"},
		{0, 7, "0 1 2 3 4 5 6 7"},
	} {
		var got []string
		for _, tick := range (decimals{}).Ticks(c.lo, c.hi) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("ticks from %v to %v are %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}
