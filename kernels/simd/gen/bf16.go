package main

import "fmt"

// Offsets of bf16Args; a test of package simd holds them against the Go struct.
const (
	bfA = 8 * iota
	bfStrip
	bfB
	bfLDB
	bfC
	bfLDC
	bfBlocks
	bfTail
	bfTiles
	bfFlags
	bfLive
	bfAtCX
	bfAtSI
	bfAtDX
	bfStatus
	bfEven  = bfStatus + 8
	bfFlush = bfStatus + 4
)

func init() {
	values["upper"] = 0xffff0000
	values["lower"] = 1<<15 - 1 // what rounds to nearest, of two the even one, together with the last bit
	values["bit0"] = 1
}

// The largest tile of bf16 products, rows by vectors.
const bf16Rows, bf16Vecs = 4, 3

// bf16Family writes the kernels of bf16 operands and the switches that call them.
func (a *asm) bf16Family() {
	sw := fmt.Sprintf("\nfunc bf16Tile_%s(mr, nr int, p *bf16Args) {\n\tswitch mr<<8 | nr {\n", a.name)
	for mr := 1; mr <= bf16Rows; mr++ {
		for nr := 8; nr <= bf16Vecs*a.lanes; nr += 8 {
			a.bf16Tile(mr, nr)
			sw += fmt.Sprintf("\tcase %d<<8 | %d:\n\t\tbf16gemm_%dx%d_%s(p)\n", mr, nr, mr, nr, a.name)
		}
	}
	a.switches += sw + "\t}\n}\n"
	a.bf16Rows()
	a.bf16Cols()
	a.bf16Turn()
	a.bf16Pairs()
	a.bf16Round()
	a.bf16Widen()
	a.bf16TileRows()
}

// bf16 opens a function.
func (a *asm) bf16(op, args string, size int) {
	name := fmt.Sprintf("bf16%s_%s", op, a.name)
	a.stubs = append(a.stubs, fmt.Sprintf("func %s(%s)", name, args))
	fmt.Fprintf(&a.body, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, args, name, size)
	a.consts = map[string]string{}
}

