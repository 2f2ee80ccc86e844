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
	argRows
	argVecs
	argTiles
	argLive
	argLast
	argFlags
	argMask
	argLDMask
	argStepA
	argStepC
	argStepMask
	argFar
	argLDFar
	argFarLines
	argFetchA
	argFetchFrom
	argPlus
	argLDPlus
	argStepPlus
	gemmArgsSize
)

// Bits of gemmArgs.flags.
const (
	flagAccumulate = 1 << iota
	flagRelu
	flagFetchC
	flagPlus
	flagMask
)

// gemmKernel is one function. A tall one has vectors of fixed widths in a row and a number of rows that is chosen at run
// time; a long one has rows of fixed number and a number of whole vectors that is. So tiles of all heights, or of all
// widths, share what comes before and after their chains.
//
// The last vector of a row may have fewer columns than a vector has lanes. AVX-512 masks it (K1). AVX2, whose masked
// loads are slow, begins it so early that it ends at the last column, gemmArgs.last bytes after the first (R14); what two
// vectors compute has the same bits. Long kernels keep it in the first of a row's registers, which is then the same one
// for every width.
type gemmKernel struct {
	*asm
	name    string
	widths  []int // lanes of each vector of a row, at most
	rows    int   // at most
	least   int   // the fewest rows or vectors that it has chains for
	long    bool
	masked  bool // AVX2's fewer than four columns
	taps    bool // a tap is a loop over k: tapsArgs
	stacked bool // of A three lines of three rows
	acc0    int  // register of the first accumulator

	vecs, mr int // of the chains being written
}

// gemmFamily writes the kernels of the set and the switch that calls them.
func (a *asm) gemmFamily() {
	var sw string
	whole := func(n int) (w []int) {
		for range n {
			w = append(w, a.lanes)
		}
		return w
	}
	kernel := func(name string, widths []int, least, rows int, long, masked bool) {
		k := &gemmKernel{asm: a, name: name, widths: widths, least: least, rows: rows, long: long, masked: masked}
		k.write()
	}
	if a.wide() {
		kernel("row", whole(8), 1, 1, true, true)
		sw = "\tswitch {\n\tcase mr == 1:\n\t\tp.vecs = (nr + 15) / 16\n\t\tf32gemm_row_avx512(p)\n"
		for more, rows := range wideRows {
			for _, last := range []int{8, 16} {
				nr := 16*more + last
				kernel(fmt.Sprint(nr), append(whole(more), last), 2, rows, false, true)
				sw += fmt.Sprintf("\tcase nr == %d:\n\t\tf32gemm_%d_avx512(p)\n", nr, nr)
			}
		}
	} else {
		for _, l := range []struct{ rows, least, most int }{{1, 3, 13}, {2, 3, 6}, {3, 3, 4}} {
			name := fmt.Sprintf("rows%d", l.rows)
			kernel(name, whole(l.most), l.least, l.rows, true, false)
			sw += fmt.Sprintf("\tcase nr > 16 && mr == %d:\n\t\tp.vecs = nr / 8\n\t\tf32gemm_%s_avx2(p)\n", l.rows, name)
		}
		for _, l := range []struct {
			name, when string
			widths     []int
			rows       int
		}{{"few", "nr == 4 && p.live != 4", []int{4}, 12}, {"4", "nr == 4", []int{4}, 12}, {"7", "nr == 7", []int{4, 4}, 6}, {"8", "nr == 8", []int{8}, 12},
			{"12", "nr == 12", []int{8, 4}, 6}, {"16", "nr == 16", []int{8, 8}, 6}} {
			kernel(l.name, l.widths, 1, l.rows, false, l.name == "few")
			sw += fmt.Sprintf("\tcase %s:\n\t\tf32gemm_%s_avx2(p)\n", l.when, l.name)
		}
		sw = "\tswitch {\n" + sw
	}
	if a.wide() {
		a.gemmTail(false)
		a.gemmTail(true)
	}
	a.pack()
	a.switches += fmt.Sprintf("\n// gemmTile_%s computes tiles of mr rows by nr columns.\nfunc gemmTile_%s(mr, nr int, p *gemmArgs) {\n\tp.rows = mr\n%s\t}\n}\n", a.name, a.name, sw)
}

