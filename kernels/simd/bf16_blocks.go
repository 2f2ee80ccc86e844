//go:build (amd64 || arm64) && !noasm

package simd

import (
	"math"
	"unsafe"
)

// bf16Args is what a kernel of a bf16 product reads. It computes tiles tiles of MR by NR, going down A and C, over packed and
// widened operands. Distances are in bytes.
type bf16Args struct {
	a      *float32
	strip  uintptr // from strip to strip of A
	b      *float32
	ldb    uintptr // from strip to strip of B
	c      *float32
	ldc    uintptr
	blocks int // whole blocks of k
	tail   int // pairs of steps of the last one, if it is not whole
	tiles  int
	flags  uint64 // gemmAccumulate
	live   uint64 // mask of the last vector's columns (AVX-512)
	status uint32 // the caller's MXCSR; after a kernel of NEON, what FPSR says of the tile
	flush  uint32 // what the product needs: nearest even, subnormal operands and results are 0
}

// flushMXCSR masks every exception, rounds to nearest, and sets FTZ and DAZ.
const flushMXCSR = 0x9fc0

// bf16Steps is how a block of steps of k is packed.
type bf16Steps struct {
	first, n     int // steps of the operand
	packed       int // with the zeros that follow, in pairs
	blocks, tail int
}

// bf16Product is a product in progress.
type bf16Product struct {
	s          *selection
	set        isa
	lanes      int
	m, n, k    int
	a          []uint16
	rsa, csa   int
	b          bf16Right
	c          []float32
	ldc        int
	accumulate bool
	e          Epilogue
	// Scratch: A and B packed, and the panel of C whose width is not of whole vectors.
	left, right, edge []float32
	args              bf16Args
}

// gemmBF16Panels computes C by blocks of rows, blocks of steps and panels of columns.
func gemmBF16Panels(s *selection, m, n, k int, a []uint16, rsa, csa int, b bf16Right, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	set := s.isa[opBF16Gemm]
	if set == isaGo {
		gemmBF16Go(m, n, k, a, rsa, csa, b, c, ldc, accumulate)
		bf16Epilogue(s, m, n, c, ldc, e)
		return
	}
	tmp = tmp[-int(uintptr(unsafe.Pointer(&tmp[0]))/4)&15:] // lines of the cache
	rows := min((m+15)&^15, bf16BlockRows)
	longest := min((k+BF16Block-1)/BF16Block*BF16Block, bf16BlockK)
	x := bf16Product{s: s, set: set, lanes: bf16Lanes(set), m: m, n: n, k: k, a: a, rsa: rsa, csa: csa, b: b, c: c, ldc: ldc, accumulate: accumulate, e: e,
		left: tmp[:rows*longest], right: tmp[rows*longest:][:bf16PanelCols*longest], edge: tmp[(rows+bf16PanelCols)*longest:]}
	x.args.flush = flushMXCSR
	for i := 0; i < m; i += rows {
		blocks := (k + BF16Block - 1) / BF16Block
		pieces := (blocks + bf16BlockK/BF16Block - 1) / (bf16BlockK / BF16Block)
		for p := 0; p < k; pieces-- {
			take := (blocks + pieces - 1) / pieces // pieces of nearly equal length
			blocks -= take
			st := bf16Steps{first: p, n: min(take*BF16Block, k-p)}
			p += st.n
			st.blocks = st.n / BF16Block
			if rest := st.n % BF16Block; rest > 0 { // a pair of zeros stands for all that fill the block
				st.tail = min(BF16Block/2, (rest+1)/2+1)
			}
			st.packed = st.blocks*BF16Block + 2*st.tail
			x.block(i, min(rows, m-i), st)
		}
	}
}

// block adds a block of steps to a block of rows.
func (x *bf16Product) block(i, rows int, st bf16Steps) {
	strip := (st.packed + 7) &^ 7 * x.lanes
	packBF16(x.set, x.left, strip, st, rows, x.a[i*x.rsa+st.first*x.csa:], x.csa, x.rsa)
	x.args.strip, x.args.ldb, x.args.b = 4*uintptr(strip), 4*uintptr(strip), &x.right[0]
	x.args.blocks, x.args.tail, x.args.flags = st.blocks, st.tail, 0
	if x.accumulate || st.first > 0 {
		x.args.flags = gemmAccumulate
	}
	vectors := x.s.bf16Cols / x.lanes
	for j := 0; j < x.n; {
		width := bf16Panel(x.n-j, vectors, x.lanes)
		if x.b.tiles != nil {
			packBF16Strips(x.set, x.right, strip, st, width, &x.b, j)
		} else {
			packBF16(x.set, x.right, strip, st, width, x.b.b[st.first*x.b.rs+j*x.b.cs:], x.b.rs, x.b.cs)
		}
		x.panel(i, j, rows, width, strip, st)
		j += width
	}
}

