package main

import "fmt"

func init() {
	words["FCMEQ"] = 0x4E20E400
	words["UZP2H"] = 0x4E405800  // the odd one of each two halfwords
	words["SHLL16"] = 0x2E613800 // the lower four halfwords, widened and shifted by 16
	words["SHLL16H"] = 0x6E613800
}

// bf16Family writes the kernels of bf16 operands and the switch that calls the tiles.
func (a *arm) bf16Family() {
	sw := fmt.Sprintf("\nfunc bf16Tile_%s(mr, nr int, p *bf16Args) {\n\tswitch mr<<8 | nr {\n", a.name)
	for mr := 1; mr <= a.isa.bf16Rows(); mr++ {
		for cols := 1; cols <= bf16Vecs; cols++ {
			a.bf16Tile(mr, cols)
			sw += fmt.Sprintf("\tcase %d<<8 | %d:\n\t\tbf16gemm_%dx%d_%s(p)\n", mr, 4*cols, mr, 4*cols, a.name)
		}
	}
	a.switches += sw + "\t}\n}\n"
	a.bf16PackRows()
	a.bf16Cols()
	a.bf16Turn()
	a.bf16Pairs()
	a.bf16Round()
	a.bf16Widen()
	a.bf16TileRows()
}

// fmlaLane is d = d + n·m[lane], rounded once.
func (a *arm) fmlaLane(m, lane, n, d int) {
	a.p("WORD $0x%08x // FMLA V%d.S[%d], V%d.S4, V%d.S4", uint32(0x4F801000|lane&1<<21|m<<16|lane>>1<<11|n<<5|d), m, lane, n, d)
}

// ushr shifts each 32-bit lane, filling with zeros.
func (a *arm) ushr(by, n, d int) {
	a.p("WORD $0x%08x // USHR $%d, V%d.S4, V%d.S4", uint32(0x6F000400|(64-by)<<16|n<<5|d), by, n, d)
}

// status reads or writes FPCR or FPSR.
func (a *arm) status(write bool, register, r int) {
	ins, name := uint32(0xD53B4400), "MRS"
	if write {
		ins, name = 0xD51B4400, "MSR"
	}
	a.p("WORD $0x%08x // %s %s, R%d", ins|uint32(register)<<5|uint32(r), name, []string{"FPCR", "FPSR"}[register], r)
}

// bf16Tile writes one tile of mr rows by cols vectors. Operands are packed and widened in strips of four.
//
// FPCR.FZ makes subnormal operands 0, but flushes results before they are rounded. What FPSR says of the tile goes to the
// arguments: where a result was flushed (UFC), the caller computes the tile again.
func (a *arm) bf16Tile(mr, cols int) {
	acc := func(odd, i, v int) int { return 8 + (odd*mr+i)*cols + v }
	each := func(f func(i, v int)) {
		for i := range mr {
			for v := range cols {
				f(i, v)
			}
		}
	}
	a.bf16(fmt.Sprintf("gemm_%dx%d", mr, 4*cols), "p *bf16Args", 8)
	a.p("MOVD p+0(FP), R0")
	for _, arg := range [][2]int{{bfA, 14}, {bfB, 15}, {bfLDB, 4}, {bfC, 5}, {bfLDC, 6}, {bfBlocks, 7}, {bfTail, 8}, {bfFlags, 10}} {
		a.p("MOVD %d(R0), R%d", arg[0], arg[1])
	}
	for v := 1; v < cols; v++ {
		a.p("ADD R4, R%d, R%d", 14+v, 15+v)
	}
	a.status(false, 0, 11)
	a.status(false, 1, 12)
	a.p("MOVD $0x1000000, R13")
	a.status(true, 0, 13)
	a.p("MOVD $0, R13")
	a.status(true, 1, 13)
	next, tail, block, pair, zero, stored, done := a.fresh("next"), a.fresh("tail"), a.fresh("block"), a.fresh("pair"), a.fresh("zero"), a.fresh("stored"), a.fresh("done")
	a.at(next)
	a.p("CBZ R7, %s", tail)
	a.p("SUB $1, R7")
	a.p("MOVD $16, R19")
	a.p("B %s", block)
	a.at(tail)
	a.p("MOVD R8, R19")
	a.p("MOVD $0, R8")
	a.p("CBZ R19, %s", done)
	a.at(block)
	for odd := range 2 {
		each(func(i, v int) { a.zero(acc(odd, i, v)) })
	}
	a.at(pair)
	a.p("VLD1.P 32(R14), %s", vecs(6, 2))
	for v := range cols {
		a.p("VLD1.P 32(R%d), %s", 15+v, vecs(2*v, 2))
	}
	for odd := range 2 {
		each(func(i, v int) { a.fmlaLane(6+odd, i, 2*v+odd, acc(odd, i, v)) })
	}
	a.p("SUBS $1, R19, R19")
	a.p("BNE %s", pair)
	each(func(i, v int) { a.op3("FADD", acc(1, i, v), acc(0, i, v), acc(0, i, v)) })
	a.p("TBZ $0, R10, %s", zero)
	a.p("MOVD R5, R20")
	for i := range mr {
		a.p("VLD1 (R20), %s", vecs(0, cols))
		for v := range cols {
			a.op3("FADD", v, acc(0, i, v), acc(0, i, v))
		}
		if i < mr-1 {
			a.p("ADD R6, R20")
		}
	}
	a.p("B %s", stored)
	a.at(zero) // a sum of -0 becomes +0
	a.zero(0)
	each(func(i, v int) { a.op3("FADD", 0, acc(0, i, v), acc(0, i, v)) })
	a.p("MOVD $1, R10")
	a.at(stored)
	a.p("MOVD R5, R20")
	for i := range mr {
		a.p("VST1 %s, (R20)", vecs(acc(0, i, 0), cols))
		if i < mr-1 {
			a.p("ADD R6, R20")
		}
	}
	a.p("B %s", next)
	a.at(done)
	a.status(false, 1, 13)
	a.p("MOVW R13, %d(R0)", bfStatus)
	a.status(true, 0, 11)
	a.status(true, 1, 12)
	a.ret()
}

