package engine

import (
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// reduceKernel is a sum or mean along neighbouring axes.
func reduceKernel(b *binding) (kernel, string) {
	var axes ir.Axes
	mean := false
	switch op := b.s.Op.(type) {
	case ops.ReduceSum:
		axes = op.Axes
	case ops.ReduceMean:
		axes, mean = op.Axes, true
	}
	in := b.inT[0].Shape
	first, last := 0, len(in)-1
	if list := axes.Slice(); len(list) > 0 {
		first, last = list[0], list[0]
		for _, a := range list {
			first, last = min(first, a), max(last, a)
		}
		if last-first+1 != len(list) {
			return b.fold(list, mean, false)
		}
	}
	if !b.all(ir.F32) || last < first {
		return nil, ""
	}
	switch {
	case first == 0 && last == 0 && len(in) == 2:
		return b.columnSums(mean), "column_sums"
	case first == 0:
		return b.everything(in, last, mean), "sum"
	}
	return b.innerSums(in, first, last, mean), "row_sums"
}

// columnSums adds the rows of a matrix, each column in ascending order.
func (b *binding) columnSums(mean bool) kernel {
	x, y, s := b.in[0], b.out[0], b.inT[0].Shape
	rowsAt, colsAt := b.e.sizes.dim(s[0]), b.e.sizes.dim(s[1])
	whole := b.outT[0].Rank() == 2 // the axis is kept, so the one unit is all columns
	return func(_ *ctx, lo, hi int) {
		rows, cols := *rowsAt, *colsAt
		if whole {
			lo, hi = 0, cols
		}
		dst := y.f32[lo:hi]
		if rows == 0 {
			clear(dst)
			return
		}
		simd.ColumnSums(rows, hi-lo, x.f32[lo:], cols, dst, false)
		if mean {
			for i := range dst {
				dst[i] /= float32(rows)
			}
		}
	}
}

// continueSumKernel adds the rows of a matrix to stored sums.
func continueSumKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	x, start, y, s := b.in[0], b.in[1], b.out[0], b.inT[0].Shape
	rows, cols := b.e.sizes.dim(s[0]), b.e.sizes.dim(s[1])
	return func(_ *ctx, lo, hi int) {
		copy(y.f32[lo:hi], start.f32[lo:hi])
		simd.ColumnSums(*rows, hi-lo, x.f32[lo:], *cols, y.f32[lo:hi], true)
	}, "column_sums_chain"
}

// everything adds along the first axes, up to last, by one worker.
func (b *binding) everything(in ir.Shape, last int, mean bool) kernel {
	x, y := b.in[0], b.out[0]
	nAt, innerAt := b.e.sizes.elems(in[:last+1]), b.e.sizes.elems(in[last+1:])
	return func(*ctx, int, int) {
		n, inner := *nAt, *innerAt
		for j := range inner {
			s := 0.0
			for i := range n {
				s += float64(x.f32[i*inner+j])
			}
			if mean {
				s /= float64(n)
			}
			y.f32[j] = float32(s)
		}
	}
}

// innerSums adds along axes first to last of each unit.
func (b *binding) innerSums(in ir.Shape, first, last int, mean bool) kernel {
	x, y := b.in[0], b.out[0]
	if n, known := in[last+1:].Elems(); known && n == ir.Fixed(1) { // what is added lies side by side
		linesAt, nAt := b.e.sizes.elems(in[1:first]), b.e.sizes.elems(in[first:last+1])
		return func(_ *ctx, lo, hi int) {
			lines, w := *linesAt, *nAt
			for u := lo * lines; u < hi*lines; u++ {
				s := simd.LineSum(x.f32[u*w:][:w])
				if mean {
					s /= float64(w)
				}
				y.f32[u] = float32(s)
			}
		}
	}
	outerAt, nAt, innerAt := b.e.sizes.elems(in[1:first]), b.e.sizes.elems(in[first:last+1]), b.e.sizes.elems(in[last+1:])
	// Of many rows, which are added side by side.
	columns := !in[last+1:].Symbolic() && in[last+1:].Count() > 1 && !in[first:last+1].Symbolic() && in[first:last+1].Count() >= dotBlock/4
	return func(_ *ctx, lo, hi int) {
		outer, n, inner := *outerAt, *nAt, *innerAt
		for o := lo * outer; o < hi*outer; o++ {
			part, dst := x.f32[o*n*inner:][:n*inner], y.f32[o*inner:][:inner]
			if columns {
				pixelSums(part, nil, n, inner, dst, mean)
				continue
			}
			for j := range dst {
				s := 0.0
				for i := j; i < len(part); i += inner {
					s += float64(part[i])
				}
				if mean {
					s /= float64(n)
				}
				dst[j] = float32(s)
			}
		}
	}
}

// rowSumKernel adds each unit in float64.
func rowSumKernel(b *binding) (kernel, string) {
	if b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	x, y, width := b.in[0], b.out[0], b.width(b.inT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		for u := lo; u < hi; u++ {
			y.f64[u] = simd.LineSum(x.f32[u*w:][:w])
		}
	}, "row_sums_f64"
}

// totalKernel adds the sums of rows, rows ascending.
func totalKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(plan.Total)
	if !ok || b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	e, x, y, n := b.e, b.in[0], b.out[0], b.e.sizes.dim(b.inT[0].Shape[0])
	return func(*ctx, int, int) { y.f32[0] = float32(op.Of(x.f64[:*n], e.sizes.at)) }, "total_f64"
}

