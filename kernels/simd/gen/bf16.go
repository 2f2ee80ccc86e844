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
	bfStatus
	bfFlush = bfStatus + 4
)

func init() {
	values["upper"] = 0xffff0000
	values["lower"] = 1<<15 - 1 // what rounds to nearest, of two the even one, together with the last bit
	values["bit0"] = 1
	patterns["slide"] = func(_ *isa, word int) uint32 { // from byte s on: a control of VPSHUFB that moves down by s bytes
		if word < 4 {
			return 0x03020100 + 0x04040404*uint32(word)
		}
		return 0x80808080
	}
}

// The largest tile of bf16 products has so many vectors in a row. Even and odd chains stay in registers: twelve of AVX2, and
// 24 of the others.
const bf16Vecs = 3

func (i *isa) bf16Rows() int {
	if i == avx2 {
		return 2
	}
	return 4
}

// bf16Family writes the kernels of bf16 operands and the switches that call them.
func (a *asm) bf16Family() {
	sw := fmt.Sprintf("\nfunc bf16Tile_%s(mr, nr int, p *bf16Args) {\n\tswitch mr<<8 | nr {\n", a.name)
	for mr := 1; mr <= a.bf16Rows(); mr++ {
		for nr := 8; nr <= bf16Vecs*a.lanes; nr += 8 {
			a.bf16Tile(mr, nr)
			sw += fmt.Sprintf("\tcase %d<<8 | %d:\n\t\tbf16gemm_%dx%d_%s(p)\n", mr, nr, mr, nr, a.name)
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
	if !a.wide() {
		a.bf16Edge()
	}
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
// of k one after another.
func (a *asm) bf16Tile(mr, nr int) {
	t := &gemmKernel{asm: a}
	for left := nr; left > 0; left -= a.lanes {
		t.widths = append(t.widths, min(left, a.lanes))
	}
	vecs := len(t.widths)
	t.acc0 = 4
	if a.wide() {
		t.acc0 = 8
	}
	acc := func(odd, i, v int) int { return t.acc0 + (odd*mr+i)*vecs + v }
	row32 := a.bytes() // of a packed operand: one step
	// step does an even or an odd step.
	step := func(odd int) {
		for v := range vecs {
			t.p("VMOVUPS %s, %s", row(v, "DX", "", "R9", "", odd*row32), t.vec(v, v))
		}
		for i := range mr {
			if a.wide() && (vecs == 1 || i%2 == 0) { // of every second row: all would bind the loads of CPUs with two wide units
				for v := range vecs {
					t.p("VFMADD231PS.BCST %d(SI), %s, %s", odd*row32+4*i, t.vec(v, v), t.vec(acc(odd, i, v), v))
				}
				continue
			}
			x := 3
			if a.wide() {
				x += i
			}
			t.p("VBROADCASTSS %d(SI), %s", odd*row32+4*i, t.vec(x, 0))
			for v := range vecs {
				t.p("VFMADD231PS %s, %s, %s", t.vec(x, v), t.vec(v, v), t.vec(acc(odd, i, v), v))
			}
		}
	}
	zero := func() {
		for i := range 2 * mr * vecs {
			t.zero(t.acc0 + i)
		}
	}
	// pairs loops over CX pairs of steps.
	pairs := func() {
		loop := t.fresh("pair")
		t.p("PCALIGN $32")
		t.at(loop)
		step(0)
		step(1)
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
	pairs()
	each(func(i, v int, _ string) {
		t.p("VADDPS %s, %s, %s", t.vec(acc(1, i, v), v), t.vec(acc(0, i, v), v), t.vec(acc(0, i, v), v))
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
