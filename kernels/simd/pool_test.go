package simd

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// window lists what a window of kernel by kernel pixels sees that moves by stride over size by size pixels with a border.
func window(size, kernel, stride, border int) (seen [][]int32) {
	for y := -border; y+kernel <= size+border; y += stride {
		for x := -border; x+kernel <= size+border; x += stride {
			var list []int32
			for v := max(y, 0); v < min(y+kernel, size); v++ {
				for u := max(x, 0); u < min(x+kernel, size); u++ {
					list = append(list, int32(v*size+u))
				}
			}
			seen = append(seen, list)
		}
	}
	return seen
}

// randomWindows draws windows: side by side over the whole image, with gaps, overlapping, at the border seeing fewer.
func randomWindows(rng *rand.Rand) *Windows {
	kernel := 1 + rng.IntN(3)
	stride, border := kernel, 0
	size := kernel * (1 + rng.IntN(3))
	if rng.IntN(2) == 0 {
		size, stride, border = kernel+rng.IntN(4), 1+rng.IntN(4), rng.IntN(kernel)
	}
	return NewWindows(1+rng.IntN(40), size*size, window(size, kernel, stride, border))
}

func checkPool(t *testing.T, rng *rand.Rand) {
	t.Helper()
	checkWindows(t, rng, randomWindows(rng))
}

// checkWindows holds windows to the winners as they are defined.
func checkWindows(t *testing.T, rng *rand.Rand, w *Windows) {
	t.Helper()
	what := fmt.Sprintf("%d places of %d of %d pixels, once %v, of %d channels", w.places, w.taps, w.pixels, w.once, w.n)
	x, dy := testValues(rng, w.pixels*w.n), testValues(rng, w.places*w.n)
	if rng.IntN(2) == 0 { // many equal ones
		for i := range x {
			x[i] = []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.NaN())}[rng.IntN(5)]
		}
	}
	relu := rng.IntN(2) == 0
	y, dx := guard(rng, len(dy)), guard(rng, len(x))
	wantY, wantDX, wantWon := make([]float32, len(dy)), make([]float32, len(x)), make([]uint8, len(dy))
	for p := range w.places {
		for j := range w.n {
			best, number := -1, 0
			for n, at := range w.at[p*w.taps:][:w.taps] {
				i := int(at) + j
				if best < 0 || x[i] > x[best] || x[i] != x[i] && x[best] == x[best] {
					best, number = i, n
				}
			}
			wantY[p*w.n+j], wantWon[p*w.n+j] = x[best], uint8(number)
			if relu && x[best] <= 0 {
				wantWon[p*w.n+j] = NoWinner
			} else {
				wantDX[best] += dy[p*w.n+j]
			}
		}
	}
	w.MaxPool(y.mid, x)
	w.MaxPoolGrad(dx.mid, x, dy, relu)
	sameBits(t, what, y.mid, wantY)
	sameBits(t, what, dx.mid, wantDX)
	y.check(t, what)
	dx.check(t, what)

	y, dx = guard(rng, len(dy)), guard(rng, len(x))
	won := bytes.Repeat([]byte{77}, len(dy)+80)
	w.MaxPoolWinners(y.mid, won[40:][:len(dy)], x, relu)
	w.MaxPoolWinnersGrad(dx.mid, won[40:][:len(dy)], dy)
	sameBits(t, what+", with winners", y.mid, wantY)
	sameBits(t, what+", by winners", dx.mid, wantDX)
	y.check(t, what)
	dx.check(t, what)
	around := append(slices.Clone(won[:40]), won[40+len(dy):]...)
	if got := won[40:][:len(dy)]; !bytes.Equal(got, wantWon) || !bytes.Equal(around, bytes.Repeat([]byte{77}, 80)) {
		t.Fatalf("%s: winners are\n%v, want\n%v; around them %v", what, got, wantWon, around)
	}
}

