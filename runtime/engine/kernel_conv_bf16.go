package engine

import (
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// patches is a matrix of images [h w c] in bf16 with a row for each place of a window, image
// after image: the elements under the window, zeros outside of the image. A product in bf16
// wants its rows so; some of them at a time are copied to memory of the worker's own.
type patches struct {
	h, w, c     int // of an image
	lines, line int // places of an image, and of a line of it
	step        [2]int
	runs        []run
	k           int  // elements of a row
	bare        bool // the rows are the pixels of the images as they lie
}

// run is so many pixels side by side under the window, the first of them relative to the place.
type run struct{ y, x, pixels int }

// newPatches sums up the runs.
func newPatches(p patches) *patches {
	for _, r := range p.runs {
		p.k += r.pixels * p.c
	}
	p.bare = len(p.runs) == 1 && p.runs[0] == run{0, 0, 1} && p.step == [2]int{1, 1} && p.lines == p.h && p.line == p.w
	return &p
}

// patches are those of the images under the window.
func (g *images) patches() *patches {
	p := patches{h: g.in[0], w: g.in[1], c: g.c, lines: g.out[0], line: g.out[1], step: g.stride}
	for y := range g.kernel[0] {
		if y := y*g.dilation[0] - g.before[0]; g.dilation[1] == 1 || g.kernel[1] == 1 {
			p.runs = append(p.runs, run{y, -g.before[1], g.kernel[1]})
		} else {
			for x := range g.kernel[1] {
				p.runs = append(p.runs, run{y, x*g.dilation[1] - g.before[1], 1})
			}
		}
	}
	return newPatches(p)
}

// places returns how many rows an image has.
func (p *patches) places() int { return p.lines * p.line }

// Rows that are copied at a time: enough to pay for what a product does once, few enough for
// the second cache, and whole blocks of a sum over rows.
const (
	patchElems = 1 << 17
	patchLeast = 2 * simd.BF16Block
	patchMost  = 32 * simd.BF16Block
)

func (p *patches) rows() int {
	return max(patchLeast, min(patchMost, patchElems/max(p.k, 1))/simd.BF16Block*simd.BF16Block)
}

// scratch returns how many floats the rows take that are copied at a time.
func (p *patches) scratch() int {
	if p.bare {
		return 0
	}
	return floatsOf(p.rows() * p.k)
}

// from returns rows [lo,hi) of the matrix, from x or copied to mem.
func (p *patches) from(mem []float32, x []uint16, lo, hi int) []uint16 {
	if p.bare {
		return x[lo*p.k : hi*p.k]
	}
	rows := asBF16(mem)[:(hi-lo)*p.k]
	each, places := p.h*p.w*p.c, p.places()
	for at := lo; at < hi; { // what is left of a line of places
		i, y, z := at/places, at%places/p.line, at%p.line
		n := min(p.line-z, hi-at)
		p.gather(rows[(at-lo)*p.k:][:n*p.k], x[i*each:][:each], y, z)
		at += n
	}
	return rows
}

// gather fills rows with the patches of places of line y, from z on.
func (p *patches) gather(rows, image []uint16, y, z int) {
	column := 0
	for _, r := range p.runs {
		n := r.pixels * p.c
		py := y*p.step[0] + r.y
		inside := py >= 0 && py < p.h
		var line []uint16
		if inside {
			line = image[py*p.w*p.c:][:p.w*p.c]
		}
		px := z*p.step[1] + r.x
		for at := column; at < len(rows); at += p.k {
			to := rows[at:][:n]
			switch {
			case inside && px >= 0 && px+r.pixels <= p.w:
				copy(to, line[px*p.c:])
			case inside && px < p.w && px+r.pixels > 0:
				from, end := max(0, -px), min(r.pixels, p.w-px)
				clear(to[:from*p.c])
				copy(to[from*p.c:end*p.c], line[(px+from)*p.c:])
				clear(to[end*p.c:])
			default:
				clear(to)
			}
			px += p.step[1]
		}
		column += n
	}
}

// asBF16 shows memory as numbers in bf16, two in the place of a float.
func asBF16(mem []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(mem))), 2*len(mem))
}