// bf16Tile writes one mr by nr tile, which walks down p.tiles tiles of A and C.
//
// Operands are packed and widened: A in strips of as many rows, B in strips of as many columns as a vector has lanes, steps
// of k one after another. Both chains of a block stay in registers where there are enough of them; otherwise the even steps
// come first and their sums wait in p.even.
func (a *asm) bf16Tile(mr, nr int) {
	t := &gemmTile{asm: a, mr: mr, nr: nr, masked: true}
	for left := nr; left > 0; left -= a.lanes {
		t.widths = append(t.widths, min(left, a.lanes))
	}
	vecs := len(t.widths)
	registers, b0 := 12, 0
	if a.wide() {
		registers = 24
	}
	both := 2*mr*vecs <= registers
	t.acc0 = 4
	if a.wide() {
		t.acc0 = 8
	}
	acc := func(odd, i, v int) int {
		if !both {
			odd = 0
		}
		return t.acc0 + (odd*mr+i)*vecs + v
	}
	row32 := a.bytes() // of a packed operand: one step
	// step does one step of a chain, at so many steps from SI and DX.
	step := func(odd, at int) {
		for v := range vecs {
			t.p("VMOVUPS %s, %s", row(v, "DX", "", "R9", "", at*row32), t.vec(b0+v, v))
		}
		for i := range mr {
			if a.wide() && vecs == 1 {
				t.p("VFMADD231PS.BCST %d(SI), %s, %s", at*row32+4*i, t.vec(b0, 0), t.vec(acc(odd, i, 0), 0))
				continue
			}
			x := 3
			if a.wide() {
				x += i
			}
			t.p("VBROADCASTSS %d(SI), %s", at*row32+4*i, t.vec(x, 0))
			for v := range vecs {
				t.p("VFMADD231PS %s, %s, %s", t.vec(x, v), t.vec(b0+v, v), t.vec(acc(odd, i, v), v))
			}
		}
	}
	zero := func() {
		n := mr * vecs
		if both {
			n *= 2
		}
		for i := range n {
			t.zero(t.acc0 + i)
		}
	}
	// pairs loops over CX pairs of steps; without room for both chains, over one of each pair.
	pairs := func() {
		loop := t.fresh("pair")
		t.p("PCALIGN $32")
		t.at(loop)
		step(0, 0)
		if both {
			step(1, 1)
		}
		t.p("ADDQ $%d, SI", 2*row32)
		t.p("ADDQ $%d, DX", 2*row32)
		t.p("DECQ CX")
		t.p("JNZ %s", loop)
	}
	each := func(f func(i, v int, addr string)) {
		for i := range mr {
			for v := range vecs {
				f(i, v, row(i, "R10", "", "R11", "R12", v*t.bytes()))
			}
		}
	}
	last := func(v int) bool { return v == vecs-1 }

	t.bf16(fmt.Sprintf("gemm_%dx%d", mr, nr), "p *bf16Args", 8)
	t.p("MOVQ p+0(FP), DI")
	t.p("STMXCSR %d(DI)", bfStatus)
	t.p("LDMXCSR %d(DI)", bfFlush)
	t.p("MOVQ %d(DI), R13", bfA)
	t.p("MOVQ %d(DI), R9", bfLDB)
	t.p("MOVQ %d(DI), R10", bfC)
	t.p("MOVQ %d(DI), R11", bfLDC)
	t.p("LEAQ (R11)(R11*2), R12")
	if a.wide() {
		t.p("KMOVW %d(DI), K1", bfLive)
	}
	t.p("MOVQ $0, BX") // bytes into a strip of A
	tile, next, block, load, stored, done := t.fresh("tile"), t.fresh("next"), t.fresh("block"), t.fresh("load"), t.fresh("stored"), t.fresh("done")
	t.at(tile)
	for i := range mr {
		for at := 0; at < 4*nr; at += 64 {
			t.p("PREFETCHT0 %s", row(i, "R10", "", "R11", "R12", at))
		}
	}
	t.p("MOVQ R13, SI")
	t.p("MOVQ %d(DI), DX", bfB)
	t.p("MOVQ %d(DI), R8", bfBlocks)
	t.p("MOVQ %d(DI), R14", bfTail)
	t.p("MOVQ %d(DI), AX", bfFlags)
	t.at(next)
	t.p("DECQ R8")
	t.p("MOVQ $16, CX")
	t.p("JGE %s", block)
	t.p("MOVQ R14, CX")
	t.p("MOVQ $0, R14")
	t.p("TESTQ CX, CX")
	t.p("JZ %s", done)
	t.at(block)
	zero()
	if !both {
		t.p("MOVQ CX, %d(DI)", bfAtCX)
		t.p("MOVQ SI, %d(DI)", bfAtSI)
		t.p("MOVQ DX, %d(DI)", bfAtDX)
		pairs()
		each(func(i, v int, _ string) {
			t.p("VMOVUPS %s, %d(DI)", t.vec(acc(0, i, v), v), bfEven+(i*vecs+v)*a.bytes())
		})
		t.p("MOVQ %d(DI), CX", bfAtCX)
		t.p("MOVQ %d(DI), SI", bfAtSI)
		t.p("MOVQ %d(DI), DX", bfAtDX)
		t.p("ADDQ $%d, SI", row32)
		t.p("ADDQ $%d, DX", row32)
		zero()
		pairs()
		t.p("SUBQ $%d, SI", row32)
		t.p("SUBQ $%d, DX", row32)
	} else {
		pairs()
	}
	each(func(i, v int, _ string) {
		if both {
			t.p("VADDPS %s, %s, %s", t.vec(acc(1, i, v), v), t.vec(acc(0, i, v), v), t.vec(acc(0, i, v), v))
		} else {
			t.p("VADDPS %d(DI), %s, %s", bfEven+(i*vecs+v)*a.bytes(), t.vec(acc(0, i, v), v), t.vec(acc(0, i, v), v))
		}
	})
	t.p("TESTQ $1, AX")
	t.p("JNZ %s", load)
	t.zero(3) // a sum of -0 becomes +0
	each(func(i, v int, _ string) {
		t.p("VADDPS %s, %s, %s", t.vec(3, v), t.vec(acc(0, i, v), v), t.vec(acc(0, i, v), v))
	})
	t.p("MOVQ $1, AX")
	t.p("JMP %s", stored)
	t.at(load)
	each(func(i, v int, addr string) {
		if last(v) && a.wide() {
			t.p("VMOVUPS.Z %s, K1, %s", addr, t.vec(3+i, v))
			addr = t.vec(3+i, v)
		}
		t.p("VADDPS %s, %s, %s", addr, t.vec(acc(0, i, v), v), t.vec(acc(0, i, v), v))
	})
	t.at(stored)
	each(func(i, v int, addr string) {
		if last(v) && a.wide() {
			t.p("VMOVUPS %s, K1, %s", t.vec(acc(0, i, v), v), addr)
		} else {
			t.p("VMOVUPS %s, %s", t.vec(acc(0, i, v), v), addr)
		}
	})
	t.p("JMP %s", next)
	t.at(done)
	for range mr {
		t.p("ADDQ R11, R10")
	}
	t.p("ADDQ $%d, R13", 4*mr)
	t.p("ADDQ $%d, BX", 4*mr)
	within := t.fresh("within")
	t.p("CMPQ BX, $%d", row32)
	t.p("JLT %s", within)
	t.p("MOVQ $0, BX")
	t.p("ADDQ %d(DI), R13", bfStrip)
	t.p("SUBQ $%d, R13", row32)
	t.at(within)
	t.p("DECQ %d(DI)", bfTiles)
	t.p("JNZ %s", tile)
	t.p("LDMXCSR %d(DI)", bfStatus)
	t.ret()
}

