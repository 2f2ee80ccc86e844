package spec

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// ColumnErrors are the parts of a reconstruction's error: the square of what each number is off, f32[N …] of both operands'
// shape, and 0 where the target is missing ([Value.Optional]). They are what each column contributes to the score of a row,
// which is a composition, as is its flag:
//
//	numbers := spec.ColumnErrors(y, scaled)
//	ids := spec.CategoryErrors(logits, categorical, cards...)
//	contributions := spec.Concat(0, numbers, ids).Named("contributions") // f32[N k]
//	score := contributions.Then(spec.Sum(0)).Named("score")
//	alarm, err := evaluate.FalseAlarms(ctx, fit.Net(score), clean, 0.01)
//	ship := fit.Net(score, score.Then(spec.Above(alarm.Threshold)).Named("anomaly"), contributions)
//
// What contributes to a score that was trained with labels tells [GradientTimesInput].
//
// Equal, Where, Sub and Mul of ONNX. No gradient reaches a missing number. Mistakes: the operands are not f32 of one shape.
func ColumnErrors(prediction, target *Value) *Value {
	return join("ColumnErrors", func(b *Builder, x []*ir.Value) *ir.Value {
		y, t := x[0], x[1]
		if y.Type.DType != ir.F32 || !y.Type.Equal(t.Type) {
			return b.Errorf("prediction and target must be f32 of the same shape, got %s", typesOf(x))
		}
		d := b.Op(ops.Where{}, b.Present(t), b.Op(ops.Sub{}, y, t), b.Const(0))
		return b.Op(ops.Mul{}, d, d)
	}, prediction, target)
}

// CategoryErrors are the cross-entropies of ids i64[N c], each below its own number, under logits f32[N n], where n is the sum of
// the numbers: of each column those of its ids, side by side. The result is f32[N c], in nats: beside [ColumnErrors] it is what
// each column contributes to a score. The ids of a missing value and of one never seen are ids like others.
//
// OneHot, LogSoftmax, Mul, ReduceSum, Neg and Concat of ONNX. Mistakes: there is no column; a number is not positive; ids that
// may be greater; logits of another length.
func CategoryErrors(logits, ids *Value, cardinalities ...int) *Value {
	cards := append([]int{}, cardinalities...)
	return join("CategoryErrors", func(b *Builder, x []*ir.Value) *ir.Value {
		z, ids := x[0], x[1]
		if rule := cardsRule(cards); rule != "" {
			return b.Errorf("%s", rule)
		}
		if rule := b.ids(ids, cards); rule != "" {
			return b.Errorf("%s", rule)
		}
		all := 0
		for _, n := range cards {
			all += n
		}
		if z.Type.DType != ir.F32 || z.Type.Rank() != 2 || !rowsFirst(z.Type.Shape) || z.Type.Shape[1] != ir.Fixed(all) {
			return b.Errorf("logits must be f32[N %d], one for each id of every column, got %s", all, z.Type)
		}
		at := 0
		return b.eachID(ids, func(i int, id *ir.Value) *ir.Value {
			own := z
			if len(cards) > 1 {
				own = b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(at), End: ir.Fixed(at + cards[i])}, z)
			}
			at += cards[i]
			likely := b.Op(ops.Mul{}, b.Op(ops.OneHot{Depth: cards[i]}, id), b.Op(ops.LogSoftmax{Axis: 1}, own))
			return b.Op(ops.Neg{}, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1), Keep: true}, likely))
		})
	}, logits, ids)
}
