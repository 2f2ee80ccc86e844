package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// poolLastKernel is a pool of images with their channels last, or the gradient of one: all
// channels of a place at a time.
func poolLastKernel(b *binding) (kernel, string) {
	s, ok := ops.PoolLastOf(b.s.Op, b.inT)
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	n, known := b.inT[0].Shape[b.inT[0].Rank()-1].Known()
	if !known {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	from, _ := fixedWidth(b.inT[0])
	to, _ := fixedWidth(b.outT[0])
	each := func(what func(c *ctx, x, y []float32, i int)) kernel {
		return func(c *ctx, lo, hi int) {
			for i := lo; i < hi; i++ {
				what(c, x.f32[i*from:][:from], y.f32[i*to:][:to], i)
			}
		}
	}
	switch op := b.s.Op.(type) {
	case ops.MaxPoolLast:
		w := simd.NewWindows(n, from/n, s.Seen)
		return each(func(_ *ctx, x, y []float32, _ int) { w.MaxPool(y, x) }), "max_pool_last"
	case ops.MaxPoolGradLast:
		w, dy := simd.NewWindows(n, from/n, s.Seen), b.in[1]
		places, _ := fixedWidth(b.inT[1])
		return each(func(_ *ctx, x, dx []float32, i int) {
			w.MaxPoolGrad(dx, x, dy.f32[i*places:][:places], op.Relu)
		}), "max_pool_grad_last"
	case ops.AveragePoolLast:
		return each(func(_ *ctx, x, y []float32, _ int) {
			for p, list := range s.Seen {
				dst := y[p*n:][:n]
				copy(dst, x[int(list[0])*n:])
				for _, at := range list[1:] {
					simd.Add(dst, dst, x[int(at)*n:][:n])
				}
				simd.MulScalar(dst, dst, s.Share[p])
			}
		}), "average_pool_last"
	case ops.AveragePoolGradLast:
		b.needs(n)
		return each(func(c *ctx, dy, dx []float32, _ int) {
			part := c.scratch(n)
			clear(dx)
			for p, list := range s.Seen {
				simd.MulScalar(part, dy[p*n:][:n], s.Share[p])
				for _, at := range list {
					dst := dx[int(at)*n:][:n]
					simd.Add(dst, dst, part)
				}
			}
		}), "average_pool_grad_last"
	}
	return nil, ""
}
