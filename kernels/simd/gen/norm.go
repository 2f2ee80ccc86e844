package main

import "fmt"

// norms writes the passes of normalisations, whose steps round apart as the kernels that they join do. Those that add
// fold whole blocks of 16 into the lanes in memory.
func (a *asm) norms() {
	vecs := 16 / a.lanes
	at := func(ptr string, v int) string { return fmt.Sprintf("%d(%s)", v*a.bytes(), ptr) }
	shift, factor := a.r(12), a.r(13)
	// standard leaves (x + shift)·factor in a register that holds x.
	standard := func(r string) {
		a.p("VADDPS %s, %s, %s", shift, r, r)
		a.p("VMULPS %s, %s, %s", factor, r, r)
	}
	blocks := func(work func(v int), ptrs ...string) {
		loop := a.fresh("loop")
		a.at(loop)
		for v := range vecs {
			work(v)
		}
		for _, p := range ptrs {
			a.p("ADDQ $64, %s", p)
		}
		a.p("SUBQ $16, CX")
		a.p("JGT %s", loop)
	}

	a.text("squaresaround", "lanes, x *float32, n int, shift float32", 28)
	a.args("lanes", "DI", "x", "SI", "n", "CX")
	a.p("VBROADCASTSS shift+24(FP), %s", shift)
	for v := range vecs {
		a.p("VMOVUPS %s, %s", at("DI", v), a.r(v))
	}
	a.p("PCALIGN $32")
	blocks(func(v int) {
		x := a.r(4 + v)
		a.p("VADDPS %s, %s, %s", at("SI", v), shift, x)
		a.p("VFMADD231PS %s, %s, %s", x, x, a.r(v))
	}, "SI")
	for v := range vecs {
		a.p("VMOVUPS %s, %s", a.r(v), at("DI", v))
	}
	a.ret()

	a.text("normalize", "dst, x, scale, bias *float32, n int, shift, factor float32", 48)
	a.args("dst", "DI", "x", "SI", "scale", "DX", "bias", "R8", "n", "CX")
	a.p("VBROADCASTSS shift+40(FP), %s", shift)
	a.p("VBROADCASTSS factor+44(FP), %s", factor)
	plain, done := a.fresh("plain"), a.fresh("done")
	a.p("TESTQ R8, R8")
	a.p("JZ %s", plain)
	for _, bias := range []bool{true, false} {
		ptrs := []string{"DI", "SI", "DX"}
		if bias {
			ptrs = append(ptrs, "R8")
		} else {
			a.at(plain)
		}
		a.loop(ptrs, func(m bool) {
			a.ld("SI", 0, m)
			a.ld("DX", 1, m)
			standard(a.r(0))
			a.p("VMULPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
			if bias {
				a.ld("R8", 2, m)
				a.p("VADDPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
			}
			a.st(0, "DI", m)
		})
		if bias {
			a.p("JMP %s", done)
		}
	}
	a.at(done)
	a.ret()

	a.text("normalizesums", "lanes, p, dy, x, scale *float32, n int, shift, factor float32", 56)
	a.args("lanes", "R8", "p", "DI", "dy", "SI", "x", "DX", "scale", "R9", "n", "CX")
	a.p("VBROADCASTSS shift+48(FP), %s", shift)
	a.p("VBROADCASTSS factor+52(FP), %s", factor)
	for v := range vecs {
		a.p("VMOVUPS %s, %s", at("R8", v), a.r(v))
		a.p("VMOVUPS %s, %s", at("R8", vecs+v), a.r(2+v))
	}
	none, end := a.fresh("none"), a.fresh("end")
	a.p("TESTQ DI, DI")
	a.p("JZ %s", none)
	for _, p := range []bool{true, false} {
		ptrs := []string{"SI", "DX", "R9"}
		if p {
			ptrs = append(ptrs, "DI")
		} else {
			a.at(none)
		}
		blocks(func(v int) {
			y, dy, g := a.r(4+v), a.r(6+v), a.r(8+v)
			a.p("VMOVUPS %s, %s", at("DX", v), y)
			standard(y)
			a.p("VMOVUPS %s, %s", at("SI", v), dy)
			a.p("VMULPS %s, %s, %s", at("R9", v), dy, g)
			if p {
				a.p("VMULPS %s, %s, %s", y, dy, dy)
				a.p("VMOVUPS %s, %s", dy, at("DI", v))
			}
			a.p("VADDPS %s, %s, %s", g, a.r(v), a.r(v))
			a.p("VFMADD231PS %s, %s, %s", y, g, a.r(2+v))
		}, ptrs...)
		if p {
			a.p("JMP %s", end)
		}
	}
	a.at(end)
	for v := range vecs {
		a.p("VMOVUPS %s, %s", a.r(v), at("R8", v))
		a.p("VMOVUPS %s, %s", a.r(2+v), at("R8", vecs+v))
	}
	a.ret()

	a.text("normalizegrad", "dst, dy, x, scale *float32, n int, shift, factor, a, b float32", 56)
	a.args("dst", "DI", "dy", "SI", "x", "DX", "scale", "R8", "n", "CX")
	for i, name := range []string{"shift+40", "factor+44", "a+48", "b+52"} {
		a.p("VBROADCASTSS %s(FP), %s", name, a.r([]int{12, 13, 10, 11}[i]))
	}
	a.loop([]string{"DI", "SI", "DX", "R8"}, func(m bool) {
		a.ld("DX", 0, m)
		a.ld("SI", 1, m)
		a.ld("R8", 2, m)
		standard(a.r(0))
		a.p("VMULPS %s, %s, %s", a.r(11), a.r(0), a.r(0))
		a.p("VMULPS %s, %s, %s", a.r(2), a.r(1), a.r(1))
		a.p("VADDPS %s, %s, %s", a.r(10), a.r(1), a.r(1))
		a.p("VADDPS %s, %s, %s", a.r(0), a.r(1), a.r(1))
		a.p("VMULPS %s, %s, %s", factor, a.r(1), a.r(1))
		a.st(1, "DI", m)
	})
	a.ret()
}

// normSums adds to each column the rows of dy times x as it is standardized, and those of dy to plain if given, in strips
// of a cache line, of which more at a time take longer, then in single vectors, then under a mask; strides are in bytes.
func (a *asm) normSums() {
	a.text("normsums", "scaled, plain, dy, x, stats *float32, ldy, ldx, lds, rows, cols int", 80)
	a.args("scaled", "DI", "plain", "R8", "dy", "SI", "x", "DX")
	a.p("MOVQ ldy+40(FP), BX")
	a.p("MOVQ ldx+48(FP), R10")
	a.p("MOVQ lds+56(FP), R11")
	a.p("MOVQ cols+72(FP), CX")
	y, d, shift, factor := a.r(12), a.r(13), a.r(14), a.r(11)
	rows := func(vecs int, masked bool) {
		at := func(ptr string, v int) string { return fmt.Sprintf("%d(%s)", v*a.bytes(), ptr) }
		load := func(ptr string, v, n int) {
			if masked {
				a.ld(ptr, n, true)
			} else {
				a.p("VMOVUPS %s, %s", at(ptr, v), a.r(n))
			}
		}
		store := func(n int, ptr string, v int) {
			if masked {
				a.st(n, ptr, true)
			} else {
				a.p("VMOVUPS %s, %s", a.r(n), at(ptr, v))
			}
		}
		plain := func(work func()) {
			none := a.fresh("none")
			a.p("TESTQ R8, R8")
			a.p("JZ %s", none)
			work()
			a.at(none)
		}
		for v := range vecs {
			load("DI", v, v)
			a.zero(vecs + v)
		}
		plain(func() {
			for v := range vecs {
				load("R8", v, vecs+v)
			}
		})
		row := a.fresh("row")
		a.p("MOVQ SI, R13")
		a.p("MOVQ DX, AX")
		a.p("MOVQ stats+32(FP), R9")
		a.p("MOVQ rows+64(FP), R12")
		a.at(row)
		a.p("VBROADCASTSS (R9), %s", shift)
		a.p("VBROADCASTSS 4(R9), %s", factor)
		for v := range vecs {
			if masked {
				a.ld("AX", 12, true)
				a.p("VADDPS %s, %s, %s", shift, y, y)
			} else {
				a.p("VADDPS %s, %s, %s", at("AX", v), shift, y)
			}
			load("R13", v, 13)
			a.p("VMULPS %s, %s, %s", factor, y, y)
			a.p("VADDPS %s, %s, %s", d, a.r(vecs+v), a.r(vecs+v))
			a.p("VMULPS %s, %s, %s", y, d, y)
			a.p("VADDPS %s, %s, %s", y, a.r(v), a.r(v))
		}
		a.p("ADDQ BX, R13")
		a.p("ADDQ R10, AX")
		a.p("ADDQ R11, R9")
		a.p("DECQ R12")
		a.p("JNZ %s", row)
		for v := range vecs {
			store(v, "DI", v)
		}
		plain(func() {
			for v := range vecs {
				store(vecs+v, "R8", v)
			}
			a.p("ADDQ $%d, R8", vecs*a.bytes())
		})
	}
	for vecs := 16 / a.lanes; vecs > 0; vecs /= 2 {
		strip, next := a.fresh("strip"), a.fresh("next")
		a.at(strip)
		a.p("CMPQ CX, $%d", vecs*a.lanes)
		a.p("JLT %s", next)
		rows(vecs, false)
		for _, ptr := range []string{"DI", "SI", "DX"} {
			a.p("ADDQ $%d, %s", vecs*a.bytes(), ptr)
		}
		a.p("SUBQ $%d, CX", vecs*a.lanes)
		a.p("JMP %s", strip)
		a.at(next)
	}
	done := a.fresh("done")
	a.p("TESTQ CX, CX")
	a.p("JZ %s", done)
	a.mask()
	rows(1, true)
	a.at(done)
	a.ret()
}
