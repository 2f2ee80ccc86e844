package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// MeanSquare is the mean of the squares of a row, f32[N …] becomes f32[N]: of an error it
// is the score of a row. Mul and ReduceMean of ONNX.
//
//	score := spec.Sub(y, x).Then(spec.MeanSquare()).Named("score")
//
// Mistakes: x is not a float, or has no axis but the batch.
func MeanSquare() *FormulaLayer {
	return &FormulaLayer{Base: newBase("MeanSquare"), build: ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		if !x.Type.Shape.RowWise() || x.Type.Rank() < 2 {
			return b.Errorf("x must be rows of several numbers, [N …], got %s", x.Type)
		}
		axes := make([]int, x.Type.Rank()-1)
		for i := range axes {
			axes[i] = i + 1
		}
		return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(axes...)}, b.Op(ops.Mul{}, x, x))
	})}
}

// Above tells, elementwise, whether x is greater than a limit: f32[N …] becomes bool[N …],
// false for NaN. It is the flag of a score, whose limit may be a quantile of the rows that
// were trained on:
//
//	limit, err := fit.Net(score).Quantile(ctx, rows, 0.99)
//	ship := fit.Net(score, score.Then(spec.Above(limit)).Named("anomaly"))
//
// Greater of ONNX. No gradient goes through it. Mistakes: x is not a float; the limit is
// not finite in f32.
func Above(limit float64) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("Above")}
	if x := float32(limit); x-x != 0 {
		l.rule = fmt.Sprintf("the limit must be finite in f32, got %v", limit)
	}
	l.build = ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Greater{}, x, b.sp.constant(x.Type.DType, limit))
	})
	return l
}
