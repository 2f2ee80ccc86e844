//go:build amd64 && !noasm

package simd

// narrowArgs is what a kernel of few columns reads; the generator has the offsets. Strides are in bytes.
type narrowArgs struct {
	a       *float32 // the rows of A beside each other
	at      *int     // of each tap, in elements from a
	taps, k int
	colA    uintptr
	b       *float32
	ldb     uintptr
	c       *float32 // column after column
	ldc     uintptr
	vecs    int
	live    uint64 // lanes of the last vector
	flags   uint64
}

// What is computed turned: of few columns, so many steps and rows that turning A and C is worth it.
const (
	narrowCols  = 4
	narrowSteps = 64
	narrowMost  = 64 << 10 // of steps, in one call
	narrowRows  = 32
	narrowTaps  = 64
)

// narrowVectors is how many vectors of rows a tile of so many columns has at most.
func narrowVectors(set isa, cols int) int {
	if set == isaAVX512 {
		return [...]int{8, 8, 6, 6}[cols-1]
	}
	return [...]int{8, 5, 3, 2}[cols-1]
}

// narrow is a product by taps that is computed turned: rows of C, among them what lies between its lines in A, lie in the
// lanes of vectors.
type narrow struct {
	p       *Taps
	buf     *packBuffers
	at      [narrowTaps]int
	args    narrowArgs
	lanes   int
	vectors int // of a tile
}

// tapsNarrow computes C turned if that is worth it. Either the rows of A lie beside each other; or they are pixels one after
// the other, which are turned, block by block of lines, and then each tap is cut into pixels.
func tapsNarrow(s *selection, p *Taps, a, b, c []float32, accumulate bool, e Epilogue) bool {
	pixels, steps := p.ColA == 1 && p.RowA > 1, p.K*len(p.At)
	if p.N > narrowCols || s.tapsForced || p.tapB() != p.K*p.LDB || steps < narrowSteps || steps > narrowMost || !pixels && p.RowA != 1 {
		return false
	}
	n := narrow{p: p, lanes: s.lanes(), vectors: narrowVectors(s.isa[opTaps], p.N)}
	if pixels {
		return n.pixels(s, a, b, c, accumulate, e)
	}
	return n.rows(s, a, b, c, accumulate, e)
}

// rows computes lines of rows that lie beside each other.
func (n *narrow) rows(s *selection, a, b, c []float32, accumulate bool, e Epilogue) bool {
	p := n.p
	whole := (p.M + n.lanes - 1) / n.lanes * n.lanes
	if p.M < narrowRows || whole*p.N > len(packBuffers{}.b) || whole != p.M && s.isa[opTaps] != isaAVX512 {
		return false
	}
	n.buf = takeBuffers()
	g := &n.args
	g.at, g.taps, g.k, g.colA, g.b, g.ldb = &p.At[0], len(p.At), p.K, 4*uintptr(p.ColA), &b[0], 4*uintptr(p.LDB)
	for l := range p.Lines {
		n.product(s, a[l*p.LineA:], whole, p.M-whole+n.lanes, l, 1, 0, c, accumulate, e)
	}
	n.buf.give()
	return true
}

// pixels computes lines whose rows are pixels of p.RowA elements.
func (n *narrow) pixels(s *selection, a, b, c []float32, accumulate bool, e Epilogue) bool {
	p := n.p
	line, each := p.LineA/p.RowA, p.K/p.RowA
	if p.Lines == 1 {
		line = p.M
	} else if p.LineA%p.RowA != 0 || line < p.M || line > 2*p.M {
		return false
	}
	if p.K%p.RowA != 0 || each*len(p.At) > narrowTaps || p.M*p.Lines < 2*narrowRows {
		return false
	}
	far := 0
	for t, at := range p.At {
		if at%p.RowA != 0 {
			return false
		}
		for q := range each {
			n.at[t*each+q] = at/p.RowA + q
		}
		far = max(far, at/p.RowA+each-1)
	}
	size := func(lines int) (rows, whole, pitch int) {
		rows = (lines-1)*line + p.M
		whole = (rows + n.lanes - 1) / n.lanes * n.lanes
		return rows, whole, (whole+far+15)/16*16 | 16 // pixels of a plane; no power of two
	}
	fits := func(lines int) bool {
		_, whole, pitch := size(lines)
		return pitch*p.RowA <= len(packBuffers{}.a) && whole*p.N <= len(packBuffers{}.b)
	}
	lines := p.Lines
	for lines > 1 && !fits(lines) {
		lines = (lines + 1) / 2
	}
	if !fits(lines) {
		return false
	}
	n.buf = takeBuffers()
	g := &n.args
	g.at, g.taps, g.k, g.b, g.ldb = &n.at[0], each*len(p.At), p.RowA, &b[0], 4*uintptr(p.LDB)
	for l := 0; l < p.Lines; l += lines {
		count := min(lines, p.Lines-l)
		rows, whole, pitch := size(count)
		Transpose(rows+far, p.RowA, a[l*p.LineA:], p.RowA, n.buf.a[:], pitch)
		g.colA = 4 * uintptr(pitch)
		n.product(s, n.buf.a[:], whole, n.lanes, l, count, line, c, accumulate, e)
	}
	n.buf.give()
	return true
}

// product computes count lines from l on, which lie line rows apart in a. All vectors of a are whole but for the last.
func (n *narrow) product(s *selection, a []float32, whole, last, l, count, line int, c []float32, accumulate bool, e Epilogue) {
	p, g := n.p, &n.args
	turned := n.buf.b[:whole*p.N]
	if g.flags = 0; accumulate {
		g.flags = gemmAccumulate
		for j := range p.N {
			for i := range count {
				from := c[(l+i)*p.LineC+j:]
				for r := range turned[j*whole+i*line:][:p.M] {
					turned[j*whole+i*line+r] = from[r*p.LDC]
				}
			}
		}
	}
	g.ldc = 4 * uintptr(whole)
	vectors := whole / n.lanes
	step := even(vectors, n.vectors, 1)
	for v := 0; v < vectors; v += step {
		g.a, g.c = &a[v*n.lanes], &turned[v*n.lanes]
		g.vecs, g.live = min(step, vectors-v), 1<<n.lanes-1
		if v+step >= vectors {
			g.live = 1<<last - 1
		}
		if s.isa[opTaps] == isaAVX512 {
			narrow_avx512(p.N, g)
		} else {
			narrow_avx2(p.N, g)
		}
	}
	for j := range p.N {
		for i := range count {
			to := (l+i)*p.LineC + j
			n.finish(s, turned[j*whole+i*line:][:p.M], c, to, j, e)
		}
	}
}

// finish makes of chains a column of C, whose first element is at to.
func (n *narrow) finish(s *selection, v, c []float32, to, j int, e Epilogue) {
	set := s.isa[opTaps]
	if e.Bias != nil {
		callScalar(set, opAddScalar, v, v, e.Bias[j])
	}
	ld := n.p.LDC
	if e.Plus != nil {
		for i := range v {
			v[i] += e.Plus[to+i*ld]
		}
	}
	if e.Relu {
		callUnary(set, opRelu, v, v)
	}
	if ld == 1 && e.Mask == nil {
		copy(c[to:], v)
	} else if e.Mask == nil {
		for i, x := range v {
			c[to+i*ld] = x
		}
	} else {
		for i, x := range v {
			if e.Mask[to+i*ld] <= 0 {
				x = 0
			}
			c[to+i*ld] = x
		}
	}
}
