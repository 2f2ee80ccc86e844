package dataset

import (
	"fmt"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
)

// move is where the pixels of a moved picture come from. A place of the result is taken back through Shift, then Crop, then
// Flip, each of which keeps the pixels whole, and then through a turn and a scale about the centre.
type move struct {
	shiftX, shiftY int
	cropX, cropY   int
	flipX, flipY   bool
	turned         bool
	cos, sin       float64 // of the angle
	scale          float64
}

func unmoved() move { return move{cos: 1, scale: 1} }

// Shift moves a picture by up to that many whole pixels in each direction, each distance equally likely. Its edge is repeated
// into the gap; [Augmentation.Crop] fills the gap with zeros. 0 is none.
// Errors: pixels are negative; in use, they reach the picture's height or width.
func (a *Augmentation) Shift(pixels int) *Augmentation {
	c, rule := newShift(pixels)
	return a.set("Shift", c, rule)
}

// Crop surrounds a picture with that many zeros on each side and takes a window of its own size at a random place, as is usual
// for CIFAR (He, Zhang, Ren and Sun 2016, section 4.2, with 4). 0 is none.
// Errors: the padding is negative; in use, it reaches the picture's height or width.
func (a *Augmentation) Crop(padding int) *Augmentation {
	c, rule := newCrop(padding)
	return a.set("Crop", c, rule)
}

// Axis is a direction in which a picture is flipped.
type Axis string

// The directions of [Augmentation.Flip].
const (
	Horizontally Axis = "h" // left becomes right
	Vertically   Axis = "v" // top becomes bottom
)

// Flip mirrors a picture in each of the given directions with probability 1/2.
// Errors: no direction, or one that does not exist or comes twice.
func (a *Augmentation) Flip(axes ...Axis) *Augmentation {
	c, rule := newFlip(axes)
	return a.set("Flip", c, rule)
}

// Rotate turns a picture about its centre by an angle between -degrees and degrees, each equally likely, with bilinear
// interpolation. What comes in from outside is 0. 0 is none.
// Errors: degrees are not from 0 to 180.
func (a *Augmentation) Rotate(degrees float64) *Augmentation {
	c, rule := newRotate(degrees)
	return a.set("Rotate", c, rule)
}

// Scale makes a picture larger or smaller about its centre, by a factor between 1-by and 1+by, each equally likely, with
// bilinear interpolation. What comes in from outside is 0. 0 is none.
// Errors: by is not from 0 to 0.9.
func (a *Augmentation) Scale(by float64) *Augmentation {
	c, rule := newScale(by)
	return a.set("Scale", c, rule)
}

type (
	shift  struct{ pixels int }
	crop   struct{ padding int }
	flip   struct{ x, y bool }
	rotate struct{ degrees float64 }
	scale  struct{ by float64 }
)

// maxPixels bounds distances, so that sums of them are numbers.
const maxPixels = 1 << 20

func newShift(n int) (*shift, string) { return &shift{n}, distance(n) }
func newCrop(n int) (*crop, string)   { return &crop{n}, distance(n) }

func distance(n int) string {
	if n < 0 || n > maxPixels {
		return fmt.Sprintf("the pixels must be from 0 to %d, got %d", maxPixels, n)
	}
	return ""
}

func newFlip(axes []Axis) (*flip, string) {
	f := &flip{}
	for _, x := range axes {
		switch {
		case x == Horizontally && !f.x:
			f.x = true
		case x == Vertically && !f.y:
			f.y = true
		default:
			return f, fmt.Sprintf("the directions are h, horizontally, and v, vertically, each once, got %q", axes)
		}
	}
	if !f.x && !f.y {
		return f, "it needs a direction: Horizontally, Vertically or both"
	}
	return f, ""
}

func newRotate(degrees float64) (*rotate, string) {
	return &rotate{degrees}, between("the degrees", degrees, 180)
}

func newScale(by float64) (*scale, string) {
	return &scale{by}, between("the greatest change of the factor", by, 0.9)
}

