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
