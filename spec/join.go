package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// joinLayer makes one value of several.
type joinLayer struct {
	Base
	build func(b *Builder, x []*ir.Value) *ir.Value
}

// Build returns the joined value.
func (l *joinLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return l.build(b, x) }

func isJoin(l Layer) bool { _, ok := l.(*joinLayer); return ok }

func join(kind string, build func(b *Builder, x []*ir.Value) *ir.Value, x ...*Value) *Value {
	at := callers(1)
	base := newBase(kind)
	return apply(at, kind, &joinLayer{base, build}, x)
}

func joinOp(op ir.Op) func(*Builder, []*ir.Value) *ir.Value {
	return func(b *Builder, x []*ir.Value) *ir.Value { return b.Op(op, x...) }
}

// broadcasting is an op of operands that are broadcast, row by row.
func broadcasting(op ir.Op) func(*Builder, []*ir.Value) *ir.Value {
	return func(b *Builder, x []*ir.Value) *ir.Value {
		shapes, rule := rowByRow(x)
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		lined, types := append([]*ir.Value{}, x...), ir.TypesOf(x)
		for i, s := range shapes {
			types[i].Shape = s
		}
		if _, err := ir.InferOp(op, types); err != nil && !slices.EqualFunc(types, ir.TypesOf(x), ir.Type.Equal) {
			return b.mistake(&mistake{op: func() string { return op.Name() }, rule: err.Error,
				hint: fmt.Sprintf("given are %s; rows go with rows, and axes with axes from the last on", typesOf(x))})
		}
		for i, v := range x {
			if !v.Type.Shape.Equal(shapes[i]) {
				lined[i] = b.Op(ops.Reshape{Shape: ir.MakeDims(shapes[i])}, v)
			}
		}
		return b.Op(op, lined...)
	}
}

func typesOf(x []*ir.Value) string {
	var s []string
	for _, v := range x {
		s = append(s, v.Type.String())
	}
	return strings.Join(s, " and ")
}

// rowByRow returns the shapes of operands in which those with a batch have as many axes
// as the others, of length 1 and behind the batch. Without that f32[N] beside f32[N 1] would be taken for a row of N
// columns, and each row would meet all others. It returns the rule that they break, or "".
func rowByRow(x []*ir.Value) (shapes []ir.Shape, rule string) {
	out := make([]ir.Shape, len(x))
	most, rows := 0, false
	for i, v := range x {
		out[i] = v.Type.Shape
		inRow := v.Type.Rank()
		if rowsFirst(v.Type.Shape) {
			inRow, rows = inRow-1, true
		}
		most = max(most, inRow)
	}
	switch {
	case !rows:
		return out, ""
	case most >= ir.MaxRank:
		return nil, fmt.Sprintf("the result would have %d axes and the batch, at most %d are possible in all (given are %s)", most, ir.MaxRank, typesOf(x))
	}
	for i, s := range out {
		if missing := most - len(s) + 1; rowsFirst(s) && missing > 0 {
			lined := ir.Shape{s[0]}
			for range missing {
				lined = append(lined, ir.Fixed(1))
			}
			out[i] = append(lined, s[1:]...)
		}
	}
	return out, ""
}

// Add is a + b, elementwise, as are [Sub], [Mul], [Div], [Pow], [Maximum], [Minimum],
// [Greater], [Less], [Equal] and [Where]. The operands are matched row by row, their
// axes from the last one on. Missing axes and axes of length 1 are repeated: f32[N T d]
// and f32[N d] give f32[N T d], f32[N d] and a constant f32[k d] give f32[N k d]. Add of
// ONNX. Mistakes: other lengths differ, or the dtypes do.
func Add(a, b *Value) *Value { return join("Add", broadcasting(ops.Add{}), a, b) }

// Sub is a - b, elementwise; see [Add]. Sub of ONNX.
func Sub(a, b *Value) *Value { return join("Sub", broadcasting(ops.Sub{}), a, b) }

// Mul is a ⊙ b, elementwise; see [Add]. Mul of ONNX.
func Mul(a, b *Value) *Value { return join("Mul", broadcasting(ops.Mul{}), a, b) }

// Div is a / b, elementwise; see [Add]. Div of ONNX.
func Div(a, b *Value) *Value { return join("Div", broadcasting(ops.Div{}), a, b) }

// Pow is a to the power b, elementwise, for floats; see [Add]. It is NaN where a is
// negative and b is not an integer. Pow of ONNX.
func Pow(a, b *Value) *Value { return join("Pow", broadcasting(ops.Pow{}), a, b) }

// Maximum is the greater of a and b, elementwise, and NaN if either is; see [Add]. The
// gradient goes to the greater one, half to each if they are equal. Max of ONNX. For the
// greatest element along axes see [Max].
func Maximum(a, b *Value) *Value { return join("Maximum", broadcasting(ops.Max{}), a, b) }

// Minimum is the lesser of a and b, elementwise; see [Maximum]. Min of ONNX.
func Minimum(a, b *Value) *Value { return join("Minimum", broadcasting(ops.Min{}), a, b) }

// Greater reports whether a > b, elementwise, as bool[N …], false if either is NaN; see
// [Add]. It has no gradient. [Where] selects by it, and [Floats] converts it to 0 and 1.
// Greater of ONNX.
func Greater(a, b *Value) *Value { return join("Greater", broadcasting(ops.Greater{}), a, b) }

// Less reports whether a < b, elementwise, like [Greater]. Less of ONNX.
func Less(a, b *Value) *Value { return join("Less", broadcasting(ops.Less{}), a, b) }

// Equal reports whether a = b, elementwise, for any dtype, like [Greater]. Equal of ONNX.
func Equal(a, b *Value) *Value { return join("Equal", broadcasting(ops.Equal{}), a, b) }

// Where is a where a condition bool[N …] holds and b elsewhere, elementwise; see [Add].
// The gradient goes to the chosen one. Where of ONNX.
func Where(condition, a, b *Value) *Value {
	return join("Where", broadcasting(ops.Where{}), condition, a, b)
}

// MatMul is the matrix product along the last two axes of a and b, row by row:
// f32[N … i k] and f32[N … k j] give f32[N … i j]. MatMul of ONNX.
func MatMul(a, b *Value) *Value { return join("MatMul", joinOp(ops.MatMul{}), a, b) }

// Concat joins values one after the other along an axis, not counting the batch; -1 is
// the last. The other axes must agree. Concat of ONNX.
func Concat(axis int, x ...*Value) *Value {
	return join("Concat", func(b *Builder, x []*ir.Value) *ir.Value {
		i, rule := axisOf(x[0].Type, axis)
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		return b.Op(ops.Concat{Axis: i}, x...)
	}, x...)
}

// Op applies any op, of package ops or of your own module, to values and returns its
// first result; [Value.Result] returns the others. Use it for ops without a function here:
//
//	spec.Op(ops.Softmax{Axis: 1}, x) // f32[N d]
//
// The op's attributes count the batch as axis 0. Mistakes: the op is nil or refuses the
// operands.
func Op(op ir.Op, x ...*Value) *Value {
	kind := "Op"
	if !isNil(op) && checkName(op.Name()) == "" {
		kind = op.Name()
	}
	return join(kind, func(b *Builder, x []*ir.Value) *ir.Value {
		out := b.Ops(op, x...)
		b.Also(out[1:]...)
		return out[0]
	}, x...)
}
