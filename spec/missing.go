package spec

import (
	"cmp"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Optional allows rows without a value, and returns the input. A label or token that is
// absent is written as -1, a number as NaN.
//
// Labels: [CrossEntropy] and the accuracy in package train leave rows without one out. The
// loss is the mean over the rows that have a label, and 0 in an update without any.
//
// Numbers: only what says what a missing one means may read the input. That is
// [FillMissing] and [Present]; [Standardise], [MinMax], [Clip], [ClipQuantiles] and
// [LogScale], which leave it missing; and [MSE], [MAE], [Huber] and [BinaryCrossEntropy],
// of which it is the target and whose mean is over the elements that are there. A layer of
// your own may too: see [Builder.Present].
//
// Mistakes: the value is not one of [Input], [Labels], [Tokens] or [Categories]; a layer
// read it before; anything else reads a number that may be missing.
func (v *Value) Optional() *Value {
	at := callers(0)
	v = whole(v, at, "Optional")
	if isBad(v.v) {
		return v
	}
	s := v.sp.find()
	for _, in := range s.inputs {
		number := in.v.Type.DType == ir.F32 && in.v.Type.Shape.RowWise()
		if in.v != v.v || in.limit == 0 && !number {
			continue
		}
		if in.read != nil {
			s.fail(&mistake{at: at, made: at, op: text("Optional"), rule: text("input %q was read before, at %s; write Optional right behind the input", in.name, in.read.pos().Made)})
		}
		if in.optional = true; number && in.read == nil {
			s.lacks[v.v] = v.v
		}
		return v
	}
	s.fail(&mistake{at: at, made: at, op: text("Optional"), rule: text("only an Input, Labels, Tokens and Categories may be absent, got %s", v.v.Type)})
	return &Value{sp: s, v: bad()}
}

// optional reports whether the value may be absent: it is an optional input, or made of one
// by layers that leave missing numbers missing.
func (v *Value) optional() bool {
	if v == nil || v.sp == nil {
		return false
	}
	s := v.sp.find()
	for _, in := range s.inputs {
		if in.v == v.v {
			return in.optional
		}
	}
	return s.lacks[v.v] != nil
}

// OptionalInputs returns the names of the inputs whose rows may lack a value, which is
// written as -1 in integers and as NaN in floats.
func (m *Model) OptionalInputs() []string {
	var names []string
	for _, in := range m.inputs() {
		if in.optional {
			names = append(names, in.name)
		}
	}
	return names
}

// Present returns where x has a value, bool of its shape: it is false for NaN in floats and
// for -1 in integers. A layer that has asked for it may read an x whose numbers may be
// missing (see [Value.Optional]), and has to take care that no NaN reaches its result, or
// to say so by [Builder.StaysMissing].
func (b *Builder) Present(x *ir.Value) *ir.Value {
	if b.failed || isBad(x) {
		return bad()
	}
	b.asked = append(b.asked, x)
	if !x.Type.DType.Float() {
		return b.Op(ops.Greater{}, b.Op(ops.Cast{To: ir.F32}, x), b.Const(-0.5))
	}
	if of := b.sp.find().lacks[x]; of != nil { // the input has it too, and depends on data alone
		b.asked = append(b.asked, of)
		x = of
	}
	return b.Op(ops.Equal{}, x, x) // NaN alone differs from itself
}

// StaysMissing says that y, of x's shape, is NaN where x is, and nowhere else: if the
// numbers of x may be missing, those of y may. Mistakes: the shapes differ.
func (b *Builder) StaysMissing(y, x *ir.Value) *ir.Value {
	if b.failed || isBad(y) || isBad(x) {
		return y
	}
	s := b.sp.find()
	if s.lacks[x] == nil {
		return y
	}
	if !y.Type.Equal(x.Type) {
		return b.Errorf("what stays missing must have the type of x, %s, got %s", x.Type, y.Type)
	}
	s.lacks[y] = s.lacks[x]
	return y
}

// lacking reports a value that may be missing and that this layer has not asked about.
func (b *Builder) lacking(op ir.Op, in []*ir.Value) bool {
	s := b.sp.find()
	if len(s.lacks) == 0 || ir.ShapeOnly(op) || ir.ReplacedBy(op) != "" {
		return false
	}
	for _, v := range in {
		of := s.lacks[v]
		if of == nil {
			continue
		}
		asked := false
		for _, w := range b.asked {
			asked = asked || w == v
		}
		if asked {
			continue
		}
		name := ""
		for _, input := range s.inputs {
			if input.v == of {
				name = input.name
			}
		}
		b.mistake(&mistake{op: func() string { return b.p.st.title() },
			rule: text("the numbers of the input %q may be missing, and this does not say what a missing one means", name),
			hint: "put spec.FillMissing() before it; spec.Present() tells where there is a value, and MSE, MAE, Huber and BinaryCrossEntropy leave missing targets out"})
		return true
	}
	return false
}

// passing is an elementwise function of a float x that leaves missing numbers missing. The
// function never sees one, so that no gradient is made of it.
func passing(f func(b *Builder, x *ir.Value) *ir.Value) func(b *Builder, x *ir.Value) *ir.Value {
	return ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		if b.sp.find().lacks[x] == nil {
			return f(b, x)
		}
		there := b.Present(x)
		y := f(b, b.Op(ops.Where{}, there, x, b.Const(0)))
		return b.StaysMissing(b.Op(ops.Where{}, there, y, x), x)
	})
}

