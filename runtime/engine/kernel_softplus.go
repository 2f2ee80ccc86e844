package engine

import (
	"math"

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
	return func(_ *ctx, lo, hi int) {
		for u := lo; u < hi; u++ {
			in, h := x.f32[u*w:][:w], y.f32[u*w:][:w]
			simd.Sigmoid(h, in)
			sum.f32[u] = float32(softplusSum(in, h))
		}
	}, "sigmoid_softplus_sum"
}

// softplusSum adds softplus(x) for h = sigmoid(x). It is max(x, 0) - log σ(|x|),
// σ(|x|) is 1/2 + |h - 1/2|, at least 1/2, and the logarithms of many are that of
// their product.
func softplusSum(x, h []float32) float64 {
	const most = 512 // factors, whose product is at least 2^-512
	var s [4]float64
	total := 0.0
	for len(x) > 0 {
		n := min(len(x), most)
		p := [4]float64{1, 1, 1, 1}
		i := 0
		for ; i+4 <= n; i += 4 {
			a, b := x[i:i+4:i+4], h[i:i+4:i+4]
			s[0] += positive(a[0])
			s[1] += positive(a[1])
			s[2] += positive(a[2])
			s[3] += positive(a[3])
			p[0] *= 0.5 + math.Abs(float64(b[0])-0.5)
			p[1] *= 0.5 + math.Abs(float64(b[1])-0.5)
			p[2] *= 0.5 + math.Abs(float64(b[2])-0.5)
			p[3] *= 0.5 + math.Abs(float64(b[3])-0.5)
		}
		for ; i < n; i++ {
			s[0] += positive(x[i])
			p[0] *= 0.5 + math.Abs(float64(h[i])-0.5)
		}
		total -= math.Log(p[0] * p[1] * p[2] * p[3])
		x, h = x[n:], h[n:]
	}
	return total + (s[0] + s[1]) + (s[2] + s[3])
}

// positive is max(x, 0), and NaN for NaN or without a sign; a branch would be
// guessed wrong half of the time.
func positive(x float32) float64 {
	b := math.Float32bits(x)
	return float64(math.Float32frombits(b &^ uint32(int32(b)>>31)))
}

// softplus is max(x, 0) + log1p(e) for e = exp(-|x|), where log1p(e) is log u, u
// being 1+e as it was rounded, and what was lost by that divided by u.
func softplus(dst, src, tmp []float32) {
	tmp = tmp[:2*len(dst)]
	e, u := tmp[:len(dst)], tmp[len(dst):]
	for i, x := range src {
		e[i] = math.Float32frombits(math.Float32bits(x) | 1<<31)
	}
	simd.Exp(e, e)
	simd.AddScalar(u, e, 1)
	for i, x := range src {
		b := math.Float32bits(x)
		lost := e[i] - (u[i] - 1)
		e[i] = math.Float32frombits(b&^uint32(int32(b)>>31)) + lost/u[i]
	}
	simd.Log(u, u)
	simd.Add(dst, e, u)
}

// softplusKernel is softplus of each element.
func softplusKernel(b *binding) (kernel, string) {
	w, ok := width(b.outT[0])
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(2 * w)
		for u := lo; u < hi; u++ {
			softplus(y.f32[u*w:][:w], x.f32[u*w:][:w], tmp)
		}
	}, "vector"
}
