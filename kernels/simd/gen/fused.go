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

// sigmoidSoftplus writes the sigmoid of whole blocks of 16 and folds their softplus into the lanes in memory; both are made
// of one exponential.
func (a *asm) sigmoidSoftplus() {
	a.text("sigmoidsoftplus", "lanes, dst, x *float32, n int", 32)
	a.args("lanes", "R8", "dst", "DI", "x", "SI", "n", "CX")
	for _, name := range append([]string{"sign"}, expConsts...) {
		a.use(name)
	}
	for i, name := range []string{"expLo", "magic"} {
		a.use(name)
		a.consts[name] = a.r(12 + i)
		a.p("VMOVUPS %s<>(SB), %s", name, a.r(12+i))
	}
	acc := []string{a.r(14), a.r(15)} // of AVX-512 the first has all lanes
	sums := acc[:16/a.lanes]
	for v, r := range sums {
		a.p("VMOVUPS %d(R8), %s", v*a.bytes(), r)
	}
	body := func() {
		a.ld("SI", 5, false)
		a.softplusParts()
		a.p("VMOVUPS %s, %s", a.c("one"), a.r(2))
		a.bySign(5, 1, 2, 3)
		a.p("VADDPS %s, %s, %s", a.c("one"), a.r(1), a.r(1))
		a.p("VDIVPS %s, %s, %s", a.r(1), a.r(3), a.r(3))
		a.st(3, "DI", false)
	}
	add := func(v int) {
		sum := a.r(0)
		if v == 1 {
			sum = fmt.Sprintf("%s%d", a.reg, a.temps/2)
		}
		to := sums[v%len(sums)]
		a.p("VADDPS %s, %s, %s", sum, to, to)
	}
	single, done := a.fresh("single"), a.fresh("done")
	a.blocks([]string{"DI", "SI"}, 2, single, func() {
		a.pair(body)
		add(0)
		add(1)
	})
	a.at(single)
	if a.wide() { // one block of an odd number of them
		a.p("ADDQ $%d, CX", 2*a.lanes)
		a.p("JZ %s", done)
		body()
		add(0)
		a.at(done)
	}
	for v, r := range sums {
		a.p("VMOVUPS %s, %d(R8)", r, v*a.bytes())
	}
	a.ret()
}
