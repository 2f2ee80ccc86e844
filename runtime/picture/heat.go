package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	scaleHeight = 9  // the pixels of the colour scale
	footHeight  = 28 // with its numbers and the space around
	leastWidth  = 96 // of a picture with a colour scale
)

// HeatMap draws a line of pictures over a line of the same pictures with their maps on
// top, and the scale of the colours at the foot, and writes the PNG whole or not at all.
// A map has height*width values, such as the squared errors of a reconstruction: at 0 it
// is clear, then red, and yellow at top or above; below 0 it is clear too. Where top is 0
// it is the greatest value of all maps. A picture is gray or in colour, as in [Grid], and
// is darkened below its map.
//
// Errors: another number of maps than pictures; a map of another size; a value of a map
// is not finite; top is negative or not finite; those of [Grid].
func HeatMap(path string, height, width int, pictures, maps [][]float32, top float64) error {
	if len(pictures) != len(maps) {
		return fmt.Errorf("picture %s: there must be a map for each of the %d pictures, got %d", path, len(pictures), len(maps))
	}
	if !(top >= 0) || math.IsInf(top, 0) {
		return fmt.Errorf("picture %s: the top of the scale must be positive, or 0 for the greatest value, got %v", path, top)
	}
	greatest := 0.0
	for i, m := range maps {
		if height <= 0 || width <= 0 || len(m)%width != 0 || len(m)/width != height {
			return fmt.Errorf("picture %s: map %d has %d values, must have %d", path, i+1, len(m), height*width)
		}
		for j, v := range m {
			if v-v != 0 {
				return fmt.Errorf("picture %s: map %d is %v at %d, must be finite", path, i+1, v, j)
			}
			greatest = max(greatest, float64(v))
		}
	}
	if top == 0 {
		top = greatest
	}
	hot := make([][]float32, len(maps))
	for i, m := range maps {
		if n := len(m); len(pictures[i]) == n || len(pictures[i]) == 3*n {
			hot[i] = heated(pictures[i], m, top)
		} else {
			hot[i] = pictures[i] // of a wrong size, which grid reports
		}
	}
	img, err := grid(path, height, width, zoom, footHeight, [][][]float32{pictures, hot})
	if err != nil {
		return err
	}
	return write(path, withScale(img, top))
}

// heated returns the red, green and blue plane of a picture under its map.
func heated(p, m []float32, top float64) []float32 {
	n := len(m)
	out := make([]float32, 3*n)
	for i, v := range m {
		t := 0.0
		if top > 0 {
			t = min(1, max(0, float64(v)/top))
		}
		for c, h := range heat(t) {
			x := p[i]
			if len(p) == 3*n {
				x = p[c*n+i]
			}
			below := min(1, max(0, float64(x))) / 2
			out[c*n+i] = float32(below*(1-t) + h*t)
		}
	}
	return out
}

// heat is the colour at t from 0 to 1, of which t covers what is below.
func heat(t float64) [3]float64 { return [3]float64{1, t * t, 0} }

// withScale draws the colours from 0 to top at the foot of a picture.
func withScale(img draw.Image, top float64) draw.Image {
	b := img.Bounds()
	if b.Dx() < leastWidth {
		wide := image.NewRGBA(image.Rect(0, 0, leastWidth, b.Dy()))
		draw.Draw(wide, wide.Bounds(), image.NewUniform(color.Gray{Y: paper}), image.Point{}, draw.Src)
		draw.Draw(wide, b, img, image.Point{}, draw.Src)
		img, b = wide, wide.Bounds()
	}
	left, right, y0 := zoom*gap, b.Dx()-zoom*gap, b.Dy()-footHeight
	for x := left; x < right; x++ {
		c := heated([]float32{0}, []float32{float32(x - left)}, float64(right-left-1))
		for y := range scaleHeight {
			img.Set(x, y0+y, shade(c, 0, 1))
		}
	}
	pen := font.Drawer{Dst: img, Src: image.White, Face: basicfont.Face7x13}
	number := func(v float64, at func(wide int) int) {
		s := strconv.FormatFloat(v, 'g', 3, 64)
		pen.Dot = fixed.P(at(pen.MeasureString(s).Ceil()), y0+scaleHeight+13)
		pen.DrawString(s)
	}
	number(0, func(int) int { return left })
	number(top, func(wide int) int { return right - wide })
	return img
}
