package spec

import (
	"cmp"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// WeightedBy makes the loss the weighted mean Σw·l / Σw over all rows of an update,
// however many parts, shards and ranks it runs in, and over all rows of an evaluation.
// w has a weight for each row, f32[N] or f32[N 1], or for each position of the loss's
// first axes, such as a mask f32[N T] for sequences f32[N T …]. Where a weight is 0,
// neither the loss nor its gradient sees the prediction, even if that is not finite. If
// no weight is above 0, both are 0. In training, a negative weight is an error that names
// its row.
//
// Mistakes: w has another type; it depends on anything but data columns, such as
// parameters or noise, or mixes rows; the loss is a penalty, already has weights, or was
// already given to a model.
func (l *Loss) WeightedBy(w *Value) *Loss {
	at, rule := callers(0), ""
	switch {
	case l == nil || isBad(l.v):
	case l.elems == nil:
		rule = "WeightedBy of a loss that has no elements"
	case l.weights != nil:
		rule = "WeightedBy of a loss that has weights: multiply the weights"
	}
	return l.option("WeightedBy", rule, func(c *Loss) {
		if isBad(c.v) {
			return
		}
		base := c.again(at)
		w := whole(w, at, "WeightedBy")
		var v *Value
		if c.layer != nil && c.emphasised == nil {
			again := *c.layer
			again.Base, again.weighted = base, true
			v = apply(at, "WeightedBy", &again, append(append([]*Value{}, c.operands...), w))
		} else {
			v = apply(at, "WeightedBy", &weightedLayer{base}, []*Value{{sp: c.sp, v: cmp.Or(c.emphasised, c.elems)}, w})
		}
		c.sp, c.v, c.st, c.weights = v.sp, v.v, base.st, w.v
	})
}

// again is the base of a layer that computes the loss in another way.
func (l *Loss) again(at site) Base {
	base := newBase(l.st.kind)
	base.st.loss, base.st.made = true, at
	return base
}

// weightedLayer is the weighted mean of elements of a loss.
type weightedLayer struct{ Base }

// Build takes the elements and the weights.
func (*weightedLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	w := weightsOver(b, x[1], x[0].Type.Shape)
	return weightedMean(b, keptBy(b, w)(x[0]), w)
}

// weightsOver returns weights of the first axes of elements of that shape.
func weightsOver(b *Builder, w *ir.Value, elems ir.Shape) *ir.Value {
	t := w.Type
	if n := t.Rank(); t.DType == ir.F32 && n == 2 && t.Shape.RowWise() && t.Shape[1] == ir.Fixed(1) && (len(elems) < 2 || elems[1] != ir.Fixed(1)) {
		w = b.Op(ops.Reshape{Shape: ir.MakeDims(t.Shape[:1])}, w)
		t = ir.T(ir.F32, t.Shape[0])
	}
	if n := t.Rank(); t.DType != ir.F32 || n == 0 || n > len(elems) || !t.Shape.Equal(elems[:n]) {
		return b.Errorf("the weights must be f32 of the first axes of the loss's elements, which are %v, as f32%v, got %s", elems, elems[:1], t)
	}
	if why := ir.NotData(w); why != "" {
		return b.Errorf("the weights must be made of data columns alone, row by row, but they depend on %s", why)
	}
	return w
}

// keptBy returns what makes a value 0 where there is no weight, so that neither it nor
// its gradient is seen there; the value itself if w is nil.
func keptBy(b *Builder, w *ir.Value) func(v *ir.Value) *ir.Value {
	if w == nil || isBad(w) {
		return func(v *ir.Value) *ir.Value { return v }
	}
	some := b.Op(ops.Greater{}, w, b.Const(0))
	return func(v *ir.Value) *ir.Value {
		if isBad(v) || isBad(some) {
			return v
		}
		return b.Op(ops.Where{}, lined(b, some, v.Type.Rank()), v, b.Const(0))
	}
}

// lined gives a value of the first axes the others too, of length 1.
func lined(b *Builder, v *ir.Value, rank int) *ir.Value {
	shape := v.Type.Shape.Clone()
	for len(shape) < rank {
		shape = append(shape, ir.Fixed(1))
	}
	if isBad(v) || len(shape) == v.Type.Rank() {
		return v
	}
	return b.Op(ops.Reshape{Shape: ir.MakeDims(shape)}, v)
}

// weightedMean returns Σw·y / Σw, where an element of w weighs the mean of what y has
// behind it; the plain mean if w is nil. The sum of the weights is that of all rows, a
// total of the update.
func weightedMean(b *Builder, y, w *ir.Value) *ir.Value {
	if w == nil {
		return mean(b, y)
	}
	if isBad(y) || isBad(w) {
		return bad()
	}
	var axes []int
	for i := w.Type.Rank(); i < y.Type.Rank(); i++ {
		axes = append(axes, i)
	}
	if len(axes) > 0 {
		y = b.Op(ops.ReduceMean{Axes: ir.MakeAxes(axes...)}, y)
	}
	// A negative weight makes the total no number, which is told with the row.
	checked := b.Op(ops.Where{}, b.Op(ops.Less{}, w, b.Const(0)), b.Op(ops.Sqrt{}, w), w)
	total := mean(b, checked)
	total = b.Op(ops.Where{}, b.Op(ops.Greater{}, total, b.Const(0)), total, b.Const(1))
	return b.Op(ops.Div{}, mean(b, b.Op(ops.Mul{}, y, w)), total)
}

// labelledLayer is 1 where there is a label and 0 elsewhere.
type labelledLayer struct{ Base }

// Build takes the labels.
func (*labelledLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Cast{To: ir.F32}, b.Present(x[0]))
}

