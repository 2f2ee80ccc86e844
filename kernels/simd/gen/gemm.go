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
	argTileA
	argTileC
	argTileMask
	argFar
	argLDFar
)

// gemmFamily writes every tile of the set and the switch that calls them.
func (a *asm) gemmFamily() {
	sw := fmt.Sprintf("\nfunc gemmTile_%s(mr, nr int, p *gemmArgs) {\n\tswitch mr<<8 | nr {\n", a.name)
	for mr := 1; mr <= 12; mr++ {
		for nr := 1; nr <= 128; nr++ {
			if widths := a.tile(mr, nr); widths != nil {
				a.gemm(mr, nr, widths)
				sw += fmt.Sprintf("\tcase %d<<8 | %d:\n\t\tf32gemm_%dx%d_%s(p)\n", mr, nr, mr, nr, a.name)
			}
		}
	}
	a.pack()
	a.switches += sw + "\t}\n}\n"
}

// tile returns the lanes of each vector of a row of an mr by nr tile; nil when the set has none. Few rows go wider, to
// hide the latency of their chains. The last vector of AVX2 begins so early that it ends at the last column.
func (i *isa) tile(mr, nr int) (widths []int) {
	switch {
	case i.wide() && (nr%8 != 0 || mr > 8 || mr > 1 && nr > 48):
		return nil
	case i.wide() || nr%8 == 0 && (mr <= 6 && nr <= 16 || mr <= 3 && nr <= []int{104, 48, 32}[mr-1]):
		for left := nr; left > 0; left -= i.lanes {
			widths = append(widths, min(left, i.lanes))
		}
		return widths
	case nr == 4:
		return []int{4}
	case nr == 7 && mr <= 6:
		return []int{4, 4}
	case nr == 12 && mr <= 6:
		return []int{8, 4}
	}
	return nil
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

// gemmTile is the tile being written.
type gemmTile struct {
	*asm
	mr, nr int
	widths []int // lanes of each vector of a row
	acc0   int   // register of the first accumulator
	few    bool  // two or three rows and many columns: A is kept in registers, not B
	direct bool  // one row: no register is used twice, B comes straight from memory
	masked bool  // the last vector has only the columns that gemmArgs.live says
}

// vec names register n as part of column vector v.
func (t *gemmTile) vec(n, v int) string { return fmt.Sprintf("%c%d", "XYZ"[t.widths[v]/8], n) }

func (t *gemmTile) acc(i, v int) string { return t.vec(t.acc0+i*len(t.widths)+v, v) }

func (t *gemmTile) last(v int) bool { return v == len(t.widths)-1 }

// slides says whether vector v begins gemmArgs.live bytes after the first column, which R14 holds.
func (t *gemmTile) slides(v int) bool { return !t.wide() && v > 0 && t.last(v) }

// ld and st touch only live columns.
func (t *gemmTile) ld(addr string, v, dst int) {
	switch {
	case !t.masked || !t.last(v):
		t.p("VMOVUPS %s, %s", addr, t.vec(dst, v))
	case t.wide():
		t.p("VMOVUPS.Z %s, K1, %s", addr, t.vec(dst, v))
	default:
		t.p("VMASKMOVPS %s, %s, %s", addr, t.vec(3, v), t.vec(dst, v))
	}
}

func (t *gemmTile) st(i, v int, addr string) {
	switch {
	case !t.masked || !t.last(v):
		t.p("VMOVUPS %s, %s", t.acc(i, v), addr)
	case t.wide():
		t.p("VMOVUPS %s, K1, %s", t.acc(i, v), addr)
	default:
		t.p("VMASKMOVPS %s, %s, %s", t.acc(i, v), t.vec(3, v), addr)
	}
}

// matrix runs f for every vector of the rows of the matrix at base, which it may move.
func (t *gemmTile) matrix(base, stride, three string, f func(i, v int, addr string)) {
	t.bases(base, stride)
	for v := range t.widths {
		disp := v * t.bytes()
		if t.slides(v) {
			disp = 0
			t.p("ADDQ R14, %s", base)
			if t.mr > 4 {
				t.p("ADDQ R14, R13")
			}
		}
		for i := range t.mr {
			if i >= 8 {
				f(i, v, row(i-8, "R14", "", stride, three, disp))
			} else {
				f(i, v, row(i, base, "R13", stride, three, disp))
			}
		}
	}
}

// bases points R13 and R14 at rows 4 and 8 of the matrix at base.
func (t *gemmTile) bases(base, stride string) {
	if t.mr > 4 {
		t.p("LEAQ (%s)(%s*4), R13", base, stride)
	}
	if t.mr > 8 {
		t.p("LEAQ (%s)(%s*8), R14", base, stride)
	}
}

// inRow addresses vector v of the row at DX.
func (t *gemmTile) inRow(v int) string {
	if t.slides(v) {
		return "(DX)(R14*1)"
	}
	return fmt.Sprintf("%d(DX)", v*t.bytes())
}

// gemm writes one mr by nr tile. It walks down p.tiles tiles of A and C.
func (a *asm) gemm(mr, nr int, widths []int) {
	vecs := len(widths)
	t := &gemmTile{asm: a, mr: mr, nr: nr, widths: widths, acc0: 4, few: !a.wide() && (mr == 2 || mr == 3) && vecs > 2, direct: mr == 1 && vecs > 2}
	if t.direct {
		t.acc0 = 3
	}
	a.text(fmt.Sprintf("gemm_%dx%d", mr, nr), "p *gemmArgs", 8)
	a.p("MOVQ p+0(FP), DI")
	a.p("MOVQ %d(DI), AX", argRSA)
	a.p("MOVQ %d(DI), BX", argCSA)
	a.p("MOVQ %d(DI), R9", argLDB)
	a.p("MOVQ %d(DI), R11", argLDC)
	a.p("LEAQ (AX)(AX*2), R8")
	a.p("LEAQ (R11)(R11*2), R12")
	for _, arg := range [][2]int{{argA, argTileA}, {argC, argTileC}, {argMask, argTileMask}} {
		a.p("MOVQ %d(DI), DX", arg[0])
		a.p("MOVQ DX, %d(DI)", arg[1])
	}
	switch {
	case a.wide():
		t.acc0, t.masked = 8, true
		a.p("KMOVW %d(DI), K1", argLive)
		t.loop()
	case nr == 4: // twice: whole, and through a mask
		a.use("lanes")
		masked := a.fresh("masked")
		a.p("MOVQ %d(DI), CX", argLive)
		a.p("CMPQ CX, $4")
		a.p("JNE %s", masked)
		t.loop()
		a.at(masked)
		a.p("LEAQ lanes<>+32(SB), DX")
		a.p("SHLQ $2, CX")
		a.p("SUBQ CX, DX")
		a.p("VMOVUPS (DX), X3")
		t.masked = true
		t.loop()
	default:
		if vecs > 1 {
			a.p("MOVQ %d(DI), R14", argLive)
		}
		t.loop()
	}
}

// loop writes the loop over tiles.
func (t *gemmTile) loop() {
	next, zero, ready := t.fresh("tile"), t.fresh("zero"), t.fresh("ready")
	done := t.fresh("done")
	t.at(next)
	t.p("TESTQ $1, %d(DI)", argFlags)
	t.p("JZ %s", zero)
	t.p("MOVQ %d(DI), R10", argTileC)
	t.matrix("R10", "R11", "R12", func(i, v int, addr string) { t.ld(addr, v, t.acc0+i*len(t.widths)+v) })
	t.p("JMP %s", ready)
	t.at(zero)
	for n := range t.mr * len(t.widths) {
		t.zero(t.acc0 + n)
	}
	t.at(ready)
	t.p("MOVQ %d(DI), SI", argTileA)
	t.p("MOVQ %d(DI), DX", argB)
	t.p("MOVQ %d(DI), CX", argK)
	t.p("TESTQ CX, CX")
	t.p("JZ %s", done)
	t.bases("SI", "AX")
	if t.reuses() {
		far := t.fresh("far")
		t.p("MOVQ %d(DI), R10", argFar)
		t.p("TESTQ R10, R10")
		t.p("JNZ %s", far)
		t.chains(false)
		t.p("JMP %s", done)
		t.at(far) // the first tile fetches what the next panel will read
		t.p("MOVQ $0, %d(DI)", argFar)
		t.p("MOVQ %d(DI), R12", argLDFar)
		t.chains(true)
		t.p("LEAQ (R11)(R11*2), R12")
	} else {
		t.chains(false)
	}
	t.at(done)
	t.epilogue()
	t.p("MOVQ %d(DI), R10", argTileC)
	t.matrix("R10", "R11", "R12", t.st)
	t.p("IMUL3Q $%d, R11, DX", t.mr)
	t.p("ADDQ DX, %d(DI)", argTileC)
	t.p("IMUL3Q $%d, AX, DX", t.mr)
	t.p("ADDQ DX, %d(DI)", argTileA)
	t.p("DECQ %d(DI)", argTiles)
	t.p("JNZ %s", next)
	t.ret()
}

// reuses says whether a tile is one of many that read the same panel of B.
func (t *gemmTile) reuses() bool { return t.mr > 3 && t.nr > 12 }

// chains writes the loop over k. With far, each step fetches a row at R10 into the cache.
func (t *gemmTile) chains(far bool) {
	fetch := func(format string) {
		for d := 0; d < 4*t.nr; d += 64 {
			t.p("PREFETCHT0 "+format, d)
		}
	}
	switch {
	case far:
		t.repeat(func() {
			t.step()
			fetch("%d(R10)")
			t.p("ADDQ R12, R10")
		})
	case t.few || t.direct:
		// B passes once and is fetched ahead, but never past its end: a page that is not mapped costs much.
		rest := t.fresh("rest")
		t.p("SUBQ $9, CX")
		t.p("JLE %s", rest)
		t.repeat(func() {
			t.step()
			fetch("%d(DX)(R9*8)") // DX is at the next row
		})
		t.at(rest)
		t.p("ADDQ $9, CX")
		t.repeat(t.step)
	case t.mr > 3:
		odd, end := t.fresh("odd"), t.fresh("end")
		t.p("SUBQ $2, CX")
		t.p("JLT %s", odd)
		loop := t.fresh("k")
		t.p("PCALIGN $32")
		t.at(loop)
		t.step()
		t.step()
		t.p("SUBQ $2, CX")
		t.p("JGE %s", loop)
		t.at(odd)
		t.p("ADDQ $2, CX")
		t.p("JZ %s", end)
		t.step()
		t.at(end)
	default:
		t.repeat(t.step)
	}
}

// repeat writes a loop of CX rounds.
func (t *gemmTile) repeat(body func()) {
	loop := t.fresh("k")
	t.p("PCALIGN $32")
	t.at(loop)
	body()
	t.p("DECQ CX")
	t.p("JNZ %s", loop)
}

// step writes one step of every chain.
func (t *gemmTile) step() {
	vecs := len(t.widths)
	a := func(i int) string {
		if i >= 8 {
			return row(i-8, "R14", "", "AX", "R8", 0)
		}
		return row(i, "SI", "R13", "AX", "R8", 0)
	}
	switch {
	case t.direct:
		t.p("VBROADCASTSS (SI), %s", t.r(2))
		for v := range vecs {
			if t.masked && t.last(v) {
				t.ld(t.inRow(v), v, 0)
				t.p("VFMADD231PS %s, %s, %s", t.vec(0, v), t.vec(2, v), t.acc(0, v))
			} else {
				t.p("VFMADD231PS %s, %s, %s", t.inRow(v), t.vec(2, v), t.acc(0, v))
			}
		}
	case t.few:
		for i := range t.mr {
			t.p("VBROADCASTSS %s, %s", a(i), t.r(i))
		}
		for v := range vecs {
			t.ld(t.inRow(v), v, 3)
			for i := range t.mr {
				t.p("VFMADD231PS %s, %s, %s", t.vec(i, v), t.vec(3, v), t.acc(i, v))
			}
		}
	default:
		for v := range vecs {
			t.ld(t.inRow(v), v, v)
		}
		for i := range t.mr {
			if t.wide() && vecs == 1 { // a register broadcast that feeds one FMA would bind
				t.p("VFMADD231PS.BCST %s, %s, %s", a(i), t.vec(0, 0), t.acc(i, 0))
				continue
			}
			x := 2
			if t.wide() {
				x = 3 + i%4
			}
			t.p("VBROADCASTSS %s, %s", a(i), t.vec(x, 0))
			for v := range vecs {
				t.p("VFMADD231PS %s, %s, %s", t.vec(x, v), t.vec(v, v), t.acc(i, v))
			}
		}
	}
	t.p("ADDQ BX, SI")
	if t.mr > 4 {
		t.p("ADDQ BX, R13")
	}
	if t.mr > 8 {
		t.p("ADDQ BX, R14")
	}
	t.p("ADDQ R9, DX")
}

// epilogue writes bias, rectifier and mask.
func (t *gemmTile) epilogue() {
	noBias, noRelu, noMask := t.fresh("nobias"), t.fresh("norelu"), t.fresh("nomask")
	t.p("MOVQ %d(DI), DX", argBias)
	t.p("TESTQ DX, DX")
	t.p("JZ %s", noBias)
	for v := range t.widths {
		t.ld(t.inRow(v), v, 0)
		for i := range t.mr {
			t.p("VADDPS %s, %s, %s", t.vec(0, v), t.acc(i, v), t.acc(i, v))
		}
	}
	t.at(noBias)
	t.p("TESTQ $2, %d(DI)", argFlags)
	t.p("JZ %s", noRelu)
	t.zero(0)
	for v := range t.widths {
		for i := range t.mr {
			t.p("VMAXPS %s, %s, %s", t.acc(i, v), t.vec(0, v), t.acc(i, v))
		}
	}
	t.at(noRelu)
	t.p("MOVQ %d(DI), SI", argTileMask)
	t.p("TESTQ SI, SI")
	t.p("JZ %s", noMask)
	t.p("MOVQ %d(DI), AX", argLDMask)
	t.p("LEAQ (AX)(AX*2), R8")
	t.zero(1)
	t.matrix("SI", "AX", "R8", func(i, v int, addr string) {
		t.ld(addr, v, 0)
		if t.wide() {
			t.p("VCMPPS $18, %s, %s, K2", t.vec(1, v), t.vec(0, v))
			t.p("VMOVAPS %s, K2, %s", t.vec(1, v), t.acc(i, v))
		} else {
			t.p("VCMPPS $18, %s, %s, %s", t.vec(1, v), t.vec(0, v), t.vec(0, v))
			t.p("VANDNPS %s, %s, %s", t.acc(i, v), t.vec(0, v), t.acc(i, v))
		}
	})
	t.p("IMUL3Q $%d, AX, DX", t.mr)
	t.p("ADDQ DX, %d(DI)", argTileMask)
	t.p("MOVQ %d(DI), AX", argRSA)
	t.p("LEAQ (AX)(AX*2), R8")
	t.at(noMask)
}

// pack copies strips of 16 columns of a matrix, k rows, which need not be near each other in memory, to rows ldd bytes apart.
func (a *asm) pack() {
	a.text("pack16", "dst *float32, ldd int, src *float32, lds, k int", 40)
	a.p("MOVQ dst+0(FP), DI")
	a.p("MOVQ ldd+8(FP), R8")
	a.p("MOVQ src+16(FP), SI")
	a.p("MOVQ lds+24(FP), R9")
	a.p("MOVQ k+32(FP), CX")
	loop := a.fresh("pack")
	a.at(loop)
	for d := 0; d < 64; d += a.bytes() {
		a.p("VMOVUPS %d(SI), %s", d, a.r(d/a.bytes()))
	}
	for d := 0; d < 64; d += a.bytes() {
		a.p("VMOVUPS %s, %d(DI)", a.r(d/a.bytes()), d)
	}
	a.p("ADDQ R9, SI")
	a.p("ADDQ R8, DI")
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.ret()
}

func (a *asm) zero(n int) {
	if a.wide() {
		a.p("VPXORD %s, %s, %s", a.r(n), a.r(n), a.r(n))
	} else {
		a.p("VXORPS %s, %s, %s", a.r(n), a.r(n), a.r(n))
	}
}