func parseFlip(s string) (change, error) {
	var axes []Axis
	for _, r := range s {
		axes = append(axes, Axis(r))
	}
	return ruled(newFlip(axes))
}

// between says what is wrong with a number that must be from 0 to most.
func between(what string, x, most float64) string {
	if !(x >= 0 && x <= most) {
		return fmt.Sprintf("%s must be from 0 to %v, got %v", what, most, x)
	}
	return ""
}

func (*shift) kind() string  { return "shift" }
func (*crop) kind() string   { return "crop" }
func (*flip) kind() string   { return "flip" }
func (*rotate) kind() string { return "rotate" }
func (*scale) kind() string  { return "scale" }

func (s *shift) changes() bool  { return s.pixels > 0 }
func (c *crop) changes() bool   { return c.padding > 0 }
func (f *flip) changes() bool   { return f.x || f.y }
func (r *rotate) changes() bool { return r.degrees > 0 }
func (s *scale) changes() bool  { return s.by > 0 }

func (s *shift) text() string  { return fmt.Sprint(s.pixels) }
func (c *crop) text() string   { return fmt.Sprint(c.padding) }
func (r *rotate) text() string { return numberText(r.degrees) }
func (s *scale) text() string  { return numberText(s.by) }

func (f *flip) text() string {
	var b strings.Builder
	if f.x {
		b.WriteString("h")
	}
	if f.y {
		b.WriteString("v")
	}
	return b.String()
}

func (s *shift) fits(p picture) string { return within("Shift", s.pixels, p) }
func (c *crop) fits(p picture) string  { return within("Crop", c.padding, p) }
func (*flip) fits(picture) string      { return "" }
func (*rotate) fits(p picture) string  { return turnable(p) }
func (*scale) fits(p picture) string   { return turnable(p) }

func within(method string, n int, p picture) string {
	if n >= min(p.height, p.width) {
		return fmt.Sprintf("%s: %d pixels are not less than the height %d and the width %d: nothing of the picture might be left", method, n, p.height, p.width)
	}
	return ""
}

// maxSide is the longest side of a picture that is interpolated.
const maxSide = 1 << 14

func turnable(p picture) string {
	if p.height > maxSide || p.width > maxSide {
		return fmt.Sprintf("Rotate and Scale take at most %d pixels of height and of width", maxSide)
	}
	return ""
}

// around returns a whole number from -n to n for draw i.
func around(k random.Key, i uint64, n int) int { return int(k.Uint64N(i, 2*uint64(n)+1)) - n }

// symmetric returns a number from -x to x for draw i.
func symmetric(k random.Key, i uint64, x float64) float64 { return float64((2*k.Float64(i) - 1) * x) }

func (s *shift) move(k random.Key, _ picture, m *move) {
	m.shiftX, m.shiftY = around(k, 0, s.pixels), around(k, 1, s.pixels)
}

func (c *crop) move(k random.Key, _ picture, m *move) {
	m.cropX, m.cropY = around(k, 0, c.padding), around(k, 1, c.padding)
}

func (f *flip) move(k random.Key, _ picture, m *move) {
	lo, _ := k.Block(0)
	m.flipX, m.flipY = f.x && lo&1 != 0, f.y && lo&2 != 0
}

func (r *rotate) move(k random.Key, _ picture, m *move) {
	m.turned = true
	m.sin, m.cos = math.Sincos(symmetric(k, 0, r.degrees) * (math.Pi / 180))
}

func (s *scale) move(k random.Key, _ picture, m *move) {
	m.turned = true
	m.scale = 1 + symmetric(k, 0, s.by)
}

// back fills to with the place along an axis of n pixels that each place of the result comes from, before it is turned, or -1
// for none.
func back(to []int32, n, shift, crop int, flip bool) {
	for i := range to {
		q := min(max(i-shift, 0), n-1) + crop
		switch {
		case q < 0 || q >= n:
			q = -1
		case flip:
			q = n - 1 - q
		}
		to[i] = int32(q)
	}
}

