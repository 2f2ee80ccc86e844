package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestTransposedTiles holds transposed convolutions whose places lie side by side to the reference
// meaning, for runs of every length about that of a vector, images that are several blocks of lines,
// and NaN and infinities, which reach their own pixels alone.
func TestTransposedTiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 1))
	names := map[string]int{}
	for _, c := range []struct {
		out, kernel []int // places, filters
		o, c        int
	}{
		{[]int{14, 14}, []int{2, 2}, 16, 1}, {[]int{7, 7}, []int{2, 2}, 32, 16}, {[]int{1, 1}, []int{2, 2}, 3, 1}, {[]int{70, 40}, []int{2, 2}, 2, 1},
		{[]int{5, 3}, []int{2, 1}, 4, 1}, {[]int{5, 3}, []int{1, 2}, 4, 1}, {[]int{4, 6}, []int{3, 2}, 5, 1}, {[]int{4, 6}, []int{3, 3}, 5, 1},
		{[]int{4, 6}, []int{2, 2}, 5, 3}, {[]int{4, 6}, []int{2, 3}, 5, 5}, {[]int{3, 3}, []int{2, 2}, 5, 8}, {[]int{3, 3}, []int{4, 4}, 1, 4},
		{[]int{33, 50}, []int{2, 2}, 3, 7}, {[]int{3, 3}, []int{2, 2}, 17, 17}, {[]int{9}, []int{2}, 4, 1}, {[]int{9}, []int{3}, 4, 16}, {[]int{2, 2}, []int{16, 1}, 4, 1},
	} {
		const rows = 5
		strides := ir.MakeAxes(c.kernel...)
		x := append(append([]int{rows}, c.out...), c.o)
		types := []ir.Type{{DType: ir.F32, Shape: append(ir.Shape{ir.Rows()}, ir.ShapeOf(x[1:]...)...)},
			ir.T(ir.F32, ir.ShapeOf(append(append([]int{}, c.kernel...), c.o, c.c)...)...), ir.T(ir.F32, ir.Fixed(c.c))}
		in := []*ir.Tensor{ir.NewTensor(ir.F32, x...), ir.NewTensor(ir.F32, types[1].Shape.Lengths()...), ir.NewTensor(ir.F32, c.c)}
		for _, v := range in {
			for i := range v.F32 {
				v.F32[i] = float32(rng.IntN(7) - 3) // whose sums are exact
			}
		}
		for _, odd := range []float64{1, math.NaN(), math.Inf(1)} {
			in[0].F32[rng.IntN(len(in[0].F32))] = float32(odd)
			for _, relu := range []bool{false, true} {
				op := ops.ConvTransposeLast{Strides: strides, Relu: relu}
				check(t, rng, op, rows, types, in, 0)
				check(t, rng, op, rows, types[:2], in[:2], 0)
				names[bindOp(t, op, rows, types, in).name]++
			}
		}
	}
	for _, name := range []string{"conv_transpose_tiles", "conv_transpose_narrow"} {
		if names[name] < 12 {
			t.Errorf("%s ran for %d cases", name, names[name])
		}
	}
}
