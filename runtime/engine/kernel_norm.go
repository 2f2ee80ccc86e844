package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// centered leaves in dst a line less its mean, or returns the line itself if its mean
// stays, and one over the root of the mean square of that plus epsilon.
func centered(dst, x []float32, epsilon float64, center bool) (line []float32, inverse float32) {
	n := float64(len(x))
	if center {
		simd.AddScalar(dst, x, -float32(simd.LineSum(x)/n))
		x = dst
	}
	return x, float32(1 / math.Sqrt(simd.LineDot(x, x)/n+epsilon))
}

// uncentered turns g, the gradient along a line y as it was standardized, into that
// along the line, in dst, which may be g. It spoils y.
func uncentered(dst, g, y []float32, inverse float32, center bool) {
	n := float64(len(g))
	along, mean := simd.LineDot(g, y)/n, 0.0
	if center {
		mean = simd.LineSum(g) / n
	}
	simd.MulScalar(y, y, -float32(along))
	simd.AddScalar(dst, g, -float32(mean))
	simd.Add(dst, dst, y)
	simd.MulScalar(dst, dst, inverse)
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
	var bias *view
	if len(b.in) > 2 {
		bias = b.in[2]
	}
	linesAt, nAt := b.lines(b.inT[0], axis)
	return func(_ *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		for l := lo * lines; l < hi*lines; l++ {
			dst := y.f32[l*n:][:n]
			line, inverse := centered(dst, x.f32[l*n:][:n], epsilon, center)
			simd.MulScalar(dst, line, inverse)
			simd.Mul(dst, dst, scale.f32[:n])
			if bias != nil {
				simd.Add(dst, dst, bias.f32[:n])
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
	dy, x, scale, dx, p := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	linesAt, nAt := b.lines(b.inT[1], op.Axis)
	return func(c *ctx, lo, hi int) {
		lines, n := *linesAt, *nAt
		tmp := c.scratch(n)
		for l := lo * lines; l < hi*lines; l++ {
			line, inverse := centered(tmp, x.f32[l*n:][:n], op.Epsilon, op.Center)
			simd.MulScalar(tmp, line, inverse)
			d, g := dy.f32[l*n:][:n], dx.f32[l*n:][:n]
			simd.Mul(p.f32[l*n:][:n], d, tmp)
			simd.Mul(g, d, scale.f32[:n])
			uncentered(g, g, tmp, inverse, op.Center)
		}
	}, "lines"
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
	return func(_ *ctx, lo, hi int) {
		inner := *ch.inner
		n := ch.each * inner
		for l := lo * ch.groups; l < hi*ch.groups; l++ {
			dst := y.f32[l*n:][:n]
			_, inverse := centered(dst, x.f32[l*n:][:n], ch.epsilon, true)
			first := l % ch.groups * ch.each
			if inner == 1 {
				simd.MulScalar(dst, dst, inverse)
				simd.Mul(dst, dst, scale.f32[first:][:n])
				simd.Add(dst, dst, bias.f32[first:][:n])
				continue
			}
			for k := range ch.each {
				part := dst[k*inner:][:inner]
				simd.MulScalar(part, part, inverse*scale.f32[first+k])
				simd.AddScalar(part, part, bias.f32[first+k])
			}
		}
	}, "groups"
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
		tmp := c.scratch(n)
		for l := lo * ch.groups; l < hi*ch.groups; l++ {
			d, g := dy.f32[l*n:][:n], dx.f32[l*n:][:n]
			_, inverse := centered(tmp, x.f32[l*n:][:n], ch.epsilon, true)
			simd.MulScalar(tmp, tmp, inverse)
			first := l % ch.groups * ch.each
			if inner == 1 {
				simd.Mul(scaled.f32[l*n:][:n], d, tmp)
				copy(plain.f32[l*n:][:n], d)
				simd.Mul(g, d, scale.f32[first:][:n])
			} else {
				for k := range ch.each {
					part := d[k*inner:][:inner]
					at := l*ch.each + k
					scaled.f32[at] = float32(simd.LineDot(part, tmp[k*inner:][:inner]))
					plain.f32[at] = float32(simd.LineSum(part))
					simd.MulScalar(g[k*inner:][:inner], part, scale.f32[first+k])
				}
			}
			uncentered(g, g, tmp, inverse, true)
		}
	}, "groups"
}
