package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// dotBlock is how many rows are added in float32 before they are in float64.
const dotBlock = 64

// channelColumns are the elements of the channels of a value: in each row outer blocks, in each
// block inner neighbours of every channel.
type channelColumns struct {
	e            *Engine
	n            int
	outer, inner *int
	epsilon      float64
}

func (b *binding) byChannel(t ir.Type, axis int, epsilon float64) channelColumns {
	return channelColumns{b.e, t.Shape[axis].Length(), b.e.sizes.elems(t.Shape[1:axis]), b.e.sizes.elems(t.Shape[axis+1:]), epsilon}
}

// all returns the elements of a channel in the whole update.
func (ch *channelColumns) all() float64 {
	return float64(ch.e.env.UpdateRows) * float64(*ch.outer**ch.inner)
}

// inverse is one over the deviation that squared deviations of the whole update give.
func (ch *channelColumns) inverse(squares, all float64) float64 {
	return 1 / math.Sqrt(squares/all+ch.epsilon)
}

// at returns where channel i of a block begins, blocks being counted over all rows.
func (ch *channelColumns) at(block, i int) int { return (block*ch.n + i) * *ch.inner }

// dots sets sum to the sums of dy over rows [from,to), and along to those of dy times x less
// shift, for the channels from lo on. With a nil dy it is x less shift.
func (ch *channelColumns) dots(c *ctx, dy, x []float32, from, to, lo int, shift []float32, sum, along []float64) {
	clear(sum)
	clear(along)
	w, inner := len(sum), *ch.inner
	if inner > 1 {
		tmp := c.scratch(inner)
		for i := range w {
			for u := from * *ch.outer; u < to**ch.outer; u++ {
				at := ch.at(u, lo+i)
				simd.AddScalar(tmp, x[at:], -shift[i])
				g := tmp
				if dy != nil {
					g = dy[at : at+inner]
				}
				sum[i] += simd.LineSum(g)
				along[i] += simd.LineDot(g, tmp)
			}
		}
		return
	}
	var s, a [dotBlock]float32
	for j := 0; j < w; j += dotBlock {
		k := min(dotBlock, w-j)
		for r, end := from**ch.outer, to**ch.outer; r < end; r += dotBlock {
			clear(s[:k])
			clear(a[:k])
			at := r*ch.n + lo + j
			var g []float32
			if dy != nil {
				g = dy[at:]
			}
			simd.ColumnDots(min(dotBlock, end-r), k, g, x[at:], ch.n, shift[j:j+k], s[:k], a[:k])
			for i := range k {
				sum[j+i] += float64(s[i])
				along[j+i] += float64(a[i])
			}
		}
	}
}

// rough sets mean to nearly the means of rows [from,to).
func (ch *channelColumns) rough(x []float32, from, to, lo int, mean []float32) {
	inner, units := *ch.inner, (to-from)**ch.outer
	if inner > 1 {
		for i := range mean {
			s := 0.0
			for u := from * *ch.outer; u < to**ch.outer; u++ {
				s += simd.LineSum(x[ch.at(u, lo+i):][:inner])
			}
			mean[i] = float32(s / float64(units*inner))
		}
		return
	}
	simd.ColumnSums(units, len(mean), x[from**ch.outer*ch.n+lo:], ch.n, mean, false)
	for i := range mean {
		mean[i] /= float32(units)
	}
}

