package main

import "fmt"

// The largest tile of NEON: 24 accumulators, three vectors of B, and five registers for what is broadcast from A.
const (
	neonRows, neonCols = 8, 12
	neonOne            = 8 // vectors of a single row, which needs more columns to hide the latency of its chains
)

// neonGemm is one function. Like gemmKernel, it is tall, with a number of rows that is chosen at run time, or long: a
// single row with a number of vectors that is. The last vector of a row begins p.last bytes after the first: so early that
// it ends at the last column. What two vectors compute has the same bits.
type neonGemm struct {
	*arm
	cols     int // vectors of a row, at most
	rows     int // at most
	long     bool
	acc0, b0 int // registers of the first accumulator and of the first vector of B
}

// gemmFamily writes the kernels of the set and the switch that calls them.
func (a *arm) gemmFamily() {
	sw := "\tif nr > 12 {\n\t\tp.vecs = nr / 4\n\t\tf32gemm_row_neon(p)\n\t\treturn\n\t}\n\tswitch nr {\n"
	(&neonGemm{arm: a, cols: neonOne, rows: 1, long: true, acc0: 16, b0: 8}).write("row")
	for cols := 1; cols <= neonCols/4; cols++ {
		(&neonGemm{arm: a, cols: cols, rows: neonRows, acc0: 8}).write(fmt.Sprint(4 * cols))
		sw += fmt.Sprintf("\tcase %d:\n\t\tf32gemm_%d_neon(p)\n", 4*cols, 4*cols)
	}
	a.switches += "\n// gemmTile_neon computes tiles of mr rows by nr columns.\nfunc gemmTile_neon(mr, nr int, p *gemmArgs) {\n\tp.rows = mr\n" + sw + "\t}\n}\n"
}

// acc is the register of vector v of row i; a long kernel's last vector, whose number is not known, is number cols-1.
func (t *neonGemm) acc(i, v int) int { return t.acc0 + i*t.cols + v }

// least is the fewest vectors of the long kernel.
const neonLeast = 4

// spans visits the vectors of the row at base in as few loads or stores as there can be: n of them from v on, at R9.
func (t *neonGemm) spans(base string, f func(v, n int)) {
	if t.cols > 1 {
		t.p("MOVD %s, R9", base)
	}
	if t.long {
		last := t.fresh("last")
		f(0, neonLeast-1)
		for v := neonLeast - 1; v < t.cols-1; v++ {
			t.p("CMP $%d, R26", v+1)
			t.p("BLE %s", last)
			f(v, 1)
		}
		t.at(last)
	} else if t.cols > 1 {
		f(0, t.cols-1)
	}
	t.p("ADD R23, %s, R9", base)
	f(t.cols-1, 1)
}

// down runs f for each row of the tile.
func (t *neonGemm) down(f func(i int)) {
	end := t.fresh("end")
	for i := range t.rows {
		if i > 0 {
			t.p("CMP $%d, R26", i)
			t.p("BLE %s", end)
		}
		f(i)
	}
	t.at(end)
}

// lines visits the rows of an operand that begins at base and has them stride apart.
func (t *neonGemm) lines(base, stride string, f func(i, v, n int)) {
	t.p("MOVD %s, R8", base)
	t.down(func(i int) {
		t.spans("R8", func(v, n int) { f(i, v, n) })
		if i < t.rows-1 {
			t.p("ADD %s, R8", stride)
		}
	})
}

