package verify

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// boundedRows returns the estimate of what f makes of rows f32[N 2].
func boundedRows(t *testing.T, f func(b *ir.Builder, x *ir.Value) *ir.Value, rows ...float32) Estimate {
	t.Helper()
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	y := f(b, x)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	n := len(rows) / 2
	est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(n), UpdateRows: n}, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 2}, F32: rows}})
	if err != nil {
		t.Fatal(err)
	}
	return est[y]
}

// TestEqualRows: rows that are equal have equal errors, so that the error of their sum is
// as many times theirs; of rows that differ it is the root of that.
func TestEqualRows(t *testing.T) {
	sum := func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, b.Op(ops.Tanh{}, x))
	}
	product := func(b *ir.Builder, x *ir.Value) *ir.Value {
		y := b.Op(ops.Tanh{}, x)
		return b.Op(ops.MatMul{}, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, y), y)
	}
	gemm := func(b *ir.Builder, x *ir.Value) *ir.Value {
		y := b.Op(ops.Tanh{}, x)
		return b.Op(ops.Gemm{TransA: true}, y, y)
	}
	equal, apart := make([]float32, 128), make([]float32, 128)
	for i := range equal {
		equal[i] = 0.5 + float32(i%2)/4
		apart[i] = equal[i] + float32(i)/8192
	}
	for name, f := range map[string]func(b *ir.Builder, x *ir.Value) *ir.Value{"sum": sum, "product": product, "gemm": gemm} {
		a, b := boundedRows(t, f, equal...).Tolerance(0), boundedRows(t, f, apart...).Tolerance(0)
		if !(a > 1.4*b) { // the rounding of the sum itself is in both
			t.Errorf("%s: the tolerance of 64 equal rows is %.3g, of others %.3g", name, a, b)
		}
	}
	// Within a row nothing is taken for the same error.
	if a, b := boundedRows(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.Tanh{}, x))
	}, 0.5, 0.5).Tolerance(0), boundedRows(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.Tanh{}, x))
	}, 0.5, 0.501).Tolerance(0); math.Abs(a-b) > 0.01*b {
		t.Errorf("a sum within a row has the tolerance %.3g, and %.3g if its terms differ", a, b)
	}
}

// TestMayOverflow: what is 0 but may be off by more than the greatest number is open, and
// so is what is infinite times what may be 0.
func TestMayOverflow(t *testing.T) {
	// Where cannot tell 1e30 from 0 where x is as near to 0.5 as its rounding, and 1e30 times that is too much.
	huge := boundedRows(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		near := b.Op(ops.Sub{}, b.Op(ops.Sigmoid{}, x), b.Const(ir.F32, 0.5))
		either := b.Op(ops.Where{}, b.Op(ops.Greater{}, near, b.Const(ir.F32, 0)), b.Const(ir.F32, 1e30), b.Const(ir.F32, 0))
		return b.Op(ops.Mul{}, either, b.Const(ir.F32, 1e30))
	}, 0, -9)
	if huge.Value.At(0) != 0 || !math.IsInf(huge.At(0), 1) || huge.At(1) > 1 {
		t.Errorf("what may be 0 or overflow is %v with the variances %v", huge.Value.F64, huge.Var)
	}
	none := boundedRows(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		near := b.Op(ops.Sub{}, b.Op(ops.Sigmoid{}, b.Const(ir.F32, 1e-9)), b.Const(ir.F32, 0.5))
		return b.Op(ops.Mul{}, x, near)
	}, float32(math.Inf(1)), 9)
	if !math.IsInf(none.At(0), 1) || math.IsInf(none.At(1), 1) {
		t.Errorf("infinite times what may be 0 is %v with the variances %v", none.Value.F64, none.Var)
	}
}
