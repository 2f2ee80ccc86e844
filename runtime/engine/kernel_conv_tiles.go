package engine

import "github.com/lamina-ml/lamina/kernels/simd"

// run is how many elements a line of the filters makes of each place.
func (g *images) run() int { return g.kernel[1] * g.c }

// convTransposeTiles makes for each line of the filters all of its elements and channels as
// the columns of one product.
func (b *binding) convTransposeTiles(g *images, ends *stores) kernel {
	x, w, y := b.in[0], b.in[1], b.out[0]
	run, size := g.run(), g.pixels()*g.c
	t := simd.Taps{Lines: g.out[0], M: g.out[1], N: run, K: g.o, LineA: g.out[1] * g.o, RowA: g.o, ColA: 1, At: []int{0}, LDB: run,
		LineC: g.stride[0] * g.in[1] * g.c, LDC: run}
	need := g.weights() + run
	b.needs(need + ends.copied())
	return func(c *ctx, lo, hi int) {
		all := c.scratch(need + ends.copied())
		filters, wide, copied := all[:g.weights()], all[g.weights():need], all[need:]
		if ends.bias != nil {
			for k := range g.kernel[1] {
				copy(wide[k*g.c:][:g.c], ends.bias.f32)
			}
		}
		for ky := range g.kernel[0] {
			for kx := range g.kernel[1] {
				copyRows(filters[ky*g.o*run+kx*g.c:], run, w.f32[(ky*g.kernel[1]+kx)*g.o*g.c:], g.c, g.o, g.c)
			}
		}
		unbroken := t.Unbroken()
		for i := lo; i < hi; i++ {
			image := x.f32[i*g.places()*g.o:][:g.places()*g.o]
			out := y.f32[i*size:][:size]
			e := ends.of(i)
			if e.Bias != nil {
				e.Bias = wide
			}
			if e.Plus != nil && &e.Plus[0] == &out[0] {
				e = ends.apart(e, copied, unbroken)
			}
			var next []float32 // of the result, which the caches do not hold
			if i+1 < hi {
				next = y.f32[(i+1)*size:][:size]
			}
			for ky := range g.kernel[0] {
				at := ky * g.in[1] * g.c
				simd.GemmTapsAhead(&t, image, filters[ky*g.o*run:], out[at:], false, ends.from(e, at, run), next, nil)
				next = nil
			}
		}
	}
}

const (
	narrowRun   = 16   // below which one line of the filters fills no vector,
	narrowBlock = 4096 // and how many elements of the result are then made before they go to their lines
)

// convTransposeNarrow makes all elements and channels of the filters as the columns of one
// product, in memory of the worker's own, and then brings each run to its line.
func (b *binding) convTransposeNarrow(g *images, ends *stores) kernel {
	x, w, y := b.in[0], b.in[1], b.out[0]
	run := g.run()
	all := g.kernel[0] * run
	block := min(max(narrowBlock/(g.out[1]*all), 1), g.out[0]) // lines
	size := g.weights() + all + block*g.out[1]*all
	b.needs(size)
	return func(c *ctx, lo, hi int) {
		mem := c.scratch(size)
		filters, wide, made := mem[:g.weights()], mem[g.weights():][:all], mem[g.weights()+all:]
		e := simd.Epilogue{Relu: ends.relu}
		for k := range g.taps() {
			copyRows(filters[k*g.c:], all, w.f32[k*g.o*g.c:], g.c, g.o, g.c)
			if ends.bias != nil {
				copy(wide[k*g.c:][:g.c], ends.bias.f32)
				e.Bias = wide
			}
		}
		for i := lo; i < hi; i++ {
			for l := 0; l < g.out[0]; l += block {
				n := min(block, g.out[0]-l) * g.out[1]
				from := (i*g.places() + l*g.out[1]) * g.o
				simd.Gemm(n, all, g.o, x.f32[from:], g.o, 1, filters, all, made, all, false, e)
				g.spread(y.f32[(i*g.pixels()+l*g.kernel[0]*g.in[1])*g.c:], made[:n*all])
			}
		}
	}
}

// spread brings places, of which each has a run for each line of the filters, to the lines of
// an image.
func (g *images) spread(y, made []float32) {
	run, line := g.run(), g.in[1]*g.c
	all := g.kernel[0] * run
	for len(made) > 0 {
		places := made[:g.out[1]*all]
		if all == 4 && run == 2 {
			spreadPairs(y[:line], y[line:][:line], places)
		} else {
			for ky := range g.kernel[0] {
				copyRows(y[ky*line:][:line], run, places[ky*run:], all, g.out[1], run)
			}
		}
		made, y = made[len(places):], y[min(g.kernel[0]*line, len(y)):]
	}
}

// spreadPairs brings places of 2 by 2 pixels of one channel, as those of the last layer of a
// decoder often are, to two lines, with steps that the compiler knows.
func spreadPairs(first, second, made []float32) {
	n := len(made) / 4
	first, second, made = first[:2*n], second[:2*n], made[:4*n]
	for p := range n {
		v := (*[4]float32)(made[4*p:])
		*(*[2]float32)(first[2*p:]) = [2]float32(v[:2])
		*(*[2]float32)(second[2*p:]) = [2]float32(v[2:])
	}
}

// copyRows copies rows of n elements, which begin ldd and lds elements apart, of a vector
// without a call for each.
func copyRows(dst []float32, ldd int, src []float32, lds, rows, n int) {
	if n == 16 {
		for r := range rows {
			*(*[16]float32)(dst[r*ldd:]) = *(*[16]float32)(src[r*lds:])
		}
		return
	}
	for r := range rows {
		copy(dst[r*ldd:][:n], src[r*lds:])
	}
}
