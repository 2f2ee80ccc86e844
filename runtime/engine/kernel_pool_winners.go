package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// What the compiler calls no winner is what kernels call so.
var _ = [1]struct{}{}[ops.NoWinner-simd.NoWinner]

// poolWinnersKernel is a greatest pool that remembers the winners, or the gradient by them: all
// channels of a place at a time.
func poolWinnersKernel(b *binding) (kernel, string) {
	s, ok := ops.PoolLastOf(b.s.Op, b.inT)
	image, places := b.inT[0], b.outT[0]
	op, forward := b.s.Op.(ops.MaxPoolWinnersLast)
	if !forward {
		image, places = places, image
	}
	n, known := image.Shape[image.Rank()-1].Known()
	if !ok || !known || image.DType != ir.F32 {
		return nil, ""
	}
	pixels, _ := fixedWidth(image)
	each, _ := fixedWidth(places)
	w := simd.NewWindows(n, pixels/n, s.Seen)
	if forward {
		x, y, won := b.in[0], b.out[0], b.out[1]
		return func(_ *ctx, lo, hi int) {
			for i := lo; i < hi; i++ {
				w.MaxPoolWinners(y.f32[i*each:][:each], won.raw[i*each:][:each], x.f32[i*pixels:][:pixels], op.Relu)
			}
		}, "max_pool_winners"
	}
	won, dy, dx := b.in[0], b.in[1], b.out[0]
	// The rows of a window are written in turn, for which a core fetches nothing ahead.
	take := func(i, hi int) {
		if i < hi {
			simd.TakeLines(1, pixels, dx.f32[i*pixels:], pixels)
		}
	}
	return func(_ *ctx, lo, hi int) {
		take(lo, hi)
		for i := lo; i < hi; i++ {
			take(i+1, hi)
			w.MaxPoolWinnersGrad(dx.f32[i*pixels:][:pixels], won.raw[i*each:][:each], dy.f32[i*each:][:each])
		}
	}, "max_pool_winners_grad"
}
