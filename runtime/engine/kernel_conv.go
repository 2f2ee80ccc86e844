package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// convElements bounds what is laid out as a matrix at a time, so that it stays in the
// second cache until it is multiplied.
const convElements = 48 << 10

// convolution lays images out as matrices: a row for each element under the window, of the
// channels of a group, and a column for each place. Places are taken in strips of whole
// lines along the last axis.
type convolution struct {
	ops.ConvShape
	c, o       int // channels of a group
	size       int // of a channel of x,
	places     int // and of y
	taps, rows int // of the window, and of the matrix
	line, most int // places in a line, and lines in a strip
}

func (b *binding) convolution() *convolution {
	s, ok := ops.ConvShapeOf(b.s.Op, b.inT)
	if !ok || !b.all(ir.F32) {
		return nil
	}
	g := &convolution{ConvShape: s, c: s.C / s.Group, o: s.O / s.Group, size: ir.Elems(s.In), places: ir.Elems(s.Out), taps: ir.Elems(s.Kernel)}
	g.rows = g.c * g.taps
	g.line = s.Out[len(s.Out)-1]
	g.most = min(max(convElements/(g.rows*g.line), 1), g.places/g.line)
	b.needs(2 * g.rows * g.most * g.line)
	return g
}

// strips calls f for each strip: its first place, and how many it has.
func (g *convolution) strips(f func(from, n int)) {
	for from := 0; from < g.places; from += g.most * g.line {
		f(from, min(g.most*g.line, g.places-from))
	}
}

// lines calls f for each line of each row of the matrix of n places from one on: where the
// line begins in the matrix, where what its first place sees is in a channel of x, negative
// if the whole line lies in the pads, and the first and the last place, exclusive, that see x.
func (g *convolution) lines(from, n int, f func(at, x, first, last int)) {
	axes := len(g.In)
	stride, width := g.Stride[axes-1], g.In[axes-1]
	for row := range g.rows {
		channel, t := row/g.taps, row%g.taps
		var k [3]int
		for a := axes - 1; a >= 0; a-- {
			k[a] = t % g.Kernel[a]
			t /= g.Kernel[a]
		}
		shift := k[axes-1]*g.Dilation[axes-1] - g.Before[axes-1] // of the line
		first := 0
		if shift < 0 {
			first = min((-shift+stride-1)/stride, g.line)
		}
		last := first
		if shift < width {
			last = max(min((width-1-shift)/stride+1, g.line), first)
		}
		for l := from / g.line; l < (from+n)/g.line; l++ {
			x, scale, rest, inside := channel*g.size+shift, width, l, true
			for a := axes - 2; a >= 0; a-- {
				q := rest%g.Out[a]*g.Stride[a] + k[a]*g.Dilation[a] - g.Before[a]
				rest /= g.Out[a]
				inside = inside && q >= 0 && q < g.In[a]
				x += q * scale
				scale *= g.In[a]
			}
			at := row*n + l*g.line - from
			if inside && first < last {
				f(at, x, first, last)
			} else {
				f(at, 0, 0, 0)
			}
		}
	}
}

// gather lays n places of an image out.
func (g *convolution) gather(dst, x []float32, from, n int) {
	stride := g.Stride[len(g.Stride)-1]
	g.lines(from, n, func(at, p, first, last int) {
		line := dst[at : at+g.line]
		clear(line[:first])
		if stride == 1 {
			copy(line[first:last], x[p+first:p+last])
		} else {
			for i := first; i < last; i++ {
				line[i] = x[p+i*stride]
			}
		}
		clear(line[last:])
	})
}

// scatter adds a matrix of n places to an image.
func (g *convolution) scatter(x, src []float32, from, n int) {
	stride := g.Stride[len(g.Stride)-1]
	g.lines(from, n, func(at, p, first, last int) {
		line := src[at : at+g.line]
		if stride == 1 {
			for i, v := range line[first:last] {
				x[p+first+i] += v
			}
			return
		}
		for i := first; i < last; i++ {
			x[p+i*stride] += line[i]
		}
	})
}

