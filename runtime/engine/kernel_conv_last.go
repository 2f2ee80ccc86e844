package engine

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// images is a convolution whose channels are the last axis: images [h w C] with filters
// [kernel… C O], one axis being two of which the first has length 1. A kernel copies an image
// into memory of its own with zeros around, so that a window never leaves it; that costs a few
// percent of the product, and buffers need no border.
type images struct {
	c, o             int
	in, out          [2]int
	kernel, stride   [2]int
	dilation, before [2]int
	tiled            bool // the window's places lie side by side, so that a line of the filters makes one run of each place
}

// imagesOf returns the convolution of a step in f32, nil for one of three axes.
func (b *binding) imagesOf() *images {
	if !b.all(ir.F32) {
		return nil
	}
	return b.anyImages()
}

// anyImages is imagesOf in whatever types.
func (b *binding) anyImages() *images {
	s, ok := ops.LastShapeOf(b.s.Op, b.inT)
	if !ok || s.Group != 1 || len(s.In) > 2 {
		return nil
	}
	two := func(list []int, none int) [2]int {
		if len(list) == 1 {
			return [2]int{none, list[0]}
		}
		return [2]int{list[0], list[1]}
	}
	return &images{s.C, s.O, two(s.In, 1), two(s.Out, 1), two(s.Kernel, 1), two(s.Stride, 1), two(s.Dilation, 1), two(s.Before, 0), s.Tiled()}
}

func (g *images) pixels() int { return g.in[0] * g.in[1] }
func (g *images) places() int { return g.out[0] * g.out[1] }
func (g *images) taps() int   { return g.kernel[0] * g.kernel[1] }
func (g *images) weights() int {
	return g.taps() * g.c * g.o
}

// plain says that a place is a pixel, so that rows of images are rows of a matrix.
func (g *images) plain() bool {
	return g.taps() == 1 && g.stride == [2]int{1, 1} && g.before == [2]int{} && g.in == g.out
}

// frame is an image with zeros around it, in memory of the worker's own.
type frame struct {
	h, w, c     int   // of the frame
	top, left   int   // where the image begins
	ih, iw      int   // of the image
	lines, line int   // of the image that lie in the frame, and elements of one
	copied      []int // lines of the image that are read from the frame
	whole       bool  // nothing is
}

// newFrame is that of images [ih iw c] of which a window sees h by w pixels from top, left
// before them on.
func newFrame(ih, iw, c, top, left, h, w int) frame {
	top, left = min(top, h), min(left, w) // beyond, the window sees zeros alone
	f := frame{h: h, w: w, c: c, top: top, left: left, ih: ih, iw: iw}
	f.lines, f.line = max(min(ih, h-top), 0), max(min(iw, w-left), 0)*c
	if f.whole = top == 0 && left == 0 && h <= ih && w <= iw; f.whole {
		f.w = iw
	}
	for i := range f.lines {
		f.copied = append(f.copied, i)
	}
	return f
}

// size returns the elements of the frame, none if images are read where they are.
func (f *frame) size() int {
	if f.whole {
		return 0
	}
	return f.h * f.w * f.c
}

// border makes what lies around the image in a frame 0.
func (f *frame) border(mem []float32) {
	if f.whole {
		return
	}
	pitch, from := f.w*f.c, f.left*f.c
	clear(mem[:f.top*pitch])
	for _, i := range f.copied {
		line := mem[(f.top+i)*pitch:][:pitch]
		clear(line[:from])
		clear(line[from+f.line:])
	}
	clear(mem[(f.top+f.lines)*pitch:])
}

// of returns the image at x in its frame, which is mem, whose border is 0.
func (f *frame) of(mem, x []float32) []float32 {
	if f.whole {
		return x
	}
	pitch := f.w * f.c
	for _, i := range f.copied {
		copy(mem[(f.top+i)*pitch+f.left*f.c:][:f.line], x[i*f.iw*f.c:])
	}
	return mem
}

// frame is that of the images under the window.
func (g *images) frame() frame {
	need := func(i int) int { return (g.out[i]-1)*g.stride[i] + (g.kernel[i]-1)*g.dilation[i] + 1 }
	return newFrame(g.in[0], g.in[1], g.c, g.before[0], g.before[1], need(0), need(1))
}

