package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// squaredErrorKernel makes a row's gradient and the mean of its squared error
// while the row is in the first cache.
func squaredErrorKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	width := b.width(b.inT[0])
	p, t, s, grad, mean := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	return func(_ *ctx, lo, hi int) {
		w := *width
		scale, n := s.f32[0], float64(w)
		for u := lo; u < hi; u++ {
			mean.f32[u] = float32(simd.SquaredError(grad.f32[u*w:][:w], p.f32[u*w:][:w], t.f32[u*w:][:w], scale) / n)
		}
	}, "squared_error"
}
