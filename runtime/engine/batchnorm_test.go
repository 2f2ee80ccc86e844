package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// TestBatchNormKernels holds the kernels of BatchNorm to the reference, for channels last,
// first and in between, of columns far from 0, in slices of any channels and rows.
func TestBatchNormKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for range 60 {
		rows := 2 + rng.IntN(200)
		shape := []int{1 + rng.IntN(90)}
		axis := 1
		switch rng.IntN(3) {
		case 0:
			shape = []int{1 + rng.IntN(5), 1 + rng.IntN(4), 1 + rng.IntN(20)}
		case 1:
			shape, axis = []int{1 + rng.IntN(5), 1 + rng.IntN(70)}, 2
		}
		x := ir.Type{DType: ir.F32, Shape: append(ir.Shape{ir.Rows()}, ir.ShapeOf(shape...)...)}
		c := ir.T(ir.F32, x.Shape[axis])
		sums := ir.T(ir.F64, x.Shape[axis])
		far := []float64{0, 1, 1e4}[rng.IntN(3)]
		tensor := func(typ ir.Type, mean, sd float64) *ir.Tensor {
			v := ir.NewTensor(typ.DType, typ.Shape.At(ir.RowsOf(rows))...)
			for i := range v.Len() {
				y := mean + sd*rng.NormFloat64()
				if typ.DType == ir.F64 {
					v.F64[i] = y
				} else {
					v.F32[i] = float32(y)
				}
			}
			return v
		}
		xs, dy := tensor(x, far, 1), tensor(x, 0, 1)
		n := float64(xs.Len() / shape[axis-1])
		mean, squares := tensor(sums, far, 0.1), tensor(sums, 2*n, 0.01)
		scale, bias := tensor(c, 1, 0.5), tensor(c, 0, 1)
		check(t, rng, ops.BatchApply{Axis: axis, Epsilon: 1e-5}, rows, []ir.Type{x, c, c, sums, sums}, []*ir.Tensor{xs, scale, bias, mean, squares}, 2e-5)
		check(t, rng, ops.BatchNorm{Axis: axis, Epsilon: 1e-5}, rows, []ir.Type{x, c, c, c, c}, []*ir.Tensor{xs, scale, bias, tensor(c, far, 0.1), tensor(c, 1, 0.01)}, 2e-5)
		check(t, rng, ops.BatchNormGrad{Axis: axis, Epsilon: 1e-5}, rows, []ir.Type{x, x, c, sums, sums, sums, sums},
			[]*ir.Tensor{dy, xs, scale, mean, squares, tensor(sums, 0, math.Sqrt(n)), tensor(sums, 0, math.Sqrt(n))}, 2e-5)
		near(t, rng, ops.BatchMoments{Axis: axis}, rows, []ir.Type{x}, []*ir.Tensor{xs}, 1e-5*n)
		near(t, rng, ops.BatchNormSums{Axis: axis, Epsilon: 1e-5}, rows, []ir.Type{x, x, sums, sums}, []*ir.Tensor{dy, xs, mean, squares}, 1e-6*n+1e-5)
	}
}

// near holds statistics in float64 to the reference, and slices of channels to the whole.
func near(t *testing.T, rng *rand.Rand, op ir.Op, rows int, types []ir.Type, in []*ir.Tensor, tolerance float64) {
	t.Helper()
	outT, err := op.Infer(types)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{s: &Store{}, env: ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}}
	b := &binding{e: e, p: &plan.Plan{Capacity: ir.RowsOf(rows)}, s: &plan.Step{Op: op}, inT: types, outT: outT}
	var wide []*ir.Tensor
	for _, v := range in {
		b.in = append(b.in, new(viewOf(v)))
		wide = append(wide, v.To(ir.F64))
	}
	channels := outT[0].Shape[0].Length()
	var outs [2][]float64
	for range outT {
		b.out = append(b.out, &view{f64: make([]float64, channels)})
	}
	run, name := b.kernel()
	what := fmt.Sprintf("%s of %v, %d rows", ir.FormatOp(op), types, rows)
	if name == "reference" {
		t.Fatalf("%s has no kernel", what)
	}
	e.sizes.set(ir.RowsOf(rows))
	c := &ctx{e: e}
	run(c, 0, channels)
	want, err := ir.EvalOp(&e.env, op, types, wide)
	if err != nil {
		t.Fatal(err)
	}
	for i := range outs {
		outs[i] = append(outs[i], b.out[i].f64...)
		for j, v := range outs[i] {
			if w := want[i].F64[j]; !(math.Abs(v-w) <= tolerance) {
				t.Errorf("%s: result %d of channel %d is %v, want %v", what, i, j, v, w)
				return
			}
		}
	}
	for lo := 0; lo < channels; {
		hi := min(channels, lo+1+rng.IntN(9))
		run(c, lo, hi)
		lo = hi
	}
	for i := range outs {
		for j, v := range outs[i] {
			if b.out[i].f64[j] != v {
				t.Fatalf("%s: channel %d has other bits in a slice", what, j)
			}
		}
	}
}

// TestMomentsFarFromZero: a column with mean 1e4 and deviation 1 has that variance, and one
// that is constant none; a value that is no number stays in its channel.
func TestMomentsFarFromZero(t *testing.T) {
	const rows = 1000
	x := ir.NewTensor(ir.F32, rows, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	for r := range rows {
		x.F32[3*r] = float32(1e4 + rng.NormFloat64())
		x.F32[3*r+1] = 1e6 + 1
		x.F32[3*r+2] = 1
	}
	x.F32[5] = float32(math.NaN())
	typ := ir.T(ir.F32, ir.Rows(), ir.Fixed(3))
	out := []*view{{f64: make([]float64, 3)}, {f64: make([]float64, 3)}}
	e := &Engine{s: &Store{}, env: ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}}
	sums := ir.T(ir.F64, ir.Fixed(3))
	b := &binding{e: e, p: &plan.Plan{Capacity: ir.RowsOf(rows)}, s: &plan.Step{Op: ops.BatchMoments{Axis: 1}}, in: []*view{new(viewOf(x))}, inT: []ir.Type{typ}, out: out, outT: []ir.Type{sums, sums}}
	run, _ := b.kernel()
	e.sizes.set(ir.RowsOf(rows))
	run(&ctx{e: e}, 0, 3)
	mean, squares := 0.0, 0.0
	for r := range rows {
		mean += float64(x.F32[3*r]) / rows
	}
	for r := range rows {
		d := float64(x.F32[3*r]) - mean
		squares += d * d
	}
	if math.Abs(out[0].f64[0]-mean) > 1e-6 || math.Abs(out[1].f64[0]/squares-1) > 1e-5 {
		t.Errorf("mean %v and squares %v, want %v and %v", out[0].f64[0], out[1].f64[0], mean, squares)
	}
	if out[0].f64[1] != 1e6+1 || out[1].f64[1] != 0 {
		t.Errorf("a constant column has mean %v and squares %v", out[0].f64[1], out[1].f64[1])
	}
	if !math.IsNaN(out[0].f64[2]) || !math.IsNaN(out[1].f64[2]) {
		t.Errorf("a column with NaN has mean %v and squares %v", out[0].f64[2], out[1].f64[2])
	}
}
