package spec

import (
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

// Add is a + b, elementwise. Axes of length 1 are broadcast.
func Add(a, b *Value) *Value { return join("Add", joinOp(ops.Add{}), a, b) }

// Sub is a - b, elementwise. Axes of length 1 are broadcast.
func Sub(a, b *Value) *Value { return join("Sub", joinOp(ops.Sub{}), a, b) }

// Mul is a ⊙ b, elementwise. Axes of length 1 are broadcast.
func Mul(a, b *Value) *Value { return join("Mul", joinOp(ops.Mul{}), a, b) }

// MatMul is the matrix product along the last two axes of a and b, row by row:
// f32[N … i k] and f32[N … k j] give f32[N … i j].
func MatMul(a, b *Value) *Value { return join("MatMul", joinOp(ops.MatMul{}), a, b) }

// Concat puts values one behind the other along an axis, the batch not counted;
// -1 is the last. The other axes must agree.
func Concat(axis int, x ...*Value) *Value {
	return join("Concat", func(b *Builder, x []*ir.Value) *ir.Value {
		i, rule := axisOf(x[0].Type, axis)
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		return b.Op(ops.Concat{Axis: i}, x...)
	}, x...)
}
