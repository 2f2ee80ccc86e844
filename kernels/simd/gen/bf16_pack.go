package main

// bf16PackRows widens strips of an operand whose steps of k are rows: as many columns as a vector has lanes, the last strip with
// live ones only; then so many rows of zeros. AVX2 reads the columns before those of the last strip, too.
func (a *asm) bf16PackRows() {
	a.bf16("rows", "dst *float32, ldd int, src *uint16, lds, k, zeros, strips int, live uint64", 64)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ ldd+8(FP), R8")
	a.p("MOVQ src+16(FP), SI")
	a.p("MOVQ lds+24(FP), R9")
	a.p("MOVQ strips+48(FP), BX")
	a.p("MOVQ live+56(FP), R12")
	strip, ready, zeros, end := a.fresh("strip"), a.fresh("ready"), a.fresh("zeros"), a.fresh("end")
	a.zero(1)
	if a.wide() {
		a.p("MOVQ $0xffff, AX")
		a.p("KMOVW AX, K1")
	}
	rows := func(load func()) {
		loop := a.fresh("row")
		a.at(loop)
		load()
		a.p("VPSLLD $16, %s, %s", a.r(0), a.r(0))
		a.p("VMOVUPS %s, (R11)", a.r(0))
		a.p("ADDQ R9, R10")
		a.p("ADDQ $%d, R11", a.bytes())
		a.p("DECQ CX")
		a.p("JNZ %s", loop)
	}
	a.at(strip)
	a.p("MOVQ SI, R10")
	a.p("MOVQ DI, R11")
	a.p("MOVQ k+32(FP), CX")
	whole := a.fresh("whole")
	a.p("CMPQ BX, $1")
	a.p("JGT %s", whole)
	if a.wide() {
		a.p("KMOVW R12, K1")
		a.at(whole)
		rows(func() { a.p("VPMOVZXWD.Z (R10), K1, Z0") })
	} else {
		a.p("CMPQ R12, $8")
		a.p("JGE %s", whole)
		a.use("slide")
		a.p("MOVQ $8, AX")
		a.p("SUBQ R12, AX")
		a.p("SHLQ $1, AX")
		a.p("SUBQ AX, R10")
		a.p("LEAQ slide<>+0(SB), DX")
		a.p("VMOVUPS (DX)(AX*1), X2")
		rows(func() {
			a.p("VMOVUPS (R10), X0")
			a.p("VPSHUFB X2, X0, X0") // live columns first, then zeros
			a.p("VPMOVZXWD X0, Y0")
		})
		a.p("JMP %s", ready)
		a.at(whole)
		rows(func() { a.p("VPMOVZXWD (R10), Y0") })
	}
	a.at(ready)
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

// bf16Edge copies rows of 8 to 24 columns: the last vector begins so early that it ends at the last one.
func (a *asm) bf16Edge() {
	a.bf16("edge", "dst *float32, ldd int, src *float32, lds, rows, width int", 48)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ ldd+8(FP), R8")
	a.p("MOVQ src+16(FP), SI")
	a.p("MOVQ lds+24(FP), R9")
	a.p("MOVQ rows+32(FP), CX")
	a.p("MOVQ width+40(FP), AX")
	a.p("SUBQ $8, AX") // where the last vector begins
	a.p("MOVQ $8, BX") // and the one before
	a.p("CMPQ BX, AX")
	a.p("CMOVQGT AX, BX")
	loop := a.fresh("row")
	a.at(loop)
	for i, at := range []string{"", "(BX*4)", "(AX*4)"} {
		a.p("VMOVUPS (SI)%s, Y%d", at, i)
	}
	for i, at := range []string{"", "(BX*4)", "(AX*4)"} {
		a.p("VMOVUPS Y%d, (DI)%s", i, at)
	}
	a.p("ADDQ R9, SI")
	a.p("ADDQ R8, DI")
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.ret()
}

// bf16Cols widens one strip of an operand whose steps of k are neighbours: as many of its rows as a vector has lanes, of
// which only live exist, for so many groups of eight steps, at least one, and the rest of less than eight, which zeros fill.
func (a *asm) bf16Cols() {
	a.bf16("cols", "dst *float32, src *uint16, lds, groups, live, rest int", 48)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ src+8(FP), SI")
	a.p("MOVQ lds+16(FP), R9")
	a.p("MOVQ groups+24(FP), CX")
	a.p("MOVQ live+32(FP), R10")
	a.p("MOVQ rest+40(FP), R12")
	ragged, end := a.fresh("ragged"), a.fresh("end")
	a.use("upper")
	a.use("slide")
	a.p("VMOVUPS upper<>(SB), %s", a.r(10))
	a.p("SHLQ $1, R12")
	a.p("MOVQ $16, R13")
	a.p("SUBQ R12, R13") // what the rest lacks
	a.p("LEAQ slide<>+0(SB), R8")
	a.p("VMOVUPS (R8)(R13*1), X11")
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
	// rest is insert of the last eight steps, of which those before the rest go.
	rest := func(lane int, addr string, d int) {
		if lane == 0 {
			a.p("VMOVUPS %s, X%d", addr, d)
			a.p("VPSHUFB X11, X%d, X%d", d, d)
			return
		}
		a.p("VMOVUPS %s, X12", addr)
		a.p("VPSHUFB X11, X12, X12")
		a.insert(lane, "X12", d)
	}
	bases := a.turns(widen)
	a.p("TESTQ R12, R12")
	a.p("JZ %s", end)
	for _, base := range bases {
		a.p("SUBQ R13, %s", base)
	}
	a.rowsOf(bases, rest)
	a.turn()
	widen()
	a.p("JMP %s", end)
	a.at(ragged)
	live := func(insert func(lane int, addr string, d int)) { // rows that are not there are the last one again
		a.p("MOVQ SI, AX")
		for r := range a.lanes {
			insert(r/4, "(AX)", r%4)
			if r < a.lanes-1 {
				a.p("LEAQ (AX)(R9*1), BX")
				a.p("CMPQ R10, $%d", r+1)
				a.p("CMOVQGT BX, AX")
			}
		}
		a.turn()
		widen()
	}
	again := a.fresh("group")
	a.at(again)
	live(a.insert)
	a.p("ADDQ $16, SI")
	a.p("DECQ CX")
	a.p("JNZ %s", again)
	a.p("TESTQ R12, R12")
	a.p("JZ %s", end)
	a.p("SUBQ R13, SI")
	live(rest)
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

// turns loops over CX groups of eight steps of the rows at SI, R9 bytes apart: each is turned and stored. It returns the
// pointers to every fourth row, which end behind the groups.
func (a *asm) turns(store func()) (bases []string) {
	a.p("LEAQ (R9)(R9*2), R11")
	bases = []string{"SI", "AX", "BX", "DX"}[:a.lanes/4]
	for i := 1; i < len(bases); i++ {
		a.p("LEAQ (%s)(R9*4), %s", bases[i-1], bases[i])
	}
	loop := a.fresh("group")
	a.at(loop)
	a.rowsOf(bases, a.insert)
	a.turn()
	store()
	for _, base := range bases {
		a.p("ADDQ $16, %s", base)
	}
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	return bases
}

// rowsOf visits the rows at bases, four from each.
func (a *asm) rowsOf(bases []string, insert func(lane int, addr string, d int)) {
	for i := range 4 {
		for lane, base := range bases {
			insert(lane, row(i, base, "", "R9", "R11", 0), i)
		}
	}
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
