package engine

import (
	"fmt"
	"math"
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
	own := rand.New(rand.NewPCG(32, 31))
	odd := []float32{float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), float32(math.Copysign(0, -1))}
	done := map[string]int{}
	run := func(op ir.Op, rows int, types ...ir.Type) {
		if _, err := op.Infer(types); err != nil {
			return
		}
		in := make([]*ir.Tensor, len(types))
		for i, t := range types {
			if in[i] = tensor(rows, t); i > 1 && t.Rank() > 1 { // what is added, or a mask
				for j := range in[i].F32 {
					if own.IntN(12) == 0 {
						in[i].F32[j] = odd[own.IntN(len(odd))]
					}
				}
			}
		}
		check(t, rng, op, rows, types, in, 1e-5)
		done[op.Name()]++
	}
	// ends are convolutions without what may come at the end of them and with it: bias, what is added, mask.
	ends := func(types []ir.Type, op func(masked bool) ir.Op, rows int) {
		y, err := op(false).Infer(types)
		if err != nil {
			return
		}
		for _, first := range [][]ir.Type{types[:2:2], types[:3:3]} {
			run(op(false), rows, first...)
			run(op(false), rows, append(first, y[0])...)
			run(op(true), rows, append(first, y[0])...)
			run(op(true), rows, append(first, y[0], y[0])...)
		}
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
		last := ops.ConvLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Relu: rng.IntN(2) == 0}
		if round%5 == 0 {
			last = ops.ConvLast{Relu: last.Relu} // a place is a pixel if the kernel is one
		}
		filters := func(o int) []ir.Type {
			list := []ir.Type{ir.T(ir.F32, append(append(ir.Shape{ir.Rows()}, ir.ShapeOf(in.Slice()...)...), ir.Fixed(c))...),
				ir.T(ir.F32, ir.ShapeOf(append(kernel.Slice(), c, o)...)...), ir.T(ir.F32, ir.Fixed(o))}
			if round%10 == 0 {
				list[1] = ir.T(ir.F32, append(ir.ShapeOf(slices.Repeat([]int{1}, n)...), ir.ShapeOf(c, o)...)...)
			}
			return list
		}
		turned := filters(o)
		if n < 3 { // plans have no others; of more channels an image is cut at its edges
			ends(filters(o+5*(round%2)), func(masked bool) ir.Op { last.Mask = masked; return last }, rows)
		}
		if y, err := op.Infer([]ir.Type{x, w}); err == nil {
			run(ops.ConvFilterGrad{Kernel: kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Group: group}, rows, x, y[0])
		}
		up := ops.ConvTranspose{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: list(n, 0, 1), Group: group}
		run(up, rows, images(o, in), w)
		run(up, rows, images(o, in), w, ir.T(ir.F32, ir.Fixed(c)))
		back := ops.ConvTransposeLast{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: up.OutputPadding, Relu: rng.IntN(2) == 0}
		turned[1] = ir.T(ir.F32, ir.ShapeOf(append(kernel.Slice(), c, o)...)...)
		switch round % 10 {
		case 0: // the places lie side by side
			back = ops.ConvTransposeLast{Strides: kernel, Relu: back.Relu}
		case 1: // pixels between the places, as of a projection
			back = ops.ConvTransposeLast{Strides: ir.MakeAxes([]int{2, 2, 2}[:n]...), OutputPadding: ir.MakeAxes([]int{1, 1, 1}[:n]...), Relu: back.Relu}
			turned[1] = ir.T(ir.F32, append(ir.ShapeOf(slices.Repeat([]int{1}, n)...), ir.ShapeOf(c, o)...)...)
		}
		if n < 3 {
			ends(turned, func(masked bool) ir.Op { back.Mask = masked; return back }, rows)
		}

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
	for _, op := range []ir.Op{ops.Conv{}, ops.ConvLast{}, ops.ConvTranspose{}, ops.ConvTransposeLast{}, ops.ConvFilterGrad{}, ops.MaxPool{}, ops.MaxPoolOf{}, ops.MaxPoolGrad{}, ops.AveragePool{}, ops.AveragePoolGrad{}} {
		if done[op.Name()] < 40 {
			t.Error(fmt.Sprintf("only %d nodes of %s were checked", done[op.Name()], op.Name()))
		}
	}
}

// TestTransposedLongChains adds in place in products whose chains no kernel ends in one go.
func TestTransposedLongChains(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	const c, rows = 5000, 2
	for kernel, op := range []ops.ConvTransposeLast{{Strides: ir.MakeAxes(2), Mask: true}, {Strides: ir.MakeAxes(2), Mask: true, Relu: true}} {
		types := []ir.Type{ir.T(ir.F32, ir.Rows(), ir.Fixed(3), ir.Fixed(c)), ir.T(ir.F32, ir.Fixed(1+kernel), ir.Fixed(c), ir.Fixed(3))}
		y, err := ops.ConvTransposeLast{Strides: op.Strides}.Infer(types)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, y[0], y[0])
		in := make([]*ir.Tensor, len(types))
		for i, x := range types {
			in[i] = ir.NewTensor(ir.F32, x.Shape.At(ir.RowsOf(rows))...)
			for j := range in[i].F32 {
				in[i].F32[j] = float32(rng.IntN(7) - 3)
			}
		}
		check(t, rng, op, rows, types, in, 0)
	}
}
