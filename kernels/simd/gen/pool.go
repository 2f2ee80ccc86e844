package main

import "fmt"

// Offsets of poolArgs; a test of package simd holds them against the Go struct.
const (
	poolX = 8 * iota
	poolY
	poolDX
	poolAt
	poolTaps
	poolPlaces
	poolN
	poolRelu
	poolWon
)

// poolKernel says what one kernel of windows does.
type poolKernel struct {
	op     string
	grad   bool // it adds dy to dx where the winner is, or
	set    bool // sets all of dx
	winner bool // it stores the winners, or reads them instead of x
}

// pools writes the greatest of what lies under a window, and its gradient, which is added to dx or sets it, by x or by winners
// that are remembered. Of a place all channels are taken, then those of the next place; windows of four pixels have loops of
// their own.
func (a *asm) pools() {
	for _, k := range []poolKernel{
		{op: "maxpool"},
		{op: "maxpoolgrad", grad: true},
		{op: "maxpoolset", grad: true, set: true},
		{op: "maxpoolwinners", winner: true},
		{op: "maxpoolwinnersgrad", grad: true, winner: true},
		{op: "maxpoolwinnersset", grad: true, set: true, winner: true},
	} {
		a.pool(k)
	}
}

// looks reports whether a kernel looks for winners in x.
func (k poolKernel) looks() bool { return !k.grad || !k.winner }

// counts reports whether a kernel wants the number of the winner.
func (k poolKernel) counts() bool { return k.grad || k.winner }

// Registers: the greatest so far, its number, the number of the pixel looked at, that pixel, and dy.
const (
	poolTop = iota
	poolWinner
	poolNumber
	poolPixel
	poolGrad
	poolFree // and the next
)

// noWinner is package simd's NoWinner.
const noWinner = 255

// poolNumbers are the numbers of four pixels.
var poolNumbers = []string{"zero", "number1", "number2", "number3"}

// pool writes one kernel. R9 goes through y or dy, R8 through the winners, or is what leads from a pixel of x to that of dx.
func (a *asm) pool(k poolKernel) {
	a.text(k.op, "p *poolArgs", 8)
	a.p("MOVQ p+0(FP), DI")
	a.load(poolNumbers...)
	if k.winner && !k.grad {
		a.use("noWinner")
	}
	whole, four, end := a.fresh("whole"), a.fresh("four"), a.fresh("end")
	a.p("MOVQ %d(DI), CX", poolN)
	a.p("ANDQ $%d, CX", a.lanes-1)
	a.p("JZ %s", whole)
	a.mask()
	a.at(whole)
	a.p("MOVQ %d(DI), R9", poolY)
	a.p("MOVQ %d(DI), R10", poolAt)
	a.p("MOVQ %d(DI), R11", poolTaps)
	a.p("MOVQ %d(DI), BX", poolPlaces)
	image, to := poolX, ""
	switch {
	case k.winner:
		a.p("MOVQ %d(DI), R8", poolWon)
	case k.grad:
		a.p("MOVQ %d(DI), R8", poolDX)
		a.p("SUBQ %d(DI), R8", poolX)
		to = "(R8*1)"
	}
	if !k.looks() {
		image = poolDX
	}
	a.p("CMPQ R11, $4")
	a.p("JE %s", four)
	a.places([]string{"DX"}, func(m bool) {
		pixel := func(index string) {
			a.p("MOVL %s, R12", index)
			a.p("LEAQ (DX)(R12*4), R12")
		}
		loop, out := a.fresh("tap"), a.fresh("top")
		if k.looks() {
			pixel("(R10)")
			a.ld("R12", poolTop, m)
			a.zero(poolWinner)
			a.zero(poolNumber)
			a.p("MOVQ $1, R14")
			a.at(loop)
			a.p("CMPQ R14, R11")
			a.p("JGE %s", out)
			pixel("(R10)(R14*4)")
			a.ld("R12", poolPixel, m)
			a.p("VPADDD %s, %s, %s", a.c("number1"), a.r(poolNumber), a.r(poolNumber))
			a.greater(a.r(poolNumber), k)
			a.p("INCQ R14")
			a.p("JMP %s", loop)
			a.at(out)
		}
		if !k.grad {
			a.poolResult(k, m)
			return
		}
		a.poolDY(k, m)
		a.zero(poolNumber)
		a.p("MOVQ $0, R14")
		loop = a.fresh("tap")
		a.at(loop)
		pixel("(R10)(R14*4)")
		a.winner(a.r(poolNumber), "(R12)"+to, k.set, m)
		a.p("VPADDD %s, %s, %s", a.c("number1"), a.r(poolNumber), a.r(poolNumber))
		a.p("INCQ R14")
		a.p("CMPQ R14, R11")
		a.p("JLT %s", loop)
	}, func() { a.p("MOVQ %d(DI), DX", image) })
	a.p("JMP %s", end)

	a.at(four)
	pixels := []string{"AX", "DX", "R12", "R13"}
	a.places(pixels, func(m bool) {
		if k.looks() {
			a.ld(pixels[0], poolTop, m)
			if k.counts() {
				a.zero(poolWinner)
			}
			for i := 1; i < 4; i++ {
				a.ld(pixels[i], poolPixel, m)
				a.greater(a.c(poolNumbers[i]), k)
			}
		}
		if !k.grad {
			a.poolResult(k, m)
			return
		}
		a.poolDY(k, m)
		for i := range 4 {
			a.winner(a.c(poolNumbers[i]), "("+pixels[i]+")"+to, k.set, m)
		}
	}, func() {
		a.p("MOVQ %d(DI), SI", image)
		for i, p := range pixels {
			a.p("MOVL %d(R10), %s", 4*i, p)
			a.p("LEAQ (SI)(%s*4), %s", p, p)
		}
	})
	a.at(end)
	a.ret()
}

