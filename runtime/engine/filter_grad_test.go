package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// TestFilterGradLast: parts of the gradient of filters are those of the reference, for few and
// many channels, with windows that lie wholly above, below and beside the image.
func TestFilterGradLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	done := map[int]int{} // by the axes
	cut, none := 0, 0     // that have several products, and products without taps
	for range 1200 {
		n := between(1, 2)
		list := func(n, lo, hi int) ir.Axes {
			a := ir.Axes{Len: n}
			for i := range n {
				a.At[i] = between(lo, hi)
			}
			return a
		}
		in, kernel := list(n, 1, 7), list(n, 1, 4)
		forward := ops.ConvLast{Strides: list(n, 1, 3), Dilations: list(n, 1, 2), Pads: list(2*n, 0, 5)}
		c, o, rows := between(1, 20), between(1, 9), between(1, 5)
		x := ir.T(ir.F32, append(append(ir.Shape{ir.Rows()}, ir.ShapeOf(in.Slice()...)...), ir.Fixed(c))...)
		y, err := forward.Infer([]ir.Type{x, ir.T(ir.F32, ir.ShapeOf(append(kernel.Slice(), c, o)...)...)})
		if err != nil {
			continue
		}
		op := ops.ConvFilterGradLast{Kernel: kernel, Strides: forward.Strides, Dilations: forward.Dilations, Pads: forward.Pads, Parts: between(1, 4)}
		types := []ir.Type{x, y[0]}
		tensors := make([]*ir.Tensor, 2)
		for i, t := range types {
			tensors[i] = ir.NewTensor(ir.F32, t.Shape.At(ir.RowsOf(rows))...)
			for j := range tensors[i].F32 {
				tensors[i].F32[j] = float32(rng.IntN(7) - 3) // whose sums are exact
			}
		}
		check(t, rng, op, rows, types, tensors, 1e-5)
		done[n]++
		g := (&binding{s: &plan.Step{Op: op}, inT: types}).anyImages()
		f := g.frame()
		pieces := g.filterPieces(&f)
		if len(pieces) > 1 {
			cut++
		}
		for _, p := range pieces {
			if len(p.At) == 0 {
				none++
			}
		}
	}
	if done[1] < 60 || done[2] < 60 || cut < 60 || none < 20 {
		t.Errorf("too few of a kind: %v, %d cut, %d without taps", done, cut, none)
	}
}

// TestFilterGradLeavesOutZeros: in the convolutions of ResNet-20 lines of the filters meet no
// line of zeros.
func TestFilterGradLeavesOutZeros(t *testing.T) {
	for _, c := range []struct{ size, channels, stride int }{{32, 16, 1}, {16, 32, 1}, {8, 64, 1}, {32, 16, 2}} {
		out := c.size / c.stride
		g := &images{c: c.channels, o: c.channels, in: [2]int{c.size, c.size}, out: [2]int{out, out}, kernel: [2]int{3, 3},
			stride: [2]int{c.stride, c.stride}, dilation: [2]int{1, 1}, before: [2]int{1, 1}}
		f := g.frame()
		lines := 0
		for _, p := range g.filterPieces(&f) {
			lines += p.Lines * len(p.At)
		}
		if want := 3*out - (3 - c.stride); lines != want {
			t.Errorf("%+v: lines of the filters meet %d lines of the image, want %d", c, lines, want)
		}
	}
}
