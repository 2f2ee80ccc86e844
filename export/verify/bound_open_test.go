package verify

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// bounded bounds f of one row, whose rounding x carries: it is x*1 made by two ops.
func boundedRow(t *testing.T, f func(b *ir.Builder, x *ir.Value) *ir.Value, x ...float32) Estimate {
	t.Helper()
	b := ir.NewBuilder("g")
	in := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(len(x))))
	y := f(b, in)
	b.Output(y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, len(x)}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	return est[y]
}

// TestOpenNearPole leaves open what a few roundings may take over the edge of a
// function's domain, and nothing else.
func TestOpenNearPole(t *testing.T) {
	// near is x with a rounding of 1, so that a result of 1e-7 has lost all its digits.
	near := func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Sub{}, b.Op(ops.Add{}, x, b.Const(ir.F32, 1)), b.Const(ir.F32, 1))
	}
	inputs := []float32{3e-7, -3e-7, 0.5}
	for name, c := range map[string]struct {
		f    func(b *ir.Builder, x *ir.Value) *ir.Value
		want string
	}{
		"reciprocal": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Reciprocal{}, x) }, "[true true false]"},
		"quotient":   {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Div{}, b.Const(ir.F32, 1), x) }, "[true true false]"},
		"log":        {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Log{}, x) }, "[true true false]"},
		"sqrt":       {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Sqrt{}, x) }, "[true true false]"},
		"power -1":   {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Pow{}, x, b.Const(ir.F32, -1)) }, "[true true false]"},
		"power 1.5":  {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Pow{}, x, b.Const(ir.F32, 1.5)) }, "[true true false]"},
		"power 2":    {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Pow{}, x, b.Const(ir.F32, 2)) }, "[false false false]"},
		"tanh":       {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Tanh{}, x) }, "[false false false]"},
	} {
		e := boundedRow(t, func(b *ir.Builder, x *ir.Value) *ir.Value { return c.f(b, near(b, x)) }, inputs...)
		var open []bool
		for i := range inputs {
			open = append(open, math.IsInf(e.At(i), 1))
		}
		if fmt.Sprint(open) != c.want {
			t.Errorf("%s is open at %v, want %s", name, open, c.want)
		}
	}
	// A divisor that is 0 and has an error gives no infinity to rely on.
	zero := boundedRow(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Div{}, x, b.Op(ops.Sub{}, b.Op(ops.Exp{}, x), b.Op(ops.Exp{}, x)))
	}, 1, 0)
	if !math.IsInf(zero.At(0), 1) || !math.IsInf(zero.At(1), 1) {
		t.Errorf("x over an uncertain 0 has the variances %v", zero.Var)
	}
}

// TestWholeNumbersAreExact: ids that are made numbers and shifted are compared with whole numbers, as spec.Ordinal does, and
// nothing is left open; numbers that float32 rounds, and numbers with an error, are.
func TestWholeNumbersAreExact(t *testing.T) {
	b := ir.NewBuilder("g")
	ids, x := b.Input("ids", ir.T(ir.I64, ir.Rows(), ir.Fixed(4))), b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(4)))
	less := func(x, y *ir.Value) *ir.Value { return b.Op(ops.Less{}, x, y) }
	number := b.Op(ops.Cast{To: ir.F32}, ids)
	below := less(b.Op(ops.Sub{}, number, b.Const(ir.F32, 2)), b.Const(ir.F32, 0))
	above := less(b.Const(ir.F32, 3), b.Op(ops.Add{}, b.Const(ir.F32, 1), number))
	rounded := less(b.Op(ops.Sub{}, b.Op(ops.Exp{}, x), b.Const(ir.F32, 1)), b.Const(ir.F32, 0))
	fraction := less(b.Op(ops.Add{}, x, b.Const(ir.F32, 0.1)), b.Const(ir.F32, 0.1))
	for _, y := range []*ir.Value{below, above, rounded, fraction} {
		b.Output(y)
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{
		"ids": {DType: ir.I64, Shape: []int{1, 4}, I64: []int64{0, 2, 3, 1<<24 + 1}},
		"x":   {DType: ir.F32, Shape: []int{1, 4}, F32: []float32{0, 1, -1, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	for k, y := range []*ir.Value{below, above, rounded, fraction} {
		var open []bool
		for i := range 4 {
			open = append(open, math.IsInf(est[y].At(i), 1))
		}
		want := []string{"[false false false false]", "[false false false false]", "[true false false true]", "[true false false true]"}[k]
		if fmt.Sprint(open) != want {
			t.Errorf("comparison %d is open at %v, want %s", k, open, want)
		}
	}
	if e := est[number]; e.Tolerance(2) != 0 || e.Tolerance(3) == 0 {
		t.Errorf("3 and 2^24+1 as float32 have the tolerances %v and %v", e.Tolerance(2), e.Tolerance(3))
	}
}

// TestOpenWhere allows an element that may be either of two numbers to be that far
// off and no further; of several in a row, as far as a sum of them can be.
func TestOpenWhere(t *testing.T) {
	either := func(b *ir.Builder, x *ir.Value) *ir.Value {
		y := b.Op(ops.Exp{}, x) // rounded, so that it may be above or below
		return b.Op(ops.Where{}, b.Op(ops.Greater{}, y, b.Const(ir.F32, 1)), b.Const(ir.F32, 5), b.Const(ir.F32, 2))
	}
	one := boundedRow(t, either, 0, 1, 2, -1)
	if tol := one.Tolerance(0); tol < 3 || tol > 3*(1+1e-6) {
		t.Errorf("5 or 2 has the tolerance %v", tol)
	}
	for i := 1; i < 4; i++ {
		if tol := one.Tolerance(i); tol != 0 {
			t.Errorf("element %d, which is certain, has the tolerance %v", i, tol)
		}
	}
	// A sum of four that are open may be off by all four.
	sum := boundedRow(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, either(b, x))
	}, 0, 0, 0, 0)
	if tol := sum.Tolerance(0); tol < 12 || tol > 12.01 {
		t.Errorf("a sum of four that are 5 or 2 has the tolerance %v", tol)
	}
	index := boundedRow(t, func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Cast{To: ir.I64}, either(b, x))
	}, 0, 1)
	if !math.IsInf(index.At(0), 1) || index.At(1) != 0 {
		t.Errorf("an integer that is 5 or 2 has the variances %v", index.Var)
	}
}

