package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// TestWeightedSquaredErrorKernel holds the kernel to the reference meaning, for rows of
// every width at which a vector ends, with NaN and infinities, also where a row is left
// out, and with canaries around what it writes.
func TestWeightedSquaredErrorKernel(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const rows, pad = 9, 3
	op := ops.WeightedSquaredError{}
	for _, w := range []int{1, 3, 15, 16, 17, 64, 300} {
		typ, col := ir.T(ir.F32, ir.Rows(), ir.Fixed(w)), ir.T(ir.F32, ir.Rows(), ir.Fixed(1))
		types := []ir.Type{typ, typ, col, ir.T(ir.Bool, ir.Rows(), ir.Fixed(1))}
		keep := ir.NewTensor(ir.Bool, rows, 1)
		in := []*ir.Tensor{sprinkled(rng, rows, w), sprinkled(rng, rows, w), sprinkled(rng, rows, 1), keep}
		for i := range keep.Bool {
			if keep.Bool[i] = i%3 != 1; i%3 == 0 { // finite ones among them
				for j := range w {
					in[0].F32[i*w+j], in[1].F32[i*w+j] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
				}
				in[2].F32[i] = 0.25
			}
		}
		outT, err := op.Infer(types)
		if err != nil {
			t.Fatal(err)
		}
		e := &Engine{s: &Store{}, env: ir.Env{Binding: ir.RowsOf(rows)}}
		grad, mean := make([]float32, rows*w+pad), make([]float32, rows+pad)
		for _, x := range [][]float32{grad, mean} {
			for i := range x {
				x[i] = -77
			}
		}
		b := &binding{e: e, p: &plan.Plan{}, s: &plan.Step{Op: op}, inT: types, outT: outT, out: []*view{{f32: grad}, {f32: mean}}}
		for _, v := range in {
			b.in = append(b.in, new(viewOf(v)))
		}
		run, name := b.kernel()
		if name != "squared_error" {
			t.Fatalf("the kernel is %q", name)
		}
		e.sizes.set(ir.RowsOf(rows))
		for lo := 0; lo < rows; {
			hi := min(rows, lo+1+rng.IntN(4))
			run(&ctx{e: e}, lo, hi)
			lo = hi
		}
		wide := make([]*ir.Tensor, len(in))
		for i, v := range in {
			if wide[i] = v; v.DType == ir.F32 {
				wide[i] = v.To(ir.F64)
			}
		}
		want, err := ir.EvalOp(&e.env, op, types, wide)
		if err != nil {
			t.Fatal(err)
		}
		for k, got := range [][]float32{grad, mean} {
			for i := range want[k].Len() {
				a, b := float64(got[i]), float64(float32(want[k].At(i)))
				if a != b && (a == a || b == b) && !(math.Abs(a-b) <= 1e-5*(1e-2+math.Abs(b))) {
					t.Fatalf("width %d: result %d has %v at %d, want %v", w, k, a, i, b)
				}
			}
			for _, x := range got[len(got)-pad:] {
				if x != -77 {
					t.Fatalf("width %d: result %d is written behind its end", w, k)
				}
			}
		}
	}
}
