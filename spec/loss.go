package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Loss is a number to be minimised, f32[]: the mean over the rows, and within a row over
// its elements.
type Loss struct {
	sp     *space
	v      *ir.Value
	st     *state
	weight float64
	name   string // given by Named
	placed site   // in a model

	elems      *ir.Value // of which it is the mean, nil for a penalty
	emphasised *ir.Value // the same with an emphasis, nil without one
	unit       *ir.Value // target that must be in [0, 1]; nil for none
	weights    *ir.Value // of the rows, nil for none

	layer    *lossLayer // that made it, nil for a loss of one's own
	operands []*Value
}

// Weight returns the loss multiplied by w in the total. The default is 1. The loss is
// reported without it. Mistakes: w is not finite.
func (l *Loss) Weight(w float64) *Loss {
	return l.option("Weight", finite("weight", w), func(l *Loss) { l.weight = w })
}

// Named returns the loss with a name, under which it is reported: "drift" gives
// loss/drift, instead of its kind and a number. Mistakes: it is not a valid name, or is
// that of another loss of the model.
func (l *Loss) Named(name string) *Loss {
	return l.option("Named", checkName(name), func(l *Loss) { l.name = name })
}

// option returns a copy of the loss in which set has set something, unless a rule is
// broken.
func (l *Loss) option(name, rule string, set func(l *Loss)) *Loss {
	if l == nil || l.sp == nil {
		return l // reported by NewModel
	}
	at := callers(1)
	if l.placed != nil {
		rule = name + " after the loss was given to a model at " + l.placed.pos().Made.String()
	}
	if rule != "" {
		l.sp.fail(&mistake{at: at, made: at, op: text("loss %s", l.st.kind), rule: text("%s", rule)})
		return l
	}
	c := *l
	set(&c)
	return &c
}

// lossLayer computes a loss of a prediction and a target, and of weights.
type lossLayer struct {
	Base
	rule     func(prediction, target *ir.Value) string
	build    elementsOf
	optional bool // there may be no target
	masks    bool // elements without a target may be left out one by one
	inner    bool // a target of float32 has an axis more than the elements
	weighted bool // the third operand is weights
	elems    *ir.Value
	smoothed func(share float64) elementsOf // the loss of smoothed labels, nil if it has none
}

// elementsOf returns the loss of each element, or of each row. keep is applied to what
// it computes with, and makes it 0 in rows without weight.
type elementsOf func(b *Builder, prediction, target *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value

// Build returns the mean.
func (l *lossLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := l.rule(x[0], x[1]); rule != "" {
		return b.Errorf("%s", rule)
	}
	var w *ir.Value
	if l.weighted {
		rows := x[1].Type.Shape
		if l.inner && x[1].Type.DType == ir.F32 {
			rows = rows[:len(rows)-1]
		}
		w = weightsOver(b, x[2], rows)
	}
	if l.optional {
		if x[1].Type.DType.Float() && !l.masks {
			return b.Errorf("the target may lack values, which MSE, MAE, Huber and BinaryCrossEntropy leave out; this loss takes rows whole")
		}
		if some := b.Present(x[1]); w == nil {
			w = b.Op(ops.Cast{To: ir.F32}, some)
		} else {
			w = b.Op(ops.Where{}, some, lined(b, w, x[1].Type.Rank()), b.Const(0))
		}
	}
	l.elems = l.build(b, x[0], x[1], keptBy(b, w))
	return weightedMean(b, l.elems, w)
}

// mean returns the mean of all elements, along the rows first and then over
// them, so that all but the last sum keeps rows apart.
func mean(b *Builder, y *ir.Value) *ir.Value {
	if isBad(y) {
		return y
	}
	if n := y.Type.Rank(); n > 1 {
		var axes []int
		for i := 1; i < n; i++ {
			axes = append(axes, i)
		}
		y = b.Op(ops.ReduceMean{Axes: ir.MakeAxes(axes...)}, y)
	}
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, y)
}

// newLoss makes a loss of elements, each of which may lack its target.
func newLoss(kind string, prediction, target *Value, rule func(p, t *ir.Value) string,
	build elementsOf) *Loss {
	l := &lossLayer{Base: newBase(kind), rule: rule, build: build, masks: true}
	return l.of(callers(1), prediction, target)
}

// of is the loss that the layer computes.
func (l *lossLayer) of(at site, prediction, target *Value) *Loss {
	base, kind := l.Base, l.st.kind
	base.st.loss, l.optional = true, target.optional()
	v := apply(at, "loss "+kind, l, []*Value{prediction, target})
	return &Loss{sp: v.sp, v: v.v, st: base.st, weight: 1, elems: l.elems, layer: l, operands: []*Value{prediction, target}}
}

