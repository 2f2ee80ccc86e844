package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// TestPieces computes convolutions by pieces, in frames whose memory held something else:
// every place is made once, of what the window sees of the image.
func TestPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(61, 62))
	cut, inside, framed := 0, 0, 0
	for round := range 400 {
		g := &images{c: 1 + rng.IntN(12), o: 1 + rng.IntN(24)}
		for a := range 2 {
			g.in[a], g.kernel[a], g.stride[a], g.dilation[a], g.before[a] = 1+rng.IntN(24), 1+rng.IntN(5), 1+rng.IntN(3), 1+rng.IntN(2), rng.IntN(4)
			if rng.IntN(2) == 0 {
				g.kernel[a], g.stride[a], g.dilation[a], g.before[a] = 3, 1, 1, 1
			}
			wide := g.in[a] + g.before[a] + rng.IntN(4) - (g.kernel[a]-1)*g.dilation[a] - 1
			g.out[a] = max(0, wide/g.stride[a]) + 1
		}
		if round == 0 { // windows see nothing but zeros
			g.in, g.kernel, g.stride, g.dilation, g.before, g.out = [2]int{1, 1}, [2]int{2, 2}, [2]int{20, 20}, [2]int{1, 1}, [2]int{5, 5}, [2]int{1, 1}
		}
		draw := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.IntN(7) - 3) // whose sums are exact
			}
			return x
		}
		x, w := draw(g.pixels()*g.c), draw(g.weights())
		f := g.frame()
		list := g.pieces(&f)
		mem, y := make([]float32, f.size()), make([]float32, g.places()*g.o)
		for _, s := range [][]float32{mem, y} {
			for i := range s {
				s[i] = float32(math.NaN())
			}
		}
		f.border(mem)
		made := make([]int, g.places())
		frame := f.of(mem, x)
		for _, p := range list {
			from := frame
			if p.inside {
				from = x
				inside++
			} else {
				framed++
			}
			simd.GemmTaps(&p.Taps, from[p.image:], w[p.filters:], y[p.out:], false, simd.Epilogue{})
			for l := range p.Lines {
				for i := range p.M {
					made[(p.out+l*p.LineC+i*p.LDC)/g.o]++
				}
			}
		}
		cut += min(len(list)-1, 1)
		for at := range g.places() {
			if made[at] != 1 {
				t.Fatalf("%+v: place %d is made %d times", *g, at, made[at])
			}
			for o := range g.o {
				want := float32(0)
				for k := range g.taps() {
					py := at/g.out[1]*g.stride[0] - g.before[0] + k/g.kernel[1]*g.dilation[0]
					px := at%g.out[1]*g.stride[1] - g.before[1] + k%g.kernel[1]*g.dilation[1]
					if py < 0 || py >= g.in[0] || px < 0 || px >= g.in[1] {
						continue
					}
					for c := range g.c {
						want += x[(py*g.in[1]+px)*g.c+c] * w[(k*g.c+c)*g.o+o]
					}
				}
				if got := y[at*g.o+o]; got != want {
					t.Fatalf("%+v: channel %d of place %d is %v, want %v", *g, o, at, got, want)
				}
			}
		}
	}
	if cut < 40 || inside < 40 || framed < 40 {
		t.Errorf("%d convolutions in several pieces, %d pieces of images and %d of frames: too few", cut, inside, framed)
	}
}

// TestPiecesLeaveOutZeros: in the convolutions of ResNet-20 only the corners meet zeros, and
// most lines are read from the image itself.
func TestPiecesLeaveOutZeros(t *testing.T) {
	for _, c := range []struct{ size, channels, stride, copied int }{{32, 16, 1, 4}, {16, 32, 1, 4}, {8, 64, 1, 4}, {32, 16, 2, 2}} {
		out := c.size / c.stride
		g := &images{c: c.channels, o: c.channels, in: [2]int{c.size, c.size}, out: [2]int{out, out}, kernel: [2]int{3, 3},
			stride: [2]int{c.stride, c.stride}, dilation: [2]int{1, 1}, before: [2]int{1, 1}}
		f := g.frame()
		steps := 0
		for _, p := range g.pieces(&f) {
			steps += p.Lines * p.M * len(p.At) * p.K / g.c
		}
		edges := 3 - c.stride // of an axis
		least, corners := (3*out-edges)*(3*out-edges), 2*edges*edges
		if steps != least+corners {
			t.Errorf("%+v: %d pixels are seen, want %d and %d in corners", c, steps, least, corners)
		}
		if len(f.copied) != c.copied {
			t.Errorf("%+v: lines %v go through the frame, want %d", c, f.copied, c.copied)
		}
	}
}
