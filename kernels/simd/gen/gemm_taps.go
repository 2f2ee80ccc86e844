package main

import "fmt"

// Offsets of what tapsArgs has beside gemmArgs; a test of package simd holds them against the Go struct.
const (
	argAt = gemmArgsSize + 8*iota
	argTaps
	argLines
	argLineTiles
	argNextA
	argNextC
	argNextPlus
	argNextMask
	argFetch
	argFetchLeft
	argFetchTap
	argFetchSecond
	argLeftSecond
	argSkipB
)

// tapsFamily writes the kernels of products whose steps come in taps and whose rows in lines, and the switch that calls
// them: the tall kernels of the set, whose accumulators stay over all taps, and which go on from line to line.
func (a *asm) tapsFamily() {
	type tall struct {
		name, when string
		widths     []int
		rows       int
	}
	list := []tall{{"8", "nr == 8", []int{8}, 12}, {"16", "nr == 16", []int{16}, 12}, {"32", "nr == 32", []int{16, 16}, 12}}
	if !a.wide() {
		list = []tall{{"few", "nr == 4 && p.live != 4", []int{4}, 12}, {"4", "nr == 4", []int{4}, 12}, {"7", "nr == 7", []int{4, 4}, 6}, {"8", "nr == 8", []int{8}, 12},
			{"12", "nr == 12", []int{8, 4}, 6}, {"16", "nr == 16", []int{8, 8}, 6}}
	}
	sw := ""
	for _, l := range list {
		k := &gemmKernel{asm: a, name: l.name, widths: l.widths, least: 1, rows: l.rows, masked: a.wide() || l.name == "few", taps: true}
		k.write()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32taps_%s_%s(p)\n", l.when, l.name, a.name)
	}
	stacked := &gemmKernel{asm: a, name: "stacked", widths: []int{a.lanes}, least: 9, rows: 9, masked: a.wide(), taps: true, stacked: true}
	stacked.write()
	a.narrow()
	a.switches += fmt.Sprintf("\n// tapsTile_%s computes tiles of p.rows rows by nr columns.\nfunc tapsTile_%s(nr int, p *tapsArgs) {\n\tswitch {\n%s\t}\n}\n", a.name, a.name, sw)
}

func (*arm) tapsFamily() {}

// tapChains writes the loops over the taps, which go on through B, over rows that are left out; R10 counts them. Of each tap the loop over its steps is
// there for every number of rows. The kernel of stacked lines takes three of three rows at once, which would be too few
// chains each; argNextA is then from line to line.
func (t *gemmKernel) tapChains(done string) {
	t.vecs = len(t.widths)
	tap, next := t.fresh("tap"), t.fresh("next")
	t.p("CMPQ %d(DI), $0", argTaps)
	t.p("JE %s", done)
	t.p("MOVQ %d(DI), DX", argB)
	t.p("MOVQ $0, R10")
	if t.stacked {
		t.p("MOVQ %d(DI), R8", argNextA)
	} else {
		t.three("AX", "R8")
	}
	t.at(tap)
	t.fetchAhead()
	t.p("MOVQ %d(DI), SI", argAt)
	t.p("MOVQ %d(DI), CX", argA)
	t.p("MOVQ (SI)(R10*8), SI")
	t.p("LEAQ (CX)(SI*4), SI")
	switch {
	case t.stacked:
		t.p("LEAQ (SI)(R8*1), R13")
		t.p("LEAQ (SI)(R8*2), R14")
	default:
		t.bases("SI", "AX")
	}
	t.p("MOVQ %d(DI), CX", argK)
	t.choose(fmt.Sprintf("%d(DI)", argRows), t.least, t.rows, func(n int) {
		if t.mr = n; n > 3 {
			t.twice(t.step, n == t.rows)
		} else {
			t.repeat(t.step)
		}
		if n < t.rows {
			t.p("JMP %s", next)
		}
	})
	t.at(next)
	t.p("ADDQ %d(DI), DX", argSkipB)
	t.p("INCQ R10")
	t.p("CMPQ R10, %d(DI)", argTaps)
	t.p("JLT %s", tap)
}

// fetchBeside fetches what the epilogue of the tile reads ahead of the chains: it was made long ago.
func (t *gemmKernel) fetchBeside() {
	for _, beside := range [][2]int{{flagPlus, argPlus}, {flagMask, argMask}} {
		none, loop := t.fresh("near"), t.fresh("fetch")
		t.p("TESTQ $%d, %d(DI)", beside[0], argFlags)
		t.p("JZ %s", none)
		t.p("MOVQ %d(DI), SI", beside[1])
		t.p("MOVQ %d(DI), CX", argRows)
		t.at(loop)
		for d := 0; d < len(t.widths)*t.bytes(); d += 64 {
			t.p("PREFETCHT0 %d(SI)", d)
		}
		t.p("ADDQ R11, SI")
		t.p("DECQ CX")
		t.p("JNZ %s", loop)
		t.at(none)
	}
}

// fetchAhead fetches a few lines of what the next call reads or writes into the second cache: argFetchTap pieces of four
// lines, while any are left of two ranges.
func (t *gemmKernel) fetchAhead() {
	loop, stop, none := t.fresh("ahead"), t.fresh("stop"), t.fresh("none")
	t.p("CMPQ %d(DI), $0", argFetchLeft)
	t.p("JE %s", none)
	t.p("MOVQ %d(DI), CX", argFetchTap)
	t.p("MOVQ %d(DI), SI", argFetch)
	t.at(loop)
	for d := 0; d < 256; d += 64 {
		t.p("PREFETCHT1 %d(SI)", d)
	}
	t.p("ADDQ $256, SI")
	t.p("DECQ %d(DI)", argFetchLeft)
	t.p("JZ %s", stop)
	t.p("DECQ CX")
	t.p("JNZ %s", loop)
	t.p("MOVQ SI, %d(DI)", argFetch)
	t.p("JMP %s", none)
	t.at(stop)
	t.p("MOVQ %d(DI), SI", argFetchSecond)
	t.p("MOVQ SI, %d(DI)", argFetch)
	t.p("MOVQ %d(DI), SI", argLeftSecond)
	t.p("MOVQ SI, %d(DI)", argFetchLeft)
	t.p("MOVQ $0, %d(DI)", argLeftSecond)
	t.at(none)
}

// tapsAfter goes on with the next tile of the line, or the first of the next line, or returns. As in tileAfter, no pointer
// may leave its matrix.
func (a *asm) tapsAfter(next string) {
	line, last := a.fresh("line"), a.fresh("last")
	move := func(steps ...int) {
		for i, arg := range []int{argC, argA, argPlus, argMask} {
			a.p("MOVQ %d(DI), DX", steps[i])
			a.p("ADDQ DX, %d(DI)", arg)
		}
		a.p("JMP %s", next)
	}
	a.p("DECQ %d(DI)", argTiles)
	a.p("JZ %s", line)
	move(argStepC, argStepA, argStepPlus, argStepMask)
	a.at(line)
	a.p("DECQ %d(DI)", argLines)
	a.p("JZ %s", last)
	a.p("MOVQ %d(DI), DX", argLineTiles)
	a.p("MOVQ DX, %d(DI)", argTiles)
	move(argNextC, argNextA, argNextPlus, argNextMask)
	a.at(last)
	a.ret()
}
