package engine

import (
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

// stores is what the product of a convolution does to its results before they are stored. Images of what is added and of the
// mask have size elements, and rows of them ld.
type stores struct {
	bias, plus, mask *view
	relu             bool
	size, ld         int
}

func (b *binding) stores(at ops.LastOperands, relu bool, size, ld int) *stores {
	s := &stores{relu: relu, size: size, ld: ld}
	for _, x := range []struct {
		v  **view
		at int
	}{{&s.bias, at.Bias}, {&s.plus, at.Plus}, {&s.mask, at.Mask}} {
		if x.at >= 0 {
			*x.v = b.in[x.at]
		}
	}
	return s
}

// of is what is done to an image.
func (s *stores) of(image int) simd.Epilogue {
	e := simd.Epilogue{Relu: s.relu}
	if s.bias != nil {
		e.Bias = s.bias.f32
	}
	if s.plus != nil {
		e.Plus, e.LDPlus = s.plus.f32[image*s.size:], s.ld
	}
	if s.mask != nil {
		e.Mask, e.LDMask = s.mask.f32[image*s.size:], s.ld
	}
	return e
}

// from is what is done from element at of an image on, in rows that are ld apart.
func (*stores) from(e simd.Epilogue, at, ld int) simd.Epilogue {
	if e.Plus != nil {
		e.Plus, e.LDPlus = e.Plus[at:], ld
	}
	if e.Mask != nil {
		e.Mask, e.LDMask = e.Mask[at:], ld
	}
	return e
}

// copied is how many elements of memory apart wants.
func (s *stores) copied() int {
	if s.plus == nil {
		return 0
	}
	return s.size
}

// apart is what is done to an image that lies where what it adds does: unless a product leaves its results alone until they
// are finished, it needs a copy.
func (s *stores) apart(e simd.Epilogue, copied []float32, unbroken bool) simd.Epilogue {
	if !unbroken {
		copy(copied, e.Plus[:s.size])
		e.Plus = copied
	}
	return e
}

// convLastKernel is a convolution of images, one after the other.
func convLastKernel(b *binding) (kernel, string) {
	g := b.imagesOf()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvLast)
	x, w, y := b.in[0], b.in[1], b.out[0]
	size := g.places() * g.o
	ends := b.stores(op.Operands(b.inT), op.Relu, size, g.o)
	if g.plain() {
		n := g.pixels()
		return func(_ *ctx, lo, hi int) {
			simd.Gemm((hi-lo)*n, g.o, g.c, x.f32[lo*n*g.c:], g.c, 1, w.f32, g.o, y.f32[lo*size:], g.o, false, ends.of(lo))
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
			e := ends.of(i)
			for k := range pieces {
				p := &pieces[k]
				from := framed
				if p.inside {
					from = image
				}
				simd.GemmTaps(&p.Taps, from[p.image:], w.f32[p.filters:], y.f32[i*size+p.out:], false, ends.from(e, p.out, p.LDC))
			}
		}
	}, "conv_taps"
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
