package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	stddraw "image/draw"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
)

const (
	defaultPixels = 1 << 26 // of one picture, unless ImageOptions.MaxPixels says otherwise

	// What one byte of a file can become at most, if the file is whole: deflate makes 1,032 bytes of one (maxDeflate),
	// and a block of 8 by 8 pixels takes one bit of a JPEG file or more.
	jpegPixels = 8 * 64
)

// imageHead is what the first bytes of a picture say.
type imageHead struct {
	jpeg        bool
	h, w        int // as it is stored
	grey        bool
	orientation int
}

// size is the height and width of the picture as it is looked at.
func (h imageHead) size() (height, width int) {
	if turned(h.orientation) {
		return h.w, h.h
	}
	return h.h, h.w
}

// imageHeader reads the header of a picture in a file of size bytes. It refuses what could only be decoded in
// more memory than limit pixels take, and what the file is too short for, before anything is decoded.
func imageHeader(r io.ReadSeeker, size, limit int64) (h imageHead, err error) {
	var magic [26]byte // up to the colour type of a PNG file
	n, err := io.ReadFull(r, magic[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return h, err
	}
	h.orientation = upright
	var config image.Config
	switch start := string(magic[:n]); {
	case n >= 2 && start[:2] == "\xff\xd8":
		h.jpeg = true
		if _, err = r.Seek(0, io.SeekStart); err != nil {
			return h, err
		}
		h.orientation = jpegOrientation(bufio.NewReader(r))
		if _, err = r.Seek(0, io.SeekStart); err != nil {
			return h, err
		}
		config, err = jpeg.DecodeConfig(r)
		h.grey = config.ColorModel == color.GrayModel
	case n >= 8 && start[:8] == "\x89PNG\r\n\x1a\n":
		if _, err = r.Seek(0, io.SeekStart); err != nil {
			return h, err
		}
		config, err = png.DecodeConfig(bufio.NewReader(r))
		h.grey = magic[25] == 0 || magic[25] == 4
		if p, ok := config.ColorModel.(color.Palette); ok {
			h.grey = greyPalette(p)
		}
	case n == 0:
		return h, fmt.Errorf("%w: the file has no bytes", ErrEmpty)
	default:
		return h, fmt.Errorf("neither PNG nor JPEG: it starts with % x", magic[:min(n, 8)])
	}
	if err != nil {
		return h, damaged(err)
	}
	h.h, h.w = config.Height, config.Width
	pixels := int64(h.h) * int64(h.w)
	switch {
	case h.h <= 0 || h.w <= 0:
		return h, fmt.Errorf("%w: it is %d by %d pixels", ErrEmpty, h.w, h.h)
	case pixels > limit:
		return h, fmt.Errorf("it is %d by %d pixels, more than the %d that are decoded; ImageOptions{MaxPixels: …} sets another limit", h.w, h.h, limit)
	case h.jpeg && pixels > size*jpegPixels, !h.jpeg && pixels*pngBits(magic[24], magic[25])/8 > size*maxDeflate:
		return h, fmt.Errorf("truncated: %d by %d pixels cannot come of its %d bytes", h.w, h.h, size)
	}
	return h, nil
}

// pngBits is how many bits a pixel of a PNG file has.
func pngBits(depth, colour byte) int64 {
	switch colour {
	case 2:
		return 3 * int64(depth)
	case 4:
		return 2 * int64(depth)
	case 6:
		return 4 * int64(depth)
	}
	return int64(depth)
}

func greyPalette(p color.Palette) bool {
	for _, c := range p {
		if r, g, b, _ := c.RGBA(); r != g || g != b {
			return false
		}
	}
	return true
}

// damaged says what is wrong with a picture, in the words of the decoder.
func damaged(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("truncated: the file ends within the picture")
	}
	return fmt.Errorf("damaged or cut short: %w", err)
}

// imageForm is what pictures become.
type imageForm struct {
	h, w, c    int
	bytes      bool
	crop       bool
	background color.Color
	limit      int64          // pixels of one that is decoded
	values     [][256]float32 // of each channel, by byte
}

func (f *imageForm) width() int { return f.c * f.h * f.w }

// imageScratch is memory for one picture, which is used again.
type imageScratch struct {
	file   []byte
	planes []uint8 // as stored
	scaled *image.RGBA
}

