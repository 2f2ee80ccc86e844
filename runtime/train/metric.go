package train

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// Accuracy is the share of rows in which the label has the greatest logit.
// logits is f32[N classes], labels i64[N]. Rows without a label, if they are
// [spec.Value.Optional], are left out.
func Accuracy(logits, labels *spec.Value) Metric {
	return Metric{Name: "accuracy", Value: spec.Apply(&hit{Base: spec.Here("accuracy")}, logits, labels), Weight: spec.Labelled(labels)}
}

// hit is 1 where the prediction is the label and 0 elsewhere.
type hit struct{ spec.Base }

// Build implements [spec.Layer].
func (*hit) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if len(x) != 2 {
		return b.Errorf("logits and labels are needed, got %d values", len(x))
	}
	best := b.Op(ops.ArgMax{Axis: 1}, x[0])
	return b.Op(ops.Cast{To: ir.F32}, b.Op(ops.Equal{}, best, x[1]))
}
