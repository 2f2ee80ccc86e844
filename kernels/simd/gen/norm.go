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
		a.p("PCALIGN $32")
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
	blocks(func(v int) {
		y, dy, g := a.r(4+v), a.r(6+v), a.r(8+v)
		a.p("VMOVUPS %s, %s", at("DX", v), y)
		standard(y)
		a.p("VMOVUPS %s, %s", at("SI", v), dy)
		a.p("VMULPS %s, %s, %s", at("R9", v), dy, g)
		a.p("VMULPS %s, %s, %s", y, dy, dy)
		a.p("VMOVUPS %s, %s", dy, at("DI", v))
		a.p("VADDPS %s, %s, %s", g, a.r(v), a.r(v))
		a.p("VFMADD231PS %s, %s, %s", y, g, a.r(2+v))
	}, "DI", "SI", "DX", "R9")
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
