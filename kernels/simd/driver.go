//go:build amd64 && !noasm

package simd

import "unsafe"

// gemmPanels computes C in one block when the operands are small, else in blocks that the caches hold. It packs operands
// whose rows lie so that a cache holds few of them.
func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	set := s.isa[opGemm]
	alias := s.blocks.alias
	switch {
	case set == isaGo:
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
	case k >= aliasK && m >= packRows && m*n*k >= packWork && (ldb%alias == 0 || csa%alias == 0 && csa > 0):
		buf := takeBuffers()
		gemmBlocks(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, packK, packA, buf.a[:], buf.b[:])
		buf.give()
	case set == isaAVX512 && s.rules.packTurned && rsa == 1 && csa >= turnedStride && n >= turnedColumns && k >= turnedK && m >= turnedRows:
		buf := takeBuffers()
		gemmBlocks(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, min(s.blocks.k, packA/16), packA, buf.a[:], nil)
		buf.give()
	case m > 3 && (k > s.blocks.k || m*k > s.blocks.a):
		gemmBlocks(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, s.blocks.k, s.blocks.a, nil, nil)
	default:
		gemmBlock(s, m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e, false, nil)
	}
}

// packBuffers hold copies of a block of A and of a panel of B.
type packBuffers struct {
	a [packA]float32
	b [packK * 64]float32
}

// spareBuffers are those that no call uses: at most so many are kept.
var spareBuffers = make(chan *packBuffers, 64)

func takeBuffers() *packBuffers {
	select {
	case p := <-spareBuffers:
		return p
	default:
		return new(packBuffers)
	}
}

func (p *packBuffers) give() {
	select {
	case spareBuffers <- p:
	default:
	}
}

// gemmBlocks computes C by blocks of at most mostK steps and mostA elements of A. With buffers it packs A and B.
func gemmBlocks(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue, mostK, mostA int, bufA, bufB []float32) {
	steps := even(k, mostK, 1)
	distant := m*k > 4*s.blocks.a && bufA == nil
	rows := mostA / steps
	if bufA != nil {
		rows &^= 15 // columns of a packed A begin at a cache line
	}
	height := even(m, rows, 12)
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
				cs = (rows + 15) &^ 15
				for q := range kb {
					copy(bufA[q*cs:][:rows], ai[q*csa:])
				}
				ai = bufA
			case csa == 1:
				for q := range rows {
					copy(bufA[q*kb:][:kb], ai[q*rsa:])
				}
				ai, rs = bufA, kb
			}
			ep := last
			ep.row = i
			ep.Plus, ep.Mask = rest(ep.Plus, i*ep.LDPlus), rest(ep.Mask, i*ep.LDMask)
			gemmBlock(s, rows, n, kb, ai, rs, cs, b[p*ldb:], ldb, c[i*ldc:], ldc, accumulate || p > 0, ep, distant, bufB)
		}
	}
}

// gemmBlock cuts C into panels of columns, and each panel into tiles of rows. It packs B when it has a buffer. distant says
// that the second cache does not hold A.
func gemmBlock(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue, distant bool, pack []float32) {
	set := s.isa[opGemm]
	var p gemmArgs // field by field: a literal would be built beside it and copied
	p.rsa, p.csa, p.ldb, p.ldc = 4*uintptr(rsa), 4*uintptr(csa), 4*uintptr(ldb), 4*uintptr(ldc)
	p.k = k
	p.beside(&e, e.LDPlus, e.LDMask)
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	turned := csa > rsa
	if s.rules.fetchC && turned && k >= fetchK && n >= fetchColumns {
		p.flags |= gemmFetchC
	}
	ahead := k*n > s.blocks.a
	limit := s.columns(m, n, k, turned, ldb)
	body := n
	if s.tail(m, n, k, rsa, csa) {
		body = n - tailColumns
	}
	done := 0
	for j := 0; j < n; {
		left := body - j
		if left == 0 {
			left = n - j
		}
		t := s.panel(left, limit)
		p.live, p.last = t.live, t.last
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		if k > 0 {
			p.b, p.ldb = &b[j], 4*uintptr(ldb)
			if p.farLines = 0; ahead && j+t.width < body {
				p.far, p.ldFar, p.farLines = uintptr(unsafe.Pointer(&b[j+t.width])), p.ldb, s.farLines(t.nr, ldb)
			}
			if t.width == t.nr && t.nr%16 == 0 && t.nr*k <= len(pack) { // a lone last row has wider panels than the buffer holds
				packPanel(set, pack, t.nr, &b[j], ldb, k)
				p.b, p.ldb = &pack[0], 4*uintptr(t.nr)
			}
		}
		p.fetchA = 0
		most := s.rows(m, k, t.nr)
		if distant && j == 0 && s.rules.fetchA {
			switch {
			case csa == 1 && rsa <= k+k/4: // the next tile's rows, which lie one after the other
				p.fetchA, p.fetchFrom = 64, uintptr(most)*p.rsa
			case rsa == 1: // the same columns, eight steps ahead
				p.fetchA, p.fetchFrom = p.csa, 8*p.csa
			}
		}
		first := 0
		if j == body { // whole tiles of the tail; the rest has rows of their own
			first = m / tailRows * tailRows
			p.a, p.c, p.tiles = &a[0], &c[j], m/tailRows
			p.stepA, p.stepC = tailRows*p.rsa, tailRows*p.ldc
			if e.Plus != nil {
				p.plus, p.stepPlus = &e.Plus[j], tailRows*p.ldPlus
			}
			if e.Mask != nil {
				p.mask, p.stepMask = &e.Mask[j], tailRows*p.ldMask
			}
			if rsa == 1 {
				f32gemm_tail_turned_avx512(&p)
			} else {
				f32gemm_tail_avx512(&p)
			}
		}
		for i := first; i < m; {
			rows, tiles := rowTiles(m-i, most)
			if k > 0 {
				p.a, p.stepA = &a[i*rsa], uintptr(rows)*p.rsa
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
			p.stepC = uintptr(rows) * p.ldc
			if e.Plus != nil {
				p.plus, p.stepPlus = &e.Plus[i*e.LDPlus+j], uintptr(rows)*p.ldPlus
			}
			if e.Mask != nil {
				p.mask, p.stepMask = &e.Mask[i*e.LDMask+j], uintptr(rows)*p.ldMask
			}
			if set == isaAVX512 {
				gemmTile_avx512(rows, t.nr, &p)
			} else {
				gemmTile_avx2(rows, t.nr, &p)
			}
			i += rows * tiles
		}
		j += t.width
		if e.Done != nil {
			done = e.tell(m, done, j, n)
		}
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
