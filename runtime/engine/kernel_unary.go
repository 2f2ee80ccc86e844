package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// unaryKernel is an elementwise op of one operand.
func unaryKernel(b *binding) (kernel, string) {
	w, ok := width(b.outT[0])
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	name := "vector"
	f := vectorOps(b.s.Op.Name())
	if f == nil {
		g := elementOp(b.s.Op)
		if g == nil {
			return nil, ""
		}
		name = "elements"
		f = func(dst, src []float32) {
			for i := range dst {
				dst[i] = float32(g(float64(src[i])))
			}
		}
	}
	return func(_ *ctx, lo, hi int) {
		lo, hi = lo*w, hi*w
		f(y.f32[lo:hi], x.f32[lo:hi])
	}, name
}

func vectorOps(name string) func(dst, src []float32) {
	switch name {
	case "Relu":
		return simd.Relu
	case "Sigmoid":
		return simd.Sigmoid
	case "Tanh":
		return simd.Tanh
	case "Exp":
		return simd.Exp
	case "Log":
		return simd.Log
	case "Neg":
		return func(dst, src []float32) {
			for i := range dst {
				dst[i] = -src[i]
			}
		}
	case "Reciprocal":
		return func(dst, src []float32) {
			for i := range dst {
				dst[i] = 1 / src[i]
			}
		}
	}
	return nil
}

// elementOp returns what an op does to one element, in float64.
func elementOp(op ir.Op) func(x float64) float64 {
	switch o := op.(type) {
	case ops.Abs:
		return math.Abs
	case ops.Sign:
		return func(x float64) float64 {
			switch {
			case x > 0:
				return 1
			case x < 0:
				return -1
			}
			return x
		}
	case ops.Sqrt:
		return math.Sqrt
	case ops.Erf:
		return math.Erf
	case ops.LeakyRelu:
		return func(x float64) float64 {
			if x > 0 {
				return x
			}
			return o.Alpha * x
		}
	case ops.Elu:
		return func(x float64) float64 {
			if x > 0 {
				return x
			}
			return o.Alpha * math.Expm1(x)
		}
	case ops.Selu:
		return func(x float64) float64 {
			if x > 0 {
				return ops.SeluGamma * x
			}
			return ops.SeluGamma * ops.SeluAlpha * math.Expm1(x)
		}
	case ops.Gelu:
		return func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
	}
	return nil
}
