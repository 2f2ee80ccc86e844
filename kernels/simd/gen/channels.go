package main

// channels writes the passes of normalisations whose statistics are of columns. Steps round apart, as the kernels that they
// join do.
func (a *asm) channels() {
	a.text("rescale", "dst, x, shift, scale, bias *float32, n int", 48)
	a.args("dst", "DI", "x", "SI", "shift", "DX", "scale", "R8", "bias", "R9", "n", "CX")
	a.loop([]string{"DI", "SI", "DX", "R8", "R9"}, func(m bool) {
		a.ld("SI", 0, m)
		a.ld("DX", 1, m)
		a.ld("R8", 2, m)
		a.ld("R9", 3, m)
		a.p("VSUBPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
		a.p("VMULPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
		a.p("VADDPS %s, %s, %s", a.r(3), a.r(0), a.r(0))
		a.st(0, "DI", m)
	})
	a.ret()

	a.text("rescalegrad", "dst, dy, x, shift, scale, bias, along *float32, n int", 64)
	a.args("dst", "DI", "dy", "SI", "x", "DX", "shift", "R8", "scale", "R9", "bias", "R10", "along", "R11", "n", "CX")
	a.loop([]string{"DI", "SI", "DX", "R8", "R9", "R10", "R11"}, func(m bool) {
		for i, p := range []string{"SI", "DX", "R8", "R9", "R10", "R11"} {
			a.ld(p, i, m)
		}
		a.p("VSUBPS %s, %s, %s", a.r(2), a.r(1), a.r(1))
		a.p("VMULPS %s, %s, %s", a.r(5), a.r(1), a.r(1))
		a.p("VMULPS %s, %s, %s", a.r(3), a.r(0), a.r(0))
		a.p("VADDPS %s, %s, %s", a.r(4), a.r(0), a.r(0))
		a.p("VADDPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
		a.st(0, "DI", m)
	})
	a.ret()

	a.columnDots()
}

// columnDots goes down strips of four vectors, then of one, then under a mask; ldx is in bytes.
func (a *asm) columnDots() {
	a.text("columndots", "sum, along, shift, dy, x *float32, ldx, rows, cols int", 64)
	a.args("sum", "DI", "along", "SI", "shift", "DX", "dy", "R8", "x", "R9", "ldx", "BX", "rows", "R10", "cols", "CX")
	alone, done := a.fresh("alone"), a.fresh("done")
	a.p("TESTQ R8, R8")
	a.p("JZ %s", alone)
	for _, dy := range []bool{true, false} {
		ptrs := []string{"DI", "SI", "DX", "R9"}
		if dy {
			ptrs = append(ptrs, "R8")
		} else {
			a.at(alone)
		}
		rows := func(vecs int, masked bool) {
			load := func(ptr string, v, n int) {
				if masked {
					a.ld(ptr, n, true)
				} else {
					a.p("VMOVUPS %d(%s), %s", v*a.bytes(), ptr, a.r(n))
				}
			}
			for v := range vecs {
				load("DI", v, v)
				load("SI", v, 4+v)
				load("DX", v, 8+v)
			}
			row := a.fresh("row")
			a.p("MOVQ R9, R11")
			if dy {
				a.p("MOVQ R8, R12")
			}
			a.p("MOVQ R10, R13")
			a.at(row)
			for v := range vecs {
				load("R11", v, 12)
				a.p("VSUBPS %s, %s, %s", a.r(8+v), a.r(12), a.r(12))
				g := a.r(12)
				if dy {
					load("R12", v, 13)
					g = a.r(13)
				}
				a.p("VADDPS %s, %s, %s", g, a.r(v), a.r(v))
				a.p("VMULPS %s, %s, %s", g, a.r(12), a.r(12))
				a.p("VADDPS %s, %s, %s", a.r(12), a.r(4+v), a.r(4+v))
			}
			a.p("ADDQ BX, R11")
			if dy {
				a.p("ADDQ BX, R12")
			}
			a.p("DECQ R13")
			a.p("JNZ %s", row)
			for v := range vecs {
				for _, s := range []struct {
					ptr string
					n   int
				}{{"DI", v}, {"SI", 4 + v}} {
					if masked {
						a.st(s.n, s.ptr, true)
					} else {
						a.p("VMOVUPS %s, %d(%s)", a.r(s.n), v*a.bytes(), s.ptr)
					}
				}
			}
		}
		for _, vecs := range []int{4, 1} {
			strip, next := a.fresh("strip"), a.fresh("next")
			a.at(strip)
			a.p("CMPQ CX, $%d", vecs*a.lanes)
			a.p("JLT %s", next)
			rows(vecs, false)
			for _, p := range ptrs {
				a.p("ADDQ $%d, %s", vecs*a.bytes(), p)
			}
			a.p("SUBQ $%d, CX", vecs*a.lanes)
			a.p("JMP %s", strip)
			a.at(next)
		}
		a.p("TESTQ CX, CX")
		a.p("JZ %s", done)
		a.mask()
		rows(1, true)
		if dy {
			a.p("JMP %s", done)
		}
	}
	a.at(done)
	a.ret()
}
