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
