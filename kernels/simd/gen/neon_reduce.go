package main

import "fmt"

// lanes loads the sixteen lanes at R0 into registers 0 to 3, or stores them there.
func (a *arm) lanesIn()  { a.p("VLD1 (R0), %s", vecs(0, 4)) }
func (a *arm) lanesOut() { a.p("VST1 %s, (R0)", vecs(0, 4)) }

// reductions fold whole blocks of 16 elements into the 16 lanes in memory.
func (a *arm) reductions() {
	const args = "lanes, x, y *float32, n int"
	sw := fmt.Sprintf("\nfunc vectorReduce_%s(o op, %s) {\n\tswitch o {\n", a.name, args)
	for _, op := range []string{"sum", "dot"} {
		a.text(op, args, 32)
		a.args("lanes", "R0", "x", "R1", "y", "R2", "n", "R3")
		a.lanesIn()
		a.blocks(func() {
			a.p("VLD1.P 64(R1), %s", vecs(4, 4))
			if op != "sum" {
				a.p("VLD1.P 64(R2), %s", vecs(16, 4))
			}
			for v := range 4 {
				switch op {
				case "sum":
					a.op3("FADD", 4+v, v, v)
				case "dot":
					a.fmla(16+v, 4+v, v)
				}
			}
		})
		a.lanesOut()
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(lanes, x, y, n)\n", goOp[op], op, a.name)
	}
	a.switches += sw + "\t}\n}\n"
}

// blocks runs work over R3 elements, whole blocks of 16 and at least one.
func (a *arm) blocks(work func()) {
	loop := a.fresh("loop")
	a.at(loop)
	work()
	a.p("SUBS $16, R3, R3")
	a.p("BGT %s", loop)
}

// squaredError folds the squares of y - t of whole blocks of 16 into the lanes in memory and, unless dst is nil, writes
// the differences times s.
func (a *arm) squaredError() {
	a.text("squarederror", "lanes, dst, y, t *float32, n int, s float32", 44)
	a.args("lanes", "R0", "dst", "R4", "y", "R1", "t", "R2", "n", "R3")
	a.p("FMOVS s+40(FP), F12")
	a.p("VDUP V12.S[0], V12.S4")
	a.lanesIn()
	noDst := a.fresh("sum")
	a.blocks(func() {
		a.p("VLD1.P 64(R1), %s", vecs(4, 4))
		a.p("VLD1.P 64(R2), %s", vecs(16, 4))
		for v := range 4 {
			a.op3("FSUB", 16+v, 4+v, 4+v)
			a.op3("FMUL", 4+v, 4+v, 8+v)
			a.op3("FADD", 8+v, v, v)
		}
		a.p("CBZ R4, %s", noDst)
		for v := range 4 {
			a.op3("FMUL", 12, 4+v, 4+v)
		}
		a.p("VST1.P %s, 64(R4)", vecs(4, 4))
		a.at(noDst)
	})
	a.lanesOut()
	a.ret()
}

// colSums adds rows to dst in strips of four vectors, then of one; ldx is in bytes.
func (a *arm) colSums() {
	a.text("colsums", "dst, x *float32, ldx, rows, cols int", 40)
	a.args("dst", "R0", "x", "R1", "ldx", "R4", "rows", "R5", "cols", "R3")
	done := a.fresh("done")
	for _, n := range []int{4, 1} {
		strip, next, row := a.fresh("strip"), a.fresh("next"), a.fresh("row")
		if n == 1 {
			next = done
		}
		a.at(strip)
		a.p("SUBS $%d, R3, R3", 4*n)
		a.p("BLT %s", next)
		a.p("VLD1 (R0), %s", vecs(0, n))
		a.p("MOVD R1, R6")
		a.p("MOVD R5, R7")
		a.at(row)
		a.p("VLD1 (R6), %s", vecs(4, n))
		for v := range n {
			a.op3("FADD", 4+v, v, v)
		}
		a.p("ADD R4, R6")
		a.p("SUBS $1, R7, R7")
		a.p("BNE %s", row)
		a.p("VST1.P %s, %d(R0)", vecs(0, n), 16*n)
		a.p("ADD $%d, R1", 16*n)
		a.p("B %s", strip)
		if n > 1 {
			a.at(next)
			a.p("ADD $%d, R3", 4*n)
		}
	}
	a.at(done)
	a.ret()
}

// peak runs n rounds of 24 independent fused multiply-adds in registers.
func (a *arm) peak() {
	a.text("peak", "n int", 8)
	a.args("n", "R3")
	for i := range 26 {
		a.zero(i)
	}
	loop := a.fresh("loop")
	a.at(loop)
	for i := range 24 {
		a.fmla(24, 25, i)
	}
	a.p("SUBS $1, R3, R3")
	a.p("BNE %s", loop)
	a.ret()
}

// transpose turns blocks of 4 by 4, down one strip of src after another, which is right in dst; strides are in bytes.
func (a *arm) transpose() {
	a.text("transpose", "dst, src *float32, ldd, lds, blocks, strips int", 48)
	a.args("dst", "R9", "src", "R8", "ldd", "R4", "lds", "R5")
	a.p("MOVD strips+40(FP), R10")
	strip, loop := a.fresh("strip"), a.fresh("block")
	a.at(strip)
	a.p("MOVD R8, R1")
	a.p("MOVD R9, R0")
	a.p("MOVD blocks+32(FP), R3")
	a.at(loop)
	for i := range 4 {
		a.p("VLD1 (R1), [V%d.S4]", i)
		a.p("ADD R5, R1")
	}
	for i := range 2 { // pairs of columns of rows 2i and 2i+1
		a.p("VTRN1 V%d.S4, V%d.S4, V%d.S4", 2*i+1, 2*i, 4+2*i)
		a.p("VTRN2 V%d.S4, V%d.S4, V%d.S4", 2*i+1, 2*i, 5+2*i)
	}
	for i := range 2 {
		a.p("VZIP1 V%d.D2, V%d.D2, V%d.D2", 6+i, 4+i, i)
		a.p("VZIP2 V%d.D2, V%d.D2, V%d.D2", 6+i, 4+i, 2+i)
	}
	a.p("MOVD R0, R6")
	for i := range 4 {
		a.p("VST1 [V%d.S4], (R6)", i)
		a.p("ADD R4, R6")
	}
	a.p("ADD $16, R0")
	a.p("SUBS $1, R3, R3")
	a.p("BNE %s", loop)
	a.p("ADD $16, R8")
	a.p("ADD R4<<2, R9")
	a.p("SUBS $1, R10, R10")
	a.p("BNE %s", strip)
	a.ret()
}