// wideRows are the rows of AVX-512's tiles of 1, 2, 3 and 4 vectors: 24 accumulators, but for a single vector, whose
// chains twelve fill.
var wideRows = [...]int{12, 12, 8, 6}

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

// line addresses row i of a matrix whose rows 4 and 8 are at R13 and R14.
func line(i int, base, stride, three string, disp int) string {
	if i >= 8 {
		return row(i-8, "R14", "", stride, three, disp)
	}
	return row(i, base, "R13", stride, three, disp)
}

// vec names register n as part of vector v of a row.
func (t *gemmKernel) vec(n, v int) string {
	return fmt.Sprintf("%c%d", "XYZ"[t.widths[v]/8], n)
}

func (t *gemmKernel) acc(i, v int) string { return t.vec(t.acc0+i*len(t.widths)+v, v) }

func (t *gemmKernel) last(v int) bool {
	if t.long {
		return v == 0
	}
	return v == len(t.widths)-1
}

// slides says whether vector v begins R14 bytes after the first column.
func (t *gemmKernel) slides(v int) bool {
	return t.last(v) && (t.long || !t.wide() && len(t.widths) > 1)
}

// offset is where vector v begins if it does not slide.
func (t *gemmKernel) offset(v int) int {
	if t.long {
		v--
	}
	return v * t.bytes()
}

// ld and st touch only live columns.
func (t *gemmKernel) ld(addr string, v, dst int) {
	switch {
	case !t.masked || !t.last(v):
		t.p("VMOVUPS %s, %s", addr, t.vec(dst, v))
	case t.wide():
		t.p("VMOVUPS.Z %s, K1, %s", addr, t.vec(dst, v))
	default:
		t.p("VMASKMOVPS %s, %s, %s", addr, t.vec(3, v), t.vec(dst, v))
	}
}

func (t *gemmKernel) st(i, v int, addr string) {
	switch {
	case !t.masked || !t.last(v):
		t.p("VMOVUPS %s, %s", t.acc(i, v), addr)
	case t.wide():
		t.p("VMOVUPS %s, K1, %s", t.acc(i, v), addr)
	default:
		t.p("VMASKMOVPS %s, %s, %s", t.acc(i, v), t.vec(3, v), addr)
	}
}

// each runs f for the vectors that the tile has, which it finds out at run time. before runs ahead of a row of a tall
// kernel, or of a vector of a long one.
func (t *gemmKernel) each(before func(n int), f func(i, v int)) {
	end := t.fresh("end")
	if t.long {
		for v := 1; v < len(t.widths); v++ {
			if v >= t.least {
				t.p("CMPQ %d(DI), $%d", argVecs, v)
				t.p("JLE %s", end)
			}
			before(v)
			for i := range t.rows {
				f(i, v)
			}
		}
		t.at(end)
		before(0)
		for i := range t.rows {
			f(i, 0)
		}
		return
	}
	for i := range t.rows {
		if i >= t.least {
			t.p("CMPQ %d(DI), $%d", argRows, i)
			t.p("JLE %s", end)
		}
		before(i)
		for v := range t.widths {
			f(i, v)
		}
	}
	t.at(end)
}