// ownLoss is the mean of what a user computed.
type ownLoss struct{ Base }

// Build returns the mean.
func (*ownLoss) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	switch {
	case t.Equal(ir.T(ir.F32)):
		return b.Op(ops.Identity{}, x[0])
	case t.DType != ir.F32 || !t.Shape.RowWise():
		return b.Errorf("the value must be f32[], one number, or f32[N …], one for each row or each of its elements, got %s", t)
	}
	return mean(b, x[0])
}

// NewLoss makes a loss from any value: the mean of value f32[N …] over the rows, and
// within a row over its elements, or a number f32[] as it is. The kind names it, as with
// layers: "logcosh" gives loss/logcosh1. Mistakes: the kind is not a valid name, the
// value has another type.
func NewLoss(kind string, value *Value) *Loss {
	base := newBase(kind)
	base.st.loss = true
	if rule := checkName(kind); rule != "" {
		base.st.kind = "loss"
		base.st.early = append(base.st.early, &mistake{at: base.st.made, made: base.st.made, op: text("NewLoss"), rule: text("kind: %s", rule)})
	}
	v := apply(callers(0), "NewLoss", &ownLoss{base}, []*Value{value})
	l := &Loss{sp: v.sp, v: v.v, st: base.st, weight: 1}
	if elems := whole(value, base.st.made, "NewLoss").v; elems.Type.Rank() > 0 {
		l.elems = elems
	}
	return l
}

func sameType(p, t *ir.Value) string {
	if !p.Type.Equal(t.Type) {
		return fmt.Sprintf("prediction and target must have one type, got %s and %s", p.Type, t.Type)
	}
	if p.Type.DType != ir.F32 || p.Type.Rank() == 0 {
		return fmt.Sprintf("prediction and target must be f32[N …], got %s", p.Type)
	}
	return ""
}

