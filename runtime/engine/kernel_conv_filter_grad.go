package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

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
	pieces := g.filterPieces(&f)
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
				places := dy.f32[i*g.places()*g.o:][:g.places()*g.o]
				var nextX, nextDY []float32
				if i+1 < to && g.c > 1 {
					nextX, nextDY = x.f32[(i+1)*g.pixels()*g.c:][:g.pixels()*g.c], dy.f32[(i+1)*g.places()*g.o:][:g.places()*g.o]
				}
				for k := range pieces {
					p := &pieces[k]
					if len(p.At) == 0 {
						if i == from {
							clear(part[p.filter:][:p.Lines*p.LineC])
						}
						continue
					}
					n, m := len(nextX)/(len(pieces)-k), len(nextDY)/(len(pieces)-k) // what each fetches of them
					simd.GemmTapsAhead(&p.Taps, image[p.image:], places[p.place:], part[p.filter:], i > from, simd.Epilogue{}, nextX[:n], nextDY[:m])
					nextX, nextDY = nextX[n:], nextDY[m:]
				}
			}
		}
	}, "conv_filter_grad_taps"
}

// filterPiece is the gradient of some lines of the filters, from the places under which they
// meet the image. It begins at an element of the frame, of the places and of the filters.
type filterPiece struct {
	simd.Taps
	image, place, filter int
}

// filterRun is how many elements a line of the filters has at least, for each filter, if lines
// that meet zeros above or below the image are products of their own: with fewer, products are
// too small.
const filterRun = 32

// filterPieces returns the products that make the gradient of the filters. Lines that lie side by
// side and meet the image from the same places are one. One without taps meets only zeros.
func (g *images) filterPieces(f *frame) []filterPiece {
	pitch, run := f.w*g.c, g.kernel[1]*g.c
	elements := 1 // of a line that are apart, which are none if pixels lie side by side
	if g.dilation[1] > 1 && g.kernel[1] > 1 {
		run, elements = g.c, g.kernel[1]
	}
	meets := func(y int) (first, end int) {
		first, end = 0, g.out[0]
		if run < filterRun {
			return first, end
		}
		at := y*g.dilation[0] - g.before[0] // of the line under the first place
		for first < end && at+first*g.stride[0] < 0 {
			first++
		}
		for first < end && at+(end-1)*g.stride[0] >= g.in[0] {
			end--
		}
		return first, end
	}
	var list []filterPiece
	for y := 0; y < g.kernel[0]; {
		first, end := meets(y)
		lines := 1
		for ; y+lines < g.kernel[0]; lines++ {
			if i, j := meets(y + lines); i != first || j != end {
				break
			}
		}
		for x := range elements {
			p := filterPiece{image: (y*g.dilation[0]+first*g.stride[0])*pitch + x*g.dilation[1]*g.c, place: first * g.out[1] * g.o, filter: (y*g.kernel[1] + x) * g.c * g.o,
				Taps: simd.Taps{Lines: lines, M: run, N: g.o, K: g.out[1], LineA: g.dilation[0] * pitch, RowA: 1, ColA: g.stride[1] * g.c,
					LDB: g.o, LineC: g.kernel[1] * g.c * g.o, LDC: g.o}}
			for q := range end - first {
				p.At = append(p.At, q*g.stride[0]*pitch)
			}
			if list = append(list, p); len(p.At) == 0 {
				break // all elements are 0
			}
		}
		y += lines
	}
	return list
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
