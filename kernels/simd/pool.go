package simd

import (
	"fmt"
	"math"
)

// Windows says which pixels of an image, whose channels are its last axis, lie under a window at each of its places.
type Windows struct {
	n, pixels, taps, places int
	at                      []int32 // of each place taps pixels, in elements; a place that sees fewer has its first again
	once                    bool    // every pixel lies under the window at one place, and all places see as many
}

// NewWindows returns the windows over images of so many channels and pixels, at the places of seen: each lists the pixels
// that it sees, in the order in which the first of equal ones wins. It panics if a place sees none, or one that is not there,
// and if an image has more than 2^31 elements.
func NewWindows(channels, pixels int, seen [][]int32) *Windows {
	w := &Windows{n: channels, pixels: pixels, places: len(seen), once: true}
	if channels < 1 || pixels < 0 || pixels > math.MaxInt32/channels {
		panic(fmt.Sprintf("simd: windows over %d pixels of %d channels", pixels, channels))
	}
	for p, list := range seen {
		if len(list) == 0 {
			panic(fmt.Sprintf("simd: the window sees nothing at place %d", p))
		}
		w.taps = max(w.taps, len(list))
	}
	covered := make([]bool, pixels)
	count := 0
	for p, list := range seen {
		for t := range w.taps {
			pixel := list[0]
			if t < len(list) {
				pixel = list[t]
			}
			if pixel < 0 || int(pixel) >= pixels {
				panic(fmt.Sprintf("simd: at place %d the window sees pixel %d of %d", p, pixel, pixels))
			}
			if w.once = w.once && !covered[pixel]; !covered[pixel] {
				covered[pixel] = true
				count++
			}
			w.at = append(w.at, pixel*int32(channels))
		}
	}
	w.once = w.once && count == pixels
	return w
}

// check panics unless the operands are as long as images and results are.
func (w *Windows) check(x, y int) {
	if need := w.pixels * w.n; x < need {
		panic(fmt.Sprintf("simd: an image has %d elements, want %d", x, need))
	}
	if need := w.places * w.n; y < need {
		panic(fmt.Sprintf("simd: %d places of %d channels, but %d elements", w.places, w.n, y))
	}
}

// MaxPool sets y [places channels] to the greatest of what the window sees at each place in x [pixels channels], channel by
// channel: the first of equal ones, where NaN is greater than any number. It panics when a slice is too short.
func (w *Windows) MaxPool(y, x []float32) {
	w.check(len(x), len(y))
	if w.places > 0 {
		callMaxPool(selected.Load().isa[opMaxPool], w, y, x)
	}
}

// MaxPoolGrad sets dx [pixels channels] to the gradient of MaxPool: at each place, in order, dy [places channels] is added to
// the pixel that won in x. With relu, where x is what a rectifier made, it is the gradient of the rectifier's operand: dy
// counts as 0 where the greatest is at most 0. It panics when a slice is too short; dx must not overlap the others.
func (w *Windows) MaxPoolGrad(dx, x, dy []float32, relu bool) {
	w.check(min(len(x), len(dx)), len(dy))
	i := selected.Load().isa[opMaxPoolGrad]
	if !w.once {
		clear(dx[:w.pixels*w.n])
	}
	if w.places > 0 {
		callMaxPoolGrad(i, w, dx, x, dy, relu)
	}
}

// NoWinner is what MaxPoolWinners remembers where no pixel gets the gradient.
const NoWinner = 255

// MaxPoolWinners is MaxPool that also sets won [places channels] to which of the pixels that the window sees is the greatest,
// by its number in the list. With relu, where x is what a rectifier made, that is NoWinner where the greatest is at most 0. It panics when
// a slice is too short, and if a place sees more pixels than a byte counts beside NoWinner.
func (w *Windows) MaxPoolWinners(y []float32, won []uint8, x []float32, relu bool) {
	w.check(len(x), min(len(y), len(won)))
	w.few()
	if w.places > 0 {
		callMaxPoolWinners(selected.Load().isa[opMaxPoolWinners], w, y, won, x, relu)
	}
}

// MaxPoolWinnersGrad is MaxPoolGrad by the winners that MaxPoolWinners remembers: dx [pixels channels] is set to the gradient
// of dy [places channels]. It panics when a slice is too short, and if a place sees more pixels than a byte counts beside NoWinner; dx must not overlap dy.
func (w *Windows) MaxPoolWinnersGrad(dx []float32, won []uint8, dy []float32) {
	w.check(len(dx), min(len(dy), len(won)))
	w.few()
	if !w.once {
		clear(dx[:w.pixels*w.n])
	}
	if w.places > 0 {
		callMaxPoolWinnersGrad(selected.Load().isa[opMaxPoolWinnersGrad], w, dx, won, dy)
	}
}

// few panics unless a byte tells the pixels of a place apart.
func (w *Windows) few() {
	if w.taps > NoWinner {
		panic(fmt.Sprintf("simd: a place sees %d pixels, of which a byte tells %d apart", w.taps, NoWinner))
	}
}

// winner returns which of the pixels that place p sees is the greatest in channel j, by its number in the list.
func (w *Windows) winner(x []float32, p, j int) (best int) {
	list := w.at[p*w.taps:][:w.taps]
	top := x[int(list[0])+j]
	for t, at := range list[1:] {
		if v := x[int(at)+j]; v > top || v != v && top == top {
			best, top = t+1, v
		}
	}
	return best
}

func maxPoolGo(w *Windows, y, x []float32) {
	for p := range w.places {
		for j := range w.n {
			y[p*w.n+j] = x[int(w.at[p*w.taps+w.winner(x, p, j)])+j]
		}
	}
}

func maxPoolGradGo(w *Windows, dx, x, dy []float32, relu bool) {
	if w.once {
		clear(dx[:w.pixels*w.n])
	}
	for p := range w.places {
		for j := range w.n {
			at := int(w.at[p*w.taps+w.winner(x, p, j)]) + j
			g := dy[p*w.n+j]
			if relu && x[at] <= 0 {
				g = 0
			}
			dx[at] += g
		}
	}
}

func maxPoolWinnersGo(w *Windows, y []float32, won []uint8, x []float32, relu bool) {
	for p := range w.places {
		for j := range w.n {
			best := w.winner(x, p, j)
			top := x[int(w.at[p*w.taps+best])+j]
			if relu && top <= 0 {
				best = NoWinner
			}
			y[p*w.n+j], won[p*w.n+j] = top, uint8(best)
		}
	}
}

func maxPoolWinnersGradGo(w *Windows, dx []float32, won []uint8, dy []float32) {
	if w.once {
		clear(dx[:w.pixels*w.n])
	}
	for p := range w.places {
		for j := range w.n {
			if best := int(won[p*w.n+j]); best < w.taps {
				dx[int(w.at[p*w.taps+best])+j] += dy[p*w.n+j]
			}
		}
	}
}
