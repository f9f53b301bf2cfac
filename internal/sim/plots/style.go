package plots

import (
	"image/color"

	"golang.org/x/image/font"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The size of a figure: the width of a text column and a half, as journals have it.
const (
	width  = 16 * vg.Centimeter
	height = 10.5 * vg.Centimeter
	dpi    = 200
)

// palette is that of Okabe and Ito ("Color universal design", 2008) without yellow, which is too pale for lines; in an
// order in which neighbours differ in lightness too.
var palette = []color.NRGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0x00, 0x00, 0x00, 0xFF}, // black
}

var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xFF}
	muted = color.NRGBA{0x59, 0x59, 0x59, 0xFF}
	pale  = color.NRGBA{0xE3, 0xE3, 0xE3, 0xFF}
	paper = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
)

// dashes, markers and hatchings, in the order of series; each list has another length than the palette, so that a
// combination comes back late.
var (
	dashes = [][]vg.Length{
		nil, {6, 2.5}, {2, 2}, {8, 2.5, 2, 2.5}, {10, 3},
	}
	markers = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}, draw.CrossGlyph{}, draw.RingGlyph{},
	}
	hatchings = []hatching{{}, {up: true}, {down: true}, {up: true, down: true}, {flat: true}}
	// those of models and references, which are all grey
	modelDashes = [][]vg.Length{{5, 3}, {1.2, 2.2}, {9, 3, 1.2, 3}, {3, 1.5}}
)

// hatching is the pattern of a bar.
type hatching struct{ up, down, flat bool }

const (
	lineWidth  = 1.5
	thinWidth  = .6
	markerSize = 2.6
	bandAlpha  = 0x3C
)

func colour(i int) color.NRGBA            { return palette[i%len(palette)] }
func seriesDashes(i int) []vg.Length      { return dashes[i%len(dashes)] }
func seriesMarker(i int) draw.GlyphDrawer { return markers[i%len(markers)] }

func faded(c color.NRGBA) color.NRGBA {
	c.A = bandAlpha
	return c
}

func lettering(size vg.Length, bold bool, c color.Color) text.Style {
	f := plotfont.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = font.WeightBold
	}
	return text.Style{Font: f, Color: c, Handler: handler}
}

var handler = text.Plain{Fonts: plotfont.DefaultCache}

// diamond is a filled square on its corner.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	r := sty.Radius * 1.25
	var p vg.Path
	p.Move(vg.Point{X: pt.X, Y: pt.Y + r})
	p.Line(vg.Point{X: pt.X + r, Y: pt.Y})
	p.Line(vg.Point{X: pt.X, Y: pt.Y - r})
	p.Line(vg.Point{X: pt.X - r, Y: pt.Y})
	p.Close()
	c.Fill(p)
}