// matrix runs f for every vector of the tile's rows of the matrix at base, which it may move.
func (t *gemmKernel) matrix(base, stride, three string, f func(i, v int, addr string)) {
	t.bases(base, stride)
	slides := t.slides(len(t.widths)-1) && !t.long
	if slides { // the same rows, from the last vector
		t.p("LEAQ (%s)(R14*1), CX", base)
		if t.rows > 4 {
			t.p("LEAQ (R13)(R14*1), DX")
		}
	}
	before := func(v int) {
		if t.long && v == 0 {
			t.p("ADDQ R14, %s", base)
		}
	}
	t.each(before, func(i, v int) {
		switch {
		case slides && t.last(v):
			f(i, v, row(i, "CX", "DX", stride, three, 0))
		case t.slides(v):
			f(i, v, line(i, base, stride, three, 0))
		default:
			f(i, v, line(i, base, stride, three, t.offset(v)))
		}
	})
}

// bases points R13 and R14 at rows 4 and 8 of the matrix at base.
func (t *gemmKernel) bases(base, stride string) {
	if t.rows > 4 {
		t.p("LEAQ (%s)(%s*4), R13", base, stride)
	}
	if t.rows > 8 {
		t.p("LEAQ (%s)(%s*8), R14", base, stride)
	}
}

// inRow addresses vector v of the row at DX.
func (t *gemmKernel) inRow(v int) string {
	if t.slides(v) {
		return "(DX)(R14*1)"
	}
	return fmt.Sprintf("%d(DX)", t.offset(v))
}

// write writes the function. It walks down p.tiles tiles of A and C.
func (t *gemmKernel) write() {
	t.acc0 = 4
	switch {
	case t.wide():
		t.acc0 = 8
	case t.long && t.rows == 1:
		t.acc0 = 3
	}
	if t.taps {
		t.text("taps_"+t.name, "p *tapsArgs", 8)
	} else {
		t.text("gemm_"+t.name, "p *gemmArgs", 8)
	}
	t.p("MOVQ p+0(FP), DI")
	t.p("MOVQ %d(DI), AX", argRSA)
	t.p("MOVQ %d(DI), BX", argCSA)
	t.p("MOVQ %d(DI), R9", argLDB)
	t.p("MOVQ %d(DI), R11", argLDC)
	t.p("LEAQ (AX)(AX*2), R8")
	t.p("LEAQ (R11)(R11*2), R12")
	switch {
	case t.wide():
		t.p("KMOVW %d(DI), K1", argLive)
	case t.masked:
		t.use("lanes")
		t.p("LEAQ lanes<>+32(SB), DX")
		t.p("MOVQ %d(DI), CX", argLive)
		t.p("SHLQ $2, CX")
		t.p("SUBQ CX, DX")
		t.p("VMOVUPS (DX), X3")
	}
	if t.slides(0) || t.slides(len(t.widths)-1) {
		t.p("MOVQ %d(DI), R14", argLast)
	}
	next, zero, ready, done := t.fresh("tile"), t.fresh("zero"), t.fresh("ready"), t.fresh("done")
	t.at(next)
	if t.fetches() {
		t.fetchC()
	}
	if t.taps {
		t.fetchBeside()
	}
	t.start(zero, ready)
	if t.taps {
		t.tapChains(done)
	} else {
		t.chains(done)
	}
	t.at(done)
	t.epilogue()
	t.p("MOVQ %d(DI), R10", argC)
	t.stores()
	if t.taps {
		t.tapsAfter(next)
	} else {
		t.tileAfter(next)
	}
}

// start begins the chains: at C when accumulating, or at 0.
func (t *gemmKernel) start(zero, ready string) {
	t.p("TESTQ $%d, %d(DI)", flagAccumulate, argFlags)
	t.p("JZ %s", zero)
	t.p("MOVQ %d(DI), R10", argC)
	t.matrix("R10", "R11", "R12", func(i, v int, addr string) { t.ld(addr, v, t.acc0+i*len(t.widths)+v) })
	t.p("JMP %s", ready)
	t.at(zero)
	for n := range t.rows * len(t.widths) {
		if t.wide() && n > 0 {
			t.p("VMOVAPS Z%d, Z%d", t.acc0, t.acc0+n)
			continue
		}
		t.zero(t.acc0 + n)
	}
	t.at(ready)
}

