package celu

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Kernel makes the op fast, in float32: it is one of engine.Options.Kernels and
// train.Options.Kernels.
func Kernel(op ir.Op, in, _ []ir.Type) *engine.Kernel {
	o, ok := op.(Op)
	if !ok || in[0].DType != ir.F32 {
		return nil // another op, or numbers that this kernel is not for
	}
	alpha := float32(o.Alpha)
	return &engine.Kernel{Name: "celu", Run: func(s *engine.Slice) {
		x, y := s.In[0].F32, s.Out[0].F32
		simd.MulScalar(y, x, 1/alpha)
		simd.Elu(y, y, 1)
		simd.MulScalar(y, y, alpha)
		for i, v := range x {
			if v >= 0 {
				y[i] = v
			}
		}
	}}
}