// poolResult stores the greatest, and its number, which is none where that is asked for and it is not positive.
func (a *asm) poolResult(k poolKernel, m bool) {
	a.st(poolTop, "R9", m)
	if !k.winner {
		return
	}
	kept := a.fresh("kept")
	none, winner := "noWinner<>(SB)", a.r(poolWinner)
	a.p("CMPQ %d(DI), $0", poolRelu)
	a.p("JE %s", kept)
	if a.wide() {
		a.p("VCMPPS $18, %s, %s, K2", a.c("zero"), a.r(poolTop))
		a.p("VMOVUPS %s, K2, %s", none, winner)
	} else {
		a.p("VCMPPS $18, %s, %s, %s", a.c("zero"), a.r(poolTop), a.r(poolFree))
		a.p("VBLENDVPS %s, %s, %s, %s", a.r(poolFree), none, winner, winner)
	}
	a.at(kept)
	a.stBytes(poolWinner, m)
}

// stBytes stores the numbers of a register as bytes at R8, which it moves behind them; it spoils the register, the one that is
// free, AX and SI.
func (a *asm) stBytes(n int, m bool) {
	if a.wide() {
		if !m {
			a.p("VPMOVDB %s, (R8)", a.r(n))
			a.p("ADDQ $%d, R8", a.lanes)
			return
		}
		a.p("VPMOVDB %s, K1, (R8)", a.r(n))
		a.p("ADDQ CX, R8")
		return
	}
	low, high := fmt.Sprintf("X%d", n), fmt.Sprintf("X%d", poolFree)
	a.p("VEXTRACTF128 $1, %s, %s", a.r(n), high)
	a.p("VPACKUSDW %s, %s, %s", high, low, low)
	a.p("VPACKUSWB %s, %s, %s", low, low, low)
	if !m {
		a.p("VMOVQ %s, (R8)", low)
		a.p("ADDQ $%d, R8", a.lanes)
		return
	}
	loop := a.fresh("byte")
	a.p("VMOVQ %s, AX", low)
	a.p("MOVQ CX, SI")
	a.at(loop)
	a.p("MOVB AX, (R8)")
	a.p("SHRQ $8, AX")
	a.p("INCQ R8")
	a.p("DECQ SI")
	a.p("JNZ %s", loop)
}

// ldBytes loads the bytes at R8, which it moves behind them, as numbers; it spoils SI and R14.
func (a *asm) ldBytes(n int, m bool) {
	switch {
	case !m:
		a.p("VPMOVZXBD (R8), %s", a.r(n))
		a.p("ADDQ $%d, R8", a.lanes)
	case a.wide():
		a.p("VPMOVZXBD.Z (R8), K1, %s", a.r(n))
		a.p("ADDQ CX, R8")
	default:
		loop := a.fresh("byte")
		a.p("MOVQ CX, SI")
		a.p("MOVQ $0, R14")
		a.at(loop)
		a.p("SHLQ $8, R14")
		a.p("MOVB -1(R8)(SI*1), R14")
		a.p("DECQ SI")
		a.p("JNZ %s", loop)
		a.p("VMOVQ R14, X%d", n)
		a.p("VPMOVZXBD X%d, %s", n, a.r(n))
		a.p("ADDQ CX, R8")
	}
}

