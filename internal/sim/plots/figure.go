package plots

import (
	"fmt"
	"math"
)

// A Kind is how the series of a figure are drawn.
type Kind int

const (
	Lines     Kind = iota // a line each over many x, with a band from Low to High
	Points                // a marker at each of a few x, joined by a line, with error bars from Low to High
	Bars                  // groups of bars, one group for each of Figure.Names, with error bars from Low to High
	Histogram             // bars side by side, each from its x to x+BinWidth
)

// A Figure is one diagram.
type Figure struct {
	Kind     Kind
	Title    string // what it shows
	Subtitle string // the configuration, in words
	X, Y     string // labels of the axes, with units
	// XMin, XMax, YMin and YMax are the ranges of the axes. Where both ends are 0 the range is that of the data; for y it
	// begins at 0 then, unless there is less.
	XMin, XMax, YMin, YMax float64
	LogX                   bool     // not for Bars and Histogram
	BinWidth               float64  // of a Histogram
	Names                  []string // of the groups of Bars
	Series                 []Series
	References             []Reference
	Marks                  []Mark
}

// A Series is what one line, or one bar of each group, shows. NaN in Y leaves a point out.
type Series struct {
	Label     string
	X         []float64 // nil for Bars, which have one value for each name
	Y         []float64
	Low, High []float64 // of the band or error bars; nil without
	Model     bool      // what theory says: dashed in grey, without markers or bands
}

// A Reference is a level that data are compared with, drawn over the whole width.
type Reference struct {
	Label string
	Y     float64
}

// A Mark is a point of a line that has a name, with a line down to the axis. Without a name it is
// a place of the x axis.
type Mark struct {
	Label string
	X, Y  float64
}

// check reports the first thing that does not fit the figure.
func (f Figure) check() error {
	switch {
	case f.Kind < Lines || f.Kind > Histogram:
		return fmt.Errorf("plots: figure %q has kind=%d, must be one of Lines, Points, Bars and Histogram", f.Title, f.Kind)
	case len(f.Series) == 0:
		return fmt.Errorf("plots: figure %q has no series", f.Title)
	case f.LogX && (f.Kind == Bars || f.Kind == Histogram):
		return fmt.Errorf("plots: figure %q has bars, they have no logarithmic axis", f.Title)
	case !isRange(f.XMin, f.XMax):
		return fmt.Errorf("plots: figure %q has x from %v to %v, must be finite and rise", f.Title, f.XMin, f.XMax)
	case !isRange(f.YMin, f.YMax):
		return fmt.Errorf("plots: figure %q has y from %v to %v, must be finite and rise", f.Title, f.YMin, f.YMax)
	case f.LogX && f.XMin <= 0 && (f.XMin != 0 || f.XMax != 0):
		return fmt.Errorf("plots: figure %q has x from %v, must be above 0 on a logarithmic axis", f.Title, f.XMin)
	}
	for _, s := range f.Series {
		want := len(s.X)
		if f.Kind == Bars {
			want = len(f.Names)
		}
		switch {
		case want == 0:
			return fmt.Errorf("plots: series %q of figure %q is empty", s.Label, f.Title)
		case len(s.Y) != want:
			return fmt.Errorf("plots: series %q of figure %q has %d values of y, want %d", s.Label, f.Title, len(s.Y), want)
		case len(s.Low) != len(s.High) || s.Low != nil && len(s.Low) != want:
			return fmt.Errorf("plots: series %q of figure %q has %d low and %d high values, want %d", s.Label, f.Title, len(s.Low), len(s.High), want)
		}
		for _, x := range s.X {
			if math.IsNaN(x) || math.IsInf(x, 0) || f.LogX && x <= 0 {
				return fmt.Errorf("plots: series %q of figure %q has x=%v, must be finite, and above 0 on a logarithmic axis", s.Label, f.Title, x)
			}
		}
	}
	return nil
}

// isRange reports whether an axis may have these ends. Both 0 leaves the choice.
func isRange(from, to float64) bool {
	return isFinite(from) && isFinite(to) && (from < to || from == 0 && to == 0)
}

// ranges returns the ends of both axes.
func (f Figure) ranges() (x0, x1, y0, y1 float64) {
	x0, x1, y1 = math.Inf(1), math.Inf(-1), math.Inf(-1)
	height := func(ys ...float64) {
		for _, y := range ys {
			if !math.IsNaN(y) && !math.IsInf(y, 0) {
				y0, y1 = min(y0, y), max(y1, y)
			}
		}
	}
	for _, s := range f.Series {
		for _, x := range s.X {
			x0, x1 = min(x0, x), max(x1, x)
		}
		height(s.Y...)
		height(s.Low...)
		height(s.High...)
	}
	for _, r := range f.References {
		height(r.Y)
	}
	if y1 <= y0 {
		y1 = y0 + 1
	}
	y1 += (y1 - y0) * .06
	switch {
	case f.Kind == Histogram:
		x0, x1 = x0-f.BinWidth, x1+2*f.BinWidth
	case f.Kind == Bars:
		x0, x1 = -.5, float64(len(f.Names))-.5
	case x0 == x1 && f.LogX:
		x0, x1 = x0/2, x1*2
	case x0 == x1:
		x0, x1 = x0-.5, x1+.5
	case f.Kind == Lines && !f.LogX && x0 > 0 && x0 < .1*x1:
		x0 = 0
	case f.Kind == Points && f.LogX:
		w := math.Pow(x1/x0, .05)
		x0, x1 = x0/w, x1*w
	case f.Kind == Points:
		w := (x1 - x0) * .05
		x0, x1 = x0-w, x1+w
	}
	if f.Kind != Bars && (f.XMin != 0 || f.XMax != 0) {
		x0, x1 = f.XMin, f.XMax
	}
	if f.YMin != 0 || f.YMax != 0 {
		y0, y1 = f.YMin, f.YMax
	}
	return x0, x1, y0, y1
}
