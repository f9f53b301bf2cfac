package plots

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// markersOf is about how many markers a line of many points bears.
const markersOf = 8

func dataLine(i int) draw.LineStyle {
	return draw.LineStyle{Color: colour(i), Width: lineWidth, Dashes: seriesDashes(i)}
}

func modelLine(i int) draw.LineStyle {
	return draw.LineStyle{Color: muted, Width: 1, Dashes: modelDashes[i%len(modelDashes)]}
}

func drawMarker(c *draw.Canvas, i int, at vg.Point) {
	c.SetLineStyle(draw.LineStyle{Color: colour(i), Width: 1.2})
	sty := draw.GlyphStyle{Color: colour(i), Radius: markerSize, Shape: seriesMarker(i)}
	c.DrawGlyphNoClip(sty, at)
}

// Plot draws all but the axes.
func (f Figure) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := func(px, py float64) vg.Point { return vg.Point{X: x(px), Y: y(py)} }

	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) { // a grid to read levels by
		if t.Value > p.Y.Min {
			c.StrokeLine2(draw.LineStyle{Color: pale, Width: .5}, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
	models, data := 0, 0
	var bands, lines, tops []func()
	bars := 0
	for _, s := range f.Series {
		if !s.Model {
			bars++
		}
	}
	for _, s := range f.Series {
		if s.Model {
			sty := modelLine(models)
			models++
			if f.Kind == Bars {
				lines = append(lines, func() {
					for k := range s.Y {
						if isFinite(s.Y[k]) {
							c.StrokeLine2(sty, x(float64(k)-.45), y(s.Y[k]), x(float64(k)+.45), y(s.Y[k]))
						}
					}
				})
				continue
			}
			lines = append(lines, func() { c.StrokeLines(sty, c.ClipLinesXY(pieces(s, at)...)...) })
			continue
		}
		i := data
		data++
		switch f.Kind {
		case Bars:
			lines = append(lines, func() { f.bars(&c, s, i, bars, at) })
		case Histogram:
			lines = append(lines, func() {
				for k, v := range s.Y {
					from, to := at(s.X[k], 0), at(s.X[k]+f.BinWidth, v)
					drawBar(&c, i, vg.Rectangle{Min: from, Max: to})
				}
			})
		default:
			if f.Kind == Lines && s.Low != nil {
				bands = append(bands, func() { band(&c, s, i, at) })
			}
			lines = append(lines, func() {
				c.StrokeLines(dataLine(i), c.ClipLinesXY(pieces(s, at)...)...)
			})
			tops = append(tops, func() { f.points(&c, s, i, data, at) })
		}
	}
	for _, r := range f.References {
		sty := modelLine(models)
		models++
		if r.Y >= p.Y.Min && r.Y <= p.Y.Max {
			lines = append([]func(){func() { c.StrokeLine2(sty, c.Min.X, y(r.Y), c.Max.X, y(r.Y)) }}, lines...)
		}
	}
	for _, group := range [][]func(){bands, lines, tops} {
		for _, do := range group {
			do()
		}
	}
	f.marks(&c, at)
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// pieces are the unbroken stretches of a line.
func pieces(s Series, at func(x, y float64) vg.Point) [][]vg.Point {
	var out [][]vg.Point
	fresh := true
	for k, v := range s.Y {
		if !isFinite(v) {
			fresh = true
			continue
		}
		if fresh {
			out = append(out, nil)
			fresh = false
		}
		out[len(out)-1] = append(out[len(out)-1], at(s.X[k], v))
	}
	return out
}

// band fills what lies between the least and the most.
func band(c *draw.Canvas, s Series, i int, at func(x, y float64) vg.Point) {
	var pts []vg.Point
	for k := range s.X {
		if isFinite(s.High[k]) && isFinite(s.Low[k]) {
			pts = append(pts, at(s.X[k], s.High[k]))
		}
	}
	for k := len(s.X) - 1; k >= 0; k-- {
		if isFinite(s.High[k]) && isFinite(s.Low[k]) {
			pts = append(pts, at(s.X[k], s.Low[k]))
		}
	}
	if pts = c.ClipPolygonXY(pts); len(pts) > 2 {
		c.FillPolygon(faded(colour(i)), pts)
	}
}

// points draws markers and error bars. Lines of many points bear a few only, each line at other places.
func (f Figure) points(c *draw.Canvas, s Series, i, of int, at func(x, y float64) vg.Point) {
	step, first := 1, 0
	if f.Kind == Lines && len(s.X) > 2*markersOf {
		step = len(s.X) / markersOf
		first = step/2 + i*step/max(of, 1)
	}
	for k := first; k < len(s.X); k += step {
		if !isFinite(s.Y[k]) {
			continue
		}
		pt := at(s.X[k], s.Y[k])
		if !c.Contains(pt) {
			continue
		}
		if f.Kind == Points && s.Low != nil {
			errorBar(c, draw.LineStyle{Color: colour(i), Width: 1}, at(s.X[k], s.Low[k]), at(s.X[k], s.High[k]))
		}
		drawMarker(c, i, pt)
	}
}

func errorBar(c *draw.Canvas, sty draw.LineStyle, low, high vg.Point) {
	const cap = 2.5
	if !isFinite(float64(low.Y)) || !isFinite(float64(high.Y)) || high.Y-low.Y < .5 {
		return
	}
	c.StrokeLine2(sty, low.X, low.Y, high.X, high.Y)
	c.StrokeLine2(sty, low.X-cap, low.Y, low.X+cap, low.Y)
	c.StrokeLine2(sty, high.X-cap, high.Y, high.X+cap, high.Y)
}

// bars draws the bars of series i of n.
func (f Figure) bars(c *draw.Canvas, s Series, i, n int, at func(x, y float64) vg.Point) {
	const group = .8 // of the room that a group has
	w := group / float64(n)
	for k, v := range s.Y {
		if !isFinite(v) {
			continue
		}
		left := float64(k) - group/2 + float64(i)*w
		from, to := at(left+.04*w, 0), at(left+.96*w, v)
		from.Y = max(from.Y, c.Min.Y)
		to.Y = min(max(to.Y, c.Min.Y), c.Max.Y)
		drawBar(c, i, vg.Rectangle{
			Min: vg.Point{X: from.X, Y: min(from.Y, to.Y)}, Max: vg.Point{X: to.X, Y: max(from.Y, to.Y)},
		})
		if s.Low != nil {
			errorBar(c, draw.LineStyle{Color: ink, Width: .8}, at(left+w/2, s.Low[k]), at(left+w/2, s.High[k]))
		}
	}
}

// drawBar fills a rectangle with the colour and hatching of series i.
func drawBar(c *draw.Canvas, i int, r vg.Rectangle) {
	c.SetColor(colour(i))
	c.Fill(r.Path())
	const step = 4
	h := hatchings[i%len(hatchings)]
	sty := draw.LineStyle{Color: paper, Width: .8}
	inside := *c
	inside.Rectangle = r
	tall, wide := r.Max.Y-r.Min.Y, r.Max.X-r.Min.X
	for d := -tall; d < wide; d += step {
		if h.up {
			inside.StrokeLines(sty, inside.ClipLinesXY([]vg.Point{{X: r.Min.X + d, Y: r.Min.Y}, {X: r.Min.X + d + tall, Y: r.Max.Y}})...)
		}
		if h.down {
			inside.StrokeLines(sty, inside.ClipLinesXY([]vg.Point{{X: r.Min.X + d, Y: r.Max.Y}, {X: r.Min.X + d + tall, Y: r.Min.Y}})...)
		}
	}
	for y := r.Min.Y + step; h.flat && y < r.Max.Y; y += step {
		c.StrokeLine2(sty, r.Min.X, y, r.Max.X, y)
	}
	c.SetLineStyle(draw.LineStyle{Color: ink, Width: .5})
	c.Stroke(r.Path())
}

// marks draws each mark with a line down to the axis and its name beside that, each name higher than the one before.
func (f Figure) marks(c *draw.Canvas, at func(x, y float64) vg.Point) {
	in := lettering(9, false, ink)
	for _, m := range f.Marks {
		pt := at(m.X, m.Y)
		if !c.Contains(pt) {
			continue
		}
		if m.Label == "" {
			c.StrokeLine2(draw.LineStyle{Color: paper, Width: 3 * thinWidth}, pt.X, c.Min.Y, pt.X, c.Max.Y)
			c.StrokeLine2(draw.LineStyle{Color: ink, Width: 2 * thinWidth, Dashes: []vg.Length{4, 2}}, pt.X, c.Min.Y, pt.X, c.Max.Y)
			continue
		}
		c.StrokeLine2(draw.LineStyle{Color: ink, Width: thinWidth, Dashes: []vg.Length{1.5, 1.5}}, pt.X, c.Min.Y, pt.X, pt.Y)
		c.SetColor(paper)
		draw.CircleGlyph{}.DrawGlyph(c, draw.GlyphStyle{Radius: 3.2}, pt)
		c.SetLineStyle(draw.LineStyle{Color: ink, Width: 1})
		draw.RingGlyph{}.DrawGlyph(c, draw.GlyphStyle{Color: ink, Radius: 3.2}, pt)
	}
	for i, m := range f.Marks { // after all lines, on a ground of their own
		pt := at(m.X, m.Y)
		if m.Label == "" || !c.Contains(pt) {
			continue
		}
		w := in.Width(m.Label)
		x := pt.X + 5
		if x+w > c.Max.X {
			x = pt.X - 5 - w
		}
		y := c.Min.Y + 6 + 14*vg.Length(i)
		c.SetColor(paper)
		c.Fill(vg.Rectangle{Min: vg.Point{X: x - 2, Y: y - 3}, Max: vg.Point{X: x + w + 2, Y: y + 9}}.Path())
		c.FillText(in, vg.Point{X: x, Y: y}, m.Label)
	}
}
