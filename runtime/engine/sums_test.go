package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// TestSumsSideBySide: elements that lie side by side are added as one line, whatever axes they
// are along, so images of one channel are summed as fast as rows, in the same order.
func TestSumsSideBySide(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const rows = 5
	for _, c := range []struct {
		shape []int // of a row
		axes  []int
		lines int // of a row
	}{
		{[]int{28, 28, 1}, []int{1, 2}, 1},
		{[]int{3, 70, 90}, []int{2, 3}, 3}, // more than a block
		{[]int{2, 3, 17, 1}, []int{3}, 6},
		{[]int{3, 1}, []int{2}, 3},
		{[]int{40}, []int{1}, 1},
	} {
		typ := ir.Type{DType: ir.F32, Shape: ir.Shape{ir.Rows()}}
		x := ir.NewTensor(ir.F32, append([]int{rows}, c.shape...)...)
		for _, n := range c.shape {
			typ.Shape = append(typ.Shape, ir.Fixed(n))
		}
		for i := range x.F32 {
			x.F32[i] = float32(rng.NormFloat64())
		}
		types, in := []ir.Type{typ}, []*ir.Tensor{x}
		check(t, rng, ops.ReduceMean{Axes: ir.MakeAxes(c.axes...)}, rows, types, in, 1e-5)
		op := ops.ReduceSum{Axes: ir.MakeAxes(c.axes...)}
		check(t, rng, op, rows, types, in, 1e-4)
		k := bindOp(t, op, rows, types, in)
		k.run(&ctx{e: k.e}, 0, rows)
		n := len(x.F32) / (rows * c.lines)
		for i, got := range k.out.f32 {
			if want := float32(simd.LineSum(x.F32[i*n:][:n])); got != want {
				t.Errorf("%v along %v: sum %d is %v, that of a line %v", c.shape, c.axes, i, got, want)
			}
		}
	}
}

// TestPixelSums holds sums over the pixels of images, masked or not, to the reference meanings, for channels that fill a row
// several times over or are several rows.
func TestPixelSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	const rows = 4
	for _, c := range []struct{ height, width, channels int }{
		{1, 1, 1}, {28, 28, 1}, {3, 5, 3}, {14, 14, 16}, {7, 7, 32}, {31, 3, 33}, {9, 9, 64}, {5, 4, 65}, {4, 4, 300}, {70, 2, 128},
	} {
		typ := ir.T(ir.F32, ir.Rows(), ir.Fixed(c.height), ir.Fixed(c.width), ir.Fixed(c.channels))
		dy, y := sprinkled(rng, rows, c.height, c.width, c.channels), sprinkled(rng, rows, c.height, c.width, c.channels)
		for i, v := range dy.F32 {
			if v != v && rng.IntN(4) > 0 { // or few sums would be numbers
				dy.F32[i] = 1
			}
			dy.F32[i] = max(min(dy.F32[i], 9), -9)
		}
		check(t, rng, ops.ReluGradSums{}, rows, []ir.Type{typ, typ}, []*ir.Tensor{dy, y}, 1e-3)
		check(t, rng, ops.ReduceSum{Axes: ir.MakeAxes(1, 2)}, rows, []ir.Type{typ}, []*ir.Tensor{dy}, 1e-3)
		check(t, rng, ops.ReduceMean{Axes: ir.MakeAxes(1, 2), Keep: true}, rows, []ir.Type{typ}, []*ir.Tensor{dy}, 1e-4)
	}
}
