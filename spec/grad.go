package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Grad is the gradient, with respect to x, of the sum of all elements of score. It has
// x's shape. x is an input, a value that layers made, or weights (see [Borrow]); score is
// any value computed from it. If each row of score f32[N …] depends only on its own row
// of x, each row of the gradient is that of the row's own score. If score mixes rows, as
// a mean over them does, a row of the gradient is that row's effect on the whole score.
//
// The gradient is an ordinary value. It can be part of formulas; of losses, whose own
// gradients go through it; and of what ships, where it is plain ONNX ops. In training,
// Dropout and noise between x and score use the training's draws; in what ships they are
// absent. At a kink the gradient is the one used in training: Relu and Abs have 0 at 0.
//
// Mistakes: score or x is not floating-point; score does not depend on x. When the model
// is compiled: an op in between has no gradient, or the gradient is 0 wherever it exists.
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

// Borrow returns the weights of a layer that was already placed, as a value that [Grad]
// can differentiate by. It is the layer's own tensor. Mistakes: the layer was not placed
// yet, or has no parameter of that name.
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

// Value returns the loss as a value, f32[], without its weight, to be shipped or to be
// differentiated by [Grad].
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

// Given declares an input f32[dims…] without rows, or f32[] if there are no lengths. It
// is given once for all rows of a run, such as the weights of a head that continues to
// learn where it runs, or a learning rate. Trainings feed only rows, so no trained loss
// may depend on one; a function that ships takes it like any other input. Lengths must
// be positive.
func Given(name string, dims ...int) *Value {
	return newInput(name, ir.F32, dims, 0, "Given")
}
