package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Concat joins its operands along Axis.
type Concat struct {
	moving
	Axis int `attr:"axis"`
}

// MixesRows states that rows stay apart unless they are what is joined.
func (op Concat) MixesRows(in []ir.Type) bool {
	return slices.ContainsFunc(in, func(t ir.Type) bool { return along([]int{op.Axis}, t) })
}

// Name returns Concat.
func (Concat) Name() string { return "Concat" }

// ONNX returns Concat.
func (Concat) ONNX() ir.ONNX { return ir.ONNX{Type: "Concat", Since: 13} }

// Infer returns the shape with the lengths along Axis added. One operand or more
// of one dtype and rank; the other lengths must be equal.
func (op Concat) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) == 0 {
		return nil, fmt.Errorf("takes one operand or more, got none")
	}
	names := make([]string, len(in))
	for i := range names {
		names[i] = fmt.Sprintf("x%d", i+1)
	}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	if err := sameDType(in, names...); err != nil {
		return nil, err
	}
	out := in[0].Shape.Clone()
	for i, t := range in {
		if err := axisIn(op.Axis, t, names[i]); err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		two := describe([]ir.Type{in[0], t}, []string{names[0], names[i]})
		if t.Rank() != len(out) {
			return nil, fmt.Errorf("x1 has %d axes but %s has %d %s", len(out), names[i], t.Rank(), two)
		}
		for a, d := range t.Shape {
			if a != op.Axis && d != out[a] {
				return nil, fmt.Errorf("x1's axis %d is %v but %s's is %v, only axis %d may differ %s", a, out[a], names[i], d, op.Axis, two)
			}
		}
		sum, ok := ir.Sum(out[op.Axis], t.Shape[op.Axis])
		if !ok {
			return nil, fmt.Errorf("lengths %v and %v of axis %d have no sum %s", out[op.Axis], t.Shape[op.Axis], op.Axis, two)
		}
		out[op.Axis] = sum
	}
	return result(in[0].DType, out)
}

// Eval is the reference meaning.
func (op Concat) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape := append([]int{}, in[0].Shape...)
	for _, t := range in[1:] {
		shape[op.Axis] += t.Shape[op.Axis]
	}
	out := ir.NewTensor(in[0].DType, shape...)
	at, st := 0, strides(shape)
	for _, t := range in {
		for j, i := range walk(t.Shape, st) {
			put(out, at+i, t, j)
		}
		at += t.Shape[op.Axis] * st[op.Axis]
	}
	return one(out)
}

// VJP gives each operand its slice of dy.
func (op Concat) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	din := make([]*ir.Value, len(n.In))
	at := ir.Fixed(0)
	for i, v := range n.In {
		end, _ := ir.Sum(at, v.Type.Shape[op.Axis])
		din[i] = b.Op(Slice{Axis: op.Axis, Start: at, End: end}, dout[0])
		at = end
	}
	return din
}

// Split states that rows stay apart unless they are what is joined.
func (op Concat) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }

// Slice is the part of x from Start up to but excluding End along Axis.
type Slice struct {
	moving
	Axis  int    `attr:"axis"`
	Start ir.Dim `attr:"start"`
	End   ir.Dim `attr:"end"`
}

// Name returns Slice.
func (Slice) Name() string { return "Slice" }

// ONNX returns Slice, whose axis and bounds are operands there.
func (Slice) ONNX() ir.ONNX { return ir.ONNX{Type: "Slice", Since: 13} }

// Infer returns x's shape with length End-Start along Axis. The bounds must be
// within the axis whatever the symbols stand for; of an axis of known length, as that
// of a table of positions, the end may be a length that does not depend on the batch,
// and its capacity must be within.
func (op Slice) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if err := axisIn(op.Axis, in[0], "x"); err != nil {
		return nil, err
	}
	out := in[0].Shape.Clone()
	n, ok1 := ir.Sub(op.End, op.Start)
	_, ok2 := ir.Sub(out[op.Axis], op.End)
	if most, known := out[op.Axis].Known(); known && op.End.Symbolic() && !op.End.Has(ir.Batch) {
		ok2 = op.End.Valid() && op.End.Least() <= most
	}
	if !op.Start.Valid() || !op.End.Valid() || !ok1 || !ok2 {
		return nil, fmt.Errorf("[%v, %v) is not within axis %d of length %v (x is %v)", op.Start, op.End, op.Axis, out[op.Axis], in[0])
	}
	out[op.Axis] = n
	return result(in[0].DType, out)
}

