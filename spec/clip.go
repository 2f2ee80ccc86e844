package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Clip keeps the numbers of a float x within [lo, hi], elementwise. Its gradient is 0
// outside. Missing numbers stay missing; see [Value.Optional]. Max and Min of ONNX. A
// [Mirror] leaves it out, as what was cut off cannot be restored. Mistakes: x is not a
// float; a limit is not finite in f32, or lo is not below hi.
func Clip(lo, hi float64) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("Clip"), image: PassedOver}
	a, b := float32(lo), float32(hi)
	if a-a != 0 || b-b != 0 || !(a < b) {
		l.rule = fmt.Sprintf("the limits must be finite in f32 and the first below the second, got %v and %v", lo, hi)
	}
	l.build = passing(func(b *Builder, x *ir.Value) *ir.Value {
		s, d := b.sp, x.Type.DType
		return b.Op(ops.Min{}, b.Op(ops.Max{}, x, s.constant(d, lo)), s.constant(d, hi))
	})
	return l
}

// LogScale brings numbers of very different size together: y = sign(x)·log(1+|x|),
// elementwise, for a float x. It is about x near 0 and log|x| far from it, and takes numbers
// below 0 too, which log(1+x) does not. Missing numbers stay missing; see
// [Value.Optional]. Less, Neg, Where, Add and Log of ONNX. A [Mirror] undoes it. Mistakes: x
// is not a float.
func LogScale() *FormulaLayer {
	return odd("LogScale", LogScaleUndone, func(b *Builder, x, one *ir.Value) *ir.Value { return b.Op(ops.Log{}, b.Op(ops.Add{}, x, one)) })
}

// LogScaleUndone is sign(x)·(exp|x| - 1), which undoes [LogScale], as a [Mirror] of it does.
// Sub and Exp of ONNX, and what LogScale has beside Add and Log.
func LogScaleUndone() *FormulaLayer {
	return odd("LogScaleUndone", LogScale, func(b *Builder, x, one *ir.Value) *ir.Value { return b.Op(ops.Sub{}, b.Op(ops.Exp{}, x), one) })
}

// odd is f of the numbers from 0 on and -f(-x) of those below. At 0 its slope is that of f,
// which an absolute value would not have.
func odd(kind string, undone func() *FormulaLayer, f func(b *Builder, x, one *ir.Value) *ir.Value) *FormulaLayer {
	l := &FormulaLayer{Base: newBase(kind), build: passing(func(b *Builder, x *ir.Value) *ir.Value {
		d := x.Type.DType
		below := b.Op(ops.Less{}, x, b.sp.constant(d, 0))
		turned := func(v *ir.Value) *ir.Value { return b.Op(ops.Where{}, below, b.Op(ops.Neg{}, v), v) }
		return turned(f(b, turned(x), b.sp.constant(d, 1)))
	})}
	l.image = func() Image { return UndoneBy(undone()) }
	return l
}

// ClipQuantilesLayer is made by [ClipQuantiles].
type ClipQuantilesLayer struct {
	Base
	axis   int
	lo, hi float64
}

// ClipQuantiles keeps each column of x f32[N … c] within two quantiles of it over the
// training rows, such as 0.01 and 0.99, so that a few wild numbers do not decide what
// follows. The quantiles are fitted before the first update, see [Builder.Fit], and ship as
// constants. Missing numbers are passed over, and stay missing; see [Value.Optional].
//
// State: low f32[c] and high f32[c], a number for each index of the last axis, or of the one
// that Axis names. Max and Min of ONNX. A [Mirror] leaves it out. Mistakes: the shares are
// not from 0 to 1, or the first is not below the second; x is not f32 with an axis besides
// the batch; c is not known. A column without any value in the training rows is an error of
// the training.
func ClipQuantiles(lo, hi float64) *ClipQuantilesLayer {
	return &ClipQuantilesLayer{newBase("ClipQuantiles"), -1, lo, hi}
}

// Named gives the layer a name.
func (l *ClipQuantilesLayer) Named(name string) *ClipQuantilesLayer { return Named(l, name) }

// Axis sets the axis of the columns, not counting the batch: 0 for the channels of images
// or signals, f32[N C …]. -1 is the last. Mistakes: the axis does not exist.
func (l *ClipQuantilesLayer) Axis(axis int) *ClipQuantilesLayer {
	return Option(l, "Axis", func(l *ClipQuantilesLayer) { l.axis = axis })
}

func (l *ClipQuantilesLayer) args() string {
	if !(l.lo >= 0 && l.lo < l.hi && l.hi <= 1) {
		return fmt.Sprintf("the shares must be from 0 to 1 and the first below the second, got %v and %v", l.lo, l.hi)
	}
	return ""
}

// Build returns x within the quantiles.
func (l *ClipQuantilesLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	axis, rule := channelAxis(t, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	low := b.along(b.Fit("low", x[0], FitQuantile(l.lo), axis), t, axis)
	high := b.along(b.Fit("high", x[0], FitQuantile(l.hi), axis), t, axis)
	return passing(func(b *Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Min{}, b.Op(ops.Max{}, x, low), high)
	})(b, x[0])
}

// Image leaves the layer out.
func (l *ClipQuantilesLayer) Image(ir.Type, bool) Image { return PassedOver() }