// chains writes the chains of a plain product.
func (t *gemmKernel) chains(done string) {
	t.p("MOVQ %d(DI), SI", argA)
	t.p("MOVQ %d(DI), DX", argB)
	t.p("MOVQ %d(DI), CX", argK)
	t.p("TESTQ CX, CX")
	t.p("JZ %s", done)
	if t.long {
		t.longChains(done)
	} else {
		t.bases("SI", "AX")
		t.tallChains(done)
	}
}

// stores writes C, whose first row is at R10.
func (t *gemmKernel) stores() {
	if t.long || t.wide() {
		t.matrix("R10", "R11", "R12", t.st)
		return
	}
	lower, done := t.fresh("lower"), t.fresh("stored")
	t.p("CMPQ %d(DI), $%d", argRows, t.rows)
	t.p("JNE %s", lower)
	t.bases("R10", "R11")
	for v := range t.widths {
		disp := t.offset(v)
		if t.slides(v) {
			disp = 0
			t.p("ADDQ R14, R10")
			if t.rows > 4 {
				t.p("ADDQ R14, R13")
			}
		}
		for i := range t.rows {
			t.st(i, v, line(i, "R10", "R11", "R12", disp))
		}
	}
	t.p("JMP %s", done)
	t.at(lower)
	t.matrix("R10", "R11", "R12", t.st)
	t.at(done)
}

// epilogue writes bias, what is added, rectifier and mask.
func (t *gemmKernel) epilogue() {
	noBias, noPlus, noRelu, noMask := t.fresh("nobias"), t.fresh("noplus"), t.fresh("norelu"), t.fresh("nomask")
	beside := func(flag, arg, ld int, none string, before func(), f func(i, v int)) {
		t.p("TESTQ $%d, %d(DI)", flag, argFlags)
		t.p("JZ %s", none)
		t.p("MOVQ %d(DI), SI", arg)
		t.p("MOVQ %d(DI), R10", ld)
		t.p("LEAQ (R10)(R10*2), BX")
		before()
		t.matrix("SI", "R10", "BX", func(i, v int, addr string) {
			t.ld(addr, v, 0)
			f(i, v)
		})
		t.p("MOVQ %d(DI), BX", argCSA)
		t.at(none)
	}
	t.p("MOVQ %d(DI), DX", argBias)
	t.p("TESTQ DX, DX")
	t.p("JZ %s", noBias)
	add := func(b, i, v int) { t.p("VADDPS %s, %s, %s", t.vec(b, v), t.acc(i, v), t.acc(i, v)) }
	if t.long {
		t.each(func(v int) { t.ld(t.inRow(v), v, 0) }, func(i, v int) { add(0, i, v) })
	} else {
		for v := range t.widths {
			t.ld(t.inRow(v), v, v)
		}
		t.each(func(int) {}, func(i, v int) { add(v, i, v) })
	}
	t.at(noBias)
	beside(flagPlus, argPlus, argLDPlus, noPlus, func() {}, func(i, v int) { add(0, i, v) })
	t.p("TESTQ $%d, %d(DI)", flagRelu, argFlags)
	t.p("JZ %s", noRelu)
	t.zero(0)
	t.each(func(int) {}, func(i, v int) { t.p("VMAXPS %s, %s, %s", t.acc(i, v), t.vec(0, v), t.acc(i, v)) })
	t.at(noRelu)
	beside(flagMask, argMask, argLDMask, noMask, func() { t.zero(1) }, func(i, v int) {
		if t.wide() {
			t.p("VCMPPS $18, %s, %s, K2", t.vec(1, v), t.vec(0, v))
			t.p("VMOVAPS %s, K2, %s", t.vec(1, v), t.acc(i, v))
		} else {
			t.p("VCMPPS $18, %s, %s, %s", t.vec(1, v), t.vec(0, v), t.vec(0, v))
			t.p("VANDNPS %s, %s, %s", t.acc(i, v), t.vec(0, v), t.acc(i, v))
		}
	})
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
