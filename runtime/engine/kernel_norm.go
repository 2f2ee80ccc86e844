package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// lineBlock is how many lines are worked on in one go. The lanes of a sum are one chain
// of additions; sums of neighbouring lines fill the waits of one another.
const lineBlock = 4

// standards is what a block of lines is standardized by. Two numbers a line: the negative
// mean, 0 if means stay, and one over the root of the mean square of what that leaves plus
// epsilon.
type standards struct {
	epsilon float64
	center  bool
	stats   [2 * lineBlock]float32
}

// of looks at up to lineBlock lines of n elements, one behind the other, and returns the
// numbers of each.
func (s *standards) of(x []float32, n int) (stats []float32) {
	lines := len(x) / n
	var sums [lineBlock]float64
	s.stats = [2 * lineBlock]float32{}
	if s.center {
		simd.LineSums(sums[:lines], x)
		for l, sum := range sums[:lines] {
			s.stats[2*l] = -float32(sum / float64(n))
		}
	}
	stats = s.stats[:2*lines]
	simd.LineSquares(sums[:lines], x, stats)
	for l, sum := range sums[:lines] {
		stats[2*l+1] = float32(1 / math.Sqrt(sum/float64(n)+s.epsilon))
	}
	return stats
}

// grad sets dx to the gradient along a block of lines of x, of which dy is that along the
// result, and p to dy times the lines as they are standardized, unless it is empty. dx may
// be dy. All lines have one scale, or each its own. It returns what of returns.
func (s *standards) grad(dx, p, dy, x, scale []float32, n int) (stats []float32) {
	stats = s.of(x, n)
	lines := len(x) / n
	var sums, along [lineBlock]float64
	if len(p) == 0 {
		simd.NormalizeLineSums(sums[:lines], along[:lines], dy, x, scale, stats)
	} else {
		for l := range lines {
			sums[l], along[l] = simd.NormalizeSums(p[l*n:][:n], dy[l*n:][:n], x[l*n:][:n], scale[l*n:][:n], stats[2*l], stats[2*l+1])
		}
	}
	var ab [2 * lineBlock]float32
	for l := range lines {
		ab[2*l+1] = -float32(along[l] / float64(n))
		if s.center {
			ab[2*l] = -float32(sums[l] / float64(n))
		}
	}
	simd.NormalizeLineGrads(dx, dy, x, scale, stats, ab[:2*lines])
	return stats
}

// lines returns where the lines of a unit and the elements of a line stand, of a
// normalisation of t from axis on.
func (b *binding) lines(t ir.Type, axis int) (lines, n *int) {
	return b.e.sizes.elems(t.Shape[1:axis]), b.e.sizes.elems(t.Shape[axis:])
}

// normKernel is LayerNorm or RMSNorm, line by line while it is in the first cache.
func normKernel(b *binding) (kernel, string) {
	axis, epsilon, center := 0, 0.0, false
	switch op := b.s.Op.(type) {
	case ops.LayerNorm:
		axis, epsilon, center = op.Axis, op.Epsilon, true
	case ops.RMSNorm:
		axis, epsilon = op.Axis, op.Epsilon
	}
	if axis == 0 || !b.all(ir.F32) {
		return nil, ""
	}
	x, scale, y := b.in[0], b.in[1], b.out[0]
	bias := &view{}
	if len(b.in) > 2 {
		bias = b.in[2]
	}
	linesAt, nAt := b.lines(b.inT[0], axis)
	return func(_ *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		s := standards{epsilon: epsilon, center: center}
		for l, end := lo*lines, hi*lines; l < end; l += lineBlock {
			from, to := l*n, min(l+lineBlock, end)*n
			block := x.f32[from:to]
			simd.NormalizeLines(y.f32[from:to], block, scale.f32[:n], bias.f32, s.of(block, n))
		}
	}, "lines"
}

// normGradKernel is the gradient of LayerNorm or RMSNorm. It standardizes x anew,
// which costs less than to keep it.
func normGradKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.NormGrad)
	if !ok || op.Axis == 0 || !b.all(ir.F32) {
		return nil, ""
	}
	dy, x, scale, dx, stats := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	linesAt, nAt := b.lines(b.inT[1], op.Axis)
	return func(_ *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		s := standards{epsilon: op.Epsilon, center: op.Center}
		for l, end := lo*lines, hi*lines; l < end; l += lineBlock {
			from, to := l*n, min(l+lineBlock, end)*n
			copy(stats.f32[2*l:], s.grad(dx.f32[from:to], nil, dy.f32[from:to], x.f32[from:to], scale.f32[:n], n))
		}
	}, "lines"
}