// bf16PackRows widens whole strips of four columns of an operand whose steps of k are rows; then so many rows of zeros.
func (a *arm) bf16PackRows() {
	a.bf16("rows", "dst *float32, ldd int, src *uint16, lds, k, zeros, strips int", 56)
	a.args("dst", "R0", "ldd", "R1", "src", "R2", "lds", "R3", "k", "R4", "zeros", "R5", "strips", "R6")
	strip, loop, zeros, end := a.fresh("strip"), a.fresh("row"), a.fresh("zeros"), a.fresh("end")
	a.zero(2)
	a.at(strip)
	a.p("MOVD R0, R9")
	a.p("MOVD R2, R10")
	a.p("MOVD R4, R7")
	a.at(loop)
	a.p("VLD1 (R10), [V0.H4]")
	a.op2("SHLL16", 0, 1)
	a.p("VST1.P [V1.S4], 16(R9)")
	a.p("ADD R3, R10")
	a.p("SUBS $1, R7, R7")
	a.p("BNE %s", loop)
	a.p("MOVD R5, R7")
	a.at(zeros)
	a.p("CBZ R7, %s", end)
	a.p("VST1.P [V2.S4], 16(R9)")
	a.p("SUB $1, R7")
	a.p("B %s", zeros)
	a.at(end)
	a.p("ADD $8, R2")
	a.p("ADD R1, R0")
	a.p("SUBS $1, R6, R6")
	a.p("BNE %s", strip)
	a.ret()
}

// turned loads eight steps of four rows and makes pairs of steps of them, in registers 0 to 3.
func (a *arm) turned() {
	for r := range 4 {
		a.p("VLD1.P 16(R%d), [V%d.S4]", 4+r, r)
	}
	zip := func(half int, lanes string, x, y, d int) {
		a.p("VZIP%d V%d.%s, V%d.%s, V%d.%s", half, y, lanes, x, lanes, d, lanes)
	}
	zip(1, "S4", 0, 1, 4)
	zip(2, "S4", 0, 1, 5)
	zip(1, "S4", 2, 3, 6)
	zip(2, "S4", 2, 3, 7)
	zip(1, "D2", 4, 6, 0)
	zip(2, "D2", 4, 6, 1)
	zip(1, "D2", 5, 7, 2)
	zip(2, "D2", 5, 7, 3)
}

// fourRows points R4 to R7 at rows of R1, R2 bytes apart.
func (a *arm) fourRows() {
	a.p("MOVD R1, R4")
	for r := 1; r < 4; r++ {
		a.p("ADD R2, R%d, R%d", 3+r, 4+r)
	}
}

// bf16Cols widens one whole strip of an operand whose steps of k are neighbours, for so many groups of eight steps.
func (a *arm) bf16Cols() {
	a.bf16("cols", "dst *float32, src *uint16, lds, groups int", 32)
	a.args("dst", "R0", "src", "R1", "lds", "R2", "groups", "R3")
	a.constant("upper", 10)
	a.fourRows()
	loop := a.fresh("group")
	a.at(loop)
	a.turned()
	for i := range 4 {
		a.shl(16, i, 4)
		a.op3("AND", 10, i, 5)
		a.p("VST1.P %s, 32(R0)", vecs(4, 2))
	}
	a.p("SUBS $1, R3, R3")
	a.p("BNE %s", loop)
	a.ret()
}

