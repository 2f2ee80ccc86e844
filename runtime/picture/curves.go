package picture

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Curve is one named line: a value for each epoch from 1.
type Curve struct {
	Name   string
	Values []float64
}

// Curves draws the lines over the epochs and writes the PNG whole or not at
// all. The axis is logarithmic if every value is positive and the greatest is more
// than five times the least.
//
// Errors: there is no value, or one is not finite; the file cannot be written.
func Curves(path, title, axis string, curves ...Curve) error {
	d := newDiagram(path, title, "epoch", axis)
	for _, c := range curves {
		xy := make(plotter.XYs, len(c.Values))
		for j, v := range c.Values {
			xy[j].X, xy[j].Y = float64(j+1), v
		}
		if err := d.line(c.Name, xy); err != nil {
			return err
		}
	}
	d.y.apply(&d.Y)
	return d.write()
}

// Series is one named line of a rate-distortion diagram.
type Series struct {
	Name   string
	Points []Point
}

// Point is what a compression costs and what it keeps.
type Point struct {
	Rate float64 // bits per pixel
	PSNR float64 // decibels
}

// RateDistortion draws the peak signal-to-noise ratio of several compressions over their
// rates, a line for each series from its least rate to its greatest, and writes the PNG
// whole or not at all. The axis of rates is logarithmic if every rate is positive and the
// greatest is more than five times the least.
//
// Errors: there is no series, or one without a point; a rate is negative or not finite; a
// PSNR is not finite; the file cannot be written.
func RateDistortion(path, title string, series ...Series) error {
	if len(series) == 0 {
		return fmt.Errorf("picture %s: there is no series to draw", path)
	}
	d := newDiagram(path, title, "rate, bits per pixel", "PSNR, dB")
	d.Legend.Top, d.Legend.Left = false, false // the lines go up to the right
	for _, s := range series {
		xy := make(plotter.XYs, len(s.Points))
		for j, p := range s.Points {
			if p.Rate < 0 {
				return fmt.Errorf("picture %s: curve %q: the rate of point %d must not be negative, got %v", path, s.Name, j+1, p.Rate)
			}
			xy[j].X, xy[j].Y = p.Rate, p.PSNR
		}
		slices.SortStableFunc(xy, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		if err := d.line(s.Name, xy); err != nil {
			return err
		}
	}
	d.x.apply(&d.X)
	return d.write()
}

// diagram is a plot of lines that knows the range of each axis.
type diagram struct {
	*plot.Plot
	path string
	n    int
	x, y span
}

func newDiagram(path, title, x, y string) *diagram {
	d := &diagram{Plot: plot.New(), path: path, x: newSpan(), y: newSpan()}
	d.Title.Text, d.X.Label.Text, d.Y.Label.Text = title, x, y
	d.Legend.Top = true
	d.Add(plotter.NewGrid())
	return d
}

// line adds a line in the next colour.
func (d *diagram) line(name string, xy plotter.XYs) error {
	if len(xy) == 0 {
		return fmt.Errorf("picture %s: curve %q has no value", d.path, name)
	}
	for _, p := range xy {
		d.x.add(p.X)
		d.y.add(p.Y)
	}
	line, points, err := plotter.NewLinePoints(xy)
	if err != nil {
		return fmt.Errorf("picture %s: curve %q: %w", d.path, name, err)
	}
	line.Color, points.Color = plotutil.Color(d.n), plotutil.Color(d.n)
	line.Width, points.Radius = vg.Points(1.5), vg.Points(2)
	d.Add(line, points)
	d.Legend.Add(name, line, points)
	d.n++
	return nil
}

func (d *diagram) write() error {
	canvas := vgimg.New(16*vg.Centimeter, 10*vg.Centimeter)
	d.Draw(draw.New(canvas))
	return atomicfile.Write(d.path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	})
}

// span is the range of the values along an axis.
type span struct{ lo, hi float64 }

func newSpan() span { return span{math.Inf(1), math.Inf(-1)} }

func (s *span) add(v float64) { s.lo, s.hi = min(s.lo, v), max(s.hi, v) }

// apply makes an axis logarithmic if the range is positive and wide.
func (s span) apply(a *plot.Axis) {
	if s.lo > 0 && s.hi > 5*s.lo {
		a.Scale = plot.LogScale{}
		a.Tick.Marker = plot.TickerFunc(logTicks)
	}
}

// logTicks labels 1, 2 and 5 times each power of ten, two labels at least in a range
// of a factor of five, and marks the other multiples.
func logTicks(lo, hi float64) (ticks []plot.Tick) {
	if !(lo > 0) {
		return nil
	}
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for k := 1.; k < 10; k++ {
			// Of decimal digits: a power of ten is not exact below 1.
			v, err := strconv.ParseFloat(fmt.Sprintf("%ve%v", k, e), 64)
			if err != nil || v < lo || v > hi {
				continue
			}
			t := plot.Tick{Value: v}
			if k == 1 || k == 2 || k == 5 {
				t.Label = strconv.FormatFloat(v, 'g', -1, 64)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
