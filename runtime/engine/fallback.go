package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
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
	return func(_ *ctx, lo, hi int) {
		env, op := e.env, op
		part := outT[0].Rank() > 0 && hi-lo < outT[0].Shape[0].Bind(e.rows)
		rowWise := part && outT[0].Shape.RowWise()
		switch {
		case rowWise: // a smaller batch
			env.Rows, env.FirstRow = hi-lo, env.FirstRow+lo
		case part: // a value of known lengths
			env.First, op = lo, slice(op, hi-lo, e.rows)
			if d := outT[0].Shape[0]; d.Symbolic() {
				env.First += d.N * env.FirstRow
			}
		}
		args := make([]*ir.Tensor, len(in))
		types := make([]ir.Type, len(in))
		for i := range in {
			shape := inT[i].Shape.Bind(e.rows)
			types[i] = inT[i]
			from := 0
			if part && s.Access[i] == ir.Axis0 {
				// The other slices may be in the making.
				from, shape[0] = lo*ir.Elems(shape[1:]), hi-lo
			}
			args[i] = widen(in[i], inT[i].DType, shape, from, plan.ShapeOnly(op))
			if part && s.Access[i] == ir.Axis1 {
				args[i] = columns(args[i], lo, hi)
			}
			if part && !(rowWise && s.Access[i] == ir.Axis0 && inT[i].Shape.RowWise()) {
				types[i] = ir.Type{DType: inT[i].DType, Shape: ir.ShapeOf(args[i].Shape...)}
			}
		}
		res, err := ir.EvalOp(&env, op, types, args)
		if err != nil {
			e.fail(fmt.Errorf("engine: %s (layer %q, %v): %w", op.Name(), s.Layer, s.Pos, err))
			return
		}
		for i := range res {
			if err := narrow(out[i], outT[i], res[i], lo, hi, e.rows); err != nil {
				e.fail(fmt.Errorf("engine: %s (layer %q, %v): %w", op.Name(), s.Layer, s.Pos, err))
				return
			}
		}
	}
}

// slice returns the op that makes n of the first axis of what op makes in a run of
// that many rows.
func slice(op ir.Op, n, rows int) ir.Op {
	cut := func(d ir.Dims) ir.Dims {
		d = ir.MakeDims(ir.ShapeOf(d.Shape().Bind(rows)...))
		d.At[0] = ir.Fixed(n)
		return d
	}
	switch o := op.(type) {
	case ops.Expand:
		o.Shape = cut(o.Shape)
		return o
	case ops.Reshape:
		o.Shape = cut(o.Shape)
		return o
	}
	return op
}

// widen copies the elements of a buffer, from one on, into a tensor as reference
// meanings take it. With blank set only the shape matters.
func widen(v *view, d ir.DType, shape []int, from int, blank bool) *ir.Tensor {
	to := d
	if d.Float() {
		to = ir.F64
	}
	t := ir.NewTensor(to, shape...)
	if blank {
		return t
	}
	end := from + t.Len()
	switch d {
	case ir.F32:
		for i, x := range v.f32[from:end] {
			t.F64[i] = float64(x)
		}
	case ir.F64:
		copy(t.F64, v.f64[from:end])
	case ir.I64:
		copy(t.I64, v.i64[from:end])
	case ir.Bool:
		copy(t.Bool, v.b[from:end])
	}
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
		switch t.DType {
		case ir.F64:
			copy(out.F64[o*w:][:w], t.F64[from:])
		case ir.I64:
			copy(out.I64[o*w:][:w], t.I64[from:])
		case ir.Bool:
			copy(out.Bool[o*w:][:w], t.Bool[from:])
		}
	}
	return out
}

// narrow stores a result, or its slice [lo,hi) if the whole was made.
func narrow(v *view, t ir.Type, res *ir.Tensor, lo, hi, rows int) error {
	inner, full := 1, 1
	if t.Rank() > 0 {
		inner, full = t.Shape[1:].Elems(rows), t.Shape[0].Bind(rows)
	}
	n, from := (hi-lo)*inner, 0
	switch res.Len() {
	case n:
	case full * inner:
		from = lo * inner
	default:
		return fmt.Errorf("result has shape %v, the slice %d to %d of %v was expected", res.Shape, lo, hi, t)
	}
	at := lo * inner
	switch t.DType {
	case ir.F32:
		for i := range n {
			v.f32[at+i] = float32(res.At(from + i))
		}
	case ir.F64:
		for i := range n {
			v.f64[at+i] = res.At(from + i)
		}
	case ir.I64:
		copy(v.i64[at:at+n], res.I64[from:from+n])
	case ir.Bool:
		copy(v.b[at:at+n], res.Bool[from:from+n])
	}
	return nil
}
