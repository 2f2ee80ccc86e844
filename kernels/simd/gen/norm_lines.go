package main

import "fmt"

// normLines writes the passes of normalisations over several lines at once, which lie one behind the other: four, or two
// with AVX2. Each line has the lanes that it has alone; their chains fill the waits of one another, and a call costs what
// it costs for one. Scales lie lds bytes apart, which is 0 for one that the lines share.
func (a *asm) normLines() {
	lines, vecs := a.lanes/4, 16/a.lanes
	// ptr is the place of line l behind base, lines being a stride apart.
	ptr := func(base, stride, triple string, l int) string {
		return []string{base, base + ")(" + stride + "*1", base + ")(" + stride + "*2", base + ")(" + triple + "*1"}[l]
	}
	at := func(ptr string, v int) string {
		if v == 0 {
			return "(" + ptr + ")"
		}
		return fmt.Sprintf("%d(%s)", v*a.bytes(), ptr)
	}
	line := func(base string, l int) string { return ptr(base, "BX", "R12", l) }
	own := func(base string, l int) string { return ptr(base, "R13", "AX", l) }
	pairs := func(base string, first, of int) { // numbers of each line, of apart, from register first on
		for l := range lines {
			for i := range of {
				a.p("VBROADCASTSS %d(%s), %s", 4*(2*l+i), base, a.r(first+l*of+i))
			}
		}
	}
	stride := func(off int) {
		a.p("MOVQ ldx+%d(FP), BX", off)
		a.p("LEAQ (BX)(BX*2), R12")
	}
	lanes := func(store bool, accs int) { // accs of each line, in registers from 0 on
		for i := range lines * accs * vecs {
			x, y := fmt.Sprintf("%d(DI)", i*a.bytes()), a.r(i)
			if store {
				x, y = y, x
			}
			a.p("VMOVUPS %s, %s", x, y)
		}
	}
	blocks := func(ptrs []string, work func(v int)) {
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

	a.text("sumlines", "lanes, x *float32, ldx, n int", 32)
	a.args("lanes", "DI", "x", "SI")
	stride(16)
	a.p("MOVQ n+24(FP), CX")
	lanes(false, 1)
	blocks([]string{"SI"}, func(v int) {
		for l := range lines {
			acc := a.r(l*vecs + v)
			a.p("VADDPS %s, %s, %s", at(line("SI", l), v), acc, acc)
		}
	})
	lanes(true, 1)
	a.ret()

	a.text("squareslines", "lanes, x, stats *float32, ldx, n int", 40)
	a.args("lanes", "DI", "x", "SI", "stats", "DX")
	stride(24)
	a.p("MOVQ n+32(FP), CX")
	lanes(false, 1)
	shift := lines * vecs
	for l := range lines {
		a.p("VBROADCASTSS %d(DX), %s", 8*l, a.r(shift+l))
	}
	blocks([]string{"SI"}, func(v int) {
		for l := range lines {
			x := a.r(shift + lines + l)
			a.p("VADDPS %s, %s, %s", at(line("SI", l), v), a.r(shift+l), x)
			a.p("VFMADD231PS %s, %s, %s", x, x, a.r(l*vecs+v))
		}
	})
	lanes(true, 1)
	a.ret()

	a.text("normalizelines", "dst, x, scale, bias, stats *float32, ldx, lds, n int", 64)
	a.args("dst", "DI", "x", "SI", "scale", "DX", "bias", "R8", "stats", "R9")
	stride(40)
	a.p("MOVQ lds+48(FP), R13")
	a.p("MOVQ n+56(FP), CX")
	pairs("R9", 4, 2)
	plain, end := a.fresh("plain"), a.fresh("end")
	a.p("TESTQ R8, R8")
	a.p("JZ %s", plain)
	for _, bias := range []bool{true, false} {
		ptrs := []string{"DI", "SI", "DX"}
		if bias {
			ptrs = append(ptrs, "R8")
		} else {
			a.at(plain)
		}
		a.linesLoop(ptrs, func(m bool) {
			for l := range lines {
				a.ld(line("SI", l), 0, m)
				a.ld(own("DX", l), 1, m)
				a.p("VADDPS %s, %s, %s", a.r(4+2*l), a.r(0), a.r(0))
				a.p("VMULPS %s, %s, %s", a.r(5+2*l), a.r(0), a.r(0))
				a.p("VMULPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
				if bias {
					a.ld(own("R8", l), 2, m)
					a.p("VADDPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
				}
				a.st(0, line("DI", l), m)
			}
		})
		if bias {
			a.p("JMP %s", end)
		}
	}
	a.at(end)
	a.ret()

	a.text("sumslines", "lanes, dy, x, scale, stats *float32, ldx, lds, n int", 64)
	a.args("lanes", "DI", "dy", "SI", "x", "DX", "scale", "R8", "stats", "R9")
	stride(40)
	a.p("MOVQ lds+48(FP), R13")
	a.p("LEAQ (R13)(R13*2), AX")
	a.p("MOVQ n+56(FP), CX")
	lanes(false, 2)
	first := 2 * lines * vecs
	pairs("R9", first, 2)
	blocks([]string{"SI", "DX", "R8"}, func(v int) {
		for l := range lines {
			y, g, acc := a.r(first+2*lines), a.r(first+2*lines+1), 2*l*vecs+v
			a.p("VADDPS %s, %s, %s", at(line("DX", l), v), a.r(first+2*l), y)
			a.p("VMULPS %s, %s, %s", a.r(first+2*l+1), y, y)
			a.p("VMOVUPS %s, %s", at(line("SI", l), v), g)
			a.p("VMULPS %s, %s, %s", at(own("R8", l), v), g, g)
			a.p("VADDPS %s, %s, %s", g, a.r(acc), a.r(acc))
			a.p("VFMADD231PS %s, %s, %s", y, g, a.r(acc+vecs))
		}
	})
	lanes(true, 2)
	a.ret()

	a.text("gradlines", "dst, dy, x, scale, stats, ab *float32, ldx, lds, n int", 72)
	a.args("dst", "DI", "dy", "SI", "x", "DX", "scale", "R8", "stats", "R9", "ab", "R10")
	stride(48)
	a.p("MOVQ lds+56(FP), R13")
	a.p("MOVQ n+64(FP), CX")
	pairs("R9", 3, 2)
	pairs("R10", 3+2*lines, 2)
	a.linesLoop([]string{"DI", "SI", "DX", "R8"}, func(m bool) {
		for l := range lines {
			s, ab := 3+2*l, 3+2*lines+2*l
			a.ld(line("DX", l), 0, m)
			a.ld(line("SI", l), 1, m)
			a.ld(own("R8", l), 2, m)
			a.p("VADDPS %s, %s, %s", a.r(s), a.r(0), a.r(0))
			a.p("VMULPS %s, %s, %s", a.r(s+1), a.r(0), a.r(0))
			a.p("VMULPS %s, %s, %s", a.r(ab+1), a.r(0), a.r(0))
			a.p("VMULPS %s, %s, %s", a.r(2), a.r(1), a.r(1))
			a.p("VADDPS %s, %s, %s", a.r(ab), a.r(1), a.r(1))
			a.p("VADDPS %s, %s, %s", a.r(0), a.r(1), a.r(1))
			a.p("VMULPS %s, %s, %s", a.r(s+1), a.r(1), a.r(1))
			a.st(1, line("DI", l), m)
		}
	})
	a.ret()
}

// linesLoop is loop, with three times the stride of the scales in AX, which making a mask spoils.
func (a *asm) linesLoop(ptrs []string, body func(masked bool)) {
	tail, done := a.fresh("tail"), a.fresh("done")
	a.p("LEAQ (R13)(R13*2), AX")
	loop := a.fresh("loop")
	a.p("SUBQ $%d, CX", a.lanes)
	a.p("JLT %s", tail)
	a.at(loop)
	body(false)
	for _, p := range ptrs {
		a.p("ADDQ $%d, %s", a.bytes(), p)
	}
	a.p("SUBQ $%d, CX", a.lanes)
	a.p("JGE %s", loop)
	a.at(tail)
	a.p("ADDQ $%d, CX", a.lanes)
	a.p("JZ %s", done)
	a.mask()
	a.p("LEAQ (R13)(R13*2), AX")
	body(true)
	a.at(done)
}
