package spec

import (
	"fmt"
	"math"

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

// PredictionSet tells which classes are likely enough: probabilities f32[N … classes] become bool of the same shape, true
// where one is at least threshold, false for NaN. The threshold is that of evaluate.Conformal, which is a number of f32:
//
//	sets := p.Then(spec.PredictionSet(threshold))
//	size := sets.Then(spec.Floats(), spec.Sum(-1)).Named("size") // f32[N]
//
// Greater of ONNX, with the number of f32 below the threshold. No gradient goes through it. Mistakes: x is not a float, or has
// no axis but the batch; the threshold is not from 0 to 1.
func PredictionSet(threshold float64) *FormulaLayer {
	return ofSet("PredictionSet", threshold, func(_ *Builder, set *ir.Value) *ir.Value { return set })
}

// Unsure is true where the [PredictionSet] is not exactly one class: probabilities f32[N … classes] become bool[N …]. A
// prediction set of no class or of several is a row whose class a user should not rely on; NaN is unsure. Greater, Cast,
// ReduceSum, Add, Abs and Greater of ONNX. Mistakes: those of PredictionSet.
func Unsure(threshold float64) *FormulaLayer {
	return ofSet("Unsure", threshold, func(b *Builder, set *ir.Value) *ir.Value {
		size := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(set.Type.Rank() - 1)}, b.Op(ops.Cast{To: ir.F32}, set))
		return b.Op(ops.Greater{}, b.Op(ops.Abs{}, b.Op(ops.Add{}, size, b.Const(-1))), b.Const(0.5))
	})
}

// ofSet is a function of the classes whose probability is at least threshold.
func ofSet(kind string, threshold float64, f func(b *Builder, set *ir.Value) *ir.Value) *FormulaLayer {
	l := &FormulaLayer{Base: newBase(kind)}
	if !(threshold >= 0 && threshold <= 1) {
		l.rule = fmt.Sprintf("the threshold is a probability, which must be from 0 to 1, got %v", threshold)
	}
	l.build = ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		if !x.Type.Shape.RowWise() || x.Type.Rank() < 2 {
			return b.Errorf("x must be probabilities of classes, [N … classes], got %s", x.Type)
		}
		below := float64(math.Nextafter32(float32(threshold), -1))
		if x.Type.DType == ir.F64 {
			below = math.Nextafter(threshold, -1)
		}
		set := b.Op(ops.Greater{}, x, b.sp.constant(x.Type.DType, below))
		if isBad(set) {
			return set
		}
		return f(b, set)
	})
	return l
}