// bf16Rows widens strips of an operand whose steps of k are rows: as many columns as a vector has lanes, the last strip
// with live ones only; then so many rows of zeros.
func (a *asm) bf16Rows() {
	a.bf16("rows", "dst *float32, ldd int, src *uint16, lds, k, zeros, strips int, live uint64", 64)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ ldd+8(FP), R8")
	a.p("MOVQ src+16(FP), SI")
	a.p("MOVQ lds+24(FP), R9")
	a.p("MOVQ strips+48(FP), BX")
	strip, loop, zeros, end := a.fresh("strip"), a.fresh("row"), a.fresh("zeros"), a.fresh("end")
	a.zero(1)
	if a.wide() {
		a.p("MOVQ $0xffff, AX")
		a.p("KMOVW AX, K1")
	}
	a.at(strip)
	a.p("MOVQ SI, R10")
	a.p("MOVQ DI, R11")
	a.p("MOVQ k+32(FP), CX")
	src := "(R10)"
	if a.wide() {
		whole := a.fresh("whole")
		a.p("CMPQ BX, $1")
		a.p("JGT %s", whole)
		a.p("MOVQ live+56(FP), AX")
		a.p("KMOVW AX, K1")
		a.at(whole)
	}
	a.at(loop)
	if a.wide() {
		a.p("VPMOVZXWD.Z %s, K1, Z0", src)
	} else {
		a.p("VPMOVZXWD %s, Y0", src)
	}
	a.p("VPSLLD $16, %s, %s", a.r(0), a.r(0))
	a.p("VMOVUPS %s, (R11)", a.r(0))
	a.p("ADDQ R9, R10")
	a.p("ADDQ $%d, R11", a.bytes())
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.p("MOVQ zeros+40(FP), CX")
	a.at(zeros)
	a.p("DECQ CX")
	a.p("JLT %s", end)
	a.p("VMOVUPS %s, (R11)", a.r(1))
	a.p("ADDQ $%d, R11", a.bytes())
	a.p("JMP %s", zeros)
	a.at(end)
	a.p("ADDQ $%d, SI", 2*a.lanes)
	a.p("ADDQ R8, DI")
	a.p("DECQ BX")
	a.p("JNZ %s", strip)
	a.ret()
}

// bf16Cols widens one strip of an operand whose steps of k are neighbours: as many of its rows as a vector has lanes, of
// which only live exist, for so many groups of eight steps.
func (a *asm) bf16Cols() {
	a.bf16("cols", "dst *float32, src *uint16, lds, groups, live int", 40)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ lds+16(FP), R9")
	a.p("MOVQ groups+24(FP), CX")
	a.p("MOVQ live+32(FP), R10")
	ragged, end := a.fresh("ragged"), a.fresh("end")
	a.use("upper")
	a.p("VMOVUPS upper<>(SB), %s", a.r(10))
	a.p("CMPQ R10, $%d", a.lanes)
	a.p("JNE %s", ragged)
	widen := func() {
		for i := range 4 {
			a.p("VPSLLD $16, %s, %s", a.r(i), a.r(4+i))
			a.and(10, i, i)
			a.p("VMOVUPS %s, %d(DI)", a.r(4+i), 2*i*a.bytes())
			a.p("VMOVUPS %s, %d(DI)", a.r(i), (2*i+1)*a.bytes())
		}
		a.p("ADDQ $%d, DI", 8*a.bytes())
	}
	a.turns(widen)
	a.p("JMP %s", end)
	a.at(ragged)
	again := a.fresh("group")
	a.at(again)
	a.p("MOVQ SI, AX")
	for r := range a.lanes {
		a.insert(r/4, "(AX)", r%4)
		if r < a.lanes-1 { // rows that are not there are the last one again
			a.p("LEAQ (AX)(R9*1), BX")
			a.p("CMPQ R10, $%d", r+1)
			a.p("CMOVQGT BX, AX")
		}
	}
	a.turn()
	widen()
	a.p("ADDQ $16, SI")
	a.p("DECQ CX")
	a.p("JNZ %s", again)
	a.at(end)
	a.ret()
}