// moving is memory for moving pictures, for one goroutine.
type moving struct {
	x, y []int32 // of back
	u, v []int64 // of each column: what it adds to the place in the picture
	f32  []float32
	u8   []uint8
}

func (w *moving) room(p picture) {
	if len(w.x) != p.width || len(w.y) != p.height {
		w.x, w.y, w.u, w.v = make([]int32, p.width), make([]int32, p.height), make([]int64, p.width), make([]int64, p.width)
	}
}

// apply moves a picture in place.
func (m *move) apply(p picture, v values, w *moving) {
	if m.shiftX|m.shiftY|m.cropX|m.cropY == 0 && !m.flipX && !m.flipY && !m.turned {
		return
	}
	w.room(p)
	back(w.x, p.width, m.shiftX, m.cropX, m.flipX)
	back(w.y, p.height, m.shiftY, m.cropY, m.flipY)
	switch {
	case v.f32 != nil && m.turned:
		w.f32 = append(w.f32[:0], v.f32...)
		m.turn(p, w, v, w.f32, nil)
	case m.turned:
		w.u8 = append(w.u8[:0], v.u8...)
		m.turn(p, w, v, nil, w.u8)
	case v.f32 != nil:
		w.f32 = append(w.f32[:0], v.f32...)
		pick(v.f32, w.f32, p, w)
	default:
		w.u8 = append(w.u8[:0], v.u8...)
		pick(v.u8, w.u8, p, w)
	}
}

// pick copies whole pixels.
func pick[T float32 | uint8](dst, src []T, p picture, w *moving) {
	// Most columns of the result are neighbours in the picture, or in its mirror image.
	lo, hi, step := run1(w.x)
	for c := range p.channels {
		from := src[c*p.height*p.width:][:p.height*p.width]
		to := dst[c*p.height*p.width:][:p.height*p.width]
		for y, sy := range w.y {
			line := to[y*p.width:][:p.width]
			if sy < 0 {
				clear(line)
				continue
			}
			of := from[int(sy)*p.width:][:p.width]
			for x := range lo {
				line[x] = pixel(of, w.x[x])
			}
			for x := hi; x < p.width; x++ {
				line[x] = pixel(of, w.x[x])
			}
			if lo == hi {
				continue
			}
			if first := int(w.x[lo]); step > 0 {
				copy(line[lo:hi], of[first:])
			} else {
				mirrored := of[first-(hi-lo)+1 : first+1]
				part := line[lo:hi]
				for i := range part {
					part[i] = mirrored[len(mirrored)-1-i]
				}
			}
		}
	}
}

func pixel[T float32 | uint8](line []T, at int32) T {
	if at < 0 {
		return 0
	}
	return line[at]
}

// run1 returns the longest stretch [lo,hi) of places that follow each other upwards or downwards.
func run1(at []int32) (lo, hi int, step int32) {
	step = 1
	for i := 0; i < len(at); {
		j, d := i+1, int32(1)
		if at[i] >= 0 && j < len(at) && at[j] == at[i]-1 && at[j] >= 0 {
			d = -1
		}
		for at[i] >= 0 && j < len(at) && at[j] >= 0 && at[j] == at[j-1]+d {
			j++
		}
		if at[i] >= 0 && j-i > hi-lo {
			lo, hi, step = i, j, d
		}
		i = j
	}
	return lo, hi, step
}

// Places in a turned picture are in units of 2^-16 pixels.
const (
	unit = 1 << 16
	half = unit / 2
)

// turn interpolates.
func (m *move) turn(p picture, w *moving, v values, f32 []float32, u8 []uint8) {
	// From the place of the result back by the angle and the scale, both about the centre.
	a, b := int64(math.Round(m.cos/m.scale*unit)), int64(math.Round(m.sin/m.scale*unit))
	cx, cy := int64(p.width-1), int64(p.height-1) // in halves of a pixel
	for x, q := range w.x {
		d := 2*int64(q) - cx
		w.u[x], w.v[x] = (a*d+cx*unit)/2, (b*d)/2
	}
	for y, q := range w.y {
		lo, hi := y*p.width, (y+1)*p.width
		if q < 0 {
			m.blank(p, v, lo, hi)
			continue
		}
		d := 2*int64(q) - cy
		u0, v0 := (-b*d)/2, (a*d+cy*unit)/2
		if f32 != nil {
			turnLine(v.f32, f32, p, lo, w, u0, v0)
		} else {
			turnBytes(v.u8, u8, p, lo, w, u0, v0)
		}
	}
}

