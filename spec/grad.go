package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Grad is the gradient along x of the sum of all elements of score, a value of x's
// shape. X is an input, a value that layers made, or weights (see [Borrow]); score is
// any value that was computed from it. Of a score f32[N …] that makes each row of itself
// the gradient of a row is that of the row's own score; where a score mixes rows, as a
// mean over them does, a row of the gradient is what that row does to all of it.
//
// It is a value like others: part of formulas, of losses, whose own gradients go through
// it, and of what ships, where it is plain ops of ONNX. Dropout and noise on the way are
// those of the training in training, and not there in what ships. Where a slope leaps the
// gradient is that of the training too: Relu and Abs have 0 at 0.
//
// Mistakes: score or x is no floating point; score does not depend on x. When the model
// is compiled: an op on the way has no gradient, or the gradient is 0 wherever it exists.
func Grad(score, x *Value) *Value {
	return join("Grad", func(b *Builder, v []*ir.Value) *ir.Value { return b.grad(v[0], v[1]) }, score, x)
}

// grad is the gradient along x of the sum of score.
func (b *Builder) grad(score, x *ir.Value) *ir.Value {
	if !b.failed && !isBad(score) && !isBad(x) && !reaches([]*ir.Value{score}, []*ir.Value{x}) {
		return b.Errorf("the score (%s) does not depend on x (%s), so it has no gradient along it", score.Type, x.Type)
	}
	return b.Op(ops.Grad{}, score, x)
}

// Borrow returns the weights of a layer that was placed before, as a value: what [Grad]
// takes a gradient along. It is one tensor with the layer's own. Mistakes: the layer was
// not placed yet, or has no parameter of that name.
func Borrow(of Layer, name string) *Value {
	at := callers(0)
	fail := func(s *space, format string, a ...any) *Value {
		s.fail(&mistake{at: at, made: at, op: text("Borrow"), rule: text(format, a...)})
		return &Value{sp: s.find(), v: bad()}
	}
	switch {
	case isNil(of):
		return fail(newSpace(), "the layer whose weights are used is nil")
	case stateOf(of) == nil:
		return fail(newSpace(), "the layer whose weights are used is a zero %s: make it with its constructor", typeName(of))
	}
	st := stateOf(of)
	if len(st.places) == 0 {
		return fail(newSpace(), "the layer made at %s was not placed yet, so it has no weights", st.made.pos())
	}
	s := st.sp.find()
	if p := st.params[name]; p != nil {
		return &Value{sp: s, v: p.v}
	}
	if st.built == nil || st.built.out == nil {
		return &Value{sp: s, v: bad()} // follows from the mistake in the layer
	}
	has := "none"
	if len(st.params) > 0 {
		has = fmt.Sprintf("%q", slices.Sorted(maps.Keys(st.params)))
	}
	return fail(s, "a layer of kind %s has no parameter %q: it has %s", st.kind, name, has)
}

// Value returns the loss as a value, f32[], without its weight: what is shipped of it, or
// what [Grad] takes the gradient of.
func (l *Loss) Value() *Value {
	if l == nil || l.sp == nil {
		rule := "the loss is nil"
		if l != nil {
			rule = "a zero Loss: make it with its function"
		}
		at, s := callers(0), newSpace()
		s.fail(&mistake{at: at, made: at, op: text("Value"), rule: text("%s", rule)})
		return &Value{sp: s, v: bad()}
	}
	return &Value{sp: l.sp.find(), v: l.v}
}

// Given declares an input f32[dims…] without rows, f32[] if there are no lengths: what is
// given once for all rows of a run, as the weights of a head that goes on learning where
// it runs, or a learning rate. Trainings feed rows alone, so no loss that is trained may
// depend on one; a function that ships takes it as any other input. Lengths must be
// positive.
func Given(name string, dims ...int) *Value {
	return newInput(name, ir.F32, dims, 0, "Given")
}