// bf16Turn makes pairs of steps, 64 bytes apart, of as many rows as a vector has lanes, for so many groups of eight steps.
func (a *asm) bf16Turn() {
	a.bf16("turn", "dst, src *uint16, lds, groups int", 32)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ lds+16(FP), R9")
	a.p("MOVQ groups+24(FP), CX")
	a.turns(func() {
		for i := range 4 {
			a.p("VMOVUPS %s, %d(DI)", a.r(i), 64*i)
		}
		a.p("ADDQ $256, DI")
	})
	a.ret()
}

// turns loops over CX groups of eight steps of the rows at SI, R9 bytes apart: each is turned and stored.
func (a *asm) turns(store func()) {
	a.p("LEAQ (R9)(R9*2), R11")
	bases := []string{"SI", "AX", "BX", "DX"}[:a.lanes/4]
	for i := 1; i < len(bases); i++ {
		a.p("LEAQ (%s)(R9*4), %s", bases[i-1], bases[i])
	}
	loop := a.fresh("group")
	a.at(loop)
	for i := range 4 {
		for lane, base := range bases {
			a.insert(lane, row(i, base, "", "R9", "R11", 0), i)
		}
	}
	a.turn()
	store()
	for _, base := range bases {
		a.p("ADDQ $16, %s", base)
	}
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
}

// insert loads 16 bytes into one 128-bit lane of register d; the first one comes first.
func (a *asm) insert(lane int, addr string, d int) {
	switch {
	case lane == 0:
		a.p("VMOVUPS %s, X%d", addr, d)
	case a.wide():
		a.p("VINSERTF32X4 $%d, %s, Z%d, Z%d", lane, addr, d, d)
	default:
		a.p("VINSERTF128 $1, %s, Y%d, Y%d", addr, d, d)
	}
}

// turn makes four pairs of steps, in registers 0 to 3, of rows 4·lane + i in registers i.
func (a *asm) turn() {
	unpack := func(op string, x, y, d int) { a.p("VUNPCK%s %s, %s, %s", op, a.r(y), a.r(x), a.r(d)) }
	unpack("LPS", 0, 1, 4)
	unpack("HPS", 0, 1, 5)
	unpack("LPS", 2, 3, 6)
	unpack("HPS", 2, 3, 7)
	unpack("LPD", 4, 6, 0)
	unpack("HPD", 4, 6, 1)
	unpack("LPD", 5, 7, 2)
	unpack("HPD", 5, 7, 3)
}

func (a *asm) and(x, y, d int) {
	if a.wide() {
		a.p("VPANDD %s, %s, %s", a.r(x), a.r(y), a.r(d))
	} else {
		a.p("VPAND %s, %s, %s", a.r(x), a.r(y), a.r(d))
	}
}

func (a *asm) or(x, y, d int) {
	if a.wide() {
		a.p("VPORD %s, %s, %s", a.r(x), a.r(y), a.r(d))
	} else {
		a.p("VPOR %s, %s, %s", a.r(x), a.r(y), a.r(d))
	}
}

// bf16Pairs widens a strip of tiles, whose pairs of steps are 64 bytes apart.
func (a *asm) bf16Pairs() {
	a.bf16("pairs", "dst *float32, src *uint16, pairs int", 24)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ pairs+16(FP), CX")
	a.use("upper")
	a.p("VMOVUPS upper<>(SB), %s", a.r(2))
	loop := a.fresh("pair")
	a.at(loop)
	a.p("VMOVUPS (SI), %s", a.r(0))
	a.p("VPSLLD $16, %s, %s", a.r(0), a.r(1))
	a.and(2, 0, 0)
	a.p("VMOVUPS %s, (DI)", a.r(1))
	a.p("VMOVUPS %s, %d(DI)", a.r(0), a.bytes())
	a.p("ADDQ $64, SI")
	a.p("ADDQ $%d, DI", 2*a.bytes())
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.ret()
}

