package main

import "fmt"

// squaredError adds, for each row, the squares of y - t to sixteen lanes and, unless dst is nil, writes the differences
// times s; strides are in bytes. Square and addition round apart, as Mul and Sum do. A row's lanes begin as those in
// memory, or at 0 without them, and end there, or folded by halves into its place of sums, if these are given. Columns
// beyond the last whole block count as squares of 0, which leave a sum of squares as it is.
func (a *asm) squaredError() {
	a.text("squarederror", "sums, lanes, dst, y, t *float32, ldd, ldy, ldt, rows, cols int, s float32", 84)
	a.args("sums", "R8", "lanes", "R9", "dst", "DI", "y", "SI", "t", "DX", "ldd", "R10", "ldy", "R11", "ldt", "R12", "rows", "R13", "cols", "CX")
	a.p("VBROADCASTSS s+80(FP), %s", a.r(12))
	vecs := 16 / a.lanes
	masks := []string{"Y15", "Y14"}
	a.p("MOVQ CX, BX")
	a.p("ANDQ $-16, BX")
	a.p("SUBQ BX, CX")
	if a.wide() {
		a.p("MOVQ CX, R14")
		a.mask()
		a.p("MOVQ R14, CX")
	} else {
		a.use("lanes16")
		a.p("MOVQ CX, R14")
		a.p("SHLQ $2, R14")
		a.p("LEAQ lanes16<>+64(SB), AX")
		a.p("SUBQ R14, AX")
		for v, mask := range masks {
			a.p("VMOVUPS %d(AX), %s", v*a.bytes(), mask)
		}
	}
	a.p("SHLQ $2, BX")
	at := func(ptr string, v int) string { return fmt.Sprintf("%d(%s)(AX*1)", v*a.bytes(), ptr) }
	load := func(masked bool, ptr string, v int, r string) {
		switch {
		case !masked:
			a.p("VMOVUPS %s, %s", at(ptr, v), r)
		case a.wide():
			a.p("VMOVUPS.Z %s, K1, %s", at(ptr, v), r)
		default:
			a.p("VMASKMOVPS %s, %s, %s", at(ptr, v), masks[v], r)
		}
	}
	block := func(write, masked bool) {
		for v := range vecs {
			d, q := a.r(4+v), a.r(8+v)
			load(masked, "SI", v, d)
			if masked {
				load(true, "DX", v, q)
				a.p("VSUBPS %s, %s, %s", q, d, d)
			} else {
				a.p("VSUBPS %s, %s, %s", at("DX", v), d, d)
			}
			a.p("VMULPS %s, %s, %s", d, d, q)
			a.p("VADDPS %s, %s, %s", q, a.r(v), a.r(v))
			if write {
				a.p("VMULPS %s, %s, %s", a.r(12), d, d)
				if !masked {
					a.p("VMOVUPS %s, %s", d, at("DI", v))
				}
			}
		}
		if write && masked {
			a.storePart(4, "(DI)(AX*1)")
		}
	}
	only, done := a.fresh("only"), a.fresh("done")
	a.p("TESTQ DI, DI")
	a.p("JZ %s", only)
	for _, write := range []bool{true, false} {
		row, zero, begin, loop, tail, end, lanes, next := a.fresh("row"), a.fresh("zero"), a.fresh("begin"), a.fresh("loop"), a.fresh("tail"), a.fresh("end"), a.fresh("lanes"), a.fresh("next")
		if !write {
			a.at(only)
		}
		a.at(row)
		a.p("TESTQ R9, R9")
		a.p("JZ %s", zero)
		for v := range vecs {
			a.p("VMOVUPS %d(R9), %s", v*a.bytes(), a.r(v))
		}
		a.p("ADDQ $64, R9")
		a.p("JMP %s", begin)
		a.at(zero)
		for v := range vecs {
			a.zero(v)
		}
		a.at(begin)
		a.p("MOVQ $0, AX")
		a.p("TESTQ BX, BX")
		a.p("JZ %s", tail)
		a.at(loop)
		block(write, false)
		a.p("ADDQ $64, AX")
		a.p("CMPQ AX, BX")
		a.p("JLT %s", loop)
		a.at(tail)
		a.p("TESTQ CX, CX")
		a.p("JZ %s", end)
		block(write, true)
		a.at(end)
		a.p("TESTQ R8, R8")
		a.p("JZ %s", lanes)
		a.halves()
		a.p("VMOVSS X0, (R8)")
		a.p("ADDQ $4, R8")
		a.p("JMP %s", next)
		a.at(lanes)
		for v := range vecs {
			a.p("VMOVUPS %s, %d(R9)", a.r(v), v*a.bytes()-64)
		}
		a.at(next)
		if write {
			a.p("ADDQ R10, DI")
		}
		a.p("ADDQ R11, SI")
		a.p("ADDQ R12, DX")
		a.p("DECQ R13")
		a.p("JNZ %s", row)
		if write {
			a.p("JMP %s", done)
		}
	}
	a.at(done)
	a.ret()
}

// storePart writes the first CX of less than sixteen lanes, in register n or in n and n+1, at the address, of which it advances
// AX. They are written by halves: the next row of what is changed in place begins within the vector that a masked store
// would touch, and its load would wait for that store to leave the core.
func (a *asm) storePart(n int, to string) {
	x, y := fmt.Sprintf("X%d", n), fmt.Sprintf("Y%d", n)
	for _, lanes := range []int{8, 4, 2, 1} {
		less := a.fresh("less")
		a.p("TESTQ $%d, CX", lanes)
		a.p("JZ %s", less)
		switch lanes {
		case 8:
			a.p("VMOVUPS %s, %s", y, to)
			if a.wide() {
				a.p("VEXTRACTF64X4 $1, %s, %s", a.r(n), y)
			} else {
				a.p("VMOVAPS %s, %s", a.r(n+1), y)
			}
		case 4:
			a.p("VMOVUPS %s, %s", x, to)
			a.p("VEXTRACTF128 $1, %s, %s", y, x)
		case 2:
			a.p("VMOVLPS %s, %s", x, to)
			a.p("VPERMILPS $14, %s, %s", x, x)
		case 1:
			a.p("VMOVSS %s, %s", x, to)
		}
		if lanes > 1 {
			a.p("ADDQ $%d, AX", 4*lanes)
		}
		a.at(less)
	}
}

// halves adds sixteen lanes, in register 0 or in 0 and 1, in the order of the Go function: i with i+8, then +4, +2, +1. The
// sum is the lowest lane of register 0; it spoils 1.
func (a *asm) halves() {
	if a.wide() {
		a.p("VEXTRACTF64X4 $1, Z0, Y1")
	}
	a.p("VADDPS Y1, Y0, Y0")
	a.p("VEXTRACTF128 $1, Y0, X1")
	a.p("VADDPS X1, X0, X0")
	a.p("VPERMILPS $14, X0, X1")
	a.p("VADDPS X1, X0, X0")
	a.p("VMOVSHDUP X0, X1")
	a.p("VADDPS X1, X0, X0")
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
