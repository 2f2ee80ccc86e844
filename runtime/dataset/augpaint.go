package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// ColorJitter changes brightness, then contrast, then saturation, each by a factor between 1-x and 1+x for its x, equally
// likely. Brightness multiplies the values. Contrast multiplies their distance from the mean of the picture's grey. Saturation
// multiplies the distance of a colour from its grey, which is 0.299 R + 0.587 G + 0.114 B; pictures of one channel have
// none. The result is cut to [0, 1], for bytes rounded and cut to [0, 255]. 0, 0, 0 is none.
// Errors: a number is not from 0 to 1; in use, saturation without three channels, or a value of f32 outside [0, 1].
func (a *Augmentation) ColorJitter(brightness, contrast, saturation float64) *Augmentation {
	c, rule := newJitter(brightness, contrast, saturation)
	return a.set("ColorJitter", c, rule)
}

// Noise adds normal noise of that standard deviation, which is a share of the range of values: of 1 for f32, of 255 for bytes.
// The result is cut to [0, 1], for bytes rounded and cut to [0, 255]. 0 is none.
// Errors: sigma is not from 0 to 1; in use, a value of f32 outside [0, 1].
func (a *Augmentation) Noise(sigma float64) *Augmentation {
	c, rule := newNoise(sigma)
	return a.set("Noise", c, rule)
}

// Erase makes a random rectangle of the picture 0, with that probability. Its area is from 2 to 33 percent of the picture's,
// its height divided by its width from 0.3 to 1/0.3, as in Zhong, Zheng, Kang, Li and Yang 2020, where it is filled with
// random values instead. A rectangle that is higher or wider than the picture is drawn again, at most ten times. 0 is none.
// Errors: the probability is not from 0 to 1.
func (a *Augmentation) Erase(probability float64) *Augmentation {
	c, rule := newErase(probability)
	return a.set("Erase", c, rule)
}

type (
	jitter struct{ brightness, contrast, saturation float64 }
	noise  struct{ sigma float64 }
	erase  struct{ probability float64 }
)

func newJitter(brightness, contrast, saturation float64) (*jitter, string) {
	rule := between("the brightness", brightness, 1)
	if rule == "" {
		rule = between("the contrast", contrast, 1)
	}
	if rule == "" {
		rule = between("the saturation", saturation, 1)
	}
	return &jitter{brightness, contrast, saturation}, rule
}

func newNoise(sigma float64) (*noise, string) {
	return &noise{sigma}, between("the standard deviation", sigma, 1)
}

func newErase(p float64) (*erase, string) { return &erase{p}, between("the probability", p, 1) }

func parseJitter(s string) (change, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("it is brightness/contrast/saturation, such as 0.2/0.2/0, got %s", shown(s))
	}
	var x [3]float64
	for i, what := range []string{"the brightness", "the contrast", "the saturation"} {
		var err error
		if x[i], err = parseNumber(what, parts[i]); err != nil {
			return nil, err
		}
	}
	return ruled(newJitter(x[0], x[1], x[2]))
}

func (*jitter) kind() string { return "jitter" }
func (*noise) kind() string  { return "noise" }
func (*erase) kind() string  { return "erase" }

func (j *jitter) changes() bool { return j.brightness+j.contrast+j.saturation > 0 }
func (n *noise) changes() bool  { return n.sigma > 0 }
func (e *erase) changes() bool  { return e.probability > 0 }

func (j *jitter) text() string {
	return numberText(j.brightness) + "/" + numberText(j.contrast) + "/" + numberText(j.saturation)
}
func (n *noise) text() string { return numberText(n.sigma) }
func (e *erase) text() string { return numberText(e.probability) }

func (*noise) fits(picture) string { return "" }
func (*erase) fits(picture) string { return "" }

func (j *jitter) fits(p picture) string {
	if j.saturation > 0 && p.channels != 3 {
		return fmt.Sprintf("ColorJitter: saturation is of pictures with three channels, red, green and blue; leave it 0 for %d", p.channels)
	}
	return ""
}

// The weights of red and green in grey; the rest is blue's (ITU-R BT.601).
const redShare, greenShare = float32(0.299), float32(0.587)

func grey(r, g, b float32) float32 {
	return float32(float32(redShare*r)+float32(greenShare*g)) + float32((1-redShare-greenShare)*b)
}

