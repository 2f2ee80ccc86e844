package simd

import (
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

// checkPool holds windows to the winners as they are defined.
func checkPool(t *testing.T, rng *rand.Rand) {
	t.Helper()
	w := randomWindows(rng)
	what := fmt.Sprintf("%d places of %d of %d pixels, once %v, of %d channels", w.places, w.taps, w.pixels, w.once, w.n)
	x, dy := testValues(rng, w.pixels*w.n), testValues(rng, w.places*w.n)
	if rng.IntN(2) == 0 { // many equal ones
		for i := range x {
			x[i] = []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.NaN())}[rng.IntN(5)]
		}
	}
	relu := rng.IntN(2) == 0
	y, dx := guard(rng, len(dy)), guard(rng, len(x))
	wantY, wantDX := make([]float32, len(dy)), make([]float32, len(x))
	for p := range w.places {
		for j := range w.n {
			best := -1
			for _, at := range w.at[p*w.taps:][:w.taps] {
				i := int(at) + j
				if best < 0 || x[i] > x[best] || x[i] != x[i] && x[best] == x[best] {
					best = i
				}
			}
			wantY[p*w.n+j] = x[best]
			if !relu || !(x[best] <= 0) {
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
			none := NewWindows(3, 0, nil)
			none.MaxPool(nil, nil)
			none.MaxPoolGrad(nil, nil, nil, true)
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
	x, y, dx := make([]float32, 256), make([]float32, 64), make([]float32, 256)
	if n := testing.AllocsPerRun(10, func() { w.MaxPool(y, x); w.MaxPoolGrad(dx, x, y, true) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if !slices.Equal(w.at[:4], []int32{0, 16, 64, 80}) {
		t.Error(w.at[:4])
	}
}
