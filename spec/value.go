package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Value is a tensor that a model computes, with a type from the moment it is made. It is
// made by [Input], [Tokens] and [Labels], by [Value.Then] and by joining other values.
type Value struct {
	sp    *space
	v     *ir.Value
	scope *placement // the function the value lives in
	by    *state     // the layer that made it
	index int        // among the layer's results
	data  *ir.Tensor // of a constant, which is part of no declaration until it is used
	name  string     // given by Named,
	at    site       // there
}

// Input declares an input f32[N dims…], one row per sample. Its name is the data column
// that feeds it and the input of an exported file. Lengths must be positive; [Value.Free]
// can make the first one free.
func Input(name string, dims ...int) *Value {
	return newInput(name, ir.F32, dims, 0, "Input")
}

// Bytes declares an input u8[N dims…], one row per sample: pixels as files store them,
// an eighth the size of float64 and a quarter of float32. [Floats] converts them to
// numbers that layers can compute with.
func Bytes(name string, dims ...int) *Value {
	return newInput(name, ir.U8, dims, 0, "Bytes")
}

// Tokens declares an input i64[N length] of integers in [0, vocabulary).
func Tokens(name string, length, vocabulary int) *Value {
	return newInput(name, ir.I64, []int{length}, vocabulary, "Tokens")
}

// Labels declares an input i64[N] of integers in [0, classes), for
// [CrossEntropy].
func Labels(name string, classes int) *Value {
	return newInput(name, ir.I64, nil, classes, "Labels")
}

func newInput(name string, d ir.DType, dims []int, limit int, kind string) *Value {
	s, at := newSpace(), callers(1)
	rule := checkName(name)
	if rule == "" {
		rule = checkDims(dims, ir.MaxRank-1)
	}
	if rule == "" && d == ir.I64 && limit <= 0 {
		rule = fmt.Sprintf("the number of different values must be positive, got %d", limit)
	}
	if rule != "" {
		s.fail(&mistake{at: at, made: at, op: text("%s %q", kind, name), rule: text("%s", rule)})
		return &Value{sp: s, v: bad()}
	}
	shape := append(ir.Shape{ir.Rows()}, ir.ShapeOf(dims...)...)
	if kind == "Given" {
		shape = shape[1:]
	}
	v := s.own(&ir.Value{Type: ir.Type{DType: d, Shape: shape}, Kind: ir.InputValue})
	s.inputs = append(s.inputs, &input{v: v, name: name, at: at, limit: limit})
	return &Value{sp: s, v: v}
}

// Then passes the value through layers, left to right, and returns the result.
func (v *Value) Then(l ...Layer) *Value {
	at := callers(0)
	v = whole(v, at, "Then")
	out := *v
	if v.data != nil && len(l) > 0 {
		out.sp, out.data = newSpace(), nil
		out.v = out.sp.array(v.v.Type, v.data)
	}
	if len(l) > 0 {
		out.name = ""
	}
	for i, layer := range l {
		var w *ir.Value
		out.sp, w = place(out.sp, out.scope, layer, i+1, len(l), []*ir.Value{out.v}, at, false)
		out.v, out.by, out.index = w, nil, 0
		if !isNil(layer) {
			out.by = stateOf(layer)
		}
	}
	return &out
}

// Apply passes several values through one layer.
func Apply(l Layer, x ...*Value) *Value { return apply(callers(0), "Apply", l, x) }

func apply(at site, what string, l Layer, x []*Value) *Value {
	out := &Value{}
	operands := make([]*ir.Value, len(x))
	for i, v := range x {
		v = whole(v, at, what)
		if v.data != nil {
			continue
		}
		operands[i] = v.v
		out.sp = union(out.sp, v.sp)
		if out.scope == nil {
			out.scope = v.scope
		}
	}
	out.sp = union(out.sp, nil)
	for i, v := range x { // two models that use one constant have nothing else in common
		if operands[i] == nil {
			operands[i] = out.sp.array(v.v.Type, v.data)
		}
	}
	out.sp, out.v = place(out.sp, out.scope, l, 1, 1, operands, at, false)
	if !isNil(l) {
		out.by = stateOf(l)
	}
	return out
}

