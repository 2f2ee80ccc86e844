package evaluate

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
)

// Mosaic says how pictures are put together to larger ones before they are compressed as
// JPEG: a file of one small picture would be nearly all header.
type Mosaic struct {
	Channels, Height, Width int // of a picture: 1 channel for gray, 3 for colour
	Across                  int // pictures in a line, and lines in a mosaic
}

// maxJPEG is the greatest length of a JPEG file's side.
const maxJPEG = 1<<16 - 1

// JPEG compresses pictures, [N C H W] from 0 to 1, as JPEG files of a quality from 1 to
// 100, with the encoder of image/jpeg, which halves the colours of three channels in both
// directions. It returns the bits of whole files for each pixel of the pictures, and their
// PSNR. Values are rounded to bytes and clipped. The last mosaic has as many lines as it
// needs; places without a picture are black, and their bits count.
//
// Errors: lengths that are not positive, or make a side above 65,535 pixels; channels are
// not 1 or 3; no whole pictures; a value is not finite; the quality is out of range.
func (m Mosaic) JPEG(pictures []float32, quality int) (perPixel, ratio float64, err error) {
	if quality < 1 || quality > 100 {
		return 0, 0, fmt.Errorf("evaluate: JPEG: the quality must be from 1 to 100, got %d", quality)
	}
	if err := m.check(pictures); err != nil {
		return 0, 0, fmt.Errorf("evaluate: JPEG: %w", err)
	}
	size := m.Height * m.Width
	row := m.Channels * size
	got := make([]float32, len(pictures))
	bits := 0
	for lo := 0; lo < len(pictures); lo += row * m.Across * m.Across {
		part := pictures[lo:min(len(pictures), lo+row*m.Across*m.Across)]
		var file bytes.Buffer
		if err := jpeg.Encode(&file, m.draw(part), &jpeg.Options{Quality: quality}); err != nil {
			return 0, 0, fmt.Errorf("evaluate: JPEG: %w", err)
		}
		bits += 8 * file.Len()
		img, err := jpeg.Decode(&file)
		if err != nil {
			return 0, 0, fmt.Errorf("evaluate: JPEG: %w", err)
		}
		m.read(got[lo:lo+len(part)], img)
	}
	ratio, err = PSNR(got, pictures, 1)
	return float64(bits) / float64(len(pictures)/m.Channels), ratio, err
}

func (m Mosaic) check(pictures []float32) error {
	switch {
	case m.Channels != 1 && m.Channels != 3:
		return fmt.Errorf("a picture must have 1 channel for gray or 3 for colour, got %d", m.Channels)
	case m.Height < 1 || m.Width < 1 || m.Across < 1:
		return fmt.Errorf("a mosaic must have positive lengths, got %d across, of %dx%d", m.Across, m.Height, m.Width)
	case m.Across > maxJPEG || m.Height > maxJPEG/m.Across || m.Width > maxJPEG/m.Across:
		return fmt.Errorf("%d pictures of %dx%d beside each other are more than the %d pixels of a file's side", m.Across, m.Height, m.Width, maxJPEG)
	case len(pictures) == 0:
		return errors.New("there are no pictures")
	case len(pictures)%(m.Channels*m.Height*m.Width) != 0:
		return fmt.Errorf("there must be whole pictures of [%d %d %d], got %d values", m.Channels, m.Height, m.Width, len(pictures))
	}
	return pixels(pictures, pictures, 1)
}

// each calls f with every place of a plane of the pictures, the place in the mosaic and the
// element of the first channel.
func (m Mosaic) each(n int, f func(x, y, i int)) {
	size := m.Height * m.Width
	for p := range n / (m.Channels * size) {
		for r := range m.Height {
			for c := range m.Width {
				f(p%m.Across*m.Width+c, p/m.Across*m.Height+r, p*m.Channels*size+r*m.Width+c)
			}
		}
	}
}

func (m Mosaic) draw(part []float32) image.Image {
	size := m.Height * m.Width
	n := len(part) / (m.Channels * size)
	at := image.Rect(0, 0, min(n, m.Across)*m.Width, (n+m.Across-1)/m.Across*m.Height)
	level := func(v float32) uint8 { return uint8(math.Round(255 * min(1, max(0, float64(v))))) }
	if m.Channels == 1 {
		img := image.NewGray(at)
		m.each(len(part), func(x, y, i int) { img.SetGray(x, y, color.Gray{Y: level(part[i])}) })
		return img
	}
	img := image.NewRGBA(at)
	draw.Draw(img, at, image.Black, image.Point{}, draw.Src)
	m.each(len(part), func(x, y, i int) {
		img.SetRGBA(x, y, color.RGBA{R: level(part[i]), G: level(part[i+size]), B: level(part[i+2*size]), A: 255})
	})
	return img
}

func (m Mosaic) read(dst []float32, img image.Image) {
	size := m.Height * m.Width
	m.each(len(dst), func(x, y, i int) {
		r, g, b, _ := img.At(x, y).RGBA() // with 16 bits, of which a file keeps 8
		rgb := [3]uint32{r, g, b}
		for c := range m.Channels {
			dst[i+c*size] = float32(rgb[c]>>8) / 255
		}
	})
}