// decode writes a picture as [c h w] to one of dst8 and dst32, of which the other is nil.
func (f *imageForm) decode(raw []byte, s *imageScratch, dst8 []uint8, dst32 []float32) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: the decoder panicked: %v", p)
		}
	}()
	r := bytes.NewReader(raw)
	head, err := imageHeader(r, int64(len(raw)), f.limit)
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var img image.Image
	if head.jpeg {
		img, err = jpeg.Decode(r)
	} else {
		img, err = png.Decode(r)
	}
	if err != nil {
		return damaged(err)
	}
	if img, err = f.plain(img); err != nil {
		return err
	}
	h, w := f.h, f.w // as stored
	if turned(head.orientation) {
		h, w = w, h
	}
	part := img.Bounds()
	if f.crop {
		part = middle(part, h, w, head.orientation)
	}
	if part.Dx() != w || part.Dy() != h {
		if s.scaled == nil || s.scaled.Rect.Dx() != w || s.scaled.Rect.Dy() != h {
			s.scaled = image.NewRGBA(image.Rect(0, 0, w, h))
		}
		draw.BiLinear.Scale(s.scaled, s.scaled.Rect, img, part, draw.Src, nil)
		img, part = s.scaled, s.scaled.Rect
	}
	if cap(s.planes) < f.width() {
		s.planes = make([]uint8, f.width())
	}
	planes := s.planes[:f.width()]
	toPlanes(planes, img, part, f.c)
	base, dy, dx := turn(head.orientation, h, w)
	for c := range f.c {
		from, lo := planes[c*h*w:(c+1)*h*w], c*h*w
		switch {
		case f.bytes && head.orientation == upright:
			copy(dst8[lo:], from)
		case f.bytes:
			for y := range f.h {
				for x := range f.w {
					dst8[lo] = from[base+y*dy+x*dx]
					lo++
				}
			}
		default:
			values := &f.values[c]
			for y := range f.h {
				for x := range f.w {
					dst32[lo] = values[from[base+y*dy+x*dx]]
					lo++
				}
			}
		}
	}
	return nil
}

// middle returns the largest part of r, from its middle, with the proportions of h by w. An odd pixel is left over on
// the right and at the bottom of the picture as it is looked at.
func middle(r image.Rectangle, h, w, orientation int) image.Rectangle {
	have, want := int64(r.Dx())*int64(h), int64(r.Dy())*int64(w)
	if have > want {
		n := max(int(want/int64(h)), 1)
		rest := r.Dx() - n
		if o := orientation; o == 2 || o == 3 || o == 7 || o == 8 { // columns run the other way
			rest++
		}
		r.Min.X += rest / 2
		r.Max.X = r.Min.X + n
	} else if have < want {
		n := max(int(have/int64(w)), 1)
		rest := r.Dy() - n
		if o := orientation; o == 3 || o == 4 || o == 6 || o == 7 { // rows run the other way
			rest++
		}
		r.Min.Y += rest / 2
		r.Max.Y = r.Min.Y + n
	}
	return r
}

// plain returns a picture as one of the types that toPlanes takes: grey if one channel is wanted, and without
// transparency. Errors: it has transparent pixels, and nothing is to be behind them.
func (f *imageForm) plain(img image.Image) (image.Image, error) {
	switch p := img.(type) {
	case *image.Gray:
		return p, nil
	case *image.YCbCr:
		if f.c == 1 {
			// The luminance is stored by itself.
			return &image.Gray{Pix: p.Y, Stride: p.YStride, Rect: p.Rect}, nil
		}
		return p, nil
	}
	b := img.Bounds()
	rgba, ok := img.(*image.RGBA)
	if o, is := img.(interface{ Opaque() bool }); is && !o.Opaque() {
		if f.background == nil {
			return nil, errors.New("it has transparent pixels; ImageOptions{Background: color.White} says what is behind them")
		}
		rgba, ok = image.NewRGBA(b), true
		stddraw.Draw(rgba, b, image.NewUniform(f.background), image.Point{}, stddraw.Src)
		stddraw.Draw(rgba, b, img, b.Min, stddraw.Over)
	}
	if !ok {
		rgba = image.NewRGBA(b)
		stddraw.Draw(rgba, b, img, b.Min, stddraw.Src)
	}
	if f.c == 3 {
		return rgba, nil
	}
	grey := image.NewGray(b)
	for y := range b.Dy() {
		from, to := rgba.Pix[y*rgba.Stride:], grey.Pix[y*grey.Stride:]
		for x := range b.Dx() {
			// color.GrayModel, without a value on the heap for each pixel.
			r, g, b := uint32(from[4*x])*0x101, uint32(from[4*x+1])*0x101, uint32(from[4*x+2])*0x101
			to[x] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 24)
		}
	}
	return grey, nil
}

// toPlanes writes a part of a picture to planes, [c h w].
func toPlanes(planes []uint8, img image.Image, part image.Rectangle, channels int) {
	h, w := part.Dy(), part.Dx()
	plane := func(c, y int) []uint8 { return planes[(c*h+y)*w:][:w] }
	switch p := img.(type) {
	case *image.Gray:
		for y := range h {
			row := p.Pix[p.PixOffset(part.Min.X, part.Min.Y+y):]
			for c := range channels {
				copy(plane(c, y), row)
			}
		}
	case *image.RGBA:
		for y := range h {
			row := p.Pix[p.PixOffset(part.Min.X, part.Min.Y+y):]
			for c := range channels {
				to := plane(c, y)
				for x := range to {
					to[x] = row[4*x+c]
				}
			}
		}
	case *image.YCbCr:
		for y := range h {
			r, g, b := plane(0, y), plane(1, y), plane(2, y)
			for x := range w {
				at := p.COffset(part.Min.X+x, part.Min.Y+y)
				r[x], g[x], b[x] = color.YCbCrToRGB(p.Y[p.YOffset(part.Min.X+x, part.Min.Y+y)], p.Cb[at], p.Cr[at])
			}
		}
	}
}

// imageValues returns what the bytes of a channel become: (v/255 - mean)/deviation.
func imageValues(mean, deviation float64) (v [256]float32) {
	for i := range v {
		v[i] = float32((float64(i)/255 - mean) / deviation)
	}
	return v
}
