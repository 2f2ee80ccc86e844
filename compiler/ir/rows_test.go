package ir_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// foreign is an op of another module; what it says of itself is in the types that
// embed it.
type foreign struct{}

func (foreign) Name() string                          { return "Foreign" }
func (foreign) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }

type (
	silent struct{ foreign }
	split  struct{ foreign }
	whole  struct{ foreign }
	apart  struct{ foreign }
	mixing struct{ split }
)

func (split) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis0}[:len(in)], true
}
func (whole) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Whole}[:len(in)], true
}
func (apart) MixesRows([]ir.Type) bool  { return false }
func (mixing) MixesRows([]ir.Type) bool { return true }

// threeN is three times the batch.
var threeN, _ = ir.Mul(ir.Fixed(3), ir.Rows())

func TestUseOfRows(t *testing.T) {
	n := ir.Rows()
	f32 := func(dims ...ir.Dim) ir.Type { return ir.T(ir.F32, dims...) }
	three, four := ir.Fixed(3), ir.Fixed(4)
	for _, c := range []struct {
		op   ir.Op
		in   []ir.Type
		want ir.RowUse
	}{
		{ops.Relu{}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.Relu{}, []ir.Type{f32(n, n)}, ir.Mixed},
		{ops.Add{}, []ir.Type{f32(n, ir.Fixed(1)), f32(n)}, ir.Mixed},
		{ops.Add{}, []ir.Type{f32(three, n), f32(n)}, ir.Apart},
		{ops.Softmax{Axis: 1}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.Softmax{Axis: 1}, []ir.Type{f32(three, n)}, ir.Mixed},
		{ops.Softmax{Axis: 0}, []ir.Type{f32(n, three)}, ir.Mixed},
		{ops.Softmax{Axis: 0}, []ir.Type{f32(three, four)}, ir.Apart},
		{ops.Transpose{Perm: ir.MakeAxes(1, 0)}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.Reshape{Shape: ir.MakeDims(ir.Shape{threeN, four})}, []ir.Type{f32(n, three, four)}, ir.Apart},
		{ops.Reshape{Shape: ir.MakeDims(ir.Shape{three, n})}, []ir.Type{f32(n, three)}, ir.Mixed},
		{ops.Reshape{Shape: ir.MakeDims(ir.Shape{four, threeN})}, []ir.Type{f32(four, n, three)}, ir.Apart},
		{ops.Flatten{Axis: 1}, []ir.Type{f32(n, three, four)}, ir.Apart},
		{ops.Flatten{Axis: 2}, []ir.Type{f32(n, three, four)}, ir.Apart},
		{ops.ReduceMean{Axes: ir.MakeAxes(1)}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.ReduceMean{Axes: ir.MakeAxes(0)}, []ir.Type{f32(n, three)}, ir.Summed},
		{ops.ReduceSum{}, []ir.Type{f32(three, n)}, ir.Summed},
		{ops.ReduceMax{}, []ir.Type{f32(n, three)}, ir.Mixed},
		{ops.MatMul{}, []ir.Type{f32(n, three), f32(three, four)}, ir.Apart},
		{ops.MatMul{}, []ir.Type{f32(four, three), f32(three, n)}, ir.Apart},
		{ops.MatMul{}, []ir.Type{f32(three, n), f32(n, four)}, ir.Summed},
		{ops.MatMul{}, []ir.Type{f32(n, three), f32(three, n)}, ir.Mixed},
		{ops.MatMul{}, []ir.Type{f32(n, four, three), f32(n, three, four)}, ir.Apart},
		{ops.Gemm{TransA: true}, []ir.Type{f32(n, three), f32(n, four)}, ir.Summed},
		{ops.Gemm{TransB: true}, []ir.Type{f32(n, three), f32(n, three)}, ir.Mixed},
		{ops.Dropout{}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.Dropout{}, []ir.Type{f32(three, n)}, ir.Mixed},
		{ops.OneHot{Depth: 3}, []ir.Type{ir.T(ir.I64, n)}, ir.Apart},
		{ops.TopK{K: 2, Axis: 1}, []ir.Type{f32(n, three)}, ir.Apart},
		{ops.Concat{Axis: 1}, []ir.Type{f32(n, three), f32(n, four)}, ir.Apart},
		{silent{}, []ir.Type{f32(n, three)}, ir.Mixed},
		{silent{}, []ir.Type{f32(four, three)}, ir.Apart},
		{split{}, []ir.Type{f32(n, three)}, ir.Apart},
		{split{}, []ir.Type{f32(three, n)}, ir.Mixed},
		{whole{}, []ir.Type{f32(n, three)}, ir.Mixed},
		{apart{}, []ir.Type{f32(three, n)}, ir.Apart},
		{mixing{}, []ir.Type{f32(n, three)}, ir.Mixed},
	} {
		out, err := c.op.Infer(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := ir.UseOfRows(c.op, c.in, out); got != c.want {
			t.Errorf("%s of %v: %v, want %v", ir.FormatOp(c.op), c.in, got, c.want)
		}
	}
}

func TestRowsApart(t *testing.T) {
	turn := ops.Transpose{Perm: ir.MakeAxes(1, 0)}
	for name, c := range map[string]struct {
		f    func(b *ir.Builder, x *ir.Value) *ir.Value
		want bool
	}{
		"relu":    {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Relu{}, x) }, true},
		"softmax": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Softmax{Axis: 1}, x) }, true},
		"center": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Sub{}, x, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, x))
		}, false},
		"gram":       {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Gemm{TransB: true}, x, x) }, false},
		"transposed": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(turn, x) }, false},
		"views": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			flat := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{threeN})}, x)
			return b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(3)})}, b.Op(ops.Relu{}, flat))
		}, true},
		"reshaped": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			other := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Fixed(3), ir.Rows()})}, x)
			return b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(3)})}, b.Op(ops.Relu{}, other))
		}, false},
		"joined, then sliced": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			two, _ := ir.Mul(ir.Fixed(2), ir.Rows())
			return b.Op(ops.Slice{Start: ir.Rows(), End: two}, b.Op(ops.Concat{}, b.Op(ops.Neg{}, x), x))
		}, false},
		"padded": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Pad{After: ir.Rows()}, x) }, false},
		"counted": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Div{}, x, b.Op(ops.Extent{Of: ir.MakeDims(ir.Shape{ir.Rows()}), To: ir.F32}))
		}, false},
		"unread": {func(b *ir.Builder, x *ir.Value) *ir.Value { b.Op(turn, x); return b.Op(ops.Relu{}, x) }, true},
	} {
		b := ir.NewBuilder("g")
		b.Output(c.f(b, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))))
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		if got := ir.RowsApart(b.Graph); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestSeparable holds what the gradients of the parts of an update add up for, and
// the node that is named where they do not.
func TestSeparable(t *testing.T) {
	mean := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.ReduceMean{}, x) }
	units := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x) }
	for name, c := range map[string]struct {
		f    func(b *ir.Builder, x, w *ir.Value) *ir.Value
		want string
	}{
		"mean": {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return mean(b, b.Op(ops.MatMul{}, x, w)) }, ""},
		"sum":  {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return b.Op(ops.ReduceSum{}, b.Op(ops.MatMul{}, x, w)) }, ""},
		"parameters": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return b.Op(ops.Add{}, mean(b, x), mean(b, b.Op(ops.Abs{}, w)))
		}, ""},
		"weights": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return b.Op(ops.Sub{}, b.Op(ops.Mul{}, mean(b, x), b.Const(ir.F32, 2)), b.Op(ops.Div{}, b.Op(ops.Neg{}, mean(b, x)), b.Const(ir.F32, 3)))
		}, ""},
		"outer product": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return mean(b, b.Op(ops.Gemm{TransA: true}, x, x))
		}, ""},
		"turned": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return mean(b, b.Op(ops.Softmax{Axis: 0}, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, x)))
		}, ""},
		"square of a mean": {func(b *ir.Builder, x, w *ir.Value) *ir.Value { m := units(b, x); return mean(b, b.Op(ops.Mul{}, m, m)) },
			`Mul: it is not linear in a sum or mean over the rows (ReduceMean)`},
		"ratio": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			y := b.Op(ops.MatMul{}, x, w)
			return b.Op(ops.Div{}, mean(b, y), b.Op(ops.ReduceSum{}, y))
		}, `Div: it is not linear in a sum or mean over the rows (ReduceMean), which depends on the parameter "w", not on data columns alone`},
		"ratio to noise": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			noisy := b.Op(ops.GaussianNoise{SD: 1, Stream: 1}, x)
			return b.Op(ops.Div{}, mean(b, b.Op(ops.MatMul{}, x, w)), b.Op(ops.Exp{}, mean(b, noisy)))
		}, `Exp: it is not linear in a sum or mean over the rows (ReduceMean), which depends on the draws of GaussianNoise in layer "mine1"`},
		"ratio to data": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return b.Op(ops.Div{}, mean(b, b.Op(ops.MatMul{}, x, w)), b.Op(ops.Exp{}, b.Op(ops.ReduceSum{}, b.Op(ops.Abs{}, x))))
		}, ""},
		"rows over data": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return mean(b, b.Op(ops.Div{}, b.Op(ops.MatMul{}, x, w), mean(b, x)))
		}, ""},
		"total of a total": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			part := b.Op(ops.Div{}, x, mean(b, x))
			return b.Op(ops.Div{}, mean(b, b.Op(ops.MatMul{}, x, w)), mean(b, part))
		}, "Div: it is not linear in a sum or mean over the rows (ReduceMean)"},
		"trained factor": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return b.Op(ops.Mul{}, mean(b, b.Op(ops.MatMul{}, x, w)), mean(b, w))
		}, "Mul: it is not linear"},
		"trained factor of data": {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return b.Op(ops.Mul{}, mean(b, x), mean(b, w)) }, ""},
		"centred":                {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return mean(b, b.Op(ops.Sub{}, x, units(b, x))) }, "Sub: it brings a sum or mean over the rows (ReduceMean) back to them"},
		"stopped": {func(b *ir.Builder, x, w *ir.Value) *ir.Value {
			return mean(b, b.Op(ops.Sub{}, x, b.Op(ops.StopGradient{}, units(b, x))))
		}, "Sub: it brings a sum or mean over the rows (StopGradient)"},
		"greatest":         {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return b.Op(ops.ReduceMax{}, x) }, "ReduceMax: in it a row depends on the others"},
		"gram":             {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return mean(b, b.Op(ops.Gemm{TransB: true}, x, x)) }, "Gemm: in it a row depends"},
		"another module's": {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return mean(b, b.Op(silent{}, x)) }, "Foreign: in it a row depends"},
		"a row each":       {func(b *ir.Builder, x, w *ir.Value) *ir.Value { return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, x) }, "a number for each row"},
	} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
		w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(2)))
		b.Layer, b.Pos = "mine1", ir.Pos{Made: ir.Frame{File: "mine.go", Line: 7}}
		loss := c.f(b, x, w)
		b.Layer, b.Pos = "later1", ir.Pos{}
		total := b.Op(ops.Mul{}, loss, b.Const(ir.F32, 0.5))
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		err := ir.Separable(b.Graph, total)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error is %v, want %q in it", name, err, c.want)
		case c.want != "" && name != "a row each" && !strings.HasPrefix(err.Error(), `mine.go:7: layer "mine1": `):
			t.Errorf("%s: no layer and line: %v", name, err)
		}
	}
}