// Labelled returns f32 of the shape of labels or of numbers to predict, 1 where there is one
// and 0 where there is none, to be used as the weight of a metric. It is nil if they are not
// [Value.Optional], as then every row has one.
func Labelled(labels *Value) *Value {
	if !labels.optional() {
		return nil
	}
	return apply(callers(0), "Labelled", &labelledLayer{newBase("Labelled")}, []*Value{labels})
}

// classWeights looks the weight of a label up.
type classWeights struct {
	Base
	weights  []float64
	optional bool
}

// Build takes the labels.
func (l *classWeights) Build(b *Builder, x ...*ir.Value) *ir.Value {
	for i, w := range l.weights {
		if finite("", w) != "" || w < 0 {
			return b.Errorf("the weight of a class must be finite and at least 0, got %v for class %d", w, i)
		}
	}
	if x[0].Type.DType != ir.I64 {
		return b.Errorf("takes labels, i64[N …], got %s", x[0].Type)
	}
	if limit := (&Value{sp: b.sp, v: x[0]}).limit(); len(l.weights) == 0 || limit > 0 && limit != len(l.weights) {
		return b.Errorf("needs a weight for each class; the labels have %d classes, got %d weights", limit, len(l.weights))
	}
	last := x[0].Type.Rank()
	hot := b.Op(ops.OneHot{Depth: len(l.weights)}, x[0])
	w := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(last)}, b.Op(ops.Mul{}, hot, b.vector(l.weights)))
	if l.optional && !isBad(w) {
		w = b.Op(ops.Where{}, b.Present(x[0]), w, b.Const(0))
	}
	return w
}

// ClassWeights returns the weight of each label's class, f32 of the labels' shape and 0
// where there is no label, for use with [Loss.WeightedBy]: rare classes can count more
// than frequent ones. Mistakes: the number of weights is not the number of classes, a
// weight is negative.
func ClassWeights(labels *Value, weights ...float64) *Value {
	at := callers(0)
	return apply(at, "ClassWeights", &classWeights{newBase("ClassWeights"), append([]float64{}, weights...), labels.optional()}, []*Value{labels})
}

// vector returns a constant f32[n].
func (b *Builder) vector(x []float64) *ir.Value {
	if b.failed {
		return bad()
	}
	s := b.sp.find()
	v := s.own(&ir.Value{Type: ir.T(ir.F32, ir.Fixed(len(x))), Kind: ir.DataValue})
	s.data[v] = &ir.Tensor{DType: ir.F64, Shape: []int{len(x)}, F64: append([]float64{}, x...)}
	return v
}

// WeightInputs returns the names of the float inputs that are weights of a loss. Their
// values must be at least 0.
func (m *Model) WeightInputs() []string {
	if m == nil {
		return nil
	}
	return append([]string{}, m.weigh...)
}
