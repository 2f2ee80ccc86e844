package main

// fetches says whether a tile is one of many that read the same panel of B, whose next it fetches.
func (t *gemmKernel) fetches() bool {
	return !t.taps && !t.long && t.rows > 3 && (t.wide() || len(t.widths) == 2 && t.widths[1] == 8)
}

// fetchFar points R10 at what the steps of this tile fetch into the cache, R12 bytes from step to step: one line of each
// row of the panel that comes next.
func (t *gemmKernel) fetchFar() {
	t.p("DECQ %d(DI)", argFarLines)
	t.p("MOVQ %d(DI), R10", argFar)
	t.p("MOVQ %d(DI), R12", argLDFar)
	t.p("ADDQ $64, %d(DI)", argFar)
}

// fetchC fetches the tile's part of C ahead of the stores.
func (t *gemmKernel) fetchC() {
	none := t.fresh("late")
	t.p("TESTQ $%d, %d(DI)", flagFetchC, argFlags)
	t.p("JZ %s", none)
	t.p("MOVQ %d(DI), R10", argC)
	t.p("MOVQ %d(DI), CX", argRows)
	loop := t.fresh("fetch")
	t.at(loop)
	for d := 0; d <= len(t.widths)*t.bytes(); d += 64 {
		t.p("PREFETCHT0 %d(R10)", d)
	}
	t.p("ADDQ R11, R10")
	t.p("DECQ CX")
	t.p("JNZ %s", loop)
	t.at(none)
}

// tallChains writes the loops over k for every number of rows, of which the driver chooses the most most often.
func (t *gemmKernel) tallChains(done string) {
	t.vecs = len(t.widths)
	lower := t.fresh("lower")
	t.p("MOVQ %d(DI), R8", argRows)
	t.p("CMPQ R8, $%d", t.rows)
	t.p("JNE %s", lower)
	t.mr = t.rows
	t.three("AX", "R8")
	t.highest(done)
	t.at(lower)
	t.choose("R8", t.least, t.rows-1, func(n int) {
		t.mr = n
		t.lower(done)
	})
}

// choose writes f for each number from low to high, and finds the one that is in a register by halves.
func (t *gemmKernel) choose(reg string, low, high int, f func(n int)) {
	if low == high {
		f(low)
		return
	}
	middle := (low + high) / 2
	upper := t.fresh("upper")
	t.p("CMPQ %s, $%d", reg, middle)
	t.p("JGT %s", upper)
	t.choose(reg, low, middle, f)
	t.at(upper)
	t.choose(reg, middle+1, high, f)
}

func (t *gemmKernel) three(from, to string) { t.p("LEAQ (%s)(%s*2), %s", from, from, to) }

// highest writes the loops of the highest tile. In AVX-512 each of its steps fetches a line: of the panel of B that comes
// next, then of the next tile's A if the driver says so, else B's first, which is there. In AVX2, where that would bind, only
// the first tiles' steps do.
func (t *gemmKernel) highest(done string) {
	if !t.fetches() {
		t.twice(t.step, true)
		t.p("JMP %s", done)
		return
	}
	fetching := func() {
		t.step()
		t.p("PREFETCHT0 (R10)")
		t.p("ADDQ R12, R10")
	}
	far, near := t.fresh("far"), t.fresh("near")
	t.p("CMPQ %d(DI), $0", argFarLines)
	if t.wide() {
		t.p("JGT %s", far)
		t.p("MOVQ DX, R10")
		t.p("MOVQ $0, R12")
		t.p("CMPQ %d(DI), $0", argFetchA)
		t.p("JE %s", near)
		t.p("CMPQ %d(DI), $1", argTiles)
		t.p("JLE %s", near)
		t.p("MOVQ %d(DI), R12", argFetchA)
		t.p("MOVQ %d(DI), R10", argFetchFrom)
		t.p("ADDQ SI, R10")
		t.p("JMP %s", near)
		t.at(far)
		t.fetchFar()
		t.at(near)
		t.twice(fetching, true)
	} else {
		t.p("JGT %s", far)
		t.twice(t.step, true)
		t.p("JMP %s", done)
		t.at(far)
		t.fetchFar()
		t.repeat(fetching)
	}
	t.three("R11", "R12")
	t.p("JMP %s", done)
}

