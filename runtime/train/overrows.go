package train

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// OverRows is a metric that is no mean over rows, such as the AUROC: a function of the values and labels of all rows that are
// measured, row by row, in their order. value is f32[N …]; labels are i64[N …], for []int, or f32[N …], for []float64. Rows
// without a label have -1.
//
//	train.OverRows("auroc", logits.Then(spec.Softmax(-1)), labels, func(scores []float64, labels []int) (float64, error) {
//		return evaluate.MacroAUROC(scores, 10, labels)
//	})
//
// All these numbers are kept in memory at once, 8 bytes each: of 100,000 rows and 10 classes 8.8 MB. More than 2^27 (1 GiB)
// are refused. The function is called once for each epoch, and must not keep the slices. An error of it ends the training.
//
// The name and the graphs of value and labels are part of what decides a result; the function itself is Go code, of which no
// checkpoint can tell whether it is still the same. If [Options.BestBy] goes by such a metric, the record of the training has its
// numbers: `lamina reproduce` chooses by these again, and says so.
func OverRows[L int | float64](name string, value, labels *spec.Value, of func(scores []float64, labels []L) (float64, error)) Metric {
	var zero L
	m := Metric{Name: name, Value: value, labels: labels, over: &wholeRows{want: ir.F32}}
	if _, ok := any(zero).(int); ok {
		m.over.want = ir.I64
	}
	if of != nil {
		m.over.of = func(r *collected) (float64, error) {
			if y, ok := any(r.ints).([]L); ok {
				return of(r.scores, y)
			}
			return of(r.scores, any(r.floats).([]L))
		}
	}
	return m
}

// wholeRows is a function of all rows.
type wholeRows struct {
	want ir.DType // of the labels
	of   func(*collected) (float64, error)
}

// collected are values and labels of all rows so far.
type collected struct {
	scores []float64
	ints   []int
	floats []float64
}

// mostCollected bounds the numbers that are kept for one metric.
const mostCollected = 1 << 27

// checkOver returns the rule that a metric over all rows breaks, or "".
func (x *Metric) checkOver() string {
	switch v, y := x.Value.Type(), x.labels.Type(); {
	case x.over.of == nil:
		return "needs a function"
	case x.Weight != nil:
		return "cannot have a weight; make it part of the function"
	case v.DType != ir.F32:
		return fmt.Sprintf("needs a value f32[N …], got %s", v)
	case y.DType != x.over.want && x.over.want == ir.I64:
		return fmt.Sprintf("has a function of labels []int, which are i64[N …]; got %s: write []float64", y)
	case y.DType != x.over.want:
		return fmt.Sprintf("has a function of labels []float64, which are f32[N …]; got %s: write []int", y)
	case !y.Shape.RowWise():
		return fmt.Sprintf("needs labels with the batch as their first axis, got %s", y)
	case v.Shape[1:].Symbolic() || y.Shape[1:].Symbolic():
		return fmt.Sprintf("needs rows of one length, got %s and %s", v, y)
	}
	return ""
}

// room makes room for all rows of a source.
//
// Errors: there are too many.
func (x *Metric) room(src dataset.Source) (*collected, error) {
	n, rows := x.Value.Type().Shape[1:].Count(), src.Len()
	k := x.labels.Type().Shape[1:].Count()
	if rows > mostCollected/(n+k) {
		return nil, fmt.Errorf("train: metric %q keeps %d numbers of each of the %d rows; all together may be %d: take fewer validation rows", x.Name, n+k, rows, mostCollected)
	}
	c := &collected{scores: make([]float64, 0, n*rows)}
	if x.over.want == ir.I64 {
		c.ints = make([]int, 0, k*rows)
	} else {
		c.floats = make([]float64, 0, k*rows)
	}
	return c, nil
}

func (c *collected) clear() {
	c.scores, c.ints, c.floats = c.scores[:0], c.ints[:0], c.floats[:0]
}

// add takes the rows of a batch.
func (c *collected) add(value, labels *ir.Tensor) {
	for _, x := range value.F32[:ir.Elems(value.Shape)] {
		c.scores = append(c.scores, float64(x))
	}
	if labels.DType == ir.I64 {
		for _, y := range labels.I64[:ir.Elems(labels.Shape)] {
			c.ints = append(c.ints, int(y))
		}
		return
	}
	for _, y := range labels.F32[:ir.Elems(labels.Shape)] {
		c.floats = append(c.floats, float64(y))
	}
}
