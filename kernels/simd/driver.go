//go:build amd64 && !noasm

package simd

import "unsafe"

// gemmPanels computes C in one block when the operands are small, else in blocks that the caches hold.
func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	set := s.isa[opGemm]
	switch {
	case set == isaGo:
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
	case k >= aliasK && m >= packRows && m*n*k >= packWork && (ldb%s.blocks.alias == 0 || csa%s.blocks.alias == 0 && csa > 0):
		gemmPacked(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
	case m > 3 && (k > s.blocks.k || m*k > s.blocks.a):
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
	mostK, mostA := s.blocks.k, s.blocks.a
	if bufB != nil {
		mostK, mostA = packK, packA
	}
	steps := even(k, mostK, 1)
	height := even(m, mostA/steps, 12)
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
	var p gemmArgs // field by field: a literal would be built beside it and copied
	p.rsa, p.csa, p.ldb, p.ldc = 4*uintptr(rsa), 4*uintptr(csa), 4*uintptr(ldb), 4*uintptr(ldc)
	p.k, p.ldMask = k, 4*uintptr(e.LDMask)
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	ahead := k*n > s.blocks.a
	limit := s.columns(m, n, k, csa > rsa, ldb)
	for j := 0; j < n; {
		t := s.panel(n-j, limit)
		p.live, p.last = t.live, t.last
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		if k > 0 {
			p.b, p.ldb = &b[j], 4*uintptr(ldb)
			if p.farLines = 0; ahead && j+t.width < n {
				p.far, p.ldFar, p.farLines = uintptr(unsafe.Pointer(&b[j+t.width])), p.ldb, farLines(t.nr, ldb)
			}
			if t.width == t.nr && t.nr%16 == 0 && t.nr*k <= len(pack) { // a lone last row has wider panels than the buffer holds
				packPanel(set, pack, t.nr, &b[j], ldb, k)
				p.b, p.ldb = &pack[0], 4*uintptr(t.nr)
			}
		}
		most := s.rows(m, k, t.nr)
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, most)
			if k > 0 {
				p.a = &a[i*rsa]
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
			p.stepA, p.stepC, p.stepMask = uintptr(rows)*p.rsa, uintptr(rows)*p.ldc, uintptr(rows)*p.ldMask
			if e.Mask != nil {
				p.mask = &e.Mask[i*e.LDMask+j]
			}
			if set == isaAVX512 {
				gemmTile_avx512(rows, t.nr, &p)
			} else {
				gemmTile_avx2(rows, t.nr, &p)
			}
			i += rows * tiles
		}
		j += t.width
	}
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
