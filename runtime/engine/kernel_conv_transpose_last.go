package engine

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

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
	size := g.pixels() * g.c
	ends := b.stores(op.Operands(b.inT), op.Relu, size, g.c)
	if g.tiled && g.kernel[0] > 1 && g.run() < narrowRun && ends.plus == nil && ends.mask == nil {
		return b.convTransposeNarrow(g, ends), "conv_transpose_narrow"
	}
	if g.tiled {
		return b.convTransposeTiles(g, ends), "conv_transpose_tiles"
	}
	x, w, y := b.in[0], b.in[1], b.out[0]
	list, f := g.classes()
	each := g.o * g.c
	bare := slices.ContainsFunc(list, func(c class) bool { return len(c.At) == 0 })
	made := ends.bias != nil || ends.relu && ends.plus != nil // bare pixels are neither 0 nor what is added
	need := f.size() + g.weights()
	b.needs(need + ends.copied())
	return func(c *ctx, lo, hi int) {
		all := c.scratch(need + ends.copied())
		mem, filters, copied := all[:f.size()], all[f.size():need], all[need:]
		f.border(mem)
		for i := range list {
			for t, k := range list[i].taps {
				copy(filters[list[i].at+t*each:][:each], w.f32[k*each:])
			}
		}
		unbroken := !slices.ContainsFunc(list, func(c class) bool { return len(c.At) > 0 && !c.Unbroken() })
		for i := lo; i < hi; i++ {
			image := f.of(mem, x.f32[i*g.places()*g.o:][:g.places()*g.o])
			out := y.f32[i*size:][:size]
			e := ends.of(i)
			if e.Plus != nil && &e.Plus[0] == &out[0] {
				e = ends.apart(e, copied, unbroken)
			} else if bare && !made {
				copy(out, e.Plus)
				clear(out[min(len(e.Plus), size):])
			}
			for k := range list {
				cl := &list[k]
				at := (cl.from[0]*g.in[1] + cl.from[1]) * g.c
				if len(cl.At) > 0 {
					simd.GemmTaps(&cl.Taps, image, filters[cl.at:], out[at:], false, ends.from(e, at, cl.LDC))
				} else if made {
					cl.fill(out[at:], ends.from(e, at, cl.LDC))
				}
			}
		}
	}, "conv_transpose_taps"
}

// fill sets pixels that no element of the filters reaches.
func (c *class) fill(y []float32, e simd.Epilogue) {
	for l := range c.Lines {
		for i := range c.M {
			at := l*c.LineC + i*c.LDC
			row := y[at:][:c.N]
			for j := range row {
				v := float32(0)
				if e.Bias != nil {
					v = e.Bias[j]
				}
				if e.Plus != nil {
					v += e.Plus[at+j]
				}
				if e.Relu && v < 0 {
					v = 0
				}
				row[j] = v
			}
		}
	}
}