// normSumsKernel makes columns of the gradients along scale and bias.
func normSumsKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	dy, x, stats, out, starts := b.in[0], b.in[1], b.in[2], b.out, b.in[3:]
	rows, all, pairs := b.e.sizes.dim(b.inT[1].Shape[0]), b.e.sizes.dim(b.inT[1].Shape[1]), b.e.sizes.dim(b.inT[2].Shape[1])
	return func(_ *ctx, lo, hi int) {
		for i, o := range out {
			if len(starts) == 0 {
				clear(o.f32[lo:hi])
			} else {
				copy(o.f32[lo:hi], starts[i].f32[lo:hi])
			}
		}
		if *rows == 0 {
			return
		}
		run := 2 * *all / *pairs
		for end := 0; lo < hi; lo = end {
			k := lo / run
			end = min(hi, (k+1)*run)
			var plain []float32
			if len(out) > 1 {
				plain = out[1].f32[lo:end]
			}
			simd.NormSums(*rows, out[0].f32[lo:end], plain, dy.f32[lo:], *all, x.f32[lo:], *all, stats.f32[2*k:], *pairs)
		}
	}, "normalized_sums"
}

// channels are what a normalisation of groups of channels is made of.
type channels struct {
	groups, each int  // groups of a row, channels of a group
	inner        *int // elements of a channel
	epsilon      float64
}

func (b *binding) channels(t ir.Type, groups int, epsilon float64) channels {
	all := t.Shape[1].Length()
	return channels{groups, all / groups, b.e.sizes.elems(t.Shape[2:]), epsilon}
}

// groupNormKernel is GroupNorm or InstanceNorm, group by group.
func groupNormKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	var ch channels
	switch op := b.s.Op.(type) {
	case ops.GroupNorm:
		ch = b.channels(b.inT[0], op.Groups, op.Epsilon)
	case ops.InstanceNorm:
		ch = b.channels(b.inT[0], b.inT[0].Shape[1].Length(), op.Epsilon)
	}
	x, scale, bias, y := b.in[0], b.in[1], b.in[2], b.out[0]
	return func(c *ctx, lo, hi int) {
		inner := *ch.inner
		n := ch.each * inner
		unit, st := ch.groups*n, standards{epsilon: ch.epsilon, center: true}
		tmp := c.scratch(2 * unit)
		s, o := widened(tmp[:unit], scale.f32, inner), widened(tmp[unit:], bias.f32, inner)
		for u := lo; u < hi; u++ {
			for at := 0; at < unit; at += lineBlock * n {
				to := min(at+lineBlock*n, unit)
				block := x.f32[u*unit:][at:to]
				simd.NormalizeLines(y.f32[u*unit:][at:to], block, s[at:to], o[at:to], st.of(block, n))
			}
		}
	}, "groups"
}

// widened repeats each element n times, in dst unless n is 1.
func widened(dst, src []float32, n int) []float32 {
	if n == 1 {
		return src
	}
	for k, v := range src {
		part := dst[k*n:][:n]
		for i := range part {
			part[i] = v
		}
	}
	return dst
}

// groupNormGradKernel is the gradient of GroupNorm, with the sums of each channel of a
// row for those of scale and bias.
func groupNormGradKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.GroupNormGrad)
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	ch := b.channels(b.inT[1], op.Groups, op.Epsilon)
	dy, x, scale, dx, scaled, plain := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1], b.out[2]
	return func(c *ctx, lo, hi int) {
		inner := *ch.inner
		n := ch.each * inner
		unit, all, st := ch.groups*n, ch.groups*ch.each, standards{epsilon: ch.epsilon, center: true}
		tmp := c.scratch(2 * unit)
		s, p := widened(tmp[:unit], scale.f32, inner), tmp[unit:]
		for u := lo; u < hi; u++ {
			d := dy.f32[u*unit:][:unit]
			channelSums(plain.f32[u*all:][:all], d, inner) // before dx, which may be dy, is made
			for at := 0; at < unit; at += lineBlock * n {
				to := min(at+lineBlock*n, unit)
				st.grad(dx.f32[u*unit:][at:to], p[at:to], d[at:to], x.f32[u*unit:][at:to], s[at:to], n)
			}
			channelSums(scaled.f32[u*all:][:all], p, inner)
		}
	}, "groups"
}

// channelSums adds each run of n elements.
func channelSums(dst, src []float32, n int) {
	if n == 1 {
		copy(dst, src)
		return
	}
	for k := range dst {
		dst[k] = float32(simd.LineSum(src[k*n:][:n]))
	}
}