// write writes the function. It walks down p.tiles tiles of A and C.
func (t *neonGemm) write(name string) {
	t.text("gemm_"+name, "p *gemmArgs", 8)
	t.p("MOVD p+0(FP), R0")
	t.p("MOVD %d(R0), R1", argRSA)
	t.p("MOVD %d(R0), R3", argCSA)
	t.p("MOVD %d(R0), R4", argLDB)
	t.p("MOVD %d(R0), R6", argLDC)
	t.p("MOVD %d(R0), R19", argFlags)
	t.p("MOVD %d(R0), R20", argBias)
	t.p("MOVD %d(R0), R23", argLast)
	t.p("MOVD %d(R0), R5", argC)
	t.p("MOVD %d(R0), R21", argMask)
	t.p("MOVD %d(R0), R22", argPlus)
	t.p("MOVD %d(R0), R24", argA)
	t.p("MOVD %d(R0), R25", argTiles)
	if t.long {
		t.p("MOVD %d(R0), R26", argVecs)
	} else {
		t.p("MOVD %d(R0), R26", argRows)
	}
	next, zero, ready := t.fresh("tile"), t.fresh("zero"), t.fresh("ready")
	done, noBias, noPlus, noRelu, noMask := t.fresh("done"), t.fresh("nobias"), t.fresh("noplus"), t.fresh("norelu"), t.fresh("nomask")
	beside := func(bit int, base string, ld, step int, none string, f func(j, acc int)) {
		t.p("TBZ $%d, R19, %s", bit, none)
		t.p("MOVD %d(R0), R7", ld)
		t.lines(base, "R7", func(i, v, n int) {
			t.p("VLD1.P %d(R9), %s", 16*n, vecs(0, n))
			for j := range n {
				f(j, t.acc(i, v+j))
			}
		})
		t.advance(base, step)
		t.at(none)
	}
	t.at(next)
	t.p("TBZ $0, R19, %s", zero)
	t.lines("R5", "R6", func(i, v, n int) { t.p("VLD1.P %d(R9), %s", 16*n, vecs(t.acc(i, v), n)) })
	t.p("B %s", ready)
	t.at(zero)
	for n := range t.rows * t.cols {
		t.zero(t.acc0 + n)
	}
	t.at(ready)
	t.p("MOVD R24, R10")
	for i := 1; i < t.rows; i++ {
		t.p("ADD R1, R%d, R%d", 9+i, 10+i)
	}
	t.p("MOVD %d(R0), R2", argB)
	t.p("MOVD %d(R0), R7", argK)
	t.p("CBZ R7, %s", done)
	most, least := t.rows, 1
	if t.long {
		most, least = t.cols, neonLeast
	}
	for n := most; n >= least; n-- {
		other := t.fresh("other")
		if n > least {
			t.p("CMP $%d, R26", n)
			t.p("BNE %s", other)
		}
		t.chains(n)
		if n > least {
			t.p("B %s", done)
			t.at(other)
		}
	}
	t.at(done)
	t.p("CBZ R20, %s", noBias)
	if t.long {
		t.spans("R20", func(v, n int) {
			t.p("VLD1.P %d(R9), %s", 16*n, vecs(0, n))
			for j := range n {
				t.op3("FADD", j, t.acc(0, v+j), t.acc(0, v+j))
			}
		})
	} else {
		t.spans("R20", func(v, n int) { t.p("VLD1.P %d(R9), %s", 16*n, vecs(v, n)) })
		t.down(func(i int) {
			for v := range t.cols {
				t.op3("FADD", v, t.acc(i, v), t.acc(i, v))
			}
		})
	}
	t.at(noBias)
	beside(3, "R22", argLDPlus, argStepPlus, noPlus, func(j, acc int) { t.op3("FADD", j, acc, acc) })
	t.p("TBZ $1, R19, %s", noRelu)
	t.down(func(i int) {
		for v := range t.cols {
			x := t.acc(i, v) % 8
			t.op2("FCMLT0", t.acc(i, v), x)
			t.op3("BIC", x, t.acc(i, v), t.acc(i, v))
		}
	})
	t.at(noRelu)
	beside(4, "R21", argLDMask, argStepMask, noMask, func(j, acc int) {
		t.op2("FCMLE0", j, j)
		t.op3("BIC", j, acc, acc)
	})
	t.lines("R5", "R6", func(i, v, n int) { t.p("VST1.P %s, %d(R9)", vecs(t.acc(i, v), n), 16*n) })
	t.advance("R5", argStepC)
	t.advance("R24", argStepA)
	t.p("SUBS $1, R25, R25")
	t.p("BNE %s", next)
	t.ret()
}

// chains writes the loop over k of n rows, or of a row of n vectors.
func (t *neonGemm) chains(n int) {
	loop := t.fresh("k")
	t.at(loop)
	if t.long {
		t.p("VLD1R.P (R10)(R3), [V0.S4]")
		t.p("MOVD R2, R9")
		for v := 0; v < n-1; v += 4 {
			group := min(4, n-1-v)
			t.p("VLD1.P %d(R9), %s", 16*group, vecs(t.b0+v, group))
			for j := range group {
				t.fmla(0, t.b0+v+j, t.acc(0, v+j))
			}
		}
		t.p("ADD R23, R2, R9")
		t.p("VLD1.P 16(R9), %s", vecs(t.b0+t.cols-1, 1))
		t.fmla(0, t.b0+t.cols-1, t.acc(0, t.cols-1))
	} else {
		t.spans("R2", func(v, n int) { t.p("VLD1.P %d(R9), %s", 16*n, vecs(v, n)) })
		for i := range n {
			x := 3 + i%5
			t.p("VLD1R.P (R%d)(R3), [V%d.S4]", 10+i, x)
			for v := range t.cols {
				t.fmla(x, v, t.acc(i, v))
			}
		}
	}
	t.p("ADD R4, R2")
	t.p("SUBS $1, R7, R7")
	t.p("BNE %s", loop)
}

// advance moves a pointer to the next tile.
func (t *neonGemm) advance(ptr string, step int) {
	t.p("MOVD %d(R0), R8", step)
	t.p("ADD R8, %s", ptr)
}