// MixesRows states that rows stay apart unless they are what is sliced.
func (op Slice) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Within holds the end against an axis of known length.
func (op Slice) Within(in []ir.Type, at ir.Binding) error {
	most, known := in[0].Shape[op.Axis].Known()
	if end, ok := op.End.TryAt(at); known && (!ok || end > most) {
		return fmt.Errorf("the end %v may be %d, but axis %d of x has only %d elements (x is %v): give it less capacity, or x more elements", op.End, end, op.Axis, most, in[0])
	}
	return nil
}

// Eval is the reference meaning.
func (op Slice) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape, st := append([]int{}, in[0].Shape...), strides(in[0].Shape)
	start, end := op.Start.At(env.Binding), op.End.At(env.Binding)
	if end > shape[op.Axis] { // an axis of no rows
		return nil, fmt.Errorf("[%d, %d) is not within axis %d of length %d", start, end, op.Axis, shape[op.Axis])
	}
	shape[op.Axis] = end - start
	idx := walk(shape, st)
	for i := range idx {
		idx[i] += start * st[op.Axis]
	}
	return one(gather(in[0], shape, idx))
}

// VJP gives dy padded with zeros.
func (op Slice) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	after, ok := ir.Sub(n.In[0].Type.Shape[op.Axis], op.End)
	if !ok {
		b.Fail(&ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: op.Name(),
			Rule: fmt.Sprintf("no gradient reaches x (%v), for what is left of it behind the end %v has no length that a shape can say", n.In[0].Type, op.End)})
		return []*ir.Value{nil}
	}
	return []*ir.Value{b.Op(Pad{Axis: op.Axis, Before: op.Start, After: after}, dout[0])}
}

// Split states that rows stay apart unless they are what is sliced.
func (op Slice) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }

// Pad puts Before and After zeros around x along Axis.
type Pad struct {
	moving
	Axis   int    `attr:"axis"`
	Before ir.Dim `attr:"before"`
	After  ir.Dim `attr:"after"`
}

// MixesRows states that rows stay apart unless there are more of them behind.
func (op Pad) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Name returns Pad.
func (Pad) Name() string { return "Pad" }

// ONNX returns Pad, whose widths are an operand there.
func (Pad) ONNX() ir.ONNX { return ir.ONNX{Type: "Pad", Since: 13} }

// Infer returns x's shape, longer along Axis.
func (op Pad) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if err := axisIn(op.Axis, in[0], "x"); err != nil {
		return nil, err
	}
	out := in[0].Shape.Clone()
	for _, w := range []ir.Dim{op.Before, op.After} {
		if !w.Valid() || w.Least() > maxElems {
			return nil, fmt.Errorf("widths %v and %v must be from 0 to %d (x is %v)", op.Before, op.After, maxElems, in[0])
		}
		sum, ok := ir.Sum(out[op.Axis], w)
		if !ok {
			return nil, fmt.Errorf("lengths %v and %v of axis %d have no sum (x is %v)", out[op.Axis], w, op.Axis, in[0])
		}
		out[op.Axis] = sum
	}
	return result(in[0].DType, out)
}

// Eval is the reference meaning.
func (op Pad) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape, before := append([]int{}, in[0].Shape...), op.Before.At(env.Binding)
	shape[op.Axis] += before + op.After.At(env.Binding)
	out, st := ir.NewTensor(in[0].DType, shape...), strides(shape)
	for j, i := range walk(in[0].Shape, st) {
		put(out, before*st[op.Axis]+i, in[0], j)
	}
	return one(out)
}

// VJP gives the slice of dy that holds x.
func (op Pad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	end, _ := ir.Sum(op.Before, n.In[0].Type.Shape[op.Axis])
	return []*ir.Value{b.Op(Slice{Axis: op.Axis, Start: op.Before, End: end}, dout[0])}
}

// Split states that rows stay apart unless they are what is padded.
func (op Pad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }
