package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

const (
	zoom  = 3   // the pixels a value takes in each direction, in pictures of rows
	cell  = 24  // the least pixels a filter or feature map takes in each direction
	gap   = 1   // the values between two pictures
	paper = 96  // the gray between them
	most  = 1e8 // the pixels of a file
)

// Grid draws rows of pictures, one line of pictures for each element of lines, and
// writes the PNG whole or not at all. A picture has height*width values, which are gray,
// or three times as many: its red, green and blue plane, as in a row f32[3 H W]. 0 is
// black, 1 is white or the full colour, values outside are clipped, and NaN is black.
//
// Errors: no picture; a picture of another size; more than 100 million pixels; the file
// cannot be written.
func Grid(path string, height, width int, lines ...[][]float32) error {
	img, err := grid(path, height, width, zoom, 0, lines)
	if err != nil {
		return err
	}
	return write(path, img)
}

func write(path string, img image.Image) error {
	return atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
}

// grid draws lines of pictures, and leaves room below for as many pixels as foot says.
func grid(path string, height, width, zoom, foot int, lines [][][]float32) (draw.Image, error) {
	cols, colour := 0, false
	for _, l := range lines {
		cols = max(cols, len(l))
	}
	if cols == 0 || height <= 0 || width <= 0 {
		return nil, fmt.Errorf("picture %s: nothing to draw", path)
	}
	for r, l := range lines {
		for c, p := range l {
			high := len(p) / width
			if len(p)%width != 0 || high != height && (high%3 != 0 || high/3 != height) {
				return nil, fmt.Errorf("picture %s: picture %d of line %d has %d values, must have %d, or %d for colour", path, c+1, r+1, len(p), height*width, 3*height*width)
			}
			colour = colour || high != height
		}
	}
	// As floats, which do not overflow.
	if x, y := float64(zoom)*float64(cols)*float64(width+gap), float64(zoom)*float64(len(lines))*float64(height+gap); x*y > most {
		return nil, fmt.Errorf("picture %s: %d pictures of %dx%d in each of %d lines would take more than %.0f million pixels: draw fewer", path, cols, height, width, len(lines), most/1e6)
	}
	at := image.Rect(0, 0, zoom*(cols*(width+gap)+gap), zoom*(len(lines)*(height+gap)+gap)+foot)
	var img draw.Image = image.NewGray(at)
	if colour || foot > 0 {
		img = image.NewRGBA(at)
	}
	draw.Draw(img, at, image.NewUniform(color.Gray{Y: paper}), image.Point{}, draw.Src)
	for r, l := range lines {
		for c, p := range l {
			x0, y0 := zoom*(gap+c*(width+gap)), zoom*(gap+r*(height+gap))
			for y := range height {
				for x := range width {
					square(img, x0+zoom*x, y0+zoom*y, zoom, shade(p, y*width+x, height*width))
				}
			}
		}
	}
	return img, nil
}

func square(img draw.Image, x0, y0, size int, c color.Color) {
	for y := range size {
		for x := range size {
			img.Set(x0+x, y0+y, c)
		}
	}
}

// shade is the colour of place i of a picture whose planes have n values.
func shade(p []float32, i, n int) color.Color {
	if len(p) == n {
		return color.Gray{Y: level(p[i])}
	}
	return color.RGBA{R: level(p[i]), G: level(p[n+i]), B: level(p[2*n+i]), A: 255}
}

func level(v float32) uint8 {
	if v != v {
		return 0
	}
	return uint8(math.Round(255 * math.Min(1, math.Max(0, float64(v)))))
}
