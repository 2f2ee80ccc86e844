//go:build arm64 && !noasm

package simd

func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	if s.isa[opGemm] == isaGo {
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
		return
	}
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
	limit := s.columns(m, n, k, csa > rsa, ldb)
	done := 0
	for j := 0; j < n; {
		t := s.panel(n-j, limit)
		if t.nr == 0 {
			last := Epilogue{Bias: rest(e.Bias, j), Plus: rest(e.Plus, j), LDPlus: e.LDPlus, Relu: e.Relu, Mask: rest(e.Mask, j), LDMask: e.LDMask}
			gemmGo(m, n-j, k, a, rsa, csa, rest(b, j), ldb, c[j:], ldc, accumulate, last)
			if e.Done != nil {
				e.tell(m, done, n, n)
			}
			return
		}
		p.last = t.last
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		most := s.rows(m, k, t.nr)
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, most)
			if k > 0 {
				p.a, p.b, p.stepA = &a[i*rsa], &b[j], uintptr(rows)*p.rsa
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
			p.stepC = uintptr(rows) * p.ldc
			if e.Plus != nil {
				p.plus, p.stepPlus = &e.Plus[i*e.LDPlus+j], uintptr(rows)*p.ldPlus
			}
			if e.Mask != nil {
				p.mask, p.stepMask = &e.Mask[i*e.LDMask+j], uintptr(rows)*p.ldMask
			}
			gemmTile_neon(rows, t.nr, &p)
			i += rows * tiles
		}
		j += t.width
		if e.Done != nil {
			done = e.tell(m, done, j, n)
		}
	}
}
