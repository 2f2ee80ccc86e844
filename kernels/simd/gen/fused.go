package main

import "fmt"

// squaredError folds the squares of y - t of whole blocks of 16 into the lanes in memory and, unless dst is nil, writes
// the differences times s. Square and addition round apart, as Mul and Sum do.
func (a *asm) squaredError() {
	a.text("squarederror", "lanes, dst, y, t *float32, n int, s float32", 44)
	a.args("lanes", "R8", "dst", "DI", "y", "SI", "t", "DX", "n", "CX")
	a.p("VBROADCASTSS s+40(FP), %s", a.r(12))
	vecs := 16 / a.lanes
	at := func(ptr string, v int) string { return fmt.Sprintf("%d(%s)", v*a.bytes(), ptr) }
	for v := range vecs {
		a.p("VMOVUPS %s, %s", at("R8", v), a.r(v))
	}
	sums, done := a.fresh("sums"), a.fresh("done")
	a.p("TESTQ DI, DI")
	a.p("JZ %s", sums)
	for _, write := range []bool{true, false} {
		loop := a.fresh("loop")
		if !write {
			a.at(sums)
		}
		a.at(loop)
		for v := range vecs {
			d, q := a.r(4+v), a.r(8+v)
			a.p("VMOVUPS %s, %s", at("SI", v), d)
			a.p("VSUBPS %s, %s, %s", at("DX", v), d, d)
			a.p("VMULPS %s, %s, %s", d, d, q)
			a.p("VADDPS %s, %s, %s", q, a.r(v), a.r(v))
			if write {
				a.p("VMULPS %s, %s, %s", a.r(12), d, d)
				a.p("VMOVUPS %s, %s", d, at("DI", v))
			}
		}
		if write {
			a.p("ADDQ $64, DI")
		}
		a.p("ADDQ $64, SI")
		a.p("ADDQ $64, DX")
		a.p("SUBQ $16, CX")
		a.p("JGT %s", loop)
		if write {
			a.p("JMP %s", done)
		}
	}
	a.at(done)
	for v := range vecs {
		a.p("VMOVUPS %s, %s", a.r(v), at("R8", v))
	}
	a.ret()
}