// MSE is the mean squared error, the mean of (prediction-target)². If the target may lack
// numbers ([Value.Optional]) it is the mean over the elements that are there, and 0 in an
// update without any; so are [MAE], [Huber] and [BinaryCrossEntropy]. Neither the loss nor
// its gradient sees the prediction of a missing one. Mistakes: the two have different types.
func MSE(prediction, target *Value) *Loss {
	return newLoss("MSE", prediction, target, sameType, func(b *Builder, p, t *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value {
		d := keep(b.Op(ops.Sub{}, p, t))
		return b.Op(ops.Mul{}, d, d)
	})
}

// MAE is the mean absolute error, the mean of |prediction-target|. Mistakes: the
// two have different types.
func MAE(prediction, target *Value) *Loss {
	return newLoss("MAE", prediction, target, sameType, func(b *Builder, p, t *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value {
		return b.Op(ops.Abs{}, keep(b.Op(ops.Sub{}, p, t)))
	})
}

// Huber is the mean of d²/2 for a difference d up to delta, and delta·(|d|-delta/2)
// beyond (Huber 1964). Mistakes: the two have different types, delta is not
// positive.
func Huber(prediction, target *Value, delta float64) *Loss {
	rule := func(p, t *ir.Value) string {
		if finite("delta", delta) != "" || delta <= 0 {
			return fmt.Sprintf("delta must be positive, got %v", delta)
		}
		return sameType(p, t)
	}
	return newLoss("Huber", prediction, target, rule, func(b *Builder, p, t *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value {
		a := b.Op(ops.Abs{}, keep(b.Op(ops.Sub{}, p, t)))
		near := b.Op(ops.Min{}, a, b.Const(delta)) // q²/2 + delta·(a-q) is both pieces
		square := b.Op(ops.Mul{}, b.Op(ops.Mul{}, near, near), b.Const(0.5))
		return b.Op(ops.Add{}, square, b.Op(ops.Mul{}, b.Op(ops.Sub{}, a, near), b.Const(delta)))
	})
}

// BinaryCrossEntropy is the mean of -t·log σ(z) - (1-t)·log(1-σ(z)) for logits
// z, not probabilities, and targets t in [0, 1], computed without overflow. A
// target that is an input is checked in training: a row outside is an error.
// Mistakes: the two have different types, the prediction comes from a Sigmoid.
func BinaryCrossEntropy(logits, target *Value) *Loss {
	rule := func(p, t *ir.Value) string {
		if p.Def != nil && p.Def.Op == (ops.Sigmoid{}) {
			return "takes logits, got the result of a Sigmoid: leave the Sigmoid out of what is trained"
		}
		return sameType(p, t)
	}
	l := newLoss("BinaryCrossEntropy", logits, target, rule, func(b *Builder, z, t *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value {
		z, t = keep(z), keep(t)
		return b.Op(ops.Sub{}, b.Op(ops.Softplus{}, z), b.Op(ops.Mul{}, z, t))
	})
	if target != nil {
		l.unit = target.v
	}
	return l
}

// CrossEntropy is the mean of -log softmax(z) at the label, for logits z
// f32[N … classes], not probabilities, and labels i64[N …], see [Labels]. Rows without
// a label, if the labels are [Value.Optional], are left out of the mean. Instead of labels,
// it takes a probability for each class, f32[N … classes]: the mean of -Σ t·log softmax(z).
// Such a target that is an input is checked in training: a value outside [0, 1] is an
// error. That the values of a row add up to 1 is not checked.
// Mistakes: the shapes do not fit, the labels have another number of classes, the
// prediction comes from a Softmax.
func CrossEntropy(logits, labels *Value) *Loss {
	rule := func(z, t *ir.Value) string {
		if z.Def != nil {
			if _, ok := z.Def.Op.(ops.Softmax); ok {
				return "takes logits, got the result of a Softmax: leave the Softmax out of what is trained"
			}
		}
		n := z.Type.Rank()
		labelled := t.Type.DType == ir.I64 && n >= 2 && t.Type.Shape.Equal(z.Type.Shape[:n-1])
		if z.Type.DType != ir.F32 || n < 2 || z.Type.Last() == 0 || !labelled && !t.Type.Equal(z.Type) {
			return fmt.Sprintf("logits must be f32[N … classes] and labels i64[N …] or f32[N … classes], got %s and %s", z.Type, t.Type)
		}
		if limit := labels.limit(); limit > 0 && limit != z.Type.Last() {
			return fmt.Sprintf("the logits are for %d classes (%s) but the labels have %d", z.Type.Last(), z.Type, limit)
		}
		return ""
	}
	layer := &lossLayer{Base: newBase("CrossEntropy"), rule: rule, inner: true, build: crossEntropy(0), smoothed: crossEntropy}
	l := layer.of(callers(0), logits, labels)
	if labels != nil && labels.v != nil && labels.v.Type.DType == ir.F32 {
		l.unit = labels.v
	}
	return l
}

// crossEntropy is the cross-entropy of targets of which a share is spread evenly over the classes.
func crossEntropy(share float64) elementsOf {
	return func(b *Builder, z, t *ir.Value, keep func(*ir.Value) *ir.Value) *ir.Value {
		last := z.Type.Rank() - 1
		target := t
		if t.Type.DType == ir.I64 {
			target = b.Op(ops.OneHot{Depth: z.Type.Last()}, t)
		}
		if share > 0 {
			target = b.Op(ops.Add{}, b.Op(ops.Mul{}, target, b.Const(1-share)), b.Const(share/float64(z.Type.Last())))
		}
		at := b.Op(ops.Mul{}, target, b.Op(ops.LogSoftmax{Axis: last}, keep(z)))
		return b.Op(ops.Neg{}, b.Op(ops.ReduceSum{Axes: ir.MakeAxes(last)}, at))
	}
}

// Smooth spreads a share of each label evenly over all classes (label smoothing, Szegedy et al. 2016, section 7): the target
// is 1-share+share/classes for the label and share/classes for every other class; probabilities as targets are mixed in the
// same way. The loss is reported with it, in validation too. Rows without a label stay without one.
//
// Mistakes: the loss is not CrossEntropy; share is not at least 0 and below 1; the loss has weights or an emphasis already:
// write Smooth before WeightedBy; it was already given to a model.
func (l *Loss) Smooth(share float64) *Loss {
	at, rule := callers(0), ""
	switch {
	case l == nil || isBad(l.v):
	case l.layer == nil || l.layer.smoothed == nil:
		rule = "Smooth of a loss other than CrossEntropy"
	case l.weights != nil:
		rule = "Smooth of a loss that has weights: write Smooth before WeightedBy"
	case l.emphasised != nil:
		rule = "Smooth of a loss that has an emphasis: write Smooth before Emphasis"
	case !(share >= 0 && share < 1):
		rule = fmt.Sprintf("the share must be at least 0 and below 1, got %v", share)
	}
	return l.option("Smooth", rule, func(c *Loss) {
		if isBad(c.v) {
			return
		}
		layer := *c.layer
		layer.Base, layer.build = c.again(at), c.layer.smoothed(share)
		v := apply(at, "Smooth", &layer, c.operands)
		c.sp, c.v, c.st, c.layer, c.elems = v.sp, v.v, layer.st, &layer, layer.elems
	})
}

// limit returns the bound of an integer input, 0 for another value.
func (v *Value) limit() int {
	for _, in := range v.sp.find().inputs {
		if in.v == v.v {
			return in.limit
		}
	}
	return 0
}
