package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// squaredErrorKernel makes the gradient of each row and the mean of its squared error.
func squaredErrorKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	width := b.width(b.inT[0])
	p, t, s, grad, mean := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	return func(_ *ctx, lo, hi int) {
		w := *width
		simd.SquaredErrorMeans(mean.f32[lo:hi], grad.f32[lo*w:hi*w], p.f32[lo*w:hi*w], t.f32[lo*w:hi*w], w, s.f32[0])
	}, "squared_error"
}

// weightedSquaredErrorKernel is squaredErrorKernel with a scale for each row, and with
// rows that are left out.
func weightedSquaredErrorKernel(b *binding) (kernel, string) {
	for i, t := range b.inT {
		if t.DType != ir.F32 && i != 3 {
			return nil, ""
		}
	}
	width := b.width(b.inT[0])
	p, t, s, keep, grad, mean := b.in[0], b.in[1], b.in[2], b.in[3], b.out[0], b.out[1]
	return func(_ *ctx, lo, hi int) {
		w := *width
		n := float64(w)
		for u := lo; u < hi; u++ {
			g := grad.f32[u*w:][:w]
			if !keep.b[u] {
				clear(g)
				mean.f32[u] = 0
				continue
			}
			mean.f32[u] = float32(simd.SquaredError(g, p.f32[u*w:][:w], t.f32[u*w:][:w], s.f32[u]) / n)
		}
	}, "squared_error"
}