func (j *jitter) paint(k random.Key, p picture, v values) error {
	factor := func(i uint64, x float64) float32 { return float32(1 + symmetric(k, i, x)) }
	b, c, s := factor(0, j.brightness), factor(1, j.contrast), factor(2, j.saturation)
	if j.saturation == 0 {
		s = 1
	}
	if v.f32 != nil {
		if err := inUnit("ColorJitter", v.f32); err != nil {
			return err
		}
		colour(v.f32, p, b, c, s, toUnit)
		return nil
	}
	colour(v.u8, p, b, c, s, toByte)
	return nil
}

// toUnit cuts a number to [0, 1], by its bits, which takes no jump.
func toUnit(x float32) float32 {
	return math.Float32frombits(uint32(min(max(int32(math.Float32bits(x)), 0), one)))
}

// toByte rounds to the nearest byte.
func toByte(x float32) uint8 { return uint8(min(max(int32(x+0.5), 0), 255)) }

// colour changes brightness, contrast and saturation by factors.
func colour[T float32 | uint8](v []T, p picture, b, c, s float32, cut func(float32) T) {
	plane := p.height * p.width
	sum := 0.0
	if p.channels == 3 {
		for i := range plane {
			sum += float64(grey(float32(v[i]), float32(v[plane+i]), float32(v[2*plane+i])))
		}
	} else {
		for _, x := range v {
			sum += float64(x)
		}
		sum /= float64(p.channels)
	}
	// (b·x - m)·c + m for the mean m = b·mean is gain·x + offset.
	gain, mean := c*b, b*float32(sum/float64(plane))
	offset := mean - float32(c*mean)
	if s == 1 {
		for i, x := range v {
			v[i] = cut(float32(gain*float32(x)) + offset)
		}
		return
	}
	for i := range plane {
		x := [3]float32{float32(v[i]), float32(v[plane+i]), float32(v[2*plane+i])}
		for k := range x {
			x[k] = float32(gain*x[k]) + offset
		}
		g := grey(x[0], x[1], x[2])
		for k := range x {
			v[k*plane+i] = cut(g + float32(s*(x[k]-g)))
		}
	}
}

// one is the bits of 1. Numbers from 0 on are in the order of their bits, and others have greater ones.
const one = 0x3f800000

// inUnit refuses values outside [0, 1].
func inUnit(method string, v []float32) error {
	most := uint32(0)
	for _, x := range v {
		most = max(most, math.Float32bits(x))
	}
	if most <= one {
		return nil
	}
	if least, most := slices.Min(v), slices.Max(v); least < 0 || most > 1 {
		return fmt.Errorf("%s takes pictures with values in [0, 1], and these are from %v to %v; scale them, for example with Table.Float, and standardize in the model", method, least, most)
	}
	return nil
}

func (n *noise) paint(k random.Key, p picture, v values) error {
	if v.f32 != nil {
		if err := inUnit("Noise", v.f32); err != nil {
			return err
		}
		simd.AddNormal(v.f32, v.f32, k, 0, float32(n.sigma))
		for i, x := range v.f32 {
			v.f32[i] = toUnit(x)
		}
		return nil
	}
	const part = 256
	var x [part]float32
	for lo := 0; lo < len(v.u8); lo += part {
		bytes := v.u8[lo:min(lo+part, len(v.u8))]
		for i, b := range bytes {
			x[i] = float32(b)
		}
		simd.AddNormal(x[:len(bytes)], x[:len(bytes)], k, uint64(lo), float32(255*n.sigma))
		for i := range bytes {
			bytes[i] = toByte(x[i])
		}
	}
	return nil
}

// Rectangles of Erase.
const (
	leastArea, mostArea = 0.02, 0.33
	leastRatio          = 0.3
	eraseTries          = 10
)

func (e *erase) paint(k random.Key, p picture, v values) error {
	if !(k.Float64(0) < e.probability) {
		return nil
	}
	for i := range uint64(eraseTries) {
		draws := k.Derive(i)
		area := (leastArea + float64(draws.Float64(0)*(mostArea-leastArea))) * float64(p.height*p.width)
		ratio := leastRatio + float64(draws.Float64(1)*(1/leastRatio-leastRatio))
		h, w := int(math.Sqrt(area*ratio)+0.5), int(math.Sqrt(area/ratio)+0.5)
		if h > p.height || w > p.width {
			continue
		}
		top, left := int(draws.Uint64N(4, uint64(p.height-h)+1)), int(draws.Uint64N(5, uint64(p.width-w)+1))
		for c := range p.channels {
			for y := top; y < top+h; y++ {
				lo := (c*p.height+y)*p.width + left
				if v.f32 != nil {
					clear(v.f32[lo : lo+w])
				} else {
					clear(v.u8[lo : lo+w])
				}
			}
		}
		return nil
	}
	return nil
}