// places runs body for every vector of channels of every place. begin points pointers at the first, and they advance with R9,
// which goes on from place to place.
func (a *asm) places(pointers []string, body func(masked bool), begin func()) {
	place, vector, tail, next := a.fresh("place"), a.fresh("vector"), a.fresh("tail"), a.fresh("next")
	a.at(place)
	begin()
	a.p("MOVQ %d(DI), CX", poolN)
	a.p("SUBQ $%d, CX", a.lanes)
	a.p("JLT %s", tail)
	a.at(vector)
	body(false)
	for _, p := range append(pointers, "R9") {
		a.p("ADDQ $%d, %s", a.bytes(), p)
	}
	a.p("SUBQ $%d, CX", a.lanes)
	a.p("JGE %s", vector)
	a.at(tail)
	a.p("ADDQ $%d, CX", a.lanes)
	a.p("JZ %s", next)
	body(true)
	a.p("LEAQ (R9)(CX*4), R9")
	a.at(next)
	a.p("LEAQ (R10)(R11*4), R10")
	a.p("DECQ BX")
	a.p("JNZ %s", place)
}

// greater makes the pixel the greatest where it is greater, or NaN when no other was, and keeps its number if it is asked for.
func (a *asm) greater(number string, k poolKernel) {
	top, pixel, winner := a.r(poolTop), a.r(poolPixel), a.r(poolWinner)
	if a.wide() {
		a.p("VCMPPS $6, %s, %s, K2", top, pixel) // not at most, or NaN
		a.p("VCMPPS $7, %s, %s, K2, K2", top, top)
		a.p("VMOVAPS %s, K2, %s", pixel, top)
		if k.counts() {
			a.p("VMOVAPS %s, K2, %s", number, winner)
		}
		return
	}
	where, known := a.r(poolFree), a.r(poolFree+1)
	a.p("VCMPPS $6, %s, %s, %s", top, pixel, where)
	a.p("VCMPPS $7, %s, %s, %s", top, top, known)
	a.p("VANDPS %s, %s, %s", where, known, where)
	a.p("VBLENDVPS %s, %s, %s, %s", where, pixel, top, top)
	if k.counts() {
		a.p("VBLENDVPS %s, %s, %s, %s", where, number, winner, winner)
	}
}

// poolDY loads dy, and the winners if they are remembered; else it clears dy where a rectifier made the greatest 0. What sets
// dx adds it to 0, which loses the sign of -0.
func (a *asm) poolDY(k poolKernel, m bool) {
	dy, zero := a.r(poolGrad), a.c("zero")
	a.ld("R9", poolGrad, m)
	if k.winner {
		a.ldBytes(poolWinner, m)
	} else {
		kept := a.fresh("kept")
		a.p("CMPQ %d(DI), $0", poolRelu)
		a.p("JE %s", kept)
		if a.wide() {
			a.p("VCMPPS $18, %s, %s, K2", zero, a.r(poolTop))
			a.p("VMOVAPS %s, K2, %s", zero, dy)
		} else {
			a.p("VCMPPS $18, %s, %s, %s", zero, a.r(poolTop), a.r(poolFree))
			a.p("VANDNPS %s, %s, %s", dy, a.r(poolFree), dy)
		}
		a.at(kept)
	}
	if k.set {
		a.p("VADDPS %s, %s, %s", zero, dy, dy)
	}
}

// winner adds dy to the elements of dx at to whose pixel won, or sets all of them.
func (a *asm) winner(number, to string, set, m bool) {
	won, dy, dx := a.r(poolFree), a.r(poolGrad), a.r(poolPixel)
	to = to[1 : len(to)-1]
	if a.wide() {
		a.p("VPCMPEQD %s, %s, K2", number, a.r(poolWinner))
		if set {
			a.p("VMOVAPS.Z %s, K2, %s", dy, dx)
		} else {
			a.ld(to, poolPixel, m)
			a.p("VADDPS %s, %s, K2, %s", dy, dx, dx)
		}
		a.st(poolPixel, to, m)
		return
	}
	a.p("VPCMPEQD %s, %s, %s", number, a.r(poolWinner), won)
	if set {
		a.p("VANDPS %s, %s, %s", dy, won, dx)
	} else {
		a.ld(to, poolPixel, m)
		a.p("VADDPS %s, %s, %s", dy, dx, a.r(poolFree+1))
		a.p("VBLENDVPS %s, %s, %s, %s", won, a.r(poolFree+1), dx, dx)
	}
	a.st(poolPixel, to, m)
}
