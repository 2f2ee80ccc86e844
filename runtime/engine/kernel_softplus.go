package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// softplusSumKernel is the sigmoid of each unit and the sum of its softplus.
func softplusSumKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	x, y, sum, width := b.in[0], b.out[0], b.out[1], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		for u := lo; u < hi; u++ {
			sum.f32[u] = float32(simd.SigmoidSoftplus(y.f32[u*w:][:w], x.f32[u*w:][:w]))
		}
	}, "sigmoid_softplus_sum"
}