// Present is 1 where x has a value and 0 where it has none: f32 of the shape of x, which is
// NaN or, if it is integers, -1 where it has none. Equal, or Greater, and Cast of ONNX. No
// gradient reaches x.
func Present() *FormulaLayer {
	return &FormulaLayer{Base: newBase("Present"), build: func(b *Builder, x *ir.Value) *ir.Value {
		if d := x.Type.DType; !d.Float() && d != ir.I64 {
			return b.Errorf("x must be floating point or i64, got %s", x.Type)
		}
		return b.Op(ops.Cast{To: ir.F32}, b.Present(x))
	}}
}

// FillMissingLayer is made by [FillMissing].
type FillMissingLayer struct {
	Base
	axis      int
	by        Statistic // the median if it is none
	with      float64
	constant  bool
	indicator bool
}

// FillMissing puts a number in the place of each missing one, NaN, of x f32[N … c]: the
// median of its column over the training rows, unless Mean or With is given. It is fitted
// before the first update and ships as a constant. Numbers that are there stay as they are.
//
// State: fill f32[c], a number for each index of the last axis, or of the one that Axis
// names; none after With. Shapes: y has the shape of x, or [N … 2c] with Indicator. Equal and
// Where of ONNX, and Concat with Indicator. No gradient reaches a missing number. A
// [Mirror] leaves the layer out, and drops the indicators.
// Mistakes: x is not f32 with an axis besides the batch; the length of its last axis is not
// known; With is not finite in f32. A column without any value in the training rows is an
// error of the training, unless With is given.
func FillMissing() *FillMissingLayer {
	return &FillMissingLayer{Base: newBase("FillMissing"), axis: -1}
}

// Named gives the layer a name.
func (l *FillMissingLayer) Named(name string) *FillMissingLayer { return Named(l, name) }

// Median fills with the median of the column, which is the default.
func (l *FillMissingLayer) Median() *FillMissingLayer {
	return Option(l, "Median", func(l *FillMissingLayer) { l.by, l.constant = FitQuantile(0.5), false })
}

// Mean fills with the mean of the column.
func (l *FillMissingLayer) Mean() *FillMissingLayer {
	return Option(l, "Mean", func(l *FillMissingLayer) { l.by, l.constant = FitMean(), false })
}

// With fills with the number x, so that nothing is fitted.
func (l *FillMissingLayer) With(x float64) *FillMissingLayer {
	return Option(l, "With", func(l *FillMissingLayer) { l.with, l.constant = x, true })
}

// Indicator appends, along the last axis and for every column, whether any of its rows lack
// a value or not, 1 where the number was missing and 0 elsewhere. So the shape of the result
// does not depend on the rows.
func (l *FillMissingLayer) Indicator() *FillMissingLayer {
	return Option(l, "Indicator", func(l *FillMissingLayer) { l.indicator = true })
}

// Axis sets the axis of the columns, not counting the batch: 0 for the channels of signals
// f32[N channels samples]. -1 is the last. Mistakes: the axis does not exist.
func (l *FillMissingLayer) Axis(axis int) *FillMissingLayer {
	return Option(l, "Axis", func(l *FillMissingLayer) { l.axis = axis })
}

func (l *FillMissingLayer) args() string {
	if x := float32(l.with); l.constant && x-x != 0 {
		return fmt.Sprintf("the number must be finite in f32, got %v", l.with)
	}
	return ""
}

// Build returns x with its gaps filled.
func (l *FillMissingLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t, fill := x[0].Type, (*ir.Value)(nil)
	axis, rule := channelAxis(t, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	there := b.Present(x[0])
	if l.constant {
		fill = b.Const(float64(float32(l.with)))
	} else {
		fill = b.along(b.Fit("fill", x[0], cmp.Or(l.by, FitQuantile(0.5)), axis), t, axis)
	}
	y := b.Op(ops.Where{}, there, x[0], fill)
	if !l.indicator {
		return y
	}
	missing := b.Op(ops.Where{}, there, b.Const(0), b.Const(1))
	return b.Op(ops.Concat{Axis: t.Rank() - 1}, y, missing)
}

// Image leaves the layer out, or drops the indicators.
func (l *FillMissingLayer) Image(in ir.Type, _ bool) Image {
	if !l.indicator {
		return PassedOver()
	}
	return UndoneBy(Slice(-1, 0, in.Last()))
}