// TestPoolSets runs every set; one that is named joins kernels of the same.
func TestPoolSets(t *testing.T) {
	for _, set := range []isa{isaGo, isaAVX2, isaAVX512, isaNEON} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(45, uint64(set)))
			for range 300 {
				checkPool(t, rng)
			}
			most := NewWindows(19, 255, [][]int32{slices.Collect(func(yield func(int32) bool) {
				for i := int32(0); i < 255 && yield(i); i++ {
				}
			})})
			for range 20 {
				checkWindows(t, rng, most)
			}
			none := NewWindows(3, 0, nil)
			none.MaxPool(nil, nil)
			none.MaxPoolGrad(nil, nil, nil, true)
			none.MaxPoolWinners(nil, nil, nil, true)
			none.MaxPoolWinnersGrad(nil, nil, nil)
		})
	}
}

// TestWindows: what is no window is refused, and it is known which see every pixel once.
func TestWindows(t *testing.T) {
	for want, f := range map[string]func(){
		"nothing at place 1":               func() { NewWindows(1, 4, [][]int32{{0}, {}}) },
		"at place 0 the window sees pixel": func() { NewWindows(1, 4, [][]int32{{4}}) },
		"sees pixel -1":                    func() { NewWindows(1, 4, [][]int32{{0, -1}}) },
		"of 0 channels":                    func() { NewWindows(0, 4, nil) },
		"pixels of 65536 channels":         func() { NewWindows(1<<16, 1<<16, nil) },
		"an image has 7 elements":          func() { NewWindows(2, 4, window(2, 2, 2, 0)).MaxPool(make([]float32, 2), make([]float32, 7)) },
		"but 1 elements":                   func() { NewWindows(2, 4, window(2, 2, 2, 0)).MaxPool(make([]float32, 1), make([]float32, 8)) },
		"an image has 6 elements": func() {
			NewWindows(2, 4, window(2, 2, 2, 0)).MaxPoolGrad(make([]float32, 6), make([]float32, 8), make([]float32, 2), false)
		},
		"but 3 elements": func() {
			NewWindows(4, 4, window(2, 2, 2, 0)).MaxPoolWinners(make([]float32, 4), make([]uint8, 3), make([]float32, 16), false)
		},
		"but 2 elements": func() {
			NewWindows(4, 4, window(2, 2, 2, 0)).MaxPoolWinnersGrad(make([]float32, 16), make([]uint8, 2), make([]float32, 4))
		},
		"an image has 5 elements": func() {
			NewWindows(2, 4, window(2, 2, 2, 0)).MaxPoolWinnersGrad(make([]float32, 5), make([]uint8, 2), make([]float32, 2))
		},
		"sees 256 pixels": func() {
			NewWindows(1, 256, window(16, 16, 1, 0)).MaxPoolWinners(make([]float32, 1), make([]uint8, 1), make([]float32, 256), false)
		},
		"256 pixels, of which a byte tells 255": func() {
			NewWindows(1, 256, window(16, 16, 1, 0)).MaxPoolWinnersGrad(make([]float32, 256), make([]uint8, 1), make([]float32, 1))
		},
	} {
		got := func() (got string) {
			defer func() { got = fmt.Sprint(recover()) }()
			f()
			return
		}()
		if !strings.Contains(got, want) {
			t.Errorf("panics with %q, want %q", got, want)
		}
	}
	for _, c := range []struct {
		size, kernel, stride, border int
		once                         bool
	}{{4, 2, 2, 0, true}, {5, 2, 2, 0, false}, {4, 2, 1, 0, false}, {4, 3, 2, 1, false}, {6, 3, 3, 0, true}, {4, 2, 2, 1, false}, {1, 1, 1, 0, true}} {
		if w := NewWindows(3, c.size*c.size, window(c.size, c.kernel, c.stride, c.border)); w.once != c.once {
			t.Errorf("%+v: once is %v", c, w.once)
		}
	}
	w := NewWindows(16, 16, window(4, 2, 2, 0))
	x, y, dx, won := make([]float32, 256), make([]float32, 64), make([]float32, 256), make([]uint8, 64)
	if n := testing.AllocsPerRun(10, func() {
		w.MaxPool(y, x)
		w.MaxPoolGrad(dx, x, y, true)
		w.MaxPoolWinners(y, won, x, true)
		w.MaxPoolWinnersGrad(dx, won, y)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if !slices.Equal(w.at[:4], []int32{0, 16, 64, 80}) {
		t.Error(w.at[:4])
	}
}