// floatsOf is how many floats have room for n numbers in bf16.
func floatsOf(n int) int { return (n + 1) / 2 }

// convBF16Kernel is a convolution in bf16: the product of patches and filters.
func convBF16Kernel(b *binding) (kernel, string) {
	g := b.anyImages()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvBF16)
	x, w, y, bias := b.in[0], b.in[1], b.out[0], b.third()
	p := g.patches()
	copied, rows := p.scratch(), p.rows()
	size := copied + simd.BF16Scratch(rows, g.o, p.k)
	b.needs(size)
	name, tiles := "conv_bf16", op.HasTiles()
	if tiles {
		name += "_tiles"
	}
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(size)
		e := simd.Epilogue{Relu: op.Relu}
		if bias != nil {
			e.Bias = bias.f32[:g.o]
		}
		images, filters := brains(x.raw), brains(w.raw)
		for from, end := lo*p.places(), hi*p.places(); from < end; from += rows {
			to := min(from+rows, end)
			a, out := p.from(mem[:copied], images, from, to), y.f32[from*g.o:]
			if tiles {
				simd.GemmBF16Tiles(to-from, g.o, p.k, a, p.k, 1, filters, out, g.o, false, e, mem[copied:])
			} else {
				simd.GemmBF16(to-from, g.o, p.k, a, p.k, 1, filters, g.o, 1, out, g.o, false, e, mem[copied:])
			}
		}
	}, name
}

// convFilterGradBF16Kernel makes parts of the gradient of the filters: for each the product
// of the patches of its rows, transposed, and the gradient of the places.
func convFilterGradBF16Kernel(b *binding) (kernel, string) {
	g := b.anyImages()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvFilterGradBF16)
	x, dy, dw := b.in[0], b.in[1], b.out[0]
	rowsAt := b.e.sizes.dim(b.inT[0].Shape[0])
	p := g.patches()
	copied, rows := p.scratch(), p.rows()
	size := copied + simd.BF16Scratch(p.k, g.o, rows)
	b.needs(size)
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(size)
		images, places := brains(x.raw), brains(dy.raw)
		for s := lo; s < hi; s++ {
			part := dw.f32[s*g.weights():][:g.weights()]
			first, end := s**rowsAt/op.Parts*p.places(), (s+1)**rowsAt/op.Parts*p.places()
			if first == end {
				clear(part)
			}
			for from := first; from < end; from += rows {
				to := min(from+rows, end)
				simd.GemmBF16(p.k, g.o, to-from, p.from(mem[:copied], images, from, to), 1, p.k, places[from*g.o:], g.o, 1, part, g.o, from > first, simd.Epilogue{}, mem[copied:])
			}
		}
	}, "conv_filter_grad_bf16"
}

// narrowClass is what a transposed convolution in bf16 makes by one product: pixels in the
// same place relative to the stride, or lines of such pixels.
type narrowClass struct {
	*patches
	n    int    // columns: elements of the result side by side
	taps []int  // elements of the filters, in their order
	at   int    // of its filters among those that are copied
	to   int    // the first of its elements in an image of the result
	next [2]int // how far one is from the other, along both axes
}