// Result returns another result of the layer that made the value, such as the indices
// beside the chosen elements. Results count from 0, which is the value itself. Mistakes:
// the layer has no such result, or no layer made the value.
func (v *Value) Result(i int) *Value {
	at := callers(0)
	v = whole(v, at, "Result")
	if i == 0 || isBad(v.v) {
		return v
	}
	var p *placement
	if v.by != nil {
		for _, q := range v.by.places {
			if q.out == v.v {
				p = q
			}
		}
	}
	for p != nil && len(p.also) == 0 && len(p.children) > 0 && p.children[len(p.children)-1].out == v.v {
		p = p.children[len(p.children)-1] // a container that passes on what its last layer made
	}
	have := 1
	if p != nil {
		have += len(p.also)
	}
	out := *v
	out.sp, out.name = v.sp.find(), ""
	if i < 0 || i >= have {
		m := &mistake{at: at, made: at, op: text("Result"), rule: text("the value has no result %d beside it: the layer that made it has %d, counted from 0", i, have)}
		if p == nil {
			m.rule = text("the value was made by no layer, so there is no result %d beside it", i)
		}
		out.sp.fail(m)
		out.v = bad()
		return &out
	}
	out.v, out.index = p.also[i-1], i
	return &out
}

// whole returns v, or for nil and the zero Value one that carries the mistake.
func whole(v *Value, at site, what string) *Value {
	if v != nil && v.sp != nil {
		return v
	}
	s := newSpace()
	rule := "the value is nil"
	if v != nil {
		rule = "a zero Value: make values with spec.Input and layers"
	}
	s.fail(&mistake{at: at, made: at, op: text("%s", what), rule: text("%s", rule)})
	return &Value{sp: s, v: bad()}
}

// Named gives the value a name and returns it: a tap for [Model.Tap], and the
// name of the output in an exported file.
func (v *Value) Named(name string) *Value {
	at := callers(0)
	v = whole(v, at, "Named")
	out := *v
	out.sp = v.sp.find()
	if rule := checkName(name); rule != "" {
		out.sp.fail(&mistake{at: at, made: at, op: text("Named"), rule: text("%s", rule)})
		return &out
	}
	out.name, out.at = name, at
	if !isBad(out.v) {
		out.sp.taps = append(out.sp.taps, &tap{name: name, v: out.v, in: &out, at: at})
	}
	return &out
}

// Type returns the dtype and shape, the batch being axis 0; it is invalid after
// a mistake.
func (v *Value) Type() ir.Type {
	if v == nil || v.v == nil {
		return ir.Type{}
	}
	return ir.Type{DType: v.v.Type.DType, Shape: v.v.Type.Shape.Clone()}
}

// Dim returns the length of an axis, not counting the batch; negative axes count from
// the end. For a free length (see [Value.Free]) it is 0, with which [Reshape] keeps a
// length. An axis that does not exist is a mistake. After a mistake Dim returns 1, so
// that arithmetic with it stays harmless.
func (v *Value) Dim(axis int) int {
	at := callers(0)
	v = whole(v, at, "Dim")
	if isBad(v.v) {
		return 1
	}
	i, rule := axisOf(v.v.Type, axis)
	if rule != "" {
		v.sp.fail(&mistake{at: at, made: at, op: text("Dim"), rule: text("%s", rule)})
		return 1
	}
	n, known := v.v.Type.Shape[i].Known()
	if !known {
		return 0
	}
	return n
}

// Err returns every mistake of the declaration that the value belongs to, joined, or
// nil.
func (v *Value) Err() error {
	v = whole(v, callers(0), "Err")
	return v.sp.err()
}

// rowsFirst reports whether the first axis is the batch, or a multiple of it as where
// [IntegratedGradients] has several points a row, and no other is.
func rowsFirst(s ir.Shape) bool {
	axis, ok := ir.BatchAxis(s)
	return ok && axis == 0
}

// axisOf returns a user's axis, which does not count the batch, as an axis of
// the type, or the rule it breaks.
func axisOf(t ir.Type, axis int) (int, string) {
	skip := 0
	if rowsFirst(t.Shape) {
		skip = 1
	}
	n := t.Rank() - skip
	switch {
	case n == 0:
		return 0, fmt.Sprintf("axis %d does not exist: %s has no axis besides the batch", axis, t)
	case axis < -n || axis >= n:
		return 0, fmt.Sprintf("axis %d does not exist: the axes of %s, the batch not counted, are %d to %d", axis, t, -n, n-1)
	case axis < 0:
		return t.Rank() + axis, ""
	}
	return axis + skip, ""
}
