package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// flipper reverses the order of the elements along some axes.
type flipper []flipAxis

type flipAxis struct {
	n, inner *int // its length, and the elements of one index
	flips    bool
	below    bool // some axis behind it flips
}

func (b *binding) flipper(op ops.Flip) flipper {
	s := b.inT[0].Shape
	if !b.all(ir.F32) || len(s) == 0 {
		return nil
	}
	f := make(flipper, len(s))
	for i := len(s) - 1; i >= 0; i-- {
		f[i] = flipAxis{n: b.e.sizes.dim(s[i]), inner: b.e.sizes.elems(s[i+1:]), flips: op.Flips(i)}
		if i+1 < len(s) {
			f[i].below = f[i+1].below || f[i+1].flips
		}
	}
	return f
}

// move writes the elements of src whose index of axis is in [lo,hi) to their places.
func (f flipper) move(dst, src []float32, axis, lo, hi int) {
	a := &f[0]
	n, w := *a.n, *a.inner
	from, to := 0, n
	if axis == 0 {
		from, to = lo, hi
	}
	switch whole := !a.below && axis <= 0; {
	case whole && !a.flips:
		copy(dst[from*w:to*w], src[from*w:to*w])
	case whole && len(f) == 1:
		for i := from; i < to; i++ {
			dst[n-1-i] = src[i]
		}
	default:
		for i := from; i < to; i++ {
			j := i
			if a.flips {
				j = n - 1 - i
			}
			if whole {
				copy(dst[j*w:][:w], src[i*w:])
			} else {
				f[1:].move(dst[j*w:][:w], src[i*w:][:w], axis-1, lo, hi)
			}
		}
	}
}

// flipKernel makes rows of the result from those in their places.
func flipKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Flip)
	if !ok {
		return nil, ""
	}
	f := b.flipper(op)
	if f == nil {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) {
		if n := *f[0].n; f[0].flips {
			lo, hi = n-hi, n-lo
		}
		f.move(y.f32, x.f32, 0, lo, hi)
	}, "flip"
}

// followFlip brings slices of an axis to their places.
func (b *binding) followFlip(op ops.Flip, axis int) follow {
	f := b.flipper(op)
	if f == nil {
		return nil
	}
	x, y := b.in[0], b.out[0]
	return func(_ *ctx, lo, hi int) { f.move(y.f32, x.f32, axis, lo, hi) }
}