// narrowClasses cuts the result of a transposed convolution whose places are the images of g.
func (g *images) narrowClasses() []narrowClass {
	source := patches{h: g.out[0], w: g.out[1], c: g.o, step: [2]int{1, 1}}
	next := [2]int{g.stride[0] * g.in[1] * g.c, g.stride[1] * g.c}
	var list []narrowClass
	if g.tiled {
		source.lines, source.line, source.runs = g.out[0], g.out[1], []run{{0, 0, 1}}
		for y := range g.kernel[0] {
			c := narrowClass{patches: newPatches(source), n: g.kernel[1] * g.c, at: y * g.kernel[1] * g.o * g.c, to: y * g.in[1] * g.c, next: next}
			for x := range g.kernel[1] {
				c.taps = append(c.taps, y*g.kernel[1]+x)
			}
			list = append(list, c)
		}
		return list
	}
	all, _ := g.classes()
	for _, k := range all {
		p := source
		p.lines, p.line, p.runs = k.Lines, k.M, nil
		for _, tap := range k.taps {
			place := func(a, at int) int { return (k.from[a] + g.before[a] - at*g.dilation[a]) / g.stride[a] }
			p.runs = append(p.runs, run{place(0, tap/g.kernel[1]), place(1, tap%g.kernel[1]), 1})
		}
		list = append(list, narrowClass{patches: newPatches(p), n: g.c, taps: k.taps, at: k.at, to: (k.from[0]*g.in[1] + k.from[1]) * g.c, next: next})
	}
	return list
}

// pack copies the filters w [kernel… O C] of a class: below each other, or those of a line of
// the window side by side.
func (c *narrowClass) pack(dst, w []uint16, o, channels int) {
	if c.n == channels {
		for t, k := range c.taps {
			copy(dst[c.at+t*o*channels:][:o*channels], w[k*o*channels:])
		}
		return
	}
	for t, k := range c.taps {
		for i := range o {
			copy(dst[c.at+i*c.n+t*channels:][:channels], w[(k*o+i)*channels:])
		}
	}
}

// convTransposeBF16Kernel is a transposed convolution in bf16, by classes of pixels, whose
// products are brought to their places.
func convTransposeBF16Kernel(b *binding) (kernel, string) {
	g := b.anyImages()
	if g == nil {
		return nil, ""
	}
	op, _ := b.s.Op.(ops.ConvTransposeBF16)
	x, w, y, bias := b.in[0], b.in[1], b.out[0], b.third()
	list := g.narrowClasses()
	var copied, made, scratch, wide int
	for i := range list {
		c := &list[i]
		copied, made, wide = max(copied, c.scratch()), max(made, c.rows()*c.n), max(wide, c.n)
		scratch = max(scratch, simd.BF16Scratch(c.rows(), c.n, c.k))
	}
	filters := floatsOf(g.weights())
	size := copied + made + filters + wide + scratch
	b.needs(size)
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(size)
		take := func(n int) []float32 {
			part := mem[:n]
			mem = mem[n:]
			return part
		}
		rows, product, packed, biases := take(copied), take(made), asBF16(take(filters)), take(wide)
		images, all := brains(x.raw), brains(w.raw)
		if bias != nil {
			for i := 0; i < wide; i += g.c {
				copy(biases[i:], bias.f32[:g.c])
			}
		}
		for i := range list {
			list[i].pack(packed, all, g.o, g.c)
		}
		for i := range list {
			cl := &list[i]
			e := simd.Epilogue{Relu: op.Relu}
			if bias != nil {
				e.Bias = biases[:cl.n]
			}
			for from, end := lo*cl.places(), hi*cl.places(); from < end; from += cl.rows() {
				to := min(from+cl.rows(), end)
				simd.GemmBF16(to-from, cl.n, cl.k, cl.from(rows, images, from, to), cl.k, 1, packed[cl.at:], cl.n, 1, product, cl.n, false, e, mem)
				cl.spread(y.f32, g.pixels()*g.c, product, from, to)
			}
		}
	}, "conv_transpose_bf16"
}

// spread brings rows [lo,hi) of a product to their places in images of so many elements.
func (c *narrowClass) spread(y []float32, each int, product []float32, lo, hi int) {
	for r := lo; r < hi; r++ {
		i, at := r/c.places(), r%c.places()
		copy(y[i*each+c.to+at/c.line*c.next[0]+at%c.line*c.next[1]:][:c.n], product[(r-lo)*c.n:])
	}
}
