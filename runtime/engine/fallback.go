package engine

import (
	"fmt"
	"reflect"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// fallback runs a step by its op's reference meaning: operands widened to
// float64, results rounded to their dtype. It allocates.
func (b *binding) fallback() kernel {
	op, s := b.s.Op, b.s
	switch op.(type) {
	case ir.Evaluator, ir.Decomposer:
	default:
		return nil
	}
	e, in, out := b.e, b.in, b.out
	inT, outT := b.inT, b.outT
	_, decomposes := op.(ir.Decomposer)
	if _, ok := op.(ir.Evaluator); ok {
		decomposes = false
	}
	ofRows := rowsApart(s, inT, outT)
	return func(_ *ctx, lo, hi int) {
		env, op := e.env, op
		part := outT[0].Rank() > 0 && hi-lo < outT[0].Shape[0].At(e.sizes.at)
		if part {
			// Only a slice of axis 0 is made, so shapes in attributes are those of the
			// slice. The ops it decomposes into meet fewer rows, or known lengths.
			env.First = lo
			shape := outT[0].Shape.At(e.sizes.at)
			shape[0] = hi - lo
			op = withShape(op, outT[0].Shape, ir.ShapeOf(shape...))
		}
		if part && decomposes && ofRows {
			env.Binding = env.Binding.WithRows(hi - lo)
		}
		args := make([]*ir.Tensor, len(in))
		types := make([]ir.Type, len(in))
		for i := range in {
			shape := inT[i].Shape.At(e.sizes.at)
			types[i] = inT[i]
			from := 0
			if part && s.Access[i] == ir.Axis0 {
				// The other slices may be in the making.
				from, shape[0] = lo*ir.Elems(shape[1:]), hi-lo
			}
			args[i] = widen(in[i], inT[i].DType, shape, from, ir.ShapeOnly(op))
			if part && s.Access[i] == ir.Axis1 {
				args[i] = columns(args[i], lo, hi)
			}
			if part && decomposes && !ofRows {
				types[i] = ir.Type{DType: inT[i].DType, Shape: ir.ShapeOf(args[i].Shape...)}
			}
		}
		res, err := ir.EvalOp(&env, op, types, args)
		if err != nil {
			e.fail(fmt.Errorf("engine: %s (layer %q, %v): %w", op.Name(), s.Layer, s.Pos, err))
			return
		}
		for i := range res {
			from, to := lo, hi
			if !part && outT[i].Rank() > 0 {
				from, to = 0, outT[i].Shape[0].At(e.sizes.at)
			}
			if err := narrow(out[i], outT[i], res[i], from, to, e.sizes.at); err != nil {
				e.fail(fmt.Errorf("engine: %s (layer %q, %v): %w", op.Name(), s.Layer, s.Pos, err))
				return
			}
		}
	}
}

// rowsApart reports whether a slice of a step's result is the result for fewer
// rows: rows are the unit of axis 0 in what is sliced, and in nothing else.
func rowsApart(s *plan.Step, in, out []ir.Type) bool {
	for _, t := range out {
		if !t.Shape.RowWise() {
			return false
		}
	}
	for i, t := range in {
		if s.Access[i] == ir.Axis0 && !t.Shape.RowWise() || s.Access[i] != ir.Axis0 && t.Shape.Has(ir.Batch) {
			return false
		}
	}
	return true
}

// withShape returns op with the shape to in place of from among its attributes.
func withShape(op ir.Op, from, to ir.Shape) ir.Op {
	old := reflect.ValueOf(op)
	if old.Kind() != reflect.Struct {
		return op
	}
	made := reflect.New(old.Type()).Elem()
	made.Set(old)
	for i := range made.NumField() {
		if !old.Type().Field(i).IsExported() {
			continue
		}
		if d, ok := old.Field(i).Interface().(ir.Dims); ok && d.Shape().Equal(from) {
			made.Field(i).Set(reflect.ValueOf(ir.MakeDims(to)))
		}
	}
	return made.Interface().(ir.Op)
}

// widen copies the elements of a buffer, from one on, into a tensor as reference
// meanings take it. With blank set only the shape matters.
func widen(v *view, d ir.DType, shape []int, from int, blank bool) *ir.Tensor {
	if blank {
		return ir.NewTensor(d.Reference(), shape...)
	}
	part := v.part(d, from, from+ir.Elems(shape))
	t := part.To(d.Reference())
	if t == part {
		t = t.Clone()
	}
	t.Shape = shape
	return t
}

// columns returns the slice [lo,hi) of axis 1.
func columns(t *ir.Tensor, lo, hi int) *ir.Tensor {
	outer, n, inner := t.Shape[0], t.Shape[1], ir.Elems(t.Shape[2:])
	shape := append([]int{}, t.Shape...)
	shape[1] = hi - lo
	out := ir.NewTensor(t.DType, shape...)
	w := (hi - lo) * inner
	for o := range outer {
		from := (o*n + lo) * inner
		out.Copy(o*w, t.Part(from, from+w))
	}
	return out
}

// narrow stores a result, or its slice [lo,hi) if the whole was made.
func narrow(v *view, t ir.Type, res *ir.Tensor, lo, hi int, at ir.Binding) error {
	inner, full := 1, 1
	if t.Rank() > 0 {
		inner, full = t.Shape[1:].ElemsAt(at), t.Shape[0].At(at)
	}
	n, from := (hi-lo)*inner, 0
	switch res.Len() {
	case n:
	case full * inner:
		from = lo * inner
	default:
		return fmt.Errorf("result has shape %v, the slice %d to %d of %v was expected", res.Shape, lo, hi, t)
	}
	to := lo * inner
	dst := v.part(t.DType, to, to+n)
	if !t.DType.Float() {
		dst.Copy(0, res.Part(from, from+n))
		return nil
	}
	for i := range n {
		dst.Set(i, res.At(from+i))
	}
	return nil
}
