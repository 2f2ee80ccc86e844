// Package logcosh is a loss of one's own.
package logcosh

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// Loss is the mean of log cosh(prediction - target): a square near 0, an absolute
// value far from it, and smooth between.
//
// Shapes: both f32[N …], of one type. Mistakes: the two have different types.
func Loss(prediction, target *spec.Value) *spec.Loss {
	return spec.NewLoss("logcosh", spec.Apply(&layer{spec.Here("difference")}, prediction, target))
}

// layer computes the loss of each element.
type layer struct{ spec.Base }

// Build writes log cosh d as |d| + softplus(-2|d|) - log 2, which cannot
// overflow.
func (*layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if p, t := x[0].Type, x[1].Type; !p.Equal(t) {
		return b.Errorf("prediction and target must have one type, got %s and %s", p, t)
	}
	d := b.Op(ops.Abs{}, b.Op(ops.Sub{}, x[0], x[1]))
	tail := b.Op(ops.Softplus{}, b.Op(ops.Mul{}, d, b.Const(-2)))
	return b.Op(ops.Sub{}, b.Op(ops.Add{}, d, tail), b.Const(math.Ln2))
}