// rounds rounds register x in place, to bf16 in its upper half; t and u are free. Constants are in registers: lower, one,
// the sign, and the quiet NaN. What is below the upper half is undefined.
func (a *asm) rounds(x, t, u int) {
	a.p("VPSRLD $16, %s, %s", a.r(x), a.r(t))
	a.and(13, t, t)
	a.p("VPADDD %s, %s, %s", a.r(12), a.r(t), a.r(t))
	a.p("VPADDD %s, %s, %s", a.r(x), a.r(t), a.r(t))
	a.and(14, x, u)
	a.or(11, u, u) // the sign's quiet NaN
	if a.wide() {
		a.p("VCMPPS $3, %s, %s, K2", a.r(x), a.r(x))
		a.p("VMOVAPS %s, %s", a.r(t), a.r(x))
		a.p("VMOVAPS %s, K2, %s", a.r(u), a.r(x))
	} else {
		a.p("VCMPPS $3, %s, %s, %s", a.r(x), a.r(x), a.r(x))
		a.p("VBLENDVPS %s, %s, %s, %s", a.r(x), a.r(u), a.r(t), a.r(x))
	}
}

func (a *asm) roundConsts() {
	for _, c := range []struct {
		name string
		d    int
	}{{"nan", 11}, {"lower", 12}, {"bit0", 13}, {"sign", 14}} {
		a.use(c.name)
		a.p("VMOVUPS %s<>(SB), %s", c.name, a.r(c.d))
	}
}

// bf16Round rounds whole vectors of 16.
func (a *asm) bf16Round() {
	a.bf16("round", "dst *uint16, src *float32, n int", 24)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ n+16(FP), CX")
	a.roundConsts()
	loop := a.fresh("round")
	a.at(loop)
	for i := 0; i < 16/a.lanes; i++ {
		a.p("VMOVUPS %d(SI), %s", i*a.bytes(), a.r(3*i))
		a.rounds(3*i, 3*i+1, 3*i+2)
		a.p("VPSRLD $16, %s, %s", a.r(3*i), a.r(3*i))
	}
	if a.wide() {
		a.p("VPMOVDW Z0, Y0")
	} else {
		a.p("VPACKUSDW Y3, Y0, Y0") // of each half the lanes of both, which the next puts in order
		a.p("VPERMQ $216, Y0, Y0")
	}
	a.p("VMOVUPS Y0, (DI)")
	a.p("ADDQ $64, SI")
	a.p("ADDQ $32, DI")
	a.p("SUBQ $16, CX")
	a.p("JGT %s", loop)
	a.ret()
}

// bf16Widen widens whole vectors of 16.
func (a *asm) bf16Widen() {
	a.bf16("widen", "dst *float32, src *uint16, n int", 24)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ n+16(FP), CX")
	loop := a.fresh("widen")
	a.at(loop)
	for i := 0; i < 16/a.lanes; i++ {
		a.p("VPMOVZXWD %d(SI), %s", 2*i*a.lanes, a.r(i))
		a.p("VPSLLD $16, %s, %s", a.r(i), a.r(i))
		a.p("VMOVUPS %s, %d(DI)", a.r(i), i*a.bytes())
	}
	a.p("ADDQ $32, SI")
	a.p("ADDQ $64, DI")
	a.p("SUBQ $16, CX")
	a.p("JGT %s", loop)
	a.ret()
}

// bf16TileRows rounds a panel of 16 columns, of which the last ones may be dead and become 0 (AVX-512), of a matrix whose
// steps of k are rows: so many pairs of them.
func (a *asm) bf16TileRows() {
	a.bf16("tilerows", "dst *uint16, src *float32, lds, pairs int, live uint64", 40)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ lds+16(FP), R9")
	a.p("MOVQ pairs+24(FP), CX")
	a.roundConsts()
	a.use("upper")
	if a.wide() {
		a.p("VMOVUPS upper<>(SB), Z10")
		a.p("MOVQ live+32(FP), AX")
		a.p("KMOVW AX, K1")
	}
	loop := a.fresh("pair")
	a.at(loop)
	for i := 0; i < 16/a.lanes; i++ {
		if a.wide() {
			a.p("VMOVUPS.Z (SI), K1, Z0")
			a.p("VMOVUPS.Z (SI)(R9*1), K1, Z3")
		} else {
			a.p("VMOVUPS %d(SI), Y0", 32*i)
			a.p("VMOVUPS %d(SI)(R9*1), Y3", 32*i)
		}
		a.rounds(0, 1, 2)
		a.rounds(3, 4, 5)
		a.p("VPSRLD $16, %s, %s", a.r(0), a.r(0))
		if a.wide() {
			a.p("VPANDD Z10, Z3, Z3")
		} else {
			a.p("VPAND upper<>(SB), Y3, Y3")
		}
		a.or(3, 0, 0)
		a.p("VMOVUPS %s, %d(DI)", a.r(0), i*a.bytes())
	}
	a.p("LEAQ (SI)(R9*2), SI")
	a.p("ADDQ $64, DI")
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.ret()
}
