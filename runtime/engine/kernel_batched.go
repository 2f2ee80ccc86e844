package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// batched is the products of the matrices of two values, of which either may be
// repeated along axes before the matrices.
func (b *binding) batched() (kernel, string) {
	x, w, out := b.inT[0].Shape, b.inT[1].Shape, b.outT[0].Shape
	lead := len(out) - 2
	if len(x) < 2 || len(w) < 2 || lead < 1 || !b.all(ir.F32) {
		return nil, ""
	}
	z := &b.e.sizes
	mAt, nAt, kAt := z.dim(x[len(x)-2]), z.dim(w[len(w)-1]), z.dim(x[len(x)-1])
	var xs, ws []axis // before the matrices, with the elements an operand has between neighbours
	for i := range lead {
		xs = append(xs, z.lead(x, out, i))
		ws = append(ws, z.lead(w, out, i))
	}
	inner := z.elems(out[1:lead])
	p, q, y := b.in[0], b.in[1], b.out[0]
	return func(_ *ctx, lo, hi int) {
		m, n, k := *mAt, *nAt, *kAt
		for u := lo; u < hi; u++ {
			for i := range *inner {
				from, with, rest := 0, 0, i
				for a := lead - 1; a > 0; a-- {
					at := rest % *xs[a].n
					rest /= *xs[a].n
					from, with = from+xs[a].of(at), with+ws[a].of(at)
				}
				from, with = from+xs[0].of(u), with+ws[0].of(u)
				dst := y.f32[(u**inner+i)*m*n:][:m*n]
				simd.Gemm(m, n, k, p.f32[from:], k, 1, q.f32[with:], n, dst, n, false, simd.Epilogue{})
			}
		}
	}, "gemm_batched"
}

// lead returns axis i of a result of a product and how an operand of shape in lies
// along it.
func (z *sizes) lead(in, out ir.Shape, i int) axis {
	a := axis{n: z.dim(out[i])}
	if k := i - (len(out) - len(in)); k >= 0 && in[k] != ir.Fixed(1) {
		a.step = z.elems(in[k+1:])
	}
	return a
}

// of returns where index i of the axis begins.
func (a *axis) of(i int) int {
	if a.step == nil {
		return 0
	}
	return i * *a.step
}
