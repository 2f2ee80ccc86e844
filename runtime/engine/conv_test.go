package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestConvKernels compares convolutions and pools of random shapes with their reference
// meanings, whole and in slices, also where an image is laid out in several strips.
func TestConvKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	list := func(n, lo, hi int) ir.Axes {
		a := ir.Axes{Len: n}
		for i := range n {
			a.At[i] = between(lo, hi)
		}
		return a
	}
	tensor := func(rows int, t ir.Type) *ir.Tensor {
		x := ir.NewTensor(ir.F32, t.Shape.At(ir.RowsOf(rows))...)
		for i := range x.F32 {
			x.F32[i] = float32(rng.IntN(7) - 3) // whose sums are exact
		}
		return x
	}
	done := map[string]int{}
	run := func(op ir.Op, rows int, types ...ir.Type) {
		if _, err := op.Infer(types); err != nil {
			return
		}
		in := make([]*ir.Tensor, len(types))
		for i, t := range types {
			in[i] = tensor(rows, t)
		}
		check(t, rng, op, rows, types, in, 1e-5)
		done[op.Name()]++
	}
	for round := range 150 {
		n, group, rows := between(1, 3), between(1, 3), between(1, 5)
		c, o := group*between(1, 3), group*between(1, 4)
		most := []int{40, 9, 5}[n-1]
		if round < 6 { // one strip is not enough
			n, group, c, o, most, rows = 2, 1, 8, 3, 45, 2
		}
		images := func(channels int, lengths ir.Axes) ir.Type {
			return ir.T(ir.F32, append(ir.Shape{ir.Rows(), ir.Fixed(channels)}, ir.ShapeOf(lengths.Slice()...)...)...)
		}
		in, kernel := list(n, 1, most), list(n, 1, 4)
		if round < 6 {
			in = ir.MakeAxes(between(40, 45), between(40, 45))
		}
		w := ir.T(ir.F32, ir.ShapeOf(append([]int{o, c / group}, kernel.Slice()...)...)...)
		op := ops.Conv{Strides: list(n, 1, 3), Dilations: list(n, 1, 2), Pads: list(2*n, 0, 3), Group: group}
		x := images(c, in)
		run(op, rows, x, w)
		run(op, rows, x, w, ir.T(ir.F32, ir.Fixed(o)))
		if n < 3 { // plans have no others
			last := ops.ConvLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Relu: rng.IntN(2) == 0}
			if round%5 == 0 {
				last = ops.ConvLast{Relu: last.Relu} // a place is a pixel if the kernel is one
			}
			o := o + 5*(round%2) // of more channels an image is cut at its edges
			turned := []ir.Type{ir.T(ir.F32, append(append(ir.Shape{ir.Rows()}, ir.ShapeOf(in.Slice()...)...), ir.Fixed(c))...),
				ir.T(ir.F32, ir.ShapeOf(append(kernel.Slice(), c, o)...)...), ir.T(ir.F32, ir.Fixed(o))}
			if round%10 == 0 {
				turned[1] = ir.T(ir.F32, append(ir.ShapeOf(slices.Repeat([]int{1}, n)...), ir.ShapeOf(c, o)...)...)
			}
			run(last, rows, turned[:2]...)
			run(last, rows, turned...)
			if y, err := last.Infer(turned); err == nil {
				run(last, rows, append(turned[:2:2], y...)...)
				run(last, rows, append(turned, y...)...)
			}
		}
		if y, err := op.Infer([]ir.Type{x, w}); err == nil {
			run(ops.ConvFilterGrad{Kernel: kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Group: group}, rows, x, y[0])
		}
		up := ops.ConvTranspose{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: list(n, 0, 1), Group: group}
		run(up, rows, images(o, in), w)
		run(up, rows, images(o, in), w, ir.T(ir.F32, ir.Fixed(c)))

		pool := ops.MaxPool{Kernel: kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: list(2*n, 0, 1)}
		run(pool, rows, x)
		run(ops.MaxPoolOf(pool), rows, x, x)
		mean := ops.AveragePool{Kernel: kernel, Strides: op.Strides, Pads: pool.Pads, CountPads: rng.IntN(2) == 0}
		run(mean, rows, x)
		if y, err := pool.Infer([]ir.Type{x}); err == nil {
			run(ops.MaxPoolGrad(pool), rows, x, y[0])
		}
		if y, err := mean.Infer([]ir.Type{x}); err == nil {
			run(ops.AveragePoolGrad{Lengths: in, Kernel: kernel, Strides: op.Strides, Pads: pool.Pads, CountPads: mean.CountPads}, rows, y[0])
		}
	}
	for _, op := range []ir.Op{ops.Conv{}, ops.ConvLast{}, ops.ConvTranspose{}, ops.ConvFilterGrad{}, ops.MaxPool{}, ops.MaxPoolOf{}, ops.MaxPoolGrad{}, ops.AveragePool{}, ops.AveragePoolGrad{}} {
		if done[op.Name()] < 40 {
			t.Error(fmt.Sprintf("only %d nodes of %s were checked", done[op.Name()], op.Name()))
		}
	}
}