// panel adds a block of steps to a panel of a block of rows.
func (x *bf16Product) panel(i, j, rows, width, strip int, st bf16Steps) {
	c, ld, nr := x.c[i*x.ldc+j:], x.ldc, width
	whole := width%x.lanes == 0
	switch {
	case x.set == isaAVX512: // masks the last vector
		nr = (width + 7) &^ 7
		x.args.live = 1<<(width-(nr-1)&^15) - 1
	case !whole: // through a copy with whole vectors
		nr = (width + x.lanes - 1) &^ (x.lanes - 1)
		if st.first == 0 && x.accumulate {
			bf16Copy(x.set, x.edge, nr, c, ld, rows, width)
		}
		c, ld = x.edge, nr
	}
	x.args.ldc = 4 * uintptr(ld)
	for r := 0; r < rows; {
		mr, tiles := min(x.s.bf16Rows, rows-r, x.lanes-r%x.lanes), 1
		if r%x.lanes == 0 && x.lanes%mr == 0 && x.set != isaNEON {
			tiles = (rows - r) / mr
		}
		x.args.tiles, x.args.a, x.args.c = tiles, &x.left[r/x.lanes*strip+r%x.lanes], &c[r*ld]
		if x.set == isaNEON {
			exact := bf16Exactly{rows: mr, cols: width, st: st, a: x.a[(i+r)*x.rsa+st.first*x.csa:], rsa: x.rsa, csa: x.csa, b: x.b.from(st.first, j), c: c[r*ld:], ldc: ld}
			exact.tile(nr, &x.args)
		} else {
			bf16Tile(x.set, mr, nr, &x.args)
		}
		r += mr * tiles
	}
	if st.first+st.n < x.k {
		return
	}
	to := x.c[i*x.ldc+j:]
	if !whole && x.set != isaAVX512 {
		bf16Copy(x.set, to, x.ldc, c, ld, rows, width)
	}
	e := x.e
	if e.Bias != nil {
		e.Bias = e.Bias[j:]
	}
	if e.Mask != nil {
		e.Mask = e.Mask[i*e.LDMask+j:]
	}
	bf16Epilogue(x.s, rows, width, to, x.ldc, e)
}

func copyRows(dst []float32, ldd int, src []float32, lds, rows, width int) {
	for r := range rows {
		copy(dst[r*ldd:][:width], src[r*lds:])
	}
}

// bf16Panel is the width of the first of n columns' panels: whole vectors, but for the last, and nearly equally many.
func bf16Panel(n, vectors, lanes int) int {
	all := (n + lanes - 1) / lanes
	panels := (all + vectors - 1) / vectors
	return min(n, (all+panels-1)/panels*lanes)
}

// packBF16 widens count rows of A, or columns of B, in strips. Element p of one lies at p·ks, and they lie rs apart.
func packBF16(set isa, dst []float32, strip int, st bf16Steps, count int, src []uint16, ks, rs int) {
	lanes := bf16Lanes(set)
	whole := count / lanes
	switch {
	case rs == 1:
		done := bf16PackRows(set, dst, strip, src, ks, st, count)
		if done < count {
			packBF16Go(dst[whole*strip:], lanes, st, count-done, src[done:], ks, 1)
		}
	case ks == 1:
		for t := 0; t*lanes < count; t++ {
			live := min(lanes, count-t*lanes)
			d, from := dst[t*strip:], src[t*lanes*rs:]
			if set == isaNEON && live < lanes {
				packBF16Go(d, lanes, st, live, from, 1, rs)
				continue
			}
			groups, rest := st.n/8, st.n%8
			done := groups > 0 && bf16PackCols(set, &d[0], &from[0], rs, groups, live, rest)
			if rest > 0 && !done {
				var last [16 * 8]uint16 // of the rows, and the zeros that follow
				for r := range live {
					for q, v := range from[r*rs+8*groups:][:rest] {
						last[r*8+q] = v
					}
				}
				bf16PackCols(set, &d[8*groups*lanes], &last[0], 8, 1, lanes, 0)
			}
			groups = (st.n + 7) / 8
			if 8*groups < st.packed {
				clear(d[8*groups*lanes : st.packed*lanes])
			}
		}
	default:
		for t := 0; t*lanes < count; t++ {
			packBF16Go(dst[t*strip:], lanes, st, min(lanes, count-t*lanes), src[t*lanes*rs:], ks, rs)
		}
	}
}

// packBF16Go is one strip of packBF16, of any strides. The rows that are not there become 0; in kernels they may be anything.
func packBF16Go(dst []float32, lanes int, st bf16Steps, live int, src []uint16, ks, rs int) {
	clear(dst[:st.packed*lanes])
	for p := range st.n {
		d := dst[p*lanes:][:lanes]
		for r := range live {
			d[r] = math.Float32frombits(uint32(src[p*ks+r*rs]) << 16)
		}
	}
}

// packBF16Strips widens columns j to j+count of tiles.
func packBF16Strips(set isa, dst []float32, strip int, st bf16Steps, count int, b *bf16Right, j int) {
	lanes := bf16Lanes(set)
	for t := 0; t*lanes < count; t++ {
		bf16PackPairs(set, &dst[t*strip], &b.tiles[bf16TileAt(b.k, st.first, j+t*lanes)], st.packed/2)
	}
}

// bf16Exactly is what a tile of NEON is computed from again, in Go, when its kernel has flushed a result.
type bf16Exactly struct {
	rows, cols int
	st         bf16Steps
	a          []uint16
	rsa, csa   int
	b          bf16Right
	c          []float32
	ldc        int
}

// underflowed is the bit of FPSR that says that a result was flushed.
const underflowed = 1 << 3

// tile computes one tile by the kernel. NEON flushes before it rounds: where it has flushed nothing, its bits are those of
// the definition; otherwise the tile is computed again.
func (x *bf16Exactly) tile(nr int, p *bf16Args) {
	var before [4 * 12]float32
	if p.flags != 0 {
		for i := range x.rows {
			copy(before[12*i:][:x.cols], x.c[i*x.ldc:])
		}
	}
	bf16Tile(isaNEON, x.rows, nr, p)
	if p.status&underflowed == 0 {
		return
	}
	if p.flags != 0 {
		for i := range x.rows {
			copy(x.c[i*x.ldc:][:x.cols], before[12*i:])
		}
	}
	gemmBF16Go(x.rows, x.cols, x.st.n, x.a, x.rsa, x.csa, x.b, x.c, x.ldc, p.flags != 0)
}