// blank makes a line 0 in every channel.
func (m *move) blank(p picture, v values, lo, hi int) {
	plane := p.height * p.width
	for c := range p.channels {
		if v.f32 != nil {
			clear(v.f32[c*plane+lo : c*plane+hi])
		} else {
			clear(v.u8[c*plane+lo : c*plane+hi])
		}
	}
}

// turnLine makes one line of every channel, which begins at lo.
func turnLine(dst, src []float32, p picture, lo int, w *moving, u0, v0 int64) {
	plane, width := p.height*p.width, p.width
	for x := range w.u {
		u, v := u0+w.u[x], v0+w.v[x]
		iu, iv := int(u>>16), int(v>>16)
		if w.x[x] < 0 || iu < -1 || iv < -1 || iu >= width || iv >= p.height {
			for o := lo + x; o < len(dst); o += plane {
				dst[o] = 0
			}
			continue
		}
		fu, fv := float32(u&(unit-1))*(1./unit), float32(v&(unit-1))*(1./unit)
		at := iv*width + iu
		if iu >= 0 && iv >= 0 && iu < width-1 && iv < p.height-1 {
			for o := lo + x; o < len(dst); o, at = o+plane, at+plane {
				s := src[at : at+width+2]
				dst[o] = mix2(mix2(s[0], s[1], fu), mix2(s[width], s[width+1], fu), fv)
			}
			continue
		}
		for o := lo + x; o < len(dst); o, at = o+plane, at+plane {
			t := [4]float32{}
			for k := range t {
				if x, y := iu+k&1, iv+k>>1; x >= 0 && x < width && y >= 0 && y < p.height {
					t[k] = src[at+k>>1*width+k&1]
				}
			}
			dst[o] = mix2(mix2(t[0], t[1], fu), mix2(t[2], t[3], fu), fv)
		}
	}
}

// mix2 is a + f·(b-a), without a fused operation on any platform. For f < 1 it is between a and b.
func mix2(a, b, f float32) float32 { return a + float32(f*(b-a)) }

// turnBytes is turnLine for bytes, with weights of 8 bits and one rounding.
func turnBytes(dst, src []uint8, p picture, lo int, w *moving, u0, v0 int64) {
	plane, width := p.height*p.width, p.width
	for x := range w.u {
		u, v := u0+w.u[x], v0+w.v[x]
		iu, iv := int(u>>16), int(v>>16)
		if w.x[x] < 0 || iu < -1 || iv < -1 || iu >= width || iv >= p.height {
			for o := lo + x; o < len(dst); o += plane {
				dst[o] = 0
			}
			continue
		}
		fu, fv := uint32(u&(unit-1))>>8, uint32(v&(unit-1))>>8
		at := iv*width + iu
		inside := iu >= 0 && iv >= 0 && iu < width-1 && iv < p.height-1
		for o := lo + x; o < len(dst); o, at = o+plane, at+plane {
			var t [4]uint32
			if inside {
				s := src[at : at+width+2]
				t = [4]uint32{uint32(s[0]), uint32(s[1]), uint32(s[width]), uint32(s[width+1])}
			} else {
				for k := range t {
					if x, y := iu+k&1, iv+k>>1; x >= 0 && x < width && y >= 0 && y < p.height {
						t[k] = uint32(src[at+k>>1*width+k&1])
					}
				}
			}
			top, bottom := t[0]*(256-fu)+t[1]*fu, t[2]*(256-fu)+t[3]*fu
			dst[o] = uint8((top*(256-fv) + bottom*fv + half) >> 16)
		}
	}
}
