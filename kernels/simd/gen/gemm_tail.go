package main

// gemmTail writes the kernel of the last four columns of C. Sixteen rows are computed turned, one in each lane: four vectors
// of accumulators, where tiles would leave most of a vector's lanes without work. The chains are those of the other kernels.
//
// Of a row-major A, whose k must be a multiple of four, four steps are read at once, 16 bytes from each row, and turned
// within groups of four lanes: row 4l+i in group l of vector i becomes lane 4l+i of the vector of each step. The rows of an A
// that is turned already lie beside each other.
func (a *asm) gemmTail(turned bool) {
	bases := []string{"SI", "R13", "R14", "R10"} // rows 0, 4, 8, 12
	point := func(arg int, stride string) {
		a.p("MOVQ %d(DI), SI", arg)
		a.p("LEAQ (SI)(%s*4), R13", stride)
		a.p("LEAQ (SI)(%s*8), R14", stride)
		a.p("LEAQ (R13)(%s*8), R10", stride)
	}
	read := func(first int, stride, three string) {
		for i := range 4 {
			a.p("VMOVUPS %s, X%d", row(i, bases[0], "", stride, three, 0), first+i)
			for l := 1; l < 4; l++ {
				a.p("VINSERTF32X4 $%d, %s, Z%d, Z%d", l, row(i, bases[l], "", stride, three, 0), first+i, first+i)
			}
		}
	}
	// turn turns 4 by 4 in each group of lanes; it is its own inverse. It spoils Z4 to Z7.
	turn := func(from, to int) {
		for i := range 2 {
			a.p("VUNPCKLPS Z%d, Z%d, Z%d", from+2*i+1, from+2*i, 4+2*i)
			a.p("VUNPCKHPS Z%d, Z%d, Z%d", from+2*i+1, from+2*i, 5+2*i)
		}
		for i := range 2 {
			a.p("VUNPCKLPD Z%d, Z%d, Z%d", 6+i, 4+i, to+2*i)
			a.p("VUNPCKHPD Z%d, Z%d, Z%d", 6+i, 4+i, to+2*i+1)
		}
	}
	const acc = 8
	name := "gemm_tail"
	if turned {
		name = "gemm_tail_turned"
	}
	a.text(name, "p *gemmArgs", 8)
	a.p("MOVQ p+0(FP), DI")
	a.p("MOVQ %d(DI), AX", argRSA)
	a.p("MOVQ %d(DI), R9", argLDB)
	a.p("MOVQ %d(DI), R11", argLDC)
	a.p("LEAQ (AX)(AX*2), R8")
	a.p("LEAQ (R9)(R9*2), R12")
	a.p("LEAQ (R11)(R11*2), BX")
	next, zero, ready, loop := a.fresh("tile"), a.fresh("zero"), a.fresh("ready"), a.fresh("k")
	noBias, noPlus, noRelu, noMask := a.fresh("nobias"), a.fresh("noplus"), a.fresh("norelu"), a.fresh("nomask")
	beside := func(flag, arg, ld int, none string, f func(i int)) {
		a.p("TESTQ $%d, %d(DI)", flag, argFlags)
		a.p("JZ %s", none)
		a.p("MOVQ %d(DI), DX", ld)
		a.p("LEAQ (DX)(DX*2), CX")
		point(arg, "DX")
		read(acc, "DX", "CX")
		for i := range 4 {
			f(i)
		}
		a.at(none)
	}
	a.at(next)
	a.p("TESTQ $%d, %d(DI)", flagAccumulate, argFlags)
	a.p("JZ %s", zero)
	point(argC, "R11")
	read(0, "R11", "BX")
	turn(0, acc)
	a.p("JMP %s", ready)
	a.at(zero)
	for c := range 4 {
		a.zero(acc + c)
	}
	a.at(ready)
	a.p("MOVQ %d(DI), DX", argB)
	a.p("MOVQ %d(DI), CX", argK)
	step := func(k int) {
		for c := range 4 {
			a.p("VFMADD231PS.BCST %s, Z%d, Z%d", row(k, "DX", "", "R9", "R12", 4*c), k, acc+c)
		}
	}
	if turned {
		a.p("MOVQ %d(DI), SI", argA)
		a.p("MOVQ %d(DI), R8", argCSA)
		a.at(loop)
		a.p("VMOVUPS (SI), Z0")
		step(0)
		a.p("ADDQ R8, SI")
		a.p("ADDQ R9, DX")
		a.p("DECQ CX")
	} else {
		point(argA, "AX")
		a.at(loop)
		read(0, "AX", "R8")
		turn(0, 0)
		for k := range 4 {
			step(k)
		}
		for _, b := range bases {
			a.p("ADDQ $16, %s", b)
		}
		a.p("LEAQ (DX)(R9*4), DX")
		a.p("SUBQ $4, CX")
	}
	a.p("JNZ %s", loop)
	turn(acc, 0)
	a.p("MOVQ %d(DI), DX", argBias)
	a.p("TESTQ DX, DX")
	a.p("JZ %s", noBias)
	a.p("VBROADCASTF32X4 (DX), Z4")
	for i := range 4 {
		a.p("VADDPS Z4, Z%d, Z%d", i, i)
	}
	a.at(noBias)
	beside(flagPlus, argPlus, argLDPlus, noPlus, func(i int) { a.p("VADDPS Z%d, Z%d, Z%d", acc+i, i, i) })
	a.zero(5)
	a.p("TESTQ $%d, %d(DI)", flagRelu, argFlags)
	a.p("JZ %s", noRelu)
	for i := range 4 {
		a.p("VMAXPS Z%d, Z5, Z%d", i, i)
	}
	a.at(noRelu)
	beside(flagMask, argMask, argLDMask, noMask, func(i int) {
		a.p("VCMPPS $18, Z5, Z%d, K2", acc+i)
		a.p("VMOVAPS Z5, K2, Z%d", i)
	})
	point(argC, "R11")
	for i := range 4 {
		a.p("VMOVUPS X%d, %s", i, row(i, bases[0], "", "R11", "BX", 0))
		for l := 1; l < 4; l++ {
			a.p("VEXTRACTF32X4 $%d, Z%d, %s", l, i, row(i, bases[l], "", "R11", "BX", 0))
		}
	}
	a.tileAfter(next)
}

// tileAfter goes on with the next tile, or returns. Behind the last one the pointers among the arguments stay where they are:
// the garbage collector reads them, and must not find one that points behind its matrix.
func (a *asm) tileAfter(next string) {
	last := a.fresh("last")
	a.p("DECQ %d(DI)", argTiles)
	a.p("JZ %s", last)
	for _, arg := range [][2]int{{argC, argStepC}, {argA, argStepA}, {argPlus, argStepPlus}, {argMask, argStepMask}} {
		a.p("MOVQ %d(DI), DX", arg[1])
		a.p("ADDQ DX, %d(DI)", arg[0])
	}
	a.p("JMP %s", next)
	a.at(last)
	a.ret()
}
