package spec

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// StandardiseLayer is made by [Standardise] and [MinMax].
type StandardiseLayer struct {
	Base
	axis      int
	of        *StandardiseLayer // which this undoes
	from, per string            // names of the state
	less, by  Statistic
}

// Standardise gives each column of x f32[N … c] mean 0 and deviation 1 over the training
// rows: y = (x - mean)/deviation. Both are fitted before the first update, see
// [Builder.Fit], and ship as constants, so that whoever runs the file gives numbers as they
// are. A column of one value everywhere gets the deviation 1. Missing numbers are passed
// over, and stay missing; see [Value.Optional]. [Normalize] takes constants instead.
//
// State: mean f32[c] and deviation f32[c], without Bessel's correction, a number for each
// index of the last axis, or of the one that Axis names. Sub and Div of ONNX. A [Mirror]
// undoes it by the same constants. Mistakes: x is not f32 with an axis besides the batch; c
// is not known. A column without any value in the training rows is an error of the training.
func Standardise() *StandardiseLayer {
	return &StandardiseLayer{Base: newBase("Standardise"), axis: -1, from: "mean", per: "deviation", less: FitMean(), by: FitDeviation()}
}

// MinMax brings each column of x f32[N … c] to [0, 1], which are its least and its greatest
// number in the training rows: y = (x - least)/range. Later rows may lie outside; [Clip]
// keeps them in. A column of one value everywhere gets the range 1. Missing numbers are
// passed over, and stay missing.
//
// State: least f32[c] and range f32[c]. All else is as for [Standardise].
func MinMax() *StandardiseLayer {
	return &StandardiseLayer{Base: newBase("MinMax"), axis: -1, from: "least", per: "range", less: FitLeast(), by: FitRange()}
}

// Named gives the layer a name.
func (l *StandardiseLayer) Named(name string) *StandardiseLayer { return Named(l, name) }

// Axis sets the axis of the columns, not counting the batch: 0 for the channels of images
// or signals, f32[N C …]. -1 is the last. Mistakes: the axis does not exist.
func (l *StandardiseLayer) Axis(axis int) *StandardiseLayer {
	return Option(l, "Axis", func(l *StandardiseLayer) { l.axis = axis })
}

// Build returns x standardised, or as it was before that.
func (l *StandardiseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	axis, rule := channelAxis(t, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	b.Present(x[0]) // a NaN stays one
	if l.of == nil {
		less, by := b.Fit(l.from, x[0], l.less, axis), b.Fit(l.per, x[0], l.by, axis)
		y := b.Op(ops.Div{}, b.Op(ops.Sub{}, x[0], b.along(less, t, axis)), b.along(by, t, axis))
		return b.StaysMissing(y, x[0])
	}
	less, by := b.lent(l.of, l.from), b.lent(l.of, l.per)
	if !isBad(less) && less.Type.Shape[0] != t.Shape[axis] {
		return b.Errorf("it undoes a %s of %s columns, x is %s", l.of.st.kind, less.Type.Shape[0], t)
	}
	y := b.Op(ops.Add{}, b.Op(ops.Mul{}, x[0], b.along(by, t, axis)), b.along(less, t, axis))
	return b.StaysMissing(y, x[0])
}

// Image undoes the layer by its own constants.
func (l *StandardiseLayer) Image(ir.Type, bool) Image {
	if l.of != nil {
		return NoImage("it undoes another layer")
	}
	c := *l
	c.Base, c.of = newBase(l.st.kind+"Undone"), l
	return UndoneBy(&c)
}
