package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// randomKernel is an op that draws. The draws of an element have the number of
// its place in the whole update, so they do not depend on how rows are divided.
func randomKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	env, x, y := &b.e.env, b.in[0], b.out[0]
	fill := drawing(b.s.Op)
	if fill == nil {
		return nil, ""
	}
	s := b.outT[0].Shape
	if batch := len(s) > 0; inner(b.outT[0]).Symbolic() || batch && s[0].Symbolic() && s[0] != ir.Rows() {
		return scattered(b, fill), "philox_runs"
	}
	batch, w := len(s) > 0 && s[0].Symbolic(), inner(b.outT[0]).Count()
	return func(_ *ctx, lo, hi int) {
		first := lo * w
		if batch {
			first += env.FirstRow * w
		}
		var src []float32
		if x.f32 != nil { // masks look at its shape only: it may not have been made
			src = x.f32[lo*w : hi*w]
		}
		fill(env, y.f32[lo*w:hi*w], src, uint64(first))
	}, "philox"
}

// scattered is an op that draws for a value some of whose lengths may be below
// their capacity, so that the numbers of its draws do not all follow each other.
func scattered(b *binding, fill func(env *ir.Env, dst, x []float32, first uint64)) kernel {
	env, x, y, s, width := &b.e.env, b.in[0], b.out[0], b.outT[0].Shape, b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		dst, src := y.f32[lo*w:hi*w], []float32(nil)
		if x.f32 != nil {
			src = x.f32[lo*w : hi*w]
		}
		ops.Draws(env, s, lo, hi, func(at, count int, first uint64) {
			if src == nil {
				fill(env, dst[at:at+count], nil, first)
			} else {
				fill(env, dst[at:at+count], src[at:at+count], first)
			}
		})
	}
}

// drawing returns what an op makes of x and the draws from first on.
func drawing(op ir.Op) func(env *ir.Env, dst, x []float32, first uint64) {
	switch op := op.(type) {
	case ops.Bernoulli:
		rate, kept := float32(op.Rate), float32(1/(1-op.Rate))
		return func(env *ir.Env, dst, _ []float32, first uint64) {
			simd.Choose(dst, op.Key(env.Seed, env.Update), first, rate, 0, kept)
		}
	case ops.RandomNormal:
		return func(env *ir.Env, dst, _ []float32, first uint64) {
			simd.Normal(dst, op.Key(env.Seed, env.Update), first)
		}
	case ops.Sample:
		return func(env *ir.Env, dst, p []float32, first uint64) {
			simd.Sample(dst, p, op.Key(env.Seed, env.Update), first)
		}
	case ops.MaskingNoise:
		rate := float32(op.Rate)
		return func(env *ir.Env, dst, x []float32, first uint64) {
			simd.Keep(dst, x, op.Key(env.Seed, env.Update), first, rate)
		}
	case ops.GaussianNoise:
		sd := float32(op.SD)
		return func(env *ir.Env, dst, x []float32, first uint64) {
			simd.AddNormal(dst, x, op.Key(env.Seed, env.Update), first, sd)
		}
	case ops.SaltAndPepper:
		rate, low, high := float32(op.Rate), float32(op.Low), float32(op.High)
		return func(env *ir.Env, dst, x []float32, first uint64) {
			noise, coin := op.Keys(env.Seed, env.Update)
			simd.SaltAndPepper(dst, x, noise, coin, first, rate, low, high)
		}
	}
	return nil
}
