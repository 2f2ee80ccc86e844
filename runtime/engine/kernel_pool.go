package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// poolKernel is a pool of each channel of each row, or the gradient of one.
func poolKernel(b *binding) (kernel, string) {
	s, ok := ops.PoolShapeOf(b.s.Op, b.inT)
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	channels, known := b.inT[0].Shape[1].Known()
	if !known {
		return nil, ""
	}
	each := func(what func(x, v, y []float32)) kernel {
		x, y := b.in[0], b.out[0]
		n, m := ir.Elems(b.lengths(b.inT[0])), ir.Elems(b.lengths(b.outT[0]))
		v, with := x, n
		if len(b.in) > 1 {
			v, with = b.in[1], ir.Elems(b.lengths(b.inT[1]))
		}
		return func(_ *ctx, lo, hi int) {
			for i := lo * channels; i < hi*channels; i++ {
				what(x.f32[i*n:][:n], v.f32[i*with:][:with], y.f32[i*m:][:m])
			}
		}
	}
	switch b.s.Op.(type) {
	case ops.MaxPool, ops.MaxPoolOf:
		return each(func(x, v, y []float32) {
			for i, list := range s.Seen {
				y[i] = v[winner(x, list)]
			}
		}), "max_pool"
	case ops.MaxPoolGrad:
		return each(func(x, dy, dx []float32) {
			clear(dx)
			for i, list := range s.Seen {
				dx[winner(x, list)] += dy[i]
			}
		}), "max_pool_grad"
	case ops.AveragePool:
		return each(func(x, _, y []float32) {
			for i, list := range s.Seen {
				sum := float32(0)
				for _, at := range list {
					sum += x[at]
				}
				y[i] = sum * s.Share[i]
			}
		}), "average_pool"
	case ops.AveragePoolGrad:
		return each(func(dy, _, dx []float32) {
			clear(dx)
			for i, list := range s.Seen {
				part := dy[i] * s.Share[i]
				for _, at := range list {
					dx[at] += part
				}
			}
		}), "average_pool_grad"
	}
	return nil, ""
}

// lengths returns those of the axes behind the channels.
func (b *binding) lengths(t ir.Type) []int {
	n, _ := t.Shape[2:].Fixed()
	return n
}

// winner returns which of these elements is the greatest, the first of equal ones; NaN
// counts as the greatest.
func winner(x []float32, list []int32) int32 {
	best := list[0]
	for _, at := range list[1:] {
		if v, top := x[at], x[best]; v > top || v != v && top == top {
			best = at
		}
	}
	return best
}