// lower writes the loop of a tile of fewer rows.
func (t *gemmKernel) lower(done string) {
	t.three("AX", "R8")
	if t.mr > 3 && !t.wide() {
		t.twice(t.step, false)
	} else {
		t.repeat(t.step)
	}
	t.p("JMP %s", done)
}

// longChains writes the loops over k for every number of vectors. B passes once and is fetched ahead, but never past its
// end: a page that is not mapped costs much.
func (t *gemmKernel) longChains(done string) {
	t.mr = t.rows
	t.p("MOVQ %d(DI), R10", argVecs)
	t.choose("R10", t.least, len(t.widths), func(n int) {
		if t.vecs = n; n > 2 {
			rest := t.fresh("rest")
			t.p("SUBQ $9, CX")
			t.p("JLE %s", rest)
			t.repeat(func() {
				t.step()
				for d := 0; d < t.vecs*t.bytes(); d += 64 {
					t.p("PREFETCHT0 %d(DX)(R9*8)", d) // DX is at the next row
				}
			})
			t.at(rest)
			t.p("ADDQ $9, CX")
		}
		t.repeat(t.step)
		t.p("JMP %s", done)
	})
}

// repeat writes a loop of CX rounds. Only the loops that most steps are in are aligned: the assembler may not come to an
// end with many alignments among short jumps.
func (t *gemmKernel) repeat(body func()) {
	loop := t.fresh("k")
	t.at(loop)
	body()
	t.p("DECQ CX")
	t.p("JNZ %s", loop)
}

// twice is repeat with two steps a round, which begins at the second if CX is odd.
func (t *gemmKernel) twice(body func(), align bool) {
	loop, odd := t.fresh("k"), t.fresh("odd")
	t.p("TESTQ $1, CX")
	t.p("JZ %s", loop)
	t.p("INCQ CX")
	t.p("JMP %s", odd)
	if align {
		t.p("PCALIGN $32")
	}
	t.at(loop)
	body()
	t.at(odd)
	body()
	t.p("SUBQ $2, CX")
	t.p("JNZ %s", loop)
}

// step writes one step of every chain.
func (t *gemmKernel) step() {
	a := func(i int) string {
		if t.stacked {
			return row(i%3, []string{"SI", "R13", "R14"}[i/3], "", "AX", "", 0)
		}
		return line(i, "SI", "AX", "R8", 0)
	}
	switch {
	case t.long && t.rows == 1: // no register is used twice: B comes straight from memory
		t.p("VBROADCASTSS (SI), %s", t.r(2))
		for v := range t.vecs {
			if t.masked && t.last(v) {
				t.ld(t.inRow(v), v, 0)
				t.p("VFMADD231PS %s, %s, %s", t.vec(0, v), t.vec(2, v), t.acc(0, v))
			} else {
				t.p("VFMADD231PS %s, %s, %s", t.inRow(v), t.vec(2, v), t.acc(0, v))
			}
		}
	case t.long: // A is kept in registers
		for i := range t.mr {
			t.p("VBROADCASTSS %s, %s", a(i), t.r(i))
		}
		for v := range t.vecs {
			t.ld(t.inRow(v), v, 3)
			for i := range t.mr {
				t.p("VFMADD231PS %s, %s, %s", t.vec(i, v), t.vec(3, v), t.acc(i, v))
			}
		}
	default: // B is
		for v := range t.vecs {
			t.ld(t.inRow(v), v, v)
		}
		for i := range t.mr {
			if t.wide() && t.vecs == 1 { // a register broadcast that feeds one FMA would bind
				t.p("VFMADD231PS.BCST %s, %s, %s", a(i), t.vec(0, 0), t.acc(i, 0))
				continue
			}
			x := 2
			if t.wide() {
				x = max(3, t.vecs) + i%4
			}
			t.p("VBROADCASTSS %s, %s", a(i), t.vec(x, 0))
			for v := range t.vecs {
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
