package plots

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	swatchWidth  = 24
	swatchGap    = 4
	entryGap     = 14
	legendHeight = 13
)

// entry is a line of the legend.
type entry struct {
	label  string
	swatch func(c *draw.Canvas, from, to vg.Point)
}

func (f Figure) entries() []entry {
	var out []entry
	data, models := 0, 0
	for _, s := range f.Series {
		if s.Model {
			out = append(out, entry{s.Label, stroke(modelLine(models))})
			models++
			continue
		}
		i := data
		data++
		switch f.Kind {
		case Bars, Histogram:
			out = append(out, entry{s.Label, func(c *draw.Canvas, from, to vg.Point) {
				drawBar(c, i, vg.Rectangle{Min: vg.Point{X: from.X + 6, Y: from.Y - 4}, Max: vg.Point{X: to.X, Y: to.Y + 4}})
			}})
		default:
			out = append(out, entry{s.Label, func(c *draw.Canvas, from, to vg.Point) {
				if f.Kind == Lines && s.Low != nil {
					c.SetColor(faded(colour(i)))
					c.Fill(vg.Rectangle{Min: vg.Point{X: from.X, Y: from.Y - 4}, Max: vg.Point{X: to.X, Y: to.Y + 4}}.Path())
				}
				stroke(dataLine(i))(c, from, to)
				drawMarker(c, i, vg.Point{X: (from.X + to.X) / 2, Y: from.Y})
			}})
		}
	}
	for _, r := range f.References {
		out = append(out, entry{r.Label, stroke(modelLine(models))})
		models++
	}
	return out
}

func stroke(sty draw.LineStyle) func(c *draw.Canvas, from, to vg.Point) {
	return func(c *draw.Canvas, from, to vg.Point) { c.StrokeLines(sty, []vg.Point{from, to}) }
}

// drawLegend puts the entries at the bottom, from left to right in as many rows as they need, and returns what is left.
func (f Figure) drawLegend(c draw.Canvas) draw.Canvas {
	in := lettering(9, false, ink)
	in.YAlign = draw.YCenter
	const indent = 24 // about where the axis begins
	var rows [][]entry
	var left vg.Length
	for _, e := range f.entries() {
		w := swatchWidth + swatchGap + in.Width(e.label) + entryGap
		if len(rows) == 0 || left < w-entryGap {
			rows = append(rows, nil)
			left = c.Max.X - c.Min.X - indent
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
		left -= w
	}
	y := c.Min.Y + legendHeight*(vg.Length(len(rows))-.5)
	c.Min.Y += legendHeight*vg.Length(len(rows)) + 6
	whole := c
	whole.Min.Y = 0
	for _, row := range rows {
		x := c.Min.X + indent
		for _, e := range row {
			e.swatch(&whole, vg.Point{X: x, Y: y}, vg.Point{X: x + swatchWidth, Y: y})
			x += swatchWidth + swatchGap
			whole.FillText(in, vg.Point{X: x, Y: y}, e.label)
			x += in.Width(e.label) + entryGap
		}
		y -= legendHeight
	}
	return c
}