// fill sets each channel of an image to its bias, or to 0.
func fill(y []float32, channels int, bias *view) {
	size := len(y) / channels
	for c := range channels {
		v := float32(0)
		if bias != nil {
			v = bias.f32[c]
		}
		line := y[c*size : (c+1)*size]
		for i := range line {
			line[i] = v
		}
	}
}

// convKernel is the product of the filters and each image, laid out strip by strip. A chain
// starts from the bias.
func convKernel(b *binding) (kernel, string) {
	g := b.convolution()
	if g == nil {
		return nil, ""
	}
	x, w, y := b.in[0], b.in[1], b.out[0]
	bias := b.third()
	return func(c *ctx, lo, hi int) {
		m := c.scratch(g.rows * g.most * g.line)
		for i := lo; i < hi; i++ {
			image, out := x.f32[i*g.C*g.size:][:g.C*g.size], y.f32[i*g.O*g.places:][:g.O*g.places]
			if bias != nil {
				fill(out, g.O, bias)
			}
			for group := range g.Group {
				filters := w.f32[group*g.o*g.rows:]
				g.strips(func(from, n int) {
					g.gather(m, image[group*g.c*g.size:], from, n)
					simd.Gemm(g.o, n, g.rows, filters, g.rows, 1, m, n, out[group*g.o*g.places+from:], g.places, bias != nil, simd.Epilogue{})
				})
			}
		}
	}, "conv"
}

// third returns the third operand, nil if there is none.
func (b *binding) third() *view {
	if len(b.in) < 3 {
		return nil
	}
	return b.in[2]
}

// convTransposeKernel adds what the filters, transposed, make of each place to the image.
func convTransposeKernel(b *binding) (kernel, string) {
	g := b.convolution()
	if g == nil {
		return nil, ""
	}
	x, w, y := b.in[0], b.in[1], b.out[0]
	bias := b.third()
	return func(c *ctx, lo, hi int) {
		m := c.scratch(g.rows * g.most * g.line)
		for i := lo; i < hi; i++ {
			from, image := x.f32[i*g.O*g.places:][:g.O*g.places], y.f32[i*g.C*g.size:][:g.C*g.size]
			fill(image, g.C, bias)
			for group := range g.Group {
				filters := w.f32[group*g.o*g.rows:]
				g.strips(func(at, n int) {
					simd.Gemm(g.rows, n, g.o, filters, 1, g.rows, from[group*g.o*g.places+at:], g.places, m, n, false, simd.Epilogue{})
					g.scatter(image[group*g.c*g.size:], m, at, n)
				})
			}
		}
	}, "conv_transpose"
}

// convFilterGradKernel is the product of the gradients and the images, which are laid out
// and turned, over the rows of the batch in order.
func convFilterGradKernel(b *binding) (kernel, string) {
	g := b.convolution()
	if g == nil {
		return nil, ""
	}
	x, dy, dw := b.in[0], b.in[1], b.out[0]
	rowsAt := b.e.sizes.dim(b.inT[0].Shape[0])
	return func(c *ctx, lo, hi int) {
		all := c.scratch(2 * g.rows * g.most * g.line)
		m, turned := all[:len(all)/2], all[len(all)/2:]
		clear(dw.f32[lo*g.rows : hi*g.rows])
		for i := range *rowsAt {
			image, grads := x.f32[i*g.C*g.size:][:g.C*g.size], dy.f32[i*g.O*g.places:]
			for o := lo; o < hi; {
				group := o / g.o
				end := min((group+1)*g.o, hi)
				g.strips(func(from, n int) {
					g.gather(m, image[group*g.c*g.size:], from, n)
					simd.Transpose(g.rows, n, m, n, turned, g.rows)
					simd.Gemm(end-o, g.rows, n, grads[o*g.places+from:], g.places, 1, turned, g.rows, dw.f32[o*g.rows:], g.rows, true, simd.Epilogue{})
				})
				o = end
			}
		}
	}, "conv_filter_grad"
}