// bf16Turn makes pairs of steps, 64 bytes apart, of four rows, for so many groups of eight steps.
func (a *arm) bf16Turn() {
	a.bf16("turn", "dst, src *uint16, lds, groups int", 32)
	a.args("dst", "R0", "src", "R1", "lds", "R2", "groups", "R3")
	a.fourRows()
	a.p("MOVD $64, R9")
	loop := a.fresh("group")
	a.at(loop)
	a.turned()
	for i := range 4 {
		a.p("VST1.P [V%d.S4], (R0)(R9)", i)
	}
	a.p("SUBS $1, R3, R3")
	a.p("BNE %s", loop)
	a.ret()
}

// bf16Pairs widens four columns of tiles, whose pairs of steps are 64 bytes apart.
func (a *arm) bf16Pairs() {
	a.bf16("pairs", "dst *float32, src *uint16, pairs int", 24)
	a.args("dst", "R0", "src", "R1", "pairs", "R2")
	a.constant("upper", 10)
	loop := a.fresh("pair")
	a.at(loop)
	a.p("VLD1 (R1), [V0.S4]")
	a.shl(16, 0, 4)
	a.op3("AND", 10, 0, 5)
	a.p("VST1.P %s, 32(R0)", vecs(4, 2))
	a.p("ADD $64, R1")
	a.p("SUBS $1, R2, R2")
	a.p("BNE %s", loop)
	a.ret()
}

// rounds rounds register x in place, to bf16 in its upper half; t and u are free.
func (a *arm) rounds(x, t, u int) {
	a.ushr(16, x, t)
	a.op3("AND", 13, t, t)
	a.addi(12, t, t)
	a.addi(x, t, t)
	a.op3("AND", 14, x, u)
	a.op3("ORR", 11, u, u)
	a.op3("FCMEQ", x, x, x) // zeros where it is NaN
	a.op3("BSL", u, t, x)
}

func (a *arm) roundConsts() {
	a.constant("nan", 11)
	a.constant("lower", 12)
	a.constant("bit0", 13)
	a.constant("sign", 14)
}

// bf16Round rounds whole vectors of 16.
func (a *arm) bf16Round() {
	a.bf16("round", "dst *uint16, src *float32, n int", 24)
	a.args("dst", "R0", "src", "R1", "n", "R2")
	a.roundConsts()
	loop := a.fresh("round")
	a.at(loop)
	a.p("VLD1.P 32(R1), %s", vecs(0, 2))
	a.rounds(0, 4, 5)
	a.rounds(1, 6, 7)
	a.op3("UZP2H", 1, 0, 0)
	a.p("VST1.P [V0.S4], 16(R0)")
	a.p("SUBS $8, R2, R2")
	a.p("BNE %s", loop)
	a.ret()
}

// bf16Widen widens whole vectors of 16.
func (a *arm) bf16Widen() {
	a.bf16("widen", "dst *float32, src *uint16, n int", 24)
	a.args("dst", "R0", "src", "R1", "n", "R2")
	loop := a.fresh("widen")
	a.at(loop)
	a.p("VLD1.P 16(R1), [V0.S4]")
	a.op2("SHLL16", 0, 1)
	a.op2("SHLL16H", 0, 2)
	a.p("VST1.P %s, 32(R0)", vecs(1, 2))
	a.p("SUBS $8, R2, R2")
	a.p("BNE %s", loop)
	a.ret()
}

// bf16TileRows rounds a panel of 16 columns of a matrix whose steps of k are rows: so many pairs of them.
func (a *arm) bf16TileRows() {
	a.bf16("tilerows", "dst *uint16, src *float32, lds, pairs int", 32)
	a.args("dst", "R0", "src", "R1", "lds", "R2", "pairs", "R3")
	a.roundConsts()
	a.constant("upper", 10)
	loop := a.fresh("pair")
	a.at(loop)
	a.p("MOVD R1, R4")
	a.p("ADD R2, R1, R5")
	for range 4 {
		a.p("VLD1.P 16(R4), [V0.S4]")
		a.p("VLD1.P 16(R5), [V1.S4]")
		a.rounds(0, 4, 5)
		a.rounds(1, 6, 7)
		a.ushr(16, 0, 0)
		a.op3("AND", 10, 1, 1)
		a.op3("ORR", 1, 0, 0)
		a.p("VST1.P [V0.S4], 16(R0)")
	}
	a.p("ADD R2, R5, R1")
	a.p("SUB $64, R1")
	a.p("SUBS $1, R3, R3")
	a.p("BNE %s", loop)
	a.ret()
}