// extentKernel counts elements, the batch with the rows of the whole update.
func extentKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Extent)
	if !ok || b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	e, y, of := b.e, b.out[0], op.Of.Shape()
	return func(*ctx, int, int) {
		n, at := 1.0, e.sizes.at.WithRows(e.env.UpdateRows)
		for _, d := range of {
			n *= float64(d.At(at))
		}
		y.f32[0] = float32(n)
	}, "extent"
}

// reduceMaxKernel is the greatest element along axes of each unit.
func reduceMaxKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.ReduceMax)
	in := b.inT[0].Shape
	if !ok || !b.all(ir.F32) || len(in) == 0 {
		return nil, ""
	}
	first, last, list := len(in), 0, op.Axes.Slice()
	for _, a := range list {
		first, last = min(first, a), max(last, a)
	}
	switch {
	case len(list) == 0:
		return nil, ""
	case last-first+1 != len(list):
		return b.fold(list, false, true)
	case first == 0:
		return b.columnMaxima(in, last, op.Keep), "all_columns"
	}
	linesAt, nAt, innerAt := b.e.sizes.elems(in[1:first]), b.e.sizes.elems(in[first:last+1]), b.e.sizes.elems(in[last+1:])
	x, y := b.in[0], b.out[0]
	if last < len(in)-1 {
		return func(_ *ctx, lo, hi int) {
			lines, n, inner := *linesAt, *nAt, *innerAt
			for l := lo * lines; l < hi*lines; l++ {
				part, dst := x.f32[l*n*inner:][:n*inner], y.f32[l*inner:][:inner]
				copy(dst, part)
				for i := inner; i < len(part); i += inner {
					simd.Max(dst, dst, part[i:][:inner])
				}
			}
		}, "columns"
	}
	return func(_ *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		for l := lo * lines; l < hi*lines; l++ {
			y.f32[l] = greatest(x.f32[l*n:][:n])
		}
	}, "rows"
}

// columnMaxima takes the greatest along the first axes, up to last: of a matrix some
// columns, else all by one worker.
func (b *binding) columnMaxima(in ir.Shape, last int, keep bool) kernel {
	x, y := b.in[0], b.out[0]
	nAt, innerAt := b.e.sizes.elems(in[:last+1]), b.e.sizes.elems(in[last+1:])
	split := len(in) == 2 && last == 0 && !keep
	return func(_ *ctx, lo, hi int) {
		n, inner := *nAt, *innerAt
		if !split {
			lo, hi = 0, inner
		}
		for j := lo; j < hi; j++ {
			top := float32(math.Inf(-1))
			for i := range n {
				top = max(top, x.f32[i*inner+j])
			}
			y.f32[j] = top
		}
	}
}

// fold adds, or takes the greatest, along axes that are not neighbours, the rows not
// among them: the elements of a result in their order in memory.
func (b *binding) fold(list []int, mean, greatest bool) (kernel, string) {
	in := b.inT[0].Shape
	if slices.Contains(list, 0) || !b.all(ir.F32) {
		return nil, ""
	}
	var along, kept []axis
	for i := 1; i < len(in); i++ {
		a := axis{n: b.e.sizes.dim(in[i]), step: b.e.sizes.elems(in[i+1:])}
		if slices.Contains(list, i) {
			along = append(along, a)
		} else {
			kept = append(kept, a)
		}
	}
	x, y, widthAt := b.in[0], b.out[0], b.e.sizes.elems(in[1:])
	return func(_ *ctx, lo, hi int) {
		n, w, out := 1, *widthAt, 1
		for _, a := range along {
			n *= *a.n
		}
		for _, a := range kept {
			out *= *a.n
		}
		for u := lo; u < hi; u++ {
			part := x.f32[u*w:][:w]
			var at odometer
			for o := range out {
				s, top := 0.0, float32(math.Inf(-1))
				var inside odometer
				for range n {
					v := part[at.off+inside.off]
					s, top = s+float64(v), max(top, v)
					inside.next(along)
				}
				switch {
				case greatest:
					y.f32[u*out+o] = top
				case mean:
					y.f32[u*out+o] = float32(s / float64(n))
				default:
					y.f32[u*out+o] = float32(s)
				}
				at.next(kept)
			}
		}
	}, "fold"
}

// odometer walks the places of axes, the last one fastest.
type odometer struct {
	off   int
	place [ir.MaxRank]int
}

func (o *odometer) next(axes []axis) {
	for i := len(axes) - 1; i >= 0; i-- {
		o.off += *axes[i].step
		if o.place[i]++; o.place[i] < *axes[i].n {
			return
		}
		o.off -= o.place[i] * *axes[i].step
		o.place[i] = 0
	}
}

// greatest is the greatest element, NaN if one is.
func greatest(x []float32) float32 {
	top := x[0]
	for _, v := range x[1:] {
		top = max(top, v)
	}
	return top
}

// argMaxKernel is the place of the greatest element along the last axis.
func argMaxKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.ArgMax)
	in := b.inT[0].Shape
	if !ok || b.inT[0].DType != ir.F32 || op.Axis != len(in)-1 || op.Axis == 0 {
		return nil, ""
	}
	linesAt, nAt := b.e.sizes.elems(in[1:op.Axis]), b.e.sizes.dim(in[op.Axis])
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		for l := lo * lines; l < hi*lines; l++ {
			line, best := x.f32[l*n:][:n], 0
			for k, v := range line {
				if top := line[best]; v > top || v != v && top == top {
					best = k
				}
			}
			y.i64[l] = int64(best)
		}
	}, "rows"
}
