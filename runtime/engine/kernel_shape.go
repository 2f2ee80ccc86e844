package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// expandKernel repeats an operand.
func expandKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	x, ok := b.reader(0)
	if !ok {
		return nil, ""
	}
	out, width := b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		for u := lo; u < hi; u++ {
			x.load(out.f32[u*w:][:w], u)
		}
	}, "fill"
}

// transposeKernel turns a matrix.
func transposeKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Transpose)
	if ok && b.outT[0].Rank() > 2 && b.all(ir.F32) {
		return b.permute(op)
	}
	if !ok || b.outT[0].Rank() != 2 || op.Perm.At[0] != 1 && op.Perm.Len != 0 || !b.all(ir.F32) {
		return nil, ""
	}
	x, y, s := b.in[0], b.out[0], b.inT[0].Shape
	rowsAt, colsAt := b.e.sizes.dim(s[0]), b.e.sizes.dim(s[1])
	return func(_ *ctx, lo, hi int) {
		rows, cols := *rowsAt, *colsAt
		simd.Transpose(rows, hi-lo, x.f32[lo:], cols, y.f32[lo*rows:], rows)
	}, "transpose"
}

// followTranspose turns rows of a matrix into columns.
func (b *binding) followTranspose(axis int) follow {
	if axis != 0 || b.inT[0].Rank() != 2 || !b.all(ir.F32) {
		return nil
	}
	x, y := b.in[0], b.out[0]
	rows, cols := b.inT[0].Shape[0].Length(), b.inT[0].Shape[1].Length()
	return func(_ *ctx, lo, hi int) {
		simd.Transpose(hi-lo, cols, x.f32[lo*cols:], cols, y.f32[lo:], rows)
	}
}

// permute orders the axes of a value of higher rank anew.
func (b *binding) permute(op ops.Transpose) (kernel, string) {
	in, to := b.inT[0].Shape, b.outT[0].Shape
	if k := b.turnImages(op.Perm); k != nil {
		return k, "transpose_rows"
	}
	step := func(axis int) *int { return b.e.sizes.elems(in[op.Perm.At[axis]+1:]) }
	r := &reader{v: b.in[0], how: scatter, unit: step(0)}
	for i := 1; i < len(to); i++ {
		r.axes = append(r.axes, axis{b.e.sizes.dim(to[i]), step(i)})
	}
	if !in[1:].Symbolic() { // or the steps differ from run to run
		r.tabulate(to[1:])
	}
	y, width := b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		for u := lo; u < hi; u++ {
			r.load(y.f32[u*w:][:w], u)
		}
	}, "permute"
}

// turnImages turns the matrix of pixels and channels that each row of images is, nil for
// another order of axes.
func (b *binding) turnImages(perm ir.Axes) kernel {
	s := b.inT[0].Shape
	r := len(s)
	if s[1:].Symbolic() {
		return nil
	}
	rows, cols := s[1].Length(), s[2:].Count() // channels first
	switch perm {
	case ops.ChannelsLast(r):
	case ops.ChannelsFirst(r):
		rows, cols = s[1:r-1].Count(), s[r-1].Length()
	default:
		return nil
	}
	x, y, n := b.in[0], b.out[0], rows*cols
	return func(_ *ctx, lo, hi int) {
		for i := lo; i < hi; i++ {
			simd.Transpose(rows, cols, x.f32[i*n:], cols, y.f32[i*n:], rows)
		}
	}
}

// concatKernel joins operands along an axis that is not the first.
func concatKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Concat)
	if !ok || op.Axis < 1 || !b.all(ir.F32) {
		return nil, ""
	}
	widths := make([]*int, len(b.in)) // elements of one line of each operand
	outerAt, totalAt := b.e.sizes.elems(b.outT[0].Shape[1:op.Axis]), b.e.sizes.elems(b.outT[0].Shape[op.Axis:])
	for i, t := range b.inT {
		widths[i] = b.e.sizes.elems(t.Shape[op.Axis:])
	}
	in, out := b.in, b.out[0]
	return func(_ *ctx, lo, hi int) {
		at, outer, total := 0, *outerAt, *totalAt
		for i, v := range in {
			w := *widths[i]
			for l := lo * outer; l < hi*outer; l++ {
				copy(out.f32[l*total+at:][:w], v.f32[l*w:][:w])
			}
			at += w
		}
	}, "copy"
}

// sliceKernel takes a part along an axis that is not the first.
func sliceKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Slice)
	if !ok || op.Axis < 1 || !b.all(ir.F32) && !b.all(ir.I64) {
		return nil, ""
	}
	s, z := b.inT[0].Shape, &b.e.sizes
	outerAt, innerAt, startAt := z.elems(s[1:op.Axis]), z.elems(s[op.Axis+1:]), z.dim(op.Start)
	wAt, lineAt := z.elems(b.outT[0].Shape[op.Axis:]), z.elems(s[op.Axis:])
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
		outer, from, w, line := *outerAt, *startAt**innerAt, *wAt, *lineAt
		for l := lo * outer; l < hi*outer; l++ {
			if x.i64 != nil {
				copy(y.i64[l*w:][:w], x.i64[l*line+from:][:w])
				continue
			}
			copy(y.f32[l*w:][:w], x.f32[l*line+from:][:w])
		}
	}, "copy"
}

// padKernel puts zeros around along an axis that is not the first.
func padKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Pad)
	if !ok || op.Axis < 1 || !b.all(ir.F32) {
		return nil, ""
	}
	s, z := b.inT[0].Shape, &b.e.sizes
	outerAt, innerAt, beforeAt := z.elems(s[1:op.Axis]), z.elems(s[op.Axis+1:]), z.dim(op.Before)
	wAt, lineAt := z.elems(s[op.Axis:]), z.elems(b.outT[0].Shape[op.Axis:])
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
		outer, from, w, line := *outerAt, *beforeAt**innerAt, *wAt, *lineAt
		for l := lo * outer; l < hi*outer; l++ {
			dst := y.f32[l*line:][:line]
			clear(dst[:from])
			copy(dst[from:], x.f32[l*w:][:w])
			clear(dst[from+w:])
		}
	}, "copy"
}

// copyKernel copies elements.
func copyKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	x, y, width := b.in[0], b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		copy(y.f32[lo*w:hi*w], x.f32[lo*w:hi*w])
	}, "copy"
}

// storeGradKernel replaces or continues a stored gradient.
func storeGradKernel(b *binding) (kernel, string) {
	w, _ := fixedWidth(b.outT[0])
	e, x, y := b.e, b.in[0], b.out[0]
	op, _ := b.s.Op.(plan.StoreGrad)
	return func(_ *ctx, lo, hi int) {
		dst, src := y.f32[lo*w:hi*w], x.f32[lo*w:hi*w]
		if e.u.Accumulate && !op.Continued {
			simd.Add(dst, dst, src)
		} else {
			copy(dst, src)
		}
	}, "store"
}

// oneHotKernel writes rows that are 1 at an index.
func oneHotKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.OneHot)
	if !ok || b.inT[0].Rank() == 0 || b.inT[0].DType != ir.I64 || b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	x, y, d, width := b.in[0], b.out[0], op.Depth, b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		clear(y.f32[lo*w : hi*w])
		for i := lo * w / d; i < hi*w/d; i++ {
			k := x.i64[i]
			if k < 0 {
				k += int64(d)
			}
			if k >= 0 && k < int64(d) {
				y.f32[i*d+int(k)] = 1
			}
		}
	}, "one_hot"
}
