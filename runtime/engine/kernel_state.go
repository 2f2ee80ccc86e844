package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// lerpBlock is how many elements are moved at a time: their differences stay in the
// first cache.
const lerpBlock = 1 << 10

// lerpKernel moves a value towards another.
func lerpKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	x, to, t, y, width := b.in[0], b.in[1], b.in[2], b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		var diff [lerpBlock]float32
		share := t.f32[0]
		for at, end := lo**width, hi**width; at < end; at += lerpBlock {
			n := min(lerpBlock, end-at)
			from, d := x.f32[at:at+n], diff[:n]
			simd.Sub(d, to.f32[at:at+n], from)
			dst := y.f32[at : at+n]
			if &dst[0] != &from[0] {
				copy(dst, from)
			}
			simd.Axpy(dst, share, d)
			simd.FlushSubnormals(dst, dst)
		}
	}, "lerp"
}

// pushKernel puts the rows of a batch into a queue. Of an update in parts each writes
// the places of its own rows, in memory that is held for all of them.
func pushKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	e, q, x, y, width := b.e, b.in[0], b.in[1], b.out[0], b.width(b.outT[0])
	rows, pushed, held := b.outT[0].Shape[0].Length(), b.inT[1].Shape[0], b.p.Buffers[b.p.Root(b.s.Out[0])].Kind == plan.Held
	return func(_ *ctx, lo, hi int) {
		w := *width
		p := ops.PushOf(&e.env, rows, pushed)
		if !held && !p.Whole() {
			clear(y.f32[lo*w : hi*w])
		}
		p.Each(lo, hi, func(at, from, n int, stays bool) {
			src := x.f32
			if stays {
				src = q.f32
			}
			copy(y.f32[at*w:(at+n)*w], src[from*w:])
		})
	}, "push"
}