// convLastKernel is a convolution of images, one after the other.
func convLastKernel(b *binding) (kernel, string) {
	g := b.imagesOf()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvLast)
	x, w, y := b.in[0], b.in[1], b.out[0]
	var bias, plus *view
	atBias, atPlus := op.Operands(b.inT)
	if atBias >= 0 {
		bias = b.in[atBias]
	}
	if atPlus >= 0 {
		plus = b.in[atPlus]
	}
	size := g.places() * g.o
	ends := func(image int) simd.Epilogue {
		e := simd.Epilogue{Relu: op.Relu}
		if bias != nil {
			e.Bias = bias.f32[:g.o]
		}
		if plus != nil {
			e.Plus, e.LDPlus = plus.f32[image*size:], g.o
		}
		return e
	}
	if g.plain() {
		n := g.pixels()
		return func(_ *ctx, lo, hi int) {
			simd.Gemm((hi-lo)*n, g.o, g.c, x.f32[lo*n*g.c:], g.c, 1, w.f32, g.o, y.f32[lo*size:], g.o, false, ends(lo))
		}, "conv_1x1"
	}
	f := g.frame()
	pieces := g.pieces(&f)
	b.needs(f.size())
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(f.size())
		f.border(mem)
		for i := lo; i < hi; i++ {
			image := x.f32[i*g.pixels()*g.c:][:g.pixels()*g.c]
			framed := f.of(mem, image)
			e := ends(i)
			sum := e.Plus
			for k := range pieces {
				p := &pieces[k]
				from := framed
				if p.inside {
					from = image
				}
				if sum != nil {
					e.Plus, e.LDPlus = sum[p.out:], p.LDC
				}
				simd.GemmTaps(&p.Taps, from[p.image:], w.f32[p.filters:], y.f32[i*size+p.out:], false, e)
			}
		}
	}, "conv_taps"
}

// class is what a transposed convolution makes of pixels in the same place relative to the
// stride: a convolution by some of the filters' elements.
type class struct {
	simd.Taps
	from [2]int // the first of its pixels
	taps []int  // elements of the filters, in the order of At
	at   int    // of its filters among those packed
}

// classes cuts the result of a transposed convolution, whose places are the images of g, by
// the remainders of its pixels, and returns the frame that all of them read.
func (g *images) classes() ([]class, frame) {
	// A pixel p of the result is reached from place (p + before - k·dilation)/stride.
	least, most := [2]int{}, [2]int{}
	each := func(a, p int, f func(k, place int)) {
		for k := range g.kernel[a] {
			if q := p + g.before[a] - k*g.dilation[a]; mod(q, g.stride[a]) == 0 {
				f(k, (q-mod(q, g.stride[a]))/g.stride[a])
			}
		}
	}
	for a := range 2 {
		for p := range g.in[a] {
			each(a, p, func(_, place int) { least[a], most[a] = min(least[a], place), max(most[a], place) })
		}
	}
	f := newFrame(g.out[0], g.out[1], g.o, -least[0], -least[1], most[0]-least[0]+1, most[1]-least[1]+1)
	var list []class
	packed := 0
	for r := range min(g.stride[0], g.in[0]) {
		for s := range min(g.stride[1], g.in[1]) {
			c := class{from: [2]int{r, s}, at: packed, Taps: simd.Taps{Lines: (g.in[0]-r-1)/g.stride[0] + 1, M: (g.in[1]-s-1)/g.stride[1] + 1, N: g.c, K: g.o,
				LineA: f.w * g.o, RowA: g.o, ColA: 1, LDB: g.c, LineC: g.stride[0] * g.in[1] * g.c, LDC: g.stride[1] * g.c}}
			each(0, r, func(ky, py int) {
				each(1, s, func(kx, px int) {
					c.taps = append(c.taps, ky*g.kernel[1]+kx)
					c.At = append(c.At, ((py+f.top)*f.w+px+f.left)*g.o)
				})
			})
			packed += len(c.taps) * g.o * g.c
			list = append(list, c)
		}
	}
	return list, f
}

func mod(a, n int) int { return (a%n + n) % n }

// convTransposeLastKernel is a transposed convolution, by classes of pixels. Its own x are
// the places, and its filters are [kernel… O C] of the convolution whose transpose it is.
func convTransposeLastKernel(b *binding) (kernel, string) {
	g := b.imagesOf()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvTransposeLast)
	x, w, y, bias := b.in[0], b.in[1], b.out[0], b.third()
	if g.tiled && g.kernel[0] > 1 && g.run() < narrowRun {
		return b.convTransposeNarrow(g, op.Relu), "conv_transpose_narrow"
	}
	if g.tiled {
		return b.convTransposeTiles(g, op.Relu), "conv_transpose_tiles"
	}
	list, f := g.classes()
	each := g.o * g.c
	bare := bias == nil && slices.ContainsFunc(list, func(c class) bool { return len(c.At) == 0 })
	b.needs(f.size() + g.weights())
	return func(c *ctx, lo, hi int) {
		all := c.scratch(f.size() + g.weights())
		mem, filters := all[:f.size()], all[f.size():]
		f.border(mem)
		e := simd.Epilogue{Relu: op.Relu}
		if bias != nil {
			e.Bias = bias.f32[:g.c]
		}
		for i := range list {
			for t, k := range list[i].taps {
				copy(filters[list[i].at+t*each:][:each], w.f32[k*each:])
			}
		}
		for i := lo; i < hi; i++ {
			image := f.of(mem, x.f32[i*g.places()*g.o:][:g.places()*g.o])
			out := y.f32[i*g.pixels()*g.c:][:g.pixels()*g.c]
			if bare {
				clear(out)
			}
			for k := range list {
				cl := &list[k]
				at := (cl.from[0]*g.in[1] + cl.from[1]) * g.c
				if len(cl.At) == 0 {
					if !bare {
						cl.fill(out[at:], e)
					}
					continue
				}
				simd.GemmTaps(&cl.Taps, image, filters[cl.at:], out[at:], false, e)
			}
		}
	}, "conv_transpose_taps"
}

