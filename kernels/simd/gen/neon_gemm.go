package main

import "fmt"

// The largest tile of NEON: 24 accumulators, three vectors of B, and five registers for what is broadcast from A.
const (
	neonRows, neonCols = 8, 12
	neonOne            = 32 // columns of a single row
)

// gemmFamily writes every tile of the set and the switch that calls them.
func (a *arm) gemmFamily() {
	sw := fmt.Sprintf("\nfunc gemmTile_%s(mr, nr int, p *gemmArgs) {\n\tswitch mr<<5 | nr>>2 {\n", a.name)
	for mr := 1; mr <= neonRows; mr++ {
		most := neonCols
		if mr == 1 {
			most = neonOne // a single row needs more columns to hide the latency of its chains
		}
		for nr := 4; nr <= most; nr += 4 {
			a.gemm(mr, nr)
			sw += fmt.Sprintf("\tcase %d<<5 | %d:\n\t\tf32gemm_%dx%d_%s(p)\n", mr, nr/4, mr, nr, a.name)
		}
	}
	a.switches += sw + "\t}\n}\n"
}

// gemm writes one mr by nr tile. It walks down p.tiles tiles of A and C. The last vector of a row begins p.live bytes after
// the first: so early that it ends at the last column. What two vectors compute has the same bits.
func (a *arm) gemm(mr, nr int) {
	cols := nr / 4
	acc0, b0 := 8, 0
	if mr == 1 { // half of the registers are for B
		acc0, b0 = 16, 8
	}
	acc := func(i, v int) int { return acc0 + i*cols + v }
	each := func(f func(i, v int)) {
		for i := range mr {
			for v := range cols {
				f(i, v)
			}
		}
	}
	// spans visits the vectors of the row at base in as few loads or stores as there can be: n of them from v on, at R9.
	spans := func(base string, f func(v, n int)) {
		if cols > 1 {
			a.p("MOVD %s, R9", base)
		}
		for v := 0; v < cols-1; v += 4 {
			f(v, min(4, cols-1-v))
		}
		a.p("ADD R23, %s, R9", base)
		f(cols-1, 1)
	}
	// lines visits the rows of an operand that begins at base and has them stride apart.
	lines := func(base, stride string, f func(i, v, n int)) {
		a.p("MOVD %s, R8", base)
		for i := range mr {
			spans("R8", func(v, n int) { f(i, v, n) })
			if i < mr-1 {
				a.p("ADD %s, R8", stride)
			}
		}
	}

	a.text(fmt.Sprintf("gemm_%dx%d", mr, nr), "p *gemmArgs", 8)
	a.p("MOVD p+0(FP), R0")
	a.p("MOVD %d(R0), R1", argRSA)
	a.p("MOVD %d(R0), R3", argCSA)
	a.p("MOVD %d(R0), R4", argLDB)
	a.p("MOVD %d(R0), R6", argLDC)
	a.p("MOVD %d(R0), R19", argFlags)
	a.p("MOVD %d(R0), R20", argBias)
	a.p("MOVD %d(R0), R23", argLive)
	a.p("MOVD %d(R0), R5", argC)
	a.p("MOVD %d(R0), R21", argMask)
	a.p("MOVD %d(R0), R22", argLDMask)
	a.p("MOVD %d(R0), R24", argA)
	a.p("MOVD %d(R0), R25", argTiles)
	next, zero, ready := a.fresh("tile"), a.fresh("zero"), a.fresh("ready")
	loop, done, noBias, noRelu, noMask := a.fresh("k"), a.fresh("done"), a.fresh("nobias"), a.fresh("norelu"), a.fresh("nomask")
	a.at(next)
	a.p("TBZ $0, R19, %s", zero)
	lines("R5", "R6", func(i, v, n int) { a.p("VLD1.P %d(R9), %s", 16*n, vecs(acc(i, v), n)) })
	a.p("B %s", ready)
	a.at(zero)
	each(func(i, v int) { a.zero(acc(i, v)) })
	a.at(ready)
	a.p("MOVD R24, R10")
	for i := 1; i < mr; i++ {
		a.p("ADD R1, R%d, R%d", 9+i, 10+i)
	}
	a.p("MOVD %d(R0), R2", argB)
	a.p("MOVD %d(R0), R7", argK)
	a.p("CBZ R7, %s", done)
	a.at(loop)
	if mr == 1 {
		a.p("VLD1R.P (R10)(R3), [V0.S4]")
		spans("R2", func(v, n int) {
			a.p("VLD1.P %d(R9), %s", 16*n, vecs(b0+v, n))
			for j := range n {
				a.fmla(0, b0+v+j, acc(0, v+j))
			}
		})
	} else {
		spans("R2", func(v, n int) { a.p("VLD1.P %d(R9), %s", 16*n, vecs(b0+v, n)) })
		for i := range mr {
			x := 3 + i%5
			a.p("VLD1R.P (R%d)(R3), [V%d.S4]", 10+i, x)
			for v := range cols {
				a.fmla(x, b0+v, acc(i, v))
			}
		}
	}
	a.p("ADD R4, R2")
	a.p("SUBS $1, R7, R7")
	a.p("BNE %s", loop)
	a.at(done)
	a.p("CBZ R20, %s", noBias)
	spans("R20", func(v, n int) {
		a.p("VLD1.P %d(R9), %s", 16*n, vecs(0, n))
		for j := range n {
			for i := range mr {
				a.op3("FADD", j, acc(i, v+j), acc(i, v+j))
			}
		}
	})
	a.at(noBias)
	a.p("TBZ $1, R19, %s", noRelu)
	each(func(i, v int) {
		x := acc(i, v) % 8
		a.op2("FCMLT0", acc(i, v), x)
		a.op3("BIC", x, acc(i, v), acc(i, v))
	})
	a.at(noRelu)
	a.p("CBZ R21, %s", noMask)
	lines("R21", "R22", func(i, v, n int) {
		a.p("VLD1.P %d(R9), %s", 16*n, vecs(0, n))
		for j := range n {
			a.op2("FCMLE0", j, j)
			a.op3("BIC", j, acc(i, v+j), acc(i, v+j))
		}
	})
	a.advance("R21", mr, "R22")
	a.at(noMask)
	lines("R5", "R6", func(i, v, n int) { a.p("VST1.P %s, %d(R9)", vecs(acc(i, v), n), 16*n) })
	a.advance("R5", mr, "R6")
	a.advance("R24", mr, "R1")
	a.p("SUBS $1, R25, R25")
	a.p("BNE %s", next)
	a.ret()
}

// advance moves a pointer down by mr rows.
func (a *arm) advance(ptr string, mr int, stride string) {
	a.p("MOVD $%d, R8", mr)
	a.p("MUL %s, R8, R8", stride)
	a.p("ADD R8, %s", ptr)
}
