package main

import "fmt"

// Offsets of gemmArgs; a test of package simd holds them against the Go struct.
const (
	argA = 8 * iota
	argRSA
	argCSA
	argB
	argLDB
	argC
	argLDC
	argBias
	argK
	argTiles
	argLive
	argFlags
	argMask
	argLDMask
)

// gemmFamily writes every tile of the set and the switch that calls them.
func (a *asm) gemmFamily() {
	rows, cols, one := 6, 16, 64
	if a.wide() {
		rows, cols, one = 8, 48, 128
	}
	sw := fmt.Sprintf("\nfunc gemmTile_%s(mr, nr int, p *gemmArgs) {\n\tswitch mr<<5 | nr>>3 {\n", a.name)
	for mr := 1; mr <= rows; mr++ {
		most := cols
		if mr == 1 {
			most = one // a single row needs more columns to hide the latency of its chains
		}
		for nr := 8; nr <= most; nr += 8 {
			a.gemm(mr, nr)
			sw += fmt.Sprintf("\tcase %d<<5 | %d:\n\t\tf32gemm_%dx%d_%s(p)\n", mr, nr/8, mr, nr, a.name)
		}
	}
	a.switches += sw + "\t}\n}\n"
}

// row addresses row i: rows 0-3 from base, rows 4-7 from base4, strides and three strides in registers.
func row(i int, base, base4, stride, three string, disp int) string {
	if i >= 4 {
		base, i = base4, i-4
	}
	d := ""
	if disp != 0 {
		d = fmt.Sprint(disp)
	}
	switch i {
	case 1, 2:
		return fmt.Sprintf("%s(%s)(%s*%d)", d, base, stride, i)
	case 3:
		return fmt.Sprintf("%s(%s)(%s*1)", d, base, three)
	}
	return fmt.Sprintf("%s(%s)", d, base)
}

