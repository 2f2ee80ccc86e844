package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// interleaver moves the elements of a matrix whose rows or columns are in groups of m: those
// with the same place in their group come to lie side by side.
type interleaver struct {
	x, y       *view
	rows, cols int // of x
	groups, m  int
	columns    bool // are in groups, not the rows
	turned     bool // the result is transposed
}

func (b *binding) interleaver(op ops.Interleave) *interleaver {
	s := b.inT[0].Shape
	if !b.all(ir.F32) || s.Symbolic() || s.Count() == 0 {
		return nil
	}
	f := &interleaver{x: b.in[0], y: b.out[0], rows: s[0].Length(), groups: op.Groups, columns: op.Axis == 1, turned: op.Turned}
	f.cols = s.Count() / f.rows
	f.m = s[op.Axis].Length() / op.Groups
	return f
}

// within returns the places in group g, of those in order [lo,hi) of all.
func (f *interleaver) within(g, lo, hi int) (from, to int) {
	return min(max(lo-g*f.m, 0), f.m), min(max(hi-g*f.m, 0), f.m)
}

// dealt returns the places of group g that come to [lo,hi).
func (f *interleaver) dealt(g, lo, hi int) (from, to int) {
	up := func(n int) int { return (max(n-g, 0) + f.groups - 1) / f.groups }
	return up(lo), up(hi)
}

// move brings rows [r0,r1) and columns [c0,c1) of x to their places.
func (f *interleaver) move(r0, r1, c0, c1 int) {
	switch {
	case f.columns:
		for g := range f.groups {
			if a, b := f.within(g, c0, c1); a < b {
				f.column(g, a, b, r0, r1)
			}
		}
	case f.turned:
		for p := range f.m { // rows of x with that place in their group are neighbours in y
			a, b := (max(r0-p, 0)+f.m-1)/f.m, (max(r1-p, 0)+f.m-1)/f.m
			if a < b {
				simd.Transpose(b-a, c1-c0, f.x.f32[(a*f.m+p)*f.cols+c0:], f.m*f.cols, f.y.f32[c0*f.rows+p*f.groups+a:], f.rows)
			}
		}
	default:
		for r := r0; r < r1; r++ {
			copy(f.y.f32[(r%f.m*f.groups+r/f.m)*f.cols+c0:][:c1-c0], f.x.f32[r*f.cols+c0:])
		}
	}
}

// column brings the places [a,b) of a group of columns, in rows [r0,r1), to theirs.
func (f *interleaver) column(g, a, b, r0, r1 int) {
	if f.turned {
		simd.Transpose(r1-r0, b-a, f.x.f32[r0*f.cols+g*f.m+a:], f.cols, f.y.f32[(a*f.groups+g)*f.rows+r0:], f.groups*f.rows)
		return
	}
	for r := r0; r < r1; r++ {
		src, dst := f.x.f32[r*f.cols+g*f.m:][:f.m], f.y.f32[r*f.cols+g:]
		for p := a; p < b; p++ {
			dst[p*f.groups] = src[p]
		}
	}
}

// interleaveKernel makes rows of the result.
func interleaveKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Interleave)
	if !ok {
		return nil, ""
	}
	f := b.interleaver(op)
	if f == nil {
		return nil, ""
	}
	run := func(_ *ctx, lo, hi int) { f.move(0, f.rows, lo, hi) } // turned, the rows in groups
	switch {
	case f.columns && f.turned:
		run = func(_ *ctx, lo, hi int) {
			for g := range f.groups {
				if a, b := f.dealt(g, lo, hi); a < b {
					f.column(g, a, b, 0, f.rows)
				}
			}
		}
	case f.columns:
		run = func(_ *ctx, lo, hi int) {
			for r := lo; r < hi; r++ {
				simd.Transpose(f.groups, f.m, f.x.f32[r*f.cols:], f.m, f.y.f32[r*f.cols:], f.groups)
			}
		}
	case !f.turned:
		run = func(_ *ctx, lo, hi int) {
			for r := lo; r < hi; r++ {
				from := r%f.groups*f.m + r/f.groups
				copy(f.y.f32[r*f.cols:][:f.cols], f.x.f32[from*f.cols:])
			}
		}
	}
	return run, "interleave"
}

// followInterleave brings slices of an axis to their places.
func (b *binding) followInterleave(op ops.Interleave, axis int) follow {
	f := b.interleaver(op)
	switch {
	case f == nil:
		return nil
	case axis == 1:
		return func(_ *ctx, lo, hi int) { f.move(0, f.rows, lo, hi) }
	}
	return func(_ *ctx, lo, hi int) { f.move(lo, hi, 0, f.cols) }
}
