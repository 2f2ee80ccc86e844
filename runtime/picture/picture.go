// Package picture draws the results of a training as PNG files.
package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// zoom is the pixels a value takes in each direction.
const zoom = 3

// Grid draws rows of gray pictures, one line of pictures for each element of
// lines, and writes the PNG whole or not at all. Every picture has height*width
// values; 0 is black, 1 is white, and values outside are clipped.
//
// Errors: no picture; a picture of another size; the file cannot be written.
func Grid(path string, height, width int, lines ...[][]float32) error {
	cols := 0
	for _, l := range lines {
		cols = max(cols, len(l))
	}
	if cols == 0 || height <= 0 || width <= 0 {
		return fmt.Errorf("picture %s: nothing to draw", path)
	}
	const gap = 1
	img := image.NewGray(image.Rect(0, 0, zoom*(cols*(width+gap)+gap), zoom*(len(lines)*(height+gap)+gap)))
	for i := range img.Pix {
		img.Pix[i] = 96
	}
	for r, l := range lines {
		for c, p := range l {
			if len(p) != height*width {
				return fmt.Errorf("picture %s: picture %d of line %d has %d values, must have %d", path, c+1, r+1, len(p), height*width)
			}
			x0, y0 := zoom*(gap+c*(width+gap)), zoom*(gap+r*(height+gap))
			for y := range zoom * height {
				for x := range zoom * width {
					img.SetGray(x0+x, y0+y, shade(p[y/zoom*width+x/zoom]))
				}
			}
		}
	}
	return atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
}

func shade(v float32) color.Gray {
	if v != v {
		return color.Gray{}
	}
	return color.Gray{Y: uint8(math.Round(255 * math.Min(1, math.Max(0, float64(v)))))}
}

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
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "epoch", axis
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	positive, lo, hi := true, math.Inf(1), math.Inf(-1)
	for i, c := range curves {
		if len(c.Values) == 0 {
			return fmt.Errorf("picture %s: curve %q has no value", path, c.Name)
		}
		xy := make(plotter.XYs, len(c.Values))
		for j, v := range c.Values {
			xy[j].X, xy[j].Y = float64(j+1), v
			positive = positive && v > 0
			lo, hi = min(lo, v), max(hi, v)
		}
		line, points, err := plotter.NewLinePoints(xy)
		if err != nil {
			return fmt.Errorf("picture %s: curve %q: %w", path, c.Name, err)
		}
		line.Color, points.Color = plotutil.Color(i), plotutil.Color(i)
		line.Width, points.Radius = vg.Points(1.5), vg.Points(2)
		p.Add(line, points)
		p.Legend.Add(c.Name, line, points)
	}
	if positive && hi > 5*lo {
		p.Y.Scale = plot.LogScale{}
		p.Y.Tick.Marker = plot.TickerFunc(logTicks)
	}
	canvas := vgimg.New(16*vg.Centimeter, 10*vg.Centimeter)
	p.Draw(draw.New(canvas))
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	})
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
