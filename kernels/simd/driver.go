//go:build amd64 && !noasm

package simd

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of MR by NR, going down A and C, of which it advances
// a, c, mask and tiles in place. Strides are in bytes.
type gemmArgs struct {
	a        *float32
	rsa, csa uintptr
	b        *float32
	ldb      uintptr
	c        *float32
	ldc      uintptr
	bias     *float32 // nil for none
	k        int
	tiles    int
	live     uint64   // columns of the last vector that exist: a count for AVX2, a bit mask for AVX-512
	flags    uint64   // gemmAccumulate, gemmRelu
	mask     *float32 // nil for none
	ldMask   uintptr
}

const (
	gemmAccumulate = 1 << iota
	gemmRelu
)

// smallK is the depth up to which four rows beat eight: the stores of one tile overlap the loads of the next.
const smallK = 64

// gemmPanels cuts C into panels of columns of nearly equal width, and each panel into tiles of rows.
func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	set := s.isa[opGemm]
	if set == isaGo {
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
		return
	}
	p := gemmArgs{rsa: 4 * uintptr(rsa), csa: 4 * uintptr(csa), ldb: 4 * uintptr(ldb), ldc: 4 * uintptr(ldc), k: k, ldMask: 4 * uintptr(e.LDMask)}
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	mr, widest := s.mr, s.nr
	if m == 1 {
		mr, widest = 1, s.nrOne
	}
	if set == isaAVX512 && k <= smallK && s.nr == 48 {
		mr = min(mr, 4)
	}
	for j := 0; j < n; {
		width, nr := panel(set, n-j, widest)
		if back := nr - width; set == isaAVX2 && back > 0 && j >= back && !accumulate {
			// Computing some columns twice, to the same bits, is cheaper than masks are before AVX-512.
			j, width = j-back, nr
		}
		p.live = live(set, width, nr)
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, mr)
			if k > 0 {
				p.a, p.b = &a[i*rsa], &b[j]
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
			if e.Mask != nil {
				p.mask = &e.Mask[i*e.LDMask+j]
			}
			if set == isaAVX512 {
				gemmTile_avx512(rows, nr, &p)
			} else {
				gemmTile_avx2(rows, nr, &p)
			}
			i += rows * tiles
		}
		j += width
	}
}

// panel says how to begin on n columns with panels of at most limit: the columns of the first panel, and the width of the
// tile that holds them. The panels to come are of nearly equal width, in whole vectors but for the last.
func panel(set isa, n, limit int) (width, nr int) {
	vector := 8
	if set == isaAVX512 && limit%16 == 0 {
		vector = 16
	}
	vectors := (n + vector - 1) / vector
	panels := (vectors*vector + limit - 1) / limit
	width = min((vectors+panels-1)/panels*vector, n)
	return width, (width + 7) &^ 7
}

// live is gemmArgs.live for a panel of width columns in a tile of nr; the last vector of an AVX-512 tile may be a half.
func live(set isa, width, nr int) uint64 {
	if set == isaAVX512 {
		return 1<<(width-(nr-1)&^15) - 1
	}
	return uint64(width - (nr - 8))
}

// rowTiles says how to begin on m rows with tiles of at most mr: so many rows, so many tiles. Tiles of one or two rows
// are bound by loads of B, so a small remainder is evened out with the last whole tile: 9 is 5 and 4, not 8 and 1.
func rowTiles(m, mr int) (rows, tiles int) {
	switch whole, rest := m/mr, m%mr; {
	case rest == 0 || 2*rest > mr && whole > 0:
		return mr, whole
	case whole == 0:
		return m, 1
	case whole > 1:
		return mr, whole - 1
	}
	return (m + 1) / 2, 1
}

// callTranspose does whole blocks of 8 by 8 in the kernel, down one strip of columns after another, and the edges in Go.
func callTranspose(set isa, rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	r, c := rows&^7, cols&^7
	if set == isaGo || r == 0 {
		r, c = rows, 0
	}
	for j := 0; j < c; j += 8 {
		if set == isaAVX512 {
			f32transpose_avx512(&dst[j*ldd], &src[j], 4*ldd, 4*lds, r/8)
		} else {
			f32transpose_avx2(&dst[j*ldd], &src[j], 4*ldd, 4*lds, r/8)
		}
	}
	if c < cols {
		transposeGo(r, cols-c, src[c:], lds, dst[c*ldd:], ldd)
	}
	if r < rows {
		transposeGo(rows-r, cols, src[r*lds:], lds, dst[r:], ldd)
	}
}
