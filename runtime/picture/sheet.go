package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	sheetColumns = 10 // pictures side by side
	captionHigh  = 15 // pixels for the words below a picture
	sheetRoom    = 6  // pixels between two pictures
)

// Sheet draws a contact sheet, ten pictures side by side with a caption below each, and writes the PNG whole or not at all.
// Pictures are those of [Grid]; a caption is a line of ASCII, such as the number of a row.
//
// Errors: no picture; another number of captions; a picture of another size; more than 100 million pixels; the file cannot be
// written.
func Sheet(path string, height, width int, pictures [][]float32, captions []string) error {
	if len(captions) != len(pictures) {
		return fmt.Errorf("picture %s: %d captions for %d pictures", path, len(captions), len(pictures))
	}
	if len(pictures) == 0 || height <= 0 || width <= 0 {
		return fmt.Errorf("picture %s: nothing to draw", path)
	}
	for i, p := range pictures {
		if len(p) != height*width && len(p) != 3*height*width {
			return fmt.Errorf("picture %s: picture %d has %d values, must have %d, or %d for colour", path, i+1, len(p), height*width, 3*height*width)
		}
	}
	face := basicfont.Face7x13
	wide := zoom * width
	for _, c := range captions {
		wide = max(wide, font.MeasureString(face, c).Ceil())
	}
	high := zoom*height + captionHigh
	cols := min(len(pictures), sheetColumns)
	lines := (len(pictures) + cols - 1) / cols
	if x, y := float64(cols)*float64(wide+sheetRoom), float64(lines)*float64(high+sheetRoom); x*y > most {
		return fmt.Errorf("picture %s: %d pictures of %dx%d would take more than %.0f million pixels: draw fewer", path, len(pictures), height, width, most/1e6)
	}
	img := image.NewRGBA(image.Rect(0, 0, cols*(wide+sheetRoom)+sheetRoom, lines*(high+sheetRoom)+sheetRoom))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{Y: paper}), image.Point{}, draw.Src)
	for i, p := range pictures {
		x0, y0 := sheetRoom+i%cols*(wide+sheetRoom), sheetRoom+i/cols*(high+sheetRoom)
		left := x0 + (wide-zoom*width)/2
		for y := range height {
			for x := range width {
				square(img, left+zoom*x, y0+zoom*y, zoom, shade(p, y*width+x, height*width))
			}
		}
		pen := font.Drawer{Dst: img, Src: image.White, Face: face}
		pen.Dot = fixed.P(x0+(wide-pen.MeasureString(captions[i]).Ceil())/2, y0+zoom*height+captionHigh-3)
		pen.DrawString(captions[i])
	}
	return write(path, img)
}