// batchMomentsKernel is means and squared deviations, in two passes: the second is around
// what the first one found.
func batchMomentsKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.BatchMoments)
	if !ok || b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	ch, x := b.byChannel(b.inT[0], op.Axis, 0), b.in[0]
	b.needsLine(b.inT[0], op.Axis)
	return b.joined(func(c *ctx, from, to, lo, hi int, dst [][]float64) {
		var shift [dotBlock]float32
		n := float64((to - from) * *ch.outer * *ch.inner)
		for j := lo; j < hi; j += dotBlock {
			k := min(dotBlock, hi-j)
			mean, squares, m := dst[0][j-lo:][:k], dst[1][j-lo:][:k], shift[:k]
			if n == 0 {
				clear(mean)
				clear(squares)
				continue
			}
			ch.rough(x.f32, from, to, j, m)
			ch.dots(c, nil, x.f32, from, to, j, m, mean, squares)
			for i, s := range mean {
				mean[i] = float64(m[i]) + s/n
				squares[i] = max(squares[i]-s*s/n, 0*squares[i]) // NaN stays
			}
		}
	}), "columns"
}

// batchNormSumsKernel is the gradients along bias and scale.
func batchNormSumsKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.BatchNormSums)
	if !ok || b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	ch, dy, x, means, squares := b.byChannel(b.inT[0], op.Axis, op.Epsilon), b.in[0], b.in[1], b.in[2], b.in[3]
	b.needsLine(b.inT[0], op.Axis)
	return b.joined(func(c *ctx, from, to, lo, hi int, dst [][]float64) {
		var shift [dotBlock]float32
		all := ch.all()
		for j := lo; j < hi; j += dotBlock {
			k := min(dotBlock, hi-j)
			for i := range k {
				shift[i] = float32(means.f64[j+i])
			}
			sum, along := dst[0][j-lo:][:k], dst[1][j-lo:][:k]
			ch.dots(c, dy.f32, x.f32, from, to, j, shift[:k], sum, along)
			for i, s := range sum {
				rest := means.f64[j+i] - float64(shift[i])
				along[i] = (along[i] - s*rest) * ch.inverse(squares.f64[j+i], all)
			}
		}
	}), "columns"
}

// needsLine says that a kernel takes room for a run of a channel.
func (b *binding) needsLine(t ir.Type, axis int) {
	b.needs(t.Shape[axis+1:].ElemsAt(b.p.Capacity))
}

// apply sets y to x by a factor and an addend for each channel, then plus added if given and
// the sum rectified if wanted: rows [lo,hi).
func (ch *channelColumns) apply(y, x, plus []float32, relu bool, lo, hi int, shift, scale, bias, tmp []float32) {
	ends := func(dst []float32, at int) {
		if plus != nil {
			simd.Add(dst, dst, plus[at:at+len(dst)])
		}
		if relu {
			simd.Relu(dst, dst)
		}
	}
	if *ch.inner == 1 {
		wide := ch.n * abreast(ch.n)
		repeated(tmp, ch.n, abreast(ch.n), shift, scale, bias)
		end := hi * *ch.outer * ch.n
		for at := lo * *ch.outer * ch.n; at < end; at += wide {
			dst := y[at:min(at+wide, end)]
			simd.Rescale(dst, x[at:], tmp, tmp[wide:], tmp[2*wide:])
			ends(dst, at)
		}
		return
	}
	for i := range ch.n {
		for u := lo * *ch.outer; u < hi**ch.outer; u++ {
			at := ch.at(u, i)
			dst := y[at : at+*ch.inner]
			simd.AddScalar(dst, x[at:], -shift[i])
			simd.MulScalar(dst, dst, scale[i])
			simd.AddScalar(dst, dst, bias[i])
			ends(dst, at)
		}
	}
}

