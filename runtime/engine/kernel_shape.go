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
	w, ok2 := width(b.outT[0])
	if !ok || !ok2 {
		return nil, ""
	}
	out := b.out[0]
	return func(_ *ctx, lo, hi int) {
		for u := lo; u < hi; u++ {
			x.load(out.f32[u*w:][:w], u)
		}
	}, "fill"
}

// transposeKernel turns a matrix.
func transposeKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Transpose)
	if !ok || b.outT[0].Rank() != 2 || op.Perm.At[0] != 1 && op.Perm.Len != 0 || !b.all(ir.F32) {
		return nil, ""
	}
	e, x, y, s := b.e, b.in[0], b.out[0], b.inT[0].Shape
	return func(_ *ctx, lo, hi int) {
		rows, cols := s[0].Bind(e.rows), s[1].Bind(e.rows)
		simd.Transpose(rows, hi-lo, x.f32[lo:], cols, y.f32[lo*rows:], rows)
	}, "transpose"
}

// concatKernel joins operands along an axis that is not the first.
func concatKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Concat)
	if !ok || op.Axis < 1 || !b.all(ir.F32) {
		return nil, ""
	}
	widths := make([]int, len(b.in)) // elements of one line of each operand
	outer := b.outT[0].Shape[1:op.Axis].Elems(1)
	total := 0
	for i, t := range b.inT {
		if t.Shape[1:].Symbolic() {
			return nil, ""
		}
		widths[i] = t.Shape[op.Axis:].Elems(1)
		total += widths[i]
	}
	in, out := b.in, b.out[0]
	return func(_ *ctx, lo, hi int) {
		at := 0
		for i, v := range in {
			w := widths[i]
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
	if !ok || op.Axis < 1 || !b.all(ir.F32) || b.inT[0].Shape[1:].Symbolic() {
		return nil, ""
	}
	s := b.inT[0].Shape
	outer, inner := s[1:op.Axis].Elems(1), s[op.Axis+1:].Elems(1)
	from, w, line := op.Start*inner, b.outT[0].Shape[op.Axis].N*inner, s[op.Axis].N*inner
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
		for l := lo * outer; l < hi*outer; l++ {
			copy(y.f32[l*w:][:w], x.f32[l*line+from:][:w])
		}
	}, "copy"
}

// padKernel puts zeros around along an axis that is not the first.
func padKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Pad)
	if !ok || op.Axis < 1 || !b.all(ir.F32) || b.inT[0].Shape[1:].Symbolic() {
		return nil, ""
	}
	s := b.inT[0].Shape
	outer, inner := s[1:op.Axis].Elems(1), s[op.Axis+1:].Elems(1)
	from, w, line := op.Before*inner, s[op.Axis].N*inner, b.outT[0].Shape[op.Axis].N*inner
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
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
	w, ok := width(b.outT[0])
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) { copy(y.f32[lo*w:hi*w], x.f32[lo*w:hi*w]) }, "copy"
}

// storeGradKernel replaces or continues a stored gradient.
func storeGradKernel(b *binding) (kernel, string) {
	w, _ := width(b.outT[0])
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
	w, ok2 := width(b.outT[0])
	if !ok || !ok2 || b.inT[0].Rank() == 0 || b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	x, y, d := b.in[0], b.out[0], op.Depth
	return func(_ *ctx, lo, hi int) {
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

// castKernel converts indices and truth values to float32.
func castKernel(b *binding) (kernel, string) {
	w, ok := width(b.outT[0])
	if !ok || b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	switch b.inT[0].DType {
	case ir.I64:
		return func(_ *ctx, lo, hi int) {
			for i := lo * w; i < hi*w; i++ {
				y.f32[i] = float32(x.i64[i])
			}
		}, "convert"
	case ir.Bool:
		return func(_ *ctx, lo, hi int) {
			for i := lo * w; i < hi*w; i++ {
				y.f32[i] = 0
				if x.b[i] {
					y.f32[i] = 1
				}
			}
		}, "convert"
	}
	return nil, ""
}
