package plots

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
)

// Draw writes the figure to base.png and base.svg, and makes the directory for them. It returns the names of the files.
func Draw(base string, f Figure) ([]string, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return nil, fmt.Errorf("plots: %w", err)
	}
	var files []string
	for _, format := range []struct {
		ending string
		render func(Figure) ([]byte, error)
	}{{".png", renderPNG}, {".svg", renderSVG}} {
		content, err := format.render(f)
		if err == nil {
			err = atomicfile.Write(base+format.ending, content)
		}
		if err != nil {
			return files, fmt.Errorf("plots: %w", err)
		}
		files = append(files, base+format.ending)
	}
	return files, nil
}

func renderPNG(f Figure) ([]byte, error) {
	c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(color.White))
	f.draw(draw.New(c))
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
	return b.Bytes(), err
}

func renderSVG(f Figure) ([]byte, error) {
	c := vgsvg.New(width, height)
	f.draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	// The fonts are not in the file: name those of like widths too.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:'Liberation Sans',Arimo,Arial,Helvetica,sans-serif;")), nil
}

// draw puts title, axes with data, and legend below each other.
func (f Figure) draw(c draw.Canvas) {
	c.SetColor(paper)
	c.Fill(c.Rectangle.Path())
	const margin = 8
	c = draw.Crop(c, margin, -margin-4, margin, -margin)
	c = f.drawTitle(c)
	c = f.drawLegend(c)

	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.TextHandler = handler
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = f.ranges()
	for _, a := range []struct {
		axis  *plot.Axis
		label string
	}{{&p.X, f.X}, {&p.Y, f.Y}} {
		a.axis.Label.Text = a.label
		a.axis.Label.TextStyle = withAlignment(lettering(10, false, ink), a.axis.Label.TextStyle)
		a.axis.Label.Padding = 3
		a.axis.Tick.Label = withAlignment(lettering(9, false, ink), a.axis.Tick.Label)
		a.axis.LineStyle = draw.LineStyle{Color: ink, Width: thinWidth}
		a.axis.Tick.LineStyle = a.axis.LineStyle
		a.axis.Tick.Length = 4
		a.axis.Padding = 0
		a.axis.Tick.Marker = decimals{}
	}
	if f.LogX {
		p.X.Scale = plot.LogScale{}
	}
	if ticks := f.ticks(); ticks != nil {
		p.X.Tick.Marker = ticks
	}
	if f.crowded(p.X.Tick.Label, c.Max.X-c.Min.X) {
		p.X.Tick.Label.Rotation = math.Pi / 5
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	}
	p.Add(f)
	p.Draw(c)
}

func withAlignment(s, of draw.TextStyle) draw.TextStyle {
	s.Rotation, s.XAlign, s.YAlign = of.Rotation, of.XAlign, of.YAlign
	return s
}

// decimals has ticks at four to seven multiples of 1, 2 or 5 times a power of ten, with as many decimals as those need.
type decimals struct{}

func (decimals) Ticks(lo, hi float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/3)))
	for _, times := range []float64{2, 2.5, 2} {
		if (hi-lo)/step <= 7 {
			break
		}
		step *= times
	}
	places := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var out []plot.Tick
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+1e-9*step; k++ {
		v := roundTo(k*step, places) + 0 // no -0
		out = append(out, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', places, 64)})
	}
	return out
}

func roundTo(x float64, places int) float64 {
	p := math.Pow(10, float64(places))
	return math.Round(x*p) / p
}

// ticks are at the names of bars, and where few values of x were measured at those; nil leaves the choice.
func (f Figure) ticks() plot.Ticker {
	var out plot.ConstantTicks
	switch f.Kind {
	case Bars:
		for i, name := range f.Names {
			out = append(out, plot.Tick{Value: float64(i), Label: name})
		}
	case Points:
		var xs []float64
		for _, s := range f.Series {
			xs = append(xs, s.X...)
		}
		slices.Sort(xs)
		xs = slices.Compact(xs)
		x0, x1, _, _ := f.ranges()
		last := math.Inf(-1)
		for _, x := range xs {
			label := strconv.FormatFloat(x, 'f', -1, 64)
			at := (x - x0) / (x1 - x0)
			if f.LogX {
				at = math.Log(x/x0) / math.Log(x1/x0)
			}
			if at-last < .014*float64(len(label)+2) {
				label = "" // no room
			} else {
				last = at
			}
			out = append(out, plot.Tick{Value: x, Label: label})
		}
	default:
		return nil
	}
	return out
}

// crowded reports whether the names of bars do not fit beside each other.
func (f Figure) crowded(in draw.TextStyle, width vg.Length) bool {
	if f.Kind != Bars {
		return false
	}
	const axis, gap = 40, 4 // about what the y axis takes; between names
	for _, name := range f.Names {
		if in.Width(name)+gap > (width-axis)/vg.Length(len(f.Names)) {
			return true
		}
	}
	return false
}

// drawTitle returns what is left below.
func (f Figure) drawTitle(c draw.Canvas) draw.Canvas {
	for _, line := range []struct {
		text string
		in   draw.TextStyle
		gap  vg.Length
	}{{f.Title, lettering(11.5, true, ink), 3}, {f.Subtitle, lettering(9, false, muted), 3}} {
		if line.text == "" {
			continue
		}
		line.in.YAlign = draw.YTop
		for _, text := range wrap(line.in, line.text, c.Max.X-c.Min.X) {
			c.FillText(line.in, vg.Point{X: c.Min.X, Y: c.Max.Y}, text)
			c.Max.Y -= line.in.Font.Size*1.15 + line.gap
		}
	}
	c.Max.Y -= 6
	return c
}

// wrap breaks text into lines of at most the given width.
func wrap(in draw.TextStyle, text string, width vg.Length) []string {
	var lines []string
	for _, word := range bytes.Fields([]byte(text)) {
		if n := len(lines); n > 0 && in.Width(lines[n-1]+" "+string(word)) <= width {
			lines[n-1] += " " + string(word)
		} else {
			lines = append(lines, string(word))
		}
	}
	return lines
}
