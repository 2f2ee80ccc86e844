package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// softplusSumKernel is the sigmoid of each unit and the sum of its softplus.
func softplusSumKernel(b *binding) (kernel, string) {
	w, ok := width(b.outT[0])
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	x, y, sum := b.in[0], b.out[0], b.out[1]
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(w)
		for u := lo; u < hi; u++ {
			in, h := x.f32[u*w:][:w], y.f32[u*w:][:w]
			simd.Sigmoid(h, in)
			sum.f32[u] = float32(softplusSum(in, h, tmp))
		}
	}, "sigmoid_softplus_sum"
}

// softplusSum adds softplus(x) for h = sigmoid(x). It is max(x, 0) - log σ(|x|),
// σ(|x|) is the greater of h and 1-h, at least 1/2, and the logarithms of many are
// that of their product: the halves of the row are multiplied until a product has
// some sixty factors.
func softplusSum(x, h, tmp []float32) float64 {
	const halvings = 6
	m := tmp[:len(x)]
	simd.Relu(m, x)
	total := simd.LineSum(m)
	simd.MulScalar(m, h, -2)
	simd.AddScalar(m, m, 1)
	simd.Relu(m, m)
	simd.Add(m, m, h) // h + max(1-2h, 0)
	for range halvings {
		n := len(m) / 2
		if n == 0 {
			break
		}
		if len(m)%2 != 0 {
			m[0] *= m[2*n]
		}
		simd.Mul(m[:n], m[:n], m[n:2*n])
		m = m[:n]
	}
	simd.Log(m, m)
	return total - simd.LineSum(m)
}