// fill sets pixels that no element of the filters reaches.
func (c *class) fill(y []float32, e simd.Epilogue) {
	for l := range c.Lines {
		for i := range c.M {
			row := y[l*c.LineC+i*c.LDC:][:c.N]
			clear(row)
			for j, v := range e.Bias {
				if row[j] = v; e.Relu && v < 0 {
					row[j] = 0
				}
			}
		}
	}
}

// convFilterGradLastKernel makes parts of the gradient of the filters: for each the sum over
// its rows, an image after the other.
func convFilterGradLastKernel(b *binding) (kernel, string) {
	g := b.imagesOf()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvFilterGradLast)
	x, dy, dw := b.in[0], b.in[1], b.out[0]
	rowsAt := b.e.sizes.dim(b.inT[0].Shape[0])
	size := g.weights()
	if g.plain() {
		n := g.pixels()
		return func(_ *ctx, lo, hi int) {
			for s := lo; s < hi; s++ {
				from, to := s**rowsAt/op.Parts, (s+1)**rowsAt/op.Parts
				simd.Gemm(g.c, g.o, (to-from)*n, x.f32[from*n*g.c:], 1, g.c, dy.f32[from*n*g.o:], g.o, dw.f32[s*size:], g.o, false, simd.Epilogue{})
			}
		}, "conv_filter_grad_1x1"
	}
	f := g.frame()
	pitch := f.w * g.c
	t := &simd.Taps{Lines: g.kernel[0], M: g.kernel[1] * g.c, N: g.o, K: g.out[1], LineA: g.dilation[0] * pitch, RowA: 1, ColA: g.stride[1] * g.c,
		LDB: g.o, LineC: g.kernel[1] * g.c * g.o, LDC: g.o}
	for p := range g.out[0] {
		t.At = append(t.At, p*g.stride[0]*pitch)
	}
	shift := []int{0} // of the elements of a line of the filters, which are one if pixels lie side by side
	if g.dilation[1] > 1 && g.kernel[1] > 1 {
		t.M = g.c
		for k := 1; k < g.kernel[1]; k++ {
			shift = append(shift, k*g.dilation[1]*g.c)
		}
	}
	b.needs(f.size())
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(f.size())
		f.border(mem)
		for s := lo; s < hi; s++ {
			part := dw.f32[s*size:][:size]
			from, to := s**rowsAt/op.Parts, (s+1)**rowsAt/op.Parts
			if from == to {
				clear(part)
			}
			for i := from; i < to; i++ {
				image := f.of(mem, x.f32[i*g.pixels()*g.c:][:g.pixels()*g.c])
				var nextX, nextDY []float32
				if i+1 < to && g.c > 1 {
					nextX, nextDY = x.f32[(i+1)*g.pixels()*g.c:][:g.pixels()*g.c], dy.f32[(i+1)*g.places()*g.o:][:g.places()*g.o]
				}
				for k, at := range shift {
					simd.GemmTapsAhead(t, image[at:], dy.f32[i*g.places()*g.o:][:g.places()*g.o], part[k*g.c*g.o:], i > from, simd.Epilogue{}, nextX, nextDY)
					nextX, nextDY = nil, nil
				}
			}
		}
	}, "conv_filter_grad_taps"
}

// sumPartsKernel adds parts in pairs, those of the first half before those of the second.
func sumPartsKernel(b *binding) (kernel, string) {
	parts, _ := b.inT[0].Shape[0].Known()
	each, known := fixedWidth(b.inT[0])
	width, _ := fixedWidth(b.outT[0])
	if !known || !b.all(ir.F32) || parts < 1 {
		return nil, ""
	}
	x, y := b.in[0], b.out[0]
	b.needs(64 * len(halvings(parts)))
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(64 * len(halvings(parts)))
		for j := lo * width; j < hi*width; j += 64 {
			n := min(64, hi*width-j)
			sumHalves(y.f32[j:j+n], x.f32, each, j, 0, parts, tmp)
		}
	}, "sum_parts"
}

// halvings lists the numbers of parts that are halved one after the other.
func halvings(n int) (list []int) {
	for ; n > 1; n = (n + 1) / 2 {
		list = append(list, n)
	}
	return list
}

// sumHalves sets dst to the sum of parts [lo,hi) of elements from j on.
func sumHalves(dst, x []float32, each, j, lo, hi int, tmp []float32) {
	if hi-lo == 1 {
		copy(dst, x[lo*each+j:][:len(dst)])
		return
	}
	mid := lo + (hi-lo+1)/2
	sumHalves(dst, x, each, j, lo, mid, tmp)
	other := tmp[:len(dst)]
	sumHalves(other, x, each, j, mid, hi, tmp[64:])
	simd.Add(dst, dst, other)
}