// batchNormKernel is BatchNorm or BatchApply. What the mean has beyond float32 goes into
// the addend.
func batchNormKernel(b *binding) (kernel, string) {
	axis, epsilon, given, relu := 0, 0.0, false, false
	switch op := b.s.Op.(type) {
	case ops.BatchNorm:
		axis, epsilon, given = op.Axis, op.Epsilon, true
	case ops.BatchApply:
		axis, epsilon = op.Axis, op.Epsilon
	case ops.BatchApplyRelu:
		axis, epsilon, relu = op.Axis, op.Epsilon, true
	}
	if b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	ch := b.byChannel(b.inT[0], axis, epsilon)
	x, scale, bias, means, squares, y := b.in[0], b.in[1], b.in[2], b.in[3], b.in[4], b.out[0]
	var plus *view
	if len(b.in) > 5 {
		plus = b.in[5]
	}
	b.needs(3 * ch.n * (1 + abreast(ch.n)))
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(3 * ch.n * (1 + abreast(ch.n)))
		m, a, s, tmp := tmp[:ch.n], tmp[ch.n:2*ch.n], tmp[2*ch.n:3*ch.n], tmp[3*ch.n:]
		all := ch.all()
		for i := range m {
			mean, inverse := 0.0, 0.0
			if given {
				mean, inverse = float64(means.f32[i]), ch.inverse(float64(squares.f32[i]), 1)
			} else {
				mean, inverse = means.f64[i], ch.inverse(squares.f64[i], all)
			}
			factor := float64(scale.f32[i]) * inverse
			m[i], a[i] = float32(mean), float32(factor)
			s[i] = float32(float64(bias.f32[i]) - (mean-float64(m[i]))*factor)
		}
		var added []float32
		if plus != nil {
			added = plus.f32
		}
		ch.apply(y.f32, x.f32, added, relu, lo, hi, m, a, s, tmp)
	}, "columns"
}

// batchNormGradKernel is the gradient along x.
func batchNormGradKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.BatchNormGrad)
	if !ok || b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	ch := b.byChannel(b.inT[0], op.Axis, op.Epsilon)
	dy, x, scale, means, squares, sums, alongs, dx := b.in[0], b.in[1], b.in[2], b.in[3], b.in[4], b.in[5], b.in[6], b.out[0]
	inner := b.inT[0].Shape[op.Axis+1:].ElemsAt(b.p.Capacity)
	p := abreast(ch.n)
	b.needs(4*ch.n + max(inner, 4*ch.n*p))
	return func(c *ctx, lo, hi int) {
		n := ch.n
		tmp := c.scratch(4*n + max(*ch.inner, 4*n*p))
		m, a, s, d, line := tmp[:n], tmp[n:2*n], tmp[2*n:3*n], tmp[3*n:4*n], tmp[4*n:]
		all := ch.all()
		for i := range m {
			mean, inverse := means.f64[i], ch.inverse(squares.f64[i], all)
			factor := float64(scale.f32[i]) * inverse
			along := -factor * inverse * alongs.f64[i] / all
			m[i], a[i], d[i] = float32(mean), float32(factor), float32(along)
			s[i] = float32(-factor*sums.f64[i]/all - along*(mean-float64(m[i])))
		}
		if *ch.inner == 1 {
			repeated(line, n, p, m, a, s, d)
			wide, end := n*p, hi**ch.outer*n
			for at := lo * *ch.outer * n; at < end; at += wide {
				simd.RescaleGrad(dx.f32[at:min(at+wide, end)], dy.f32[at:], x.f32[at:], line, line[wide:], line[2*wide:], line[3*wide:])
			}
			return
		}
		for i := range n {
			for u := lo * *ch.outer; u < hi**ch.outer; u++ {
				at := ch.at(u, i)
				dst := dx.f32[at : at+*ch.inner]
				line := line[:*ch.inner]
				simd.AddScalar(line, x.f32[at:], -m[i])
				simd.MulScalar(line, line, d[i])
				simd.MulScalar(dst, dy.f32[at:], a[i])
				simd.AddScalar(dst, dst, s[i])
				simd.Add(dst, dst, line)
			}
		}
	}, "columns"
}

// firstPartKernel is its operand where the first row of the update is.
func firstPartKernel(b *binding) (kernel, string) {
	if !b.all(ir.F32) {
		return nil, ""
	}
	e, x, y, width := b.e, b.in[0], b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		dst := y.f32[lo**width : hi**width]
		if e.env.FirstRow != 0 {
			clear(dst)
			return
		}
		copy(dst, x.f32[lo**width:])
	}, "first_part"
}
