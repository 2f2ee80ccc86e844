// Package within is a metric of one's own.
package within

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Metric is the share of the rows whose every element is less than limit from
// the target's.
//
// Shapes: both f32[N d], of one type. Mistakes: they are not; limit is not
// positive.
func Metric(prediction, target *spec.Value, limit float64) train.Metric {
	return train.Metric{Name: "within", Value: spec.Apply(&layer{spec.Here("within"), limit}, prediction, target)}
}

// layer is 1 for a row within the limit and 0 for another.
type layer struct {
	spec.Base
	limit float64
}

// Build compares the largest difference of each row.
func (l *layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if p, t := x[0].Type, x[1].Type; !p.Equal(t) || p.Rank() != 2 {
		return b.Errorf("prediction and target must be f32[N d] of one type, got %s and %s", p, t)
	}
	if !(l.limit > 0) || math.IsInf(l.limit, 0) {
		return b.Errorf("the limit must be positive, got %v", l.limit)
	}
	worst := b.Op(ops.ReduceMax{Axes: ir.MakeAxes(1)}, b.Op(ops.Abs{}, b.Op(ops.Sub{}, x[0], x[1])))
	return b.Op(ops.Cast{To: ir.F32}, b.Op(ops.Less{}, worst, b.Const(l.limit)))
}
