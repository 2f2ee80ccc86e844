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

// standards is what a block of lines is standardized by: the negative mean of each, 0 if
// means stay, and one over the root of the mean square of what that leaves plus epsilon.
type standards struct {
	epsilon        float64
	center         bool
	shift, inverse [lineBlock]float32
}

// of looks at up to lineBlock lines of n elements, one behind the other.
func (s *standards) of(x []float32, n int) {
	lines := len(x) / n
	s.shift = [lineBlock]float32{}
	if s.center {
		for l := range lines {
			s.shift[l] = -float32(simd.LineSum(x[l*n:][:n]) / float64(n))
		}
	}
	var squares [lineBlock]float64
	for l := range lines {
		squares[l] = simd.SumSquaresAround(x[l*n:][:n], s.shift[l])
	}
	for l := range lines {
		s.inverse[l] = float32(1 / math.Sqrt(squares[l]/float64(n)+s.epsilon))
	}
}

// store writes shift and inverse of each line of the block.
func (s *standards) store(dst []float32) {
	for l := range len(dst) / 2 {
		dst[2*l], dst[2*l+1] = s.shift[l], s.inverse[l]
	}
}

// grad sets dx to the gradient along a block of lines of x, of which dy is that along the
// result, and p to dy times the lines as they are standardized, unless it is empty. dx may
// be dy. scales holds the scale of each line.
func (s *standards) grad(dx, p, dy, x []float32, scales *[lineBlock][]float32, n int) {
	s.of(x, n)
	lines := len(x) / n
	var mean, along [lineBlock]float32
	for l := range lines {
		var part []float32
		if len(p) != 0 {
			part = p[l*n:][:n]
		}
		m, a := simd.NormalizeSums(part, dy[l*n:][:n], x[l*n:][:n], scales[l], s.shift[l], s.inverse[l])
		along[l] = -float32(a / float64(n))
		if s.center {
			mean[l] = -float32(m / float64(n))
		}
	}
	for l := range lines {
		simd.NormalizeGrad(dx[l*n:][:n], dy[l*n:][:n], x[l*n:][:n], scales[l], s.shift[l], s.inverse[l], mean[l], along[l])
	}
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
			block := x.f32[l*n : min(l+lineBlock, end)*n]
			s.of(block, n)
			for i := range len(block) / n {
				simd.Normalize(y.f32[(l+i)*n:][:n], block[i*n:][:n], scale.f32[:n], bias.f32, s.shift[i], s.inverse[i])
			}
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
		var scales [lineBlock][]float32
		for i := range scales {
			scales[i] = scale.f32[:n]
		}
		for l, end := lo*lines, hi*lines; l < end; l += lineBlock {
			from, to := l*n, min(l+lineBlock, end)*n
			s.grad(dx.f32[from:to], nil, dy.f32[from:to], x.f32[from:to], &scales, n)
			s.store(stats.f32[2*l : 2*min(l+lineBlock, end)])
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
				block := x.f32[u*unit:][at:min(at+lineBlock*n, unit)]
				st.of(block, n)
				for i := range len(block) / n {
					k := at + i*n
					simd.Normalize(y.f32[u*unit+k:][:n], block[i*n:][:n], s[k:][:n], o[k:][:n], st.shift[i], st.inverse[i])
				}
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
				var scales [lineBlock][]float32
				for i := range (to - at) / n {
					scales[i] = s[at+i*n:][:n]
				}
				st.grad(dx.f32[u*unit:][at:to], p[at:to], d[at:to], x.f32[u*unit:][at:to], &scales, n)
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
