//go:build amd64 && !noasm

package simd

import "unsafe"

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of MR by NR, going down A and C. Strides are in bytes.
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
	live     uint64   // where the columns end: see panel
	flags    uint64   // gemmAccumulate, gemmRelu
	mask     *float32 // nil for none
	ldMask   uintptr
	at       [3]uintptr // the kernel's: where its tile of A, C and the mask begins
	far      uintptr    // what the first tile fetches into the cache, ldFar bytes from row to row; 0 for nothing
	ldFar    uintptr
}

const (
	gemmAccumulate = 1 << iota
	gemmRelu
)

// tallRows is the height of AVX2's tile of four columns: half vectors, of which only many fill the unit.
const tallRows = 12

// smallK is the depth up to which four rows beat eight in AVX-512: the stores of one tile overlap the loads of the next.
const smallK = 64

// gemmPanels computes C in one block when the operands are small, else in blocks that the caches hold.
func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	set := s.isa[opGemm]
	switch {
	case set == isaGo:
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
	case k >= aliasK && m >= packRows && m*n*k >= packWork && (ldb%aliasStride == 0 || csa%aliasStride == 0 && csa > 0):
		gemmPacked(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
	case m > 3 && (k > blockK || m*k > blockA):
		gemmBlocks(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, nil, nil)
	default:
		gemmBlock(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, nil)
	}
}

// gemmPacked is gemmBlocks with copies of A and B on its stack, whose rows are near each other.
//
//go:noinline
func gemmPacked(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	var bufA [packA]float32
	var bufB [packK * 48]float32
	gemmBlocks(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, bufA[:], bufB[:])
}

// gemmBlocks computes C by blocks of rows and of steps. With buffers it packs A and B.
func gemmBlocks(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue, bufA, bufB []float32) {
	mostK, mostA := blockK, blockA
	if bufB != nil {
		mostK, mostA = packK, packA
	}
	steps := even(k, mostK, 1)
	height := even(m, mostA/steps, tallRows)
	for p := 0; p < k; p += steps {
		kb := min(steps, k-p)
		var last Epilogue
		if p+kb == k {
			last = e
		}
		for i := 0; i < m; i += height {
			rows := min(height, m-i)
			ai, rs, cs := a[i*rsa+p*csa:], rsa, csa
			switch {
			case bufA == nil:
			case rsa == 1:
				for q := range kb {
					copy(bufA[q*rows:][:rows], ai[q*csa:])
				}
				ai, cs = bufA, rows
			case csa == 1:
				for q := range rows {
					copy(bufA[q*kb:][:kb], ai[q*rsa:])
				}
				ai, rs = bufA, kb
			}
			ep := last
			ep.row = i
			if ep.Mask != nil {
				ep.Mask = ep.Mask[i*ep.LDMask:]
			}
			gemmBlock(s, rows, n, kb, ai, rs, cs, b[p*ldb:], ldb, c[i*ldc:], ldc, accumulate || p > 0, ep, bufB)
		}
	}
}

// gemmBlock cuts C into panels of columns, and each panel into tiles of rows. It packs B when it has a buffer.
func gemmBlock(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue, pack []float32) {
	set := s.isa[opGemm]
	p := gemmArgs{rsa: 4 * uintptr(rsa), csa: 4 * uintptr(csa), ldb: 4 * uintptr(ldb), ldc: 4 * uintptr(ldc), k: k, ldMask: 4 * uintptr(e.LDMask)}
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	ahead := k*n > blockA
	mr, limit := s.tile(m, k)
	done := 0
	for j := 0; j < n; {
		width, nr, live := panel(set, n-j, limit)
		p.live = live
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		if k > 0 {
			p.b, p.ldb = &b[j], 4*uintptr(ldb)
			if ahead && j+width < n {
				p.far, p.ldFar = uintptr(unsafe.Pointer(&b[j+width])), p.ldb
			}
			if width == nr && nr%16 == 0 && nr*k <= len(pack) { // a lone last row has wider panels than the buffer holds
				packPanel(set, pack, nr, &b[j], ldb, k)
				p.b, p.ldb = &pack[0], 4*uintptr(nr)
			}
		}
		most := mr
		if nr == 4 && !s.forced {
			most = tallRows
		}
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, most)
			if k > 0 {
				p.a = &a[i*rsa]
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
		if e.Done != nil {
			done = e.tell(m, done, j, n)
		}
	}
}

// tile is the largest tile for m rows and chains of k steps.
func (s *selection) tile(m, k int) (mr, nr int) {
	if s.forced {
		return s.mr, s.nr
	}
	if s.isa[opGemm] == isaAVX512 {
		switch {
		case m == 1:
			return 1, 128
		case k <= smallK:
			return 4, s.nr
		}
		return s.mr, s.nr
	}
	switch {
	case m < 4:
		return m, [...]int{104, 48, 32}[m-1]
	case m <= 32 && m%4 == 0 && k <= 128: // eight tiles of four, in one call, beat four of six and two of four
		return 4, s.nr
	}
	return s.mr, s.nr
}

// packPanel copies k rows of nr columns, a multiple of 16, to the start of dst.
func packPanel(set isa, dst []float32, nr int, b *float32, ldb, k int) {
	for j := 0; j < nr; j += 16 {
		src := (*float32)(unsafe.Add(unsafe.Pointer(b), 4*j))
		if set == isaAVX512 {
			f32pack16_avx512(&dst[j], 4*nr, src, 4*ldb, k)
		} else {
			f32pack16_avx2(&dst[j], 4*nr, src, 4*ldb, k)
		}
	}
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
