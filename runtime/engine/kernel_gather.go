package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// gatherKernel copies rows of a table.
func gatherKernel(b *binding) (kernel, string) {
	table := b.inT[0].Shape
	if b.inT[0].DType != ir.F32 || b.inT[1].Rank() == 0 || table.Symbolic() {
		return nil, ""
	}
	t, x, y := b.in[0], b.in[1], b.out[0]
	rows, width := int64(table[0].Length()), table[1:].Count()
	each := b.width(b.inT[1]) // indices of a unit
	wrong := b.outside(rows)
	return func(_ *ctx, lo, hi int) {
		from, to := lo**each, hi**each
		for i := from; i < to; i++ {
			k := x.i64[i]
			if k < 0 {
				k += rows
			}
			dst := y.f32[i*width:][:width]
			if k < 0 || k >= rows {
				clear(dst)
				wrong(i/max(*each, 1), x.i64[i])
				continue
			}
			copy(dst, t.f32[int(k)*width:])
		}
	}, "rows"
}

// scatterSumKernel adds rows to those of a range of a table, each in ascending order.
func scatterSumKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.ScatterSum)
	row := b.outT[0].Shape[1:]
	if !ok || b.outT[0].DType != ir.F32 || row.Symbolic() {
		return nil, ""
	}
	dy, x, y := b.in[0], b.in[1], b.out[0]
	var start *view
	if len(b.in) > 2 {
		start = b.in[2]
	}
	rows, width, count := int64(op.Rows), row.Count(), b.e.sizes.elems(b.inT[1].Shape)
	return func(_ *ctx, lo, hi int) {
		dst := y.f32[lo*width : hi*width]
		if start == nil {
			clear(dst)
		} else {
			copy(dst, start.f32[lo*width:hi*width])
		}
		for i, k := range x.i64[:*count] {
			if k < 0 {
				k += rows
			}
			if k < int64(lo) || k >= int64(hi) {
				continue // of another range; one outside the table was told by its Gather
			}
			to := dst[(int(k)-lo)*width:][:width]
			if width < 8 {
				for j, v := range dy.f32[i*width:][:width] {
					to[j] += v
				}
				continue
			}
			simd.Add(to, to, dy.f32[i*width:][:width])
		}
	}, "rows_chain"
}

// outside returns what fails a run for an index that a table of so many rows does not have.
func (b *binding) outside(rows int64) func(row int, index int64) {
	e, s, of := b.e, b.s, "the indices"
	if len(s.In) > 1 {
		of = b.column(s.In[1])
	}
	return func(row int, index int64) {
		e.fail(fmt.Errorf("engine: %s (layer %q, %v): row %d of %s is %d; the table has rows for 0 to %d", s.Op.Name(), s.Layer, s.Pos, row, of, index, rows-1))
	}
}

// column names what a buffer holds: an input, or one column of it.
func (b *binding) column(buffer int) string {
	part := ""
	for {
		buffer = b.p.Root(buffer)
		if v := b.p.Buffers[buffer]; v.Kind == plan.Input {
			return part + fmt.Sprintf("input %q", v.Name)
		}
		from := -1
		for i := range b.p.Steps {
			if s := &b.p.Steps[i]; len(s.Out) == 1 && b.p.Root(s.Out[0]) == buffer {
				if op, ok := s.Op.(ops.Slice); ok && part == "" {
					part, from = fmt.Sprintf("column %v of ", op.Start), s.In[0]
				}
			}
		}
		if from < 0 {
			return "the indices"
		}
		buffer = from
	}
}
