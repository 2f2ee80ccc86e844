package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// unaryKernel is an elementwise op of one operand.
func unaryKernel(b *binding) (kernel, string) {
	f := vectorOps(b.s.Op)
	if !b.all(ir.F32) || f == nil {
		return nil, ""
	}
	x, y, w := b.in[0], b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		lo, hi = lo**w, hi**w
		f(y.f32[lo:hi], x.f32[lo:hi])
	}, "vector"
}

// vectorOps returns what an op does to a slice, or nil.
func vectorOps(op ir.Op) func(dst, src []float32) {
	switch o := op.(type) {
	case ops.Relu:
		return simd.Relu
	case ops.Sigmoid:
		return simd.Sigmoid
	case ops.Tanh:
		return simd.Tanh
	case ops.Exp:
		return simd.Exp
	case ops.Log:
		return simd.Log
	case ops.Erf:
		return simd.Erf
	case ops.Sqrt:
		return simd.Sqrt
	case ops.Abs:
		return simd.Abs
	case ops.Softplus:
		return simd.Softplus
	case ops.Gelu:
		return gelu
	case ops.HardSwish:
		return hardSwish
	case ops.LeakyRelu:
		alpha := float32(o.Alpha)
		return func(dst, src []float32) { simd.LeakyRelu(dst, src, alpha) }
	case ops.Elu:
		alpha := float32(o.Alpha)
		return func(dst, src []float32) { simd.Elu(dst, src, alpha) }
	case ops.Selu:
		return func(dst, src []float32) {
			simd.Elu(dst, src, float32(ops.SeluAlpha))
			simd.MulScalar(dst, dst, float32(ops.SeluGamma))
		}
	case ops.Sign:
		return sign
	case ops.Neg:
		return func(dst, src []float32) {
			for i, x := range src[:len(dst)] {
				dst[i] = -x
			}
		}
	case ops.Reciprocal:
		return func(dst, src []float32) {
			for i, x := range src[:len(dst)] {
				dst[i] = 1 / x
			}
		}
	}
	return nil
}

// gelu has the bits of its decomposition.
func gelu(dst, src []float32) {
	var phi [256]float32
	for len(dst) > 0 {
		n := min(len(dst), len(phi))
		p, d, s := phi[:n], dst[:n], src[:n]
		simd.MulScalar(p, s, float32(1/math.Sqrt2))
		simd.Erf(p, p)
		simd.AddScalar(p, p, 1)
		simd.MulScalar(d, s, 0.5)
		simd.Mul(d, d, p)
		dst, src = dst[n:], src[n:]
	}
}

// hardSwish has the bits of its decomposition.
func hardSwish(dst, src []float32) {
	var slope, ones [256]float32
	for i := range ones {
		ones[i] = 1
	}
	for len(dst) > 0 {
		n := min(len(dst), len(slope))
		p, s := slope[:n], src[:n]
		simd.MulScalar(p, s, float32(1.0/6))
		simd.AddScalar(p, p, 0.5)
		simd.Min(p, p, ones[:n])
		simd.Relu(p, p)
		simd.Mul(dst[:n], s, p)
		dst, src = dst[n:], src[n:]
	}
}

// sign is -1, 0 or 1 without a branch, which would be guessed wrong half of the
// time: the sign bit beside the bits of one, unless x is 0 or NaN.
func sign(dst, src []float32) {
	for i, x := range src[:len(dst)] {
		b := math.Float32bits(x)
		var ordinary uint32
		if x < 0 || x > 0 {
			ordinary = 1
		}
		one := b&(1<<31) | math.Float32bits(1)
		dst[i] = math.Float32frombits(b ^ (b^one)&-ordinary)
	}
}
