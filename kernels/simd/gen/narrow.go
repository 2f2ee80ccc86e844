package main

import "fmt"

// Offsets of narrowArgs; a test of package simd holds them against the Go struct.
const (
	narrowA = 8 * iota
	narrowAt
	narrowTaps
	narrowK
	narrowColA
	narrowB
	narrowLDB
	narrowC
	narrowLDC
	narrowVecs
	narrowLive
	narrowFlags
)

// narrowVectors is how many vectors of rows a kernel of one to four columns computes at most: what fills the chains.
func (a *asm) narrowVectors(cols int) int {
	if a.wide() {
		return []int{8, 8, 6, 6}[cols-1]
	}
	return []int{8, 5, 3, 2}[cols-1]
}

// narrow writes the kernels of products by taps of few columns, which compute them turned: the rows of C lie in the lanes,
// as they lie beside each other in A, and B is broadcast. C is turned as well. AVX-512 masks the last vector of A (K1); of C
// the vectors are whole, in memory of the driver's.
func (a *asm) narrow() {
	sw := ""
	for cols := 1; cols <= 4; cols++ {
		a.text(fmt.Sprintf("narrow%d", cols), "p *narrowArgs", 8)
		a.p("MOVQ p+0(FP), DI")
		for _, arg := range []struct {
			at  int
			reg string
		}{{narrowB, "SI"}, {narrowColA, "BX"}, {narrowLDB, "R9"}, {narrowC, "R12"}, {narrowLDC, "R11"}, {narrowVecs, "R8"}} {
			a.p("MOVQ %d(DI), %s", arg.at, arg.reg)
		}
		if a.wide() {
			a.p("KMOVW %d(DI), K1", narrowLive)
		}
		a.p("MOVQ $0, R10")
		t := &gemmKernel{asm: a}
		t.choose("R8", 1, a.narrowVectors(cols), func(vecs int) { a.narrowChains(cols, vecs) })
		sw += fmt.Sprintf("\tcase %d:\n\t\tf32narrow%d_%s(p)\n", cols, cols, a.name)
	}
	a.switches += fmt.Sprintf("\n// narrow_%s computes so many columns, turned.\nfunc narrow_%s(cols int, p *narrowArgs) {\n\tswitch cols {\n%s\t}\n}\n", a.name, a.name, sw)
}

func (a *asm) narrowChains(cols, vecs int) {
	acc := func(c, v int) string { return a.r(cols + 1 + c*vecs + v) }
	each := func(f func(c, v int, at string)) {
		a.p("MOVQ R12, DX")
		for c := range cols {
			if c > 0 {
				a.p("ADDQ R11, DX")
			}
			for v := range vecs {
				f(c, v, fmt.Sprintf("%d(DX)", v*a.bytes()))
			}
		}
	}
	zero, ready, tap, loop := a.fresh("zero"), a.fresh("ready"), a.fresh("tap"), a.fresh("k")
	a.p("TESTQ $%d, %d(DI)", flagAccumulate, narrowFlags)
	a.p("JZ %s", zero)
	each(func(c, v int, at string) { a.p("VMOVUPS %s, %s", at, acc(c, v)) })
	a.p("JMP %s", ready)
	a.at(zero)
	for n := range cols * vecs {
		a.zero(cols + 1 + n)
	}
	a.at(ready)
	a.at(tap)
	a.p("MOVQ %d(DI), DX", narrowAt)
	a.p("MOVQ %d(DI), CX", narrowA)
	a.p("MOVQ (DX)(R10*8), DX")
	a.p("LEAQ (CX)(DX*4), DX")
	a.p("MOVQ %d(DI), CX", narrowK)
	a.at(loop)
	for c := range cols {
		a.p("VBROADCASTSS %d(SI), %s", 4*c, a.r(c))
	}
	for v := range vecs {
		from := fmt.Sprintf("%d(DX)", v*a.bytes())
		switch {
		case a.wide() && v == vecs-1:
			a.p("VMOVUPS.Z %s, K1, %s", from, a.r(cols))
			from = a.r(cols)
		case cols > 1:
			a.p("VMOVUPS %s, %s", from, a.r(cols))
			from = a.r(cols)
		}
		for c := range cols {
			a.p("VFMADD231PS %s, %s, %s", from, a.r(c), acc(c, v))
		}
	}
	a.p("ADDQ BX, DX")
	a.p("ADDQ R9, SI")
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.p("INCQ R10")
	a.p("CMPQ R10, %d(DI)", narrowTaps)
	a.p("JLT %s", tap)
	each(func(c, v int, at string) { a.p("VMOVUPS %s, %s", acc(c, v), at) })
	a.ret()
}