// TestOpenStays holds that what is made of an element that may be anything may be too, also
// where the reference has NaN for it or a weight of 0.
func TestOpenStays(t *testing.T) {
	lowest := func(b *ir.Builder, x *ir.Value) *ir.Value { // open where x is NaN or -Inf
		y := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(1), ir.Fixed(4)})}, x)
		y = b.Op(ops.MaxPool{Kernel: ir.MakeAxes(1)}, y)
		return b.Op(ops.Reshape{Shape: ir.MakeDims(x.Type.Shape)}, y)
	}
	image := func(b *ir.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(1), ir.Fixed(4)})}, x)
	}
	data := func(b *ir.Builder, v []float64, shape ...int) *ir.Value {
		return b.Data("", ir.F32, &ir.Tensor{DType: ir.F64, Shape: shape, F64: v})
	}
	last := ir.MakeAxes(1)
	for name, c := range map[string]struct {
		f    func(b *ir.Builder, x *ir.Value) *ir.Value
		want string
	}{
		"itself": {func(b *ir.Builder, x *ir.Value) *ir.Value { return x }, "[false true false true]"},
		"product": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.MatMul{}, x, data(b, make([]float64, 4), 4, 1))
		}, "[true]"},
		"bias": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Gemm{}, data(b, []float64{1}, 1, 1), data(b, make([]float64, 4), 1, 4), b.Op(ops.ReduceMax{Axes: ir.MakeAxes(0)}, x))
		}, "[false true false true]"},
		"sum":         {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.ReduceSum{Axes: last}, x) }, "[true]"},
		"mean":        {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.ReduceMean{Axes: last}, x) }, "[true]"},
		"softmax":     {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Softmax{Axis: 1}, x) }, "[true true true true]"},
		"log softmax": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.LogSoftmax{Axis: 1}, x) }, "[true true true true]"},
		"greater":     {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Max{}, x, b.Const(ir.F32, 0)) }, "[false true false true]"},
		"times 0":     {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Mul{}, x, b.Const(ir.F32, 0)) }, "[false true false true]"},
		"sign":        {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Sign{}, x) }, "[false true false true]"},
		"convolution": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Conv{Group: 1}, image(b, x), data(b, []float64{1, 0}, 1, 1, 2))
		}, "[true true true]"},
		"transposed": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.ConvTranspose{Strides: last, Group: 1}, image(b, x), data(b, []float64{1}, 1, 1, 1))
		}, "[false true false true]"},
		"average pool": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.AveragePool{Kernel: ir.MakeAxes(2)}, image(b, x))
		}, "[true true true]"},
	} {
		e := boundedRow(t, func(b *ir.Builder, x *ir.Value) *ir.Value { return c.f(b, lowest(b, x)) }, 3, float32(math.NaN()), 2, float32(math.Inf(-1)))
		var open []bool
		for i := range e.Value.Len() {
			open = append(open, math.IsInf(e.At(i), 1))
		}
		if fmt.Sprint(open) != c.want {
			t.Errorf("%s: open at %v, want %s", name, open, c.want)
		}
	}
}

// TestTrainingOnlyBound bounds every op that exists in training only as what it is
// for inference, its first operand.
func TestTrainingOnlyBound(t *testing.T) {
	n := 0
	for _, op := range ops.All() {
		if !ir.TrainingOnly(op) {
			continue
		}
		n++
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
		in := b.Op(ops.Sigmoid{}, x) // a probability, with an error
		args := []*ir.Value{in, in, in}
		y := &ir.Value{}
		for k := 1; k <= len(args); k++ {
			types := []ir.Type{in.Type, in.Type, in.Type}[:k]
			if _, err := op.Infer(types); err == nil {
				y = b.Op(op, args[:k]...)
				break
			}
		}
		if err := b.Err(); err != nil || y.Def == nil {
			t.Fatalf("%s: %v", op.Name(), err)
		}
		est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 2}, F32: []float32{0.3, -2}}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if est[y].Tolerance(i) != est[in].Tolerance(i) || est[y].Value.At(i) != est[in].Value.At(i) {
				t.Errorf("%s: element %d is %v off by %v, its operand %v off by %v", op.Name(), i, est[y].Value.At(i), est[y].Tolerance(i), est[in].Value.At(i), est[in].Tolerance(i))
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d ops exist in training only", n)
	}
}
