//go:build amd64 && !noasm

package simd

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of MR by NR, going down A and C, of which it advances
// a, c and tiles in place. Strides are in bytes.
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
	live     uint64 // columns of the last vector that exist: a count for AVX2, a bit mask for AVX-512
	flags    uint64 // gemmAccumulate, gemmRelu
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
	p := gemmArgs{rsa: 4 * uintptr(rsa), csa: 4 * uintptr(csa), ldb: 4 * uintptr(ldb), ldc: 4 * uintptr(ldc), k: k}
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	mr, vector := s.mr, 8
	if set == isaAVX512 {
		if s.nr%16 == 0 {
			vector = 16
		}
		if k <= smallK && s.nr == 48 {
			mr = min(mr, 4)
		}
	}
	vectors := (n + vector - 1) / vector
	panels := (vectors*vector + s.nr - 1) / s.nr
	for j := 0; panels > 0; panels-- {
		v := (vectors + panels - 1) / panels
		vectors -= v
		width := min(v*vector, n-j)
		nr := (width + 7) &^ 7
		if set == isaAVX512 {
			p.live = 1<<(width-(nr-1)&^15) - 1
		} else {
			p.live = uint64(width - (nr - 8))
		}
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, mr)
			if k > 0 {
				p.a, p.b = &a[i*rsa], &b[j]
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
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
