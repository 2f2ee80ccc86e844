package page

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// Axis is one of a chart.
type Axis struct {
	Label string // what is measured, with its unit: "error (%)"
	Log   bool   // logarithmic: only points above 0 have a place
	Zero  bool   // a linear axis begins at 0, or ends there
}

// scale puts numbers on an axis of length 1.
type scale struct {
	low, high float64
	log       bool
	ticks     []tick
}

// tick is a mark of an axis.
type tick struct {
	At    float64
	Label string
	Place string // per cent from the left or the top
	Wide  string // class of one whose label has room in wider charts only
}

const mostTicks = 8

// fits reports whether a number has a place on the axis.
func (a Axis) fits(x float64) bool { return x-x == 0 && (!a.Log || x > 0) }

// span is the range of numbers that were added to it.
type span struct {
	low, high float64
	any       bool
}

func (s *span) add(x float64) {
	if !s.any {
		s.low, s.high, s.any = x, x, true
		return
	}
	s.low, s.high = min(s.low, x), max(s.high, x)
}

// padded is the range with a little room at both ends, for points that would lie on the
// edge.
func (s span) padded(log bool) span {
	if !s.any || s.low == s.high {
		return s
	}
	if log {
		f := math.Pow(s.high/s.low, 0.04)
		return span{s.low / f, s.high * f, true}
	}
	pad := s.high/25 - s.low/25
	return span{s.low - pad, s.high + pad, true}
}

// scale returns the scale that shows the range: with room up to the next ticks if it is a
// value axis, and exactly from end to end otherwise.
func (a Axis) scale(s span, room bool) scale {
	if !s.any {
		s = span{0, 1, true}
		if a.Log {
			s.low = 0.1
		}
	}
	if a.Log {
		return logScale(s.low, s.high)
	}
	if a.Zero {
		s.add(0)
	}
	return linearScale(s.low, s.high, room)
}

// linearScale has ticks at multiples of 1, 2 or 5 times a power of ten. With room it
// begins and ends at one.
func linearScale(low, high float64, room bool) scale {
	if low == high {
		pad := math.Abs(low) / 10
		if pad == 0 || pad-pad != 0 {
			pad = 1
		}
		low, high = low-pad, high+pad
	}
	low, high = max(low, -math.MaxFloat64/4), min(high, math.MaxFloat64/4)
	step := niceStep((high - low) / (mostTicks - 2))
	if step == 0 || low+step == low || high+step == high { // no step fits between floats
		return scale{low: low, high: high, ticks: ends(low, high)}
	}
	first, last := math.Ceil(low/step), math.Floor(high/step)
	if room {
		first, last = math.Floor(low/step), math.Ceil(high/step)
		low, high = first*step, last*step
	}
	s := scale{low: low, high: high}
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	long, short := 0, 0
	for i := 0.0; first+i <= last && i < 2*mostTicks; i++ {
		at := (first + i) * step
		if at < low || at > high {
			continue
		}
		t := tick{At: at, Label: Fixed(at, decimals)}
		s.ticks = append(s.ticks, t)
		long, short = max(long, utf8.RuneCountInString(t.Label)), max(short, utf8.RuneCountInString(precise(at, step)))
	}
	if m := max(math.Abs(low), math.Abs(high)); (decimals > 5 || m >= 1e7) && short < long {
		for i := range s.ticks {
			s.ticks[i].Label = precise(s.ticks[i].At, step)
		}
	}
	if len(s.ticks) < 2 {
		s.ticks = ends(low, high)
	}
	return s
}

func ends(low, high float64) []tick {
	return []tick{{At: low, Label: Number(low)}, {At: high, Label: Number(high)}}
}

// precise is a number with as many digits as a step asks for, in powers of ten.
func precise(x, step float64) string {
	if x == 0 {
		return "0"
	}
	e := int(math.Floor(math.Log10(math.Abs(x)) + 1e-12))
	digits := min(max(0, e-int(math.Floor(math.Log10(step)+1e-9))), 15)
	mantissa := x
	if e < -300 { // 10 to that power has few digits
		mantissa *= 1e300
		mantissa /= math.Pow(10, float64(e+300))
	} else {
		mantissa /= math.Pow(10, float64(e))
	}
	text := trimZeros(strconv.FormatFloat(math.Abs(mantissa), 'f', digits, 64))
	return sign(x) + power(text, e)
}

// niceStep is the least of 1, 2 and 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	if p == 0 || p-p != 0 {
		return 0
	}
	for _, m := range []float64{1, 2, 5, 10} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// logScale has ticks at powers of ten, and at 2 and 5 times these if there are few.
func logScale(low, high float64) scale {
	low = max(low, 1e-300)
	high = min(max(high, low), 1e300)
	if low == high {
		low, high = low/2, high*2
	}
	s := scale{low: low, high: high, log: true}
	from, to := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	each := (to-from)/mostTicks + 1
	factors := []float64{1}
	if decades := math.Log10(high / low); decades <= 1.2 {
		factors = []float64{1, 1.5, 2, 3, 4, 5, 7}
	} else if decades <= 3 {
		factors = []float64{1, 2, 5}
	}
	for e := from; e <= to; e += each {
		for _, f := range factors {
			at, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', -1, 64)+"e"+strconv.Itoa(e), 64)
			if at >= low*(1-1e-12) && at <= high*(1+1e-12) {
				s.ticks = append(s.ticks, tick{At: at, Label: Number(at)})
			}
		}
	}
	if len(s.ticks) < 2 {
		s.ticks = ends(low, high)
	}
	return s
}

// at is where a number lies, from 0 at the low end to 1 at the high one.
func (s *scale) at(x float64) float64 {
	var share float64
	if s.log {
		share = (math.Log(x) - math.Log(s.low)) / (math.Log(s.high) - math.Log(s.low))
	} else {
		share = (x/2 - s.low/2) / (s.high/2 - s.low/2) // halves do not overflow
	}
	if share != share {
		return 0.5
	}
	return min(max(share, 0), 1)
}

// marks returns the ticks with their places. up counts from the top, as SVG does.
func (s *scale) marks(up bool) []tick {
	out := make([]tick, len(s.ticks))
	for i, t := range s.ticks {
		share := s.at(t.At)
		if up {
			share = 1 - share
		}
		t.Place = place(share)
		out[i] = t
	}
	if !up {
		s.room(out)
	}
	return out
}

// widths are those of drawings, in CSS pixels, at which style.css shows the labels of a
// class, from the narrowest on.
var widths = []struct {
	pixels float64
	class  string
}{{250, ""}, {350, "w2"}, {600, "w3"}}

// room gives each label of the horizontal axis the class of the least width at which it
// does not touch those before it.
func (s *scale) room(ticks []tick) {
	const character, gap = 7, 12
	half := func(t tick) float64 { return float64(utf8.RuneCountInString(t.Label)*character+gap) / 2 }
	kept := make([]bool, len(ticks))
	for i := range ticks {
		ticks[i].Wide = "none"
	}
	for _, w := range widths {
		for i, t := range ticks {
			if kept[i] {
				continue
			}
			free := true
			for j, u := range ticks {
				if kept[j] && math.Abs(s.at(t.At)-s.at(u.At))*w.pixels < half(t)+half(u) {
					free = false
				}
			}
			if free {
				kept[i], ticks[i].Wide = true, w.class
			}
		}
	}
}

// margin is how wide the labels of the vertical axis are, in characters.
func margin(ticks []tick) string {
	most := 2
	for _, t := range ticks {
		most = max(most, utf8.RuneCountInString(t.Label))
	}
	return strconv.Itoa(most + 2)
}
