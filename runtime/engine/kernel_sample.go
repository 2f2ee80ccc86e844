package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// sampleKernel draws bits with given probabilities.
func sampleKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.Sample)
	w, ok2 := width(b.outT[0])
	if !ok || !ok2 || !b.all(ir.F32) {
		return nil, ""
	}
	e, p, y := b.e, b.in[0], b.out[0]
	batch := b.outT[0].Rank() > 0
	return func(c *ctx, lo, hi int) {
		first := 0
		if batch {
			first = e.env.FirstRow * w
		}
		k, tmp := op.Key(e.env.Seed, e.env.Update), c.scratch(w)
		for u := lo; u < hi; u++ {
			op.Bits(k, uint64(first+u*w), y.f32[u*w:][:w], p.f32[u*w:][:w], tmp)
		}
	}, "philox_bits"
}
