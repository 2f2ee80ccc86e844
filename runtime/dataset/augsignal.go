package dataset

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// Signals are pictures of height 1: Shape(channels, 1, steps) for columns f32[channels steps]. The changes of this file are after
// Um et al. 2017 and Park et al. 2019, and take values of any size; Shift, Rotate and what else is of pictures does not suit them.

// TimeShift moves a signal by up to that many steps, each distance equally likely. What comes in is the first or the last
// step again. 0 is none. Errors: steps are negative; in use, pictures that are higher than 1, or no longer than that.
func (a *Augmentation) TimeShift(steps int) *Augmentation {
	c, rule := newTimeShift(steps)
	return a.set("TimeShift", c, rule)
}

// TimeMask makes a stretch of the steps 0 in all channels. Its length is up to that share of all steps, each length equally
// likely (Park et al. 2019, of time). 0 is none. Errors: the share is not from 0 to 1; in use, pictures that are higher than 1.
func (a *Augmentation) TimeMask(share float64) *Augmentation {
	c, rule := newTimeMask(share)
	return a.set("TimeMask", c, rule)
}

// Gain multiplies each channel by a factor of its own between 1-x and 1+x, each equally likely. 0 is none.
// Errors: x is not from 0 to 1; in use, pictures that are higher than 1, or bytes.
func (a *Augmentation) Gain(x float64) *Augmentation {
	c, rule := newGain(x)
	return a.set("Gain", c, rule)
}

// Hiss adds normal noise of that standard deviation, in the units of the values. Unlike [Augmentation.Noise] it cuts nothing.
// 0 is none. Errors: sigma is negative or not finite; in use, pictures that are higher than 1, or bytes.
func (a *Augmentation) Hiss(sigma float64) *Augmentation {
	c, rule := newHiss(sigma)
	return a.set("Hiss", c, rule)
}

type (
	timeShift struct{ steps int }
	timeMask  struct{ share float64 }
	gain      struct{ x float64 }
	hiss      struct{ sigma float64 }
)

func newTimeShift(steps int) (*timeShift, string) {
	if steps < 0 {
		return nil, fmt.Sprintf("the steps must be zero or more, got %d", steps)
	}
	return &timeShift{steps}, ""
}

func newTimeMask(share float64) (*timeMask, string) {
	return &timeMask{share}, between("the share", share, 1)
}

func newGain(x float64) (*gain, string) { return &gain{x}, between("the share", x, 1) }

func newHiss(sigma float64) (*hiss, string) {
	return &hiss{sigma}, between("the standard deviation", sigma, 1e30)
}

func (*timeShift) kind() string { return "timeshift" }
func (*timeMask) kind() string  { return "timemask" }
func (*gain) kind() string      { return "gain" }
func (*hiss) kind() string      { return "hiss" }

func (t *timeShift) changes() bool { return t.steps > 0 }
func (t *timeMask) changes() bool  { return t.share > 0 }
func (g *gain) changes() bool      { return g.x > 0 }
func (h *hiss) changes() bool      { return h.sigma > 0 }

func (t *timeShift) text() string { return fmt.Sprint(t.steps) }
func (t *timeMask) text() string  { return numberText(t.share) }
func (g *gain) text() string      { return numberText(g.x) }
func (h *hiss) text() string      { return numberText(h.sigma) }

func (t *timeShift) fits(p picture) string {
	if rule := signal("TimeShift", p, true); rule != "" {
		return rule
	}
	if t.steps >= p.width {
		return fmt.Sprintf("TimeShift: %d steps are not less than the %d of the signal", t.steps, p.width)
	}
	return ""
}
func (*timeMask) fits(p picture) string { return signal("TimeMask", p, true) }
func (*gain) fits(p picture) string     { return signal("Gain", p, false) }
func (*hiss) fits(p picture) string     { return signal("Hiss", p, false) }

// signal says what keeps pictures from being signals.
func signal(method string, p picture, bytes bool) string {
	switch {
	case p.height != 1:
		return method + " is for signals, which are pictures of height 1: Shape(channels, 1, steps) says so"
	case p.bytes && !bytes:
		return method + " is for signals of float32, and these are bytes"
	}
	return ""
}

func (t *timeShift) paint(k random.Key, p picture, v values) error {
	by := int(k.Uint64N(0, uint64(2*t.steps+1))) - t.steps
	for c := range p.channels {
		if v.f32 != nil {
			slide(v.f32[c*p.width:][:p.width], by)
		} else {
			slide(v.u8[c*p.width:][:p.width], by)
		}
	}
	return nil
}

// slide moves values by some places, to later ones if by is positive; the end is repeated.
func slide[T any](v []T, by int) {
	n := len(v)
	switch {
	case by > 0:
		first := v[0]
		copy(v[by:], v[:n-by])
		for i := range by {
			v[i] = first
		}
	case by < 0:
		last := v[n-1]
		copy(v, v[-by:])
		for i := n + by; i < n; i++ {
			v[i] = last
		}
	}
}

func (t *timeMask) paint(k random.Key, p picture, v values) error {
	most := int(t.share * float64(p.width))
	n := int(k.Uint64N(0, uint64(most)+1))
	lo := int(k.Uint64N(1, uint64(p.width-n)+1))
	for c := range p.channels {
		if v.f32 != nil {
			clear(v.f32[c*p.width+lo:][:n])
		} else {
			clear(v.u8[c*p.width+lo:][:n])
		}
	}
	return nil
}

func (g *gain) paint(k random.Key, p picture, v values) error {
	for c := range p.channels {
		by := float32(1 + symmetric(k, uint64(c), g.x))
		part := v.f32[c*p.width:][:p.width]
		for i, x := range part {
			part[i] = float32(by * x)
		}
	}
	return nil
}

func (h *hiss) paint(k random.Key, p picture, v values) error {
	simd.AddNormal(v.f32, v.f32, k, 0, float32(h.sigma))
	return nil
}
