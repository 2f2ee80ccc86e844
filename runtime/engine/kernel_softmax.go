package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// softmaxKernel is softmax or its logarithm along the last axis.
func softmaxKernel(b *binding) (kernel, string) {
	axis, log := 0, false
	switch op := b.s.Op.(type) {
	case ops.Softmax:
		axis = op.Axis
	case ops.LogSoftmax:
		axis, log = op.Axis, true
	}
	s := b.inT[0].Shape
	if axis != len(s)-1 || axis == 0 || !b.all(ir.F32) {
		return nil, ""
	}
	x, y, nAt := b.in[0], b.out[0], b.e.sizes.dim(s[axis])
	linesAt := b.e.sizes.elems(s[1:axis])
	b.needs(s[axis].At(b.p.Capacity))
	return func(c *ctx, lo, hi int) {
		n, lines := *nAt, *linesAt
		tmp := c.scratch(n)
		for l := lo * lines; l < hi*lines; l++ {
			src, dst := x.f32[l*n:][:n], y.f32[l*n:][:n]
			simd.AddScalar(tmp, src, -greatest(src))
			simd.Exp(dst, tmp)
			if sum := simd.LineSum(dst); log {
				simd.AddScalar(dst, tmp, -float32(math.Log(sum)))
			} else {
				simd.MulScalar(dst, dst, float32(1/sum))
			}
		}
	}, "rows"
}