// gemm writes one mr by nr tile. It walks down p.tiles tiles of A and C.
func (a *asm) gemm(mr, nr int) {
	vecs := (nr + a.lanes - 1) / a.lanes
	acc0 := 4
	if a.wide() {
		acc0 = 8
	}
	half := a.wide() && nr%16 == 8
	// reg names register n as part of column vector v: the last may be a half.
	reg := func(n, v int) string {
		if half && v == vecs-1 {
			return fmt.Sprintf("Y%d", n)
		}
		return a.r(n)
	}
	acc := func(i, v int) string { return reg(acc0+i*vecs+v, v) }
	aRow := func(i int) string { return row(i, "SI", "R13", "AX", "R8", 0) }
	cRow := func(i, v int) string { return row(i, "R10", "R13", "R11", "R12", v*a.bytes()) }
	each := func(f func(i, v int)) {
		for i := range mr {
			for v := range vecs {
				f(i, v)
			}
		}
	}
	// ld and st touch only live columns: the last vector goes through the mask.
	ld := func(addr string, v int, dst string, full bool) {
		switch {
		case full || v < vecs-1:
			a.p("VMOVUPS %s, %s", addr, dst)
		case a.wide():
			a.p("VMOVUPS.Z %s, K1, %s", addr, dst)
		default:
			a.p("VMASKMOVPS %s, Y3, %s", addr, dst)
		}
	}
	st := func(src string, v int, addr string, full bool) {
		switch {
		case full || v < vecs-1:
			a.p("VMOVUPS %s, %s", src, addr)
		case a.wide():
			a.p("VMOVUPS %s, K1, %s", src, addr)
		default:
			a.p("VMASKMOVPS %s, Y3, %s", src, addr)
		}
	}

	a.text(fmt.Sprintf("gemm_%dx%d", mr, nr), "p *gemmArgs", 8)
	a.p("MOVQ p+0(FP), DI")
	a.p("MOVQ %d(DI), AX", argRSA)
	a.p("MOVQ %d(DI), BX", argCSA)
	a.p("MOVQ %d(DI), R9", argLDB)
	a.p("MOVQ %d(DI), R11", argLDC)
	a.p("LEAQ (AX)(AX*2), R8")
	a.p("LEAQ (R11)(R11*2), R12")
	direct := mr == 1 && vecs > 2 // B straight from memory: no register is used twice
	masked := ""
	if a.wide() {
		a.p("KMOVW %d(DI), K1", argLive)
	} else {
		a.use("lanes")
		masked = a.fresh("masked")
		a.p("MOVQ %d(DI), CX", argLive)
		a.p("CMPQ CX, $8")
		a.p("JNE %s", masked)
	}
	// AVX2 has the tile twice: with the last vector whole, and through VMASKMOVPS.
	tile := func(full bool) {
		next, zero, ready := a.fresh("tile"), a.fresh("zero"), a.fresh("ready")
		loop, done, noBias, noRelu, noMask := a.fresh("k"), a.fresh("done"), a.fresh("nobias"), a.fresh("norelu"), a.fresh("nomask")
		a.at(next)
		a.p("MOVQ %d(DI), R10", argC)
		a.p("TESTQ $1, %d(DI)", argFlags)
		a.p("JZ %s", zero)
		if mr > 4 {
			a.p("LEAQ (R10)(R11*4), R13")
		}
		each(func(i, v int) { ld(cRow(i, v), v, acc(i, v), full) })
		a.p("JMP %s", ready)
		a.at(zero)
		each(func(i, v int) { a.zero(acc0 + i*vecs + v) })
		a.at(ready)
		a.p("MOVQ %d(DI), SI", argA)
		a.p("MOVQ %d(DI), DX", argB)
		a.p("MOVQ %d(DI), CX", argK)
		a.p("TESTQ CX, CX")
		a.p("JZ %s", done)
		if mr > 4 {
			a.p("LEAQ (SI)(AX*4), R13")
		}
		a.p("PCALIGN $32")
		a.at(loop)
		bAt := func(v int) string { return fmt.Sprintf("%d(DX)", v*a.bytes()) }
		if direct {
			a.p("VBROADCASTSS (SI), %s", a.r(2))
			for v := range vecs - 1 {
				a.p("VFMADD231PS %s, %s, %s", bAt(v), a.r(2), acc(0, v))
			}
			ld(bAt(vecs-1), vecs-1, reg(0, vecs-1), full)
			a.p("VFMADD231PS %s, %s, %s", reg(0, vecs-1), reg(2, vecs-1), acc(0, vecs-1))
		}
		for v := range vecs {
			if !direct {
				ld(bAt(v), v, reg(v, v), full)
			}
		}
		for i := range mr {
			if direct {
				break
			}
			if a.wide() && vecs == 1 { // a register broadcast that feeds one FMA would bind
				a.p("VFMADD231PS.BCST %s, %s, %s", aRow(i), reg(0, 0), acc(i, 0))
				continue
			}
			b := 2
			if a.wide() {
				b = 3 + i%4
			}
			a.p("VBROADCASTSS %s, %s", aRow(i), a.r(b))
			for v := range vecs {
				a.p("VFMADD231PS %s, %s, %s", reg(b, v), reg(v, v), acc(i, v))
			}
		}
		a.p("ADDQ BX, SI")
		if mr > 4 {
			a.p("ADDQ BX, R13")
		}
		a.p("ADDQ R9, DX")
		a.p("DECQ CX")
		a.p("JNZ %s", loop)
		a.at(done)
		a.p("MOVQ %d(DI), DX", argBias)
		a.p("TESTQ DX, DX")
		a.p("JZ %s", noBias)
		for v := range vecs {
			ld(bAt(v), v, reg(0, v), full)
			for i := range mr {
				a.p("VADDPS %s, %s, %s", reg(0, v), acc(i, v), acc(i, v))
			}
		}
		a.at(noBias)
		a.p("TESTQ $2, %d(DI)", argFlags)
		a.p("JZ %s", noRelu)
		a.zero(0)
		each(func(i, v int) { a.p("VMAXPS %s, %s, %s", acc(i, v), reg(0, v), acc(i, v)) })
		a.at(noRelu)
		a.p("MOVQ %d(DI), SI", argMask)
		a.p("TESTQ SI, SI")
		a.p("JZ %s", noMask)
		a.p("MOVQ %d(DI), AX", argLDMask)
		a.p("LEAQ (AX)(AX*2), R8")
		if mr > 4 {
			a.p("LEAQ (SI)(AX*4), R13")
		}
		a.zero(1)
		each(func(i, v int) {
			ld(row(i, "SI", "R13", "AX", "R8", v*a.bytes()), v, reg(0, v), full)
			if a.wide() {
				a.p("VCMPPS $18, %s, %s, K2", reg(1, v), reg(0, v))
				a.p("VMOVAPS %s, K2, %s", reg(1, v), acc(i, v))
			} else {
				a.p("VCMPPS $18, Y1, Y0, Y0")
				a.p("VANDNPS %s, Y0, %s", acc(i, v), acc(i, v))
			}
		})
		a.p("IMUL3Q $%d, AX, DX", mr)
		a.p("ADDQ DX, %d(DI)", argMask)
		a.p("MOVQ %d(DI), AX", argRSA)
		a.p("LEAQ (AX)(AX*2), R8")
		a.at(noMask)
		if mr > 4 {
			a.p("LEAQ (R10)(R11*4), R13")
		}
		each(func(i, v int) { st(acc(i, v), v, cRow(i, v), full) })
		a.p("IMUL3Q $%d, R11, DX", mr)
		a.p("ADDQ DX, %d(DI)", argC)
		a.p("IMUL3Q $%d, AX, DX", mr)
		a.p("ADDQ DX, %d(DI)", argA)
		a.p("DECQ %d(DI)", argTiles)
		a.p("JNZ %s", next)
		a.ret()
	}
	if a.wide() {
		tile(false)
		return
	}
	tile(true)
	a.at(masked)
	a.p("LEAQ lanes<>+32(SB), DX")
	a.p("SHLQ $2, CX")
	a.p("SUBQ CX, DX")
	a.p("VMOVUPS (DX), Y3")
	tile(false)
}

func (a *asm) zero(n int) {
	if a.wide() {
		a.p("VPXORD %s, %s, %s", a.r(n), a.r(n), a.r(n))
	} else {
		a.p("VXORPS %s, %s, %s", a.r(n), a.r(n), a.r(n))
	}
}
