package main

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
)

// pools writes the greatest of what lies under a window, and its gradient, which is added to dx or sets it. Of a place all
// channels are taken, then those of the next place; windows of four pixels have loops of their own.
func (a *asm) pools() {
	a.pool("maxpool", false, false)
	a.pool("maxpoolgrad", true, false)
	a.pool("maxpoolset", true, true)
}

// Registers: the greatest so far, its number, the number of the pixel looked at, that pixel, and dy.
const (
	poolTop = iota
	poolWinner
	poolNumber
	poolPixel
	poolGrad
	poolFree // and the next
)

// poolNumbers are the numbers of four pixels.
var poolNumbers = []string{"zero", "one", "two", "four"}

func (a *asm) pool(op string, grad, set bool) {
	a.text(op, "p *poolArgs", 8)
	a.p("MOVQ p+0(FP), DI")
	a.load(poolNumbers...)
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
	if grad {
		a.p("MOVQ %d(DI), R8", poolDX)
		a.p("SUBQ %d(DI), R8", poolX)
	}
	a.p("CMPQ R11, $4")
	a.p("JE %s", four)
	a.places([]string{"SI"}, func(m bool) {
		pixel := func(index string) {
			a.p("MOVL %s, R12", index)
			a.p("LEAQ (SI)(R12*4), R12")
		}
		loop, out := a.fresh("tap"), a.fresh("top")
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
		a.p("VADDPS %s, %s, %s", a.c("one"), a.r(poolNumber), a.r(poolNumber))
		a.greater(a.r(poolNumber), grad)
		a.p("INCQ R14")
		a.p("JMP %s", loop)
		a.at(out)
		if !grad {
			a.st(poolTop, "R9", m)
			return
		}
		a.poolDY(set, m)
		a.zero(poolNumber)
		a.p("MOVQ $0, R14")
		loop = a.fresh("tap")
		a.at(loop)
		pixel("(R10)(R14*4)")
		a.p("ADDQ R8, R12")
		a.winner(a.r(poolNumber), "(R12)", set, m)
		a.p("VADDPS %s, %s, %s", a.c("one"), a.r(poolNumber), a.r(poolNumber))
		a.p("INCQ R14")
		a.p("CMPQ R14, R11")
		a.p("JLT %s", loop)
	}, func() { a.p("MOVQ %d(DI), SI", poolX) })
	a.p("JMP %s", end)

	a.at(four)
	a.p("MOVQ %d(DI), SI", poolX)
	pixels := []string{"AX", "DX", "R12", "R13"}
	a.places(pixels, func(m bool) {
		a.ld(pixels[0], poolTop, m)
		if grad {
			a.zero(poolWinner)
		}
		for i := 1; i < 4; i++ {
			a.ld(pixels[i], poolPixel, m)
			a.greater(a.c(poolNumbers[i]), grad)
		}
		if !grad {
			a.st(poolTop, "R9", m)
			return
		}
		a.poolDY(set, m)
		for i := range 4 {
			a.winner(a.c(poolNumbers[i]), "("+pixels[i]+")(R8*1)", set, m)
		}
	}, func() {
		for i, p := range pixels {
			a.p("MOVL %d(R10), %s", 4*i, p)
			a.p("LEAQ (SI)(%s*4), %s", p, p)
		}
	})
	a.at(end)
	a.ret()
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
func (a *asm) greater(number string, grad bool) {
	top, pixel, winner := a.r(poolTop), a.r(poolPixel), a.r(poolWinner)
	if a.wide() {
		a.p("VCMPPS $6, %s, %s, K2", top, pixel) // not at most, or NaN
		a.p("VCMPPS $7, %s, %s, K2, K2", top, top)
		a.p("VMOVAPS %s, K2, %s", pixel, top)
		if grad {
			a.p("VMOVAPS %s, K2, %s", number, winner)
		}
		return
	}
	where, known := a.r(poolFree), a.r(poolFree+1)
	a.p("VCMPPS $6, %s, %s, %s", top, pixel, where)
	a.p("VCMPPS $7, %s, %s, %s", top, top, known)
	a.p("VANDPS %s, %s, %s", where, known, where)
	a.p("VBLENDVPS %s, %s, %s, %s", where, pixel, top, top)
	if grad {
		a.p("VBLENDVPS %s, %s, %s, %s", where, number, winner, winner)
	}
}

// poolDY loads dy, and clears it where a rectifier made the greatest 0. What sets dx adds it to 0, which loses the sign of -0.
func (a *asm) poolDY(set, m bool) {
	kept := a.fresh("kept")
	dy, zero := a.r(poolGrad), a.c("zero")
	a.ld("R9", poolGrad, m)
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
	if set {
		a.p("VADDPS %s, %s, %s", zero, dy, dy)
	}
}

// winner adds dy to the elements of dx at to whose pixel won, or sets all of them.
func (a *asm) winner(number, to string, set, m bool) {
	won, dy, dx := a.r(poolFree), a.r(poolGrad), a.r(poolPixel)
	to = to[1 : len(to)-1]
	if a.wide() {
		a.p("VCMPPS $0, %s, %s, K2", number, a.r(poolWinner))
		if set {
			a.p("VMOVAPS.Z %s, K2, %s", dy, dx)
		} else {
			a.ld(to, poolPixel, m)
			a.p("VADDPS %s, %s, K2, %s", dy, dx, dx)
		}
		a.st(poolPixel, to, m)
		return
	}
	a.p("VCMPPS $0, %s, %s, %s", number, a.r(poolWinner), won)
	if set {
		a.p("VANDPS %s, %s, %s", dy, won, dx)
	} else {
		a.ld(to, poolPixel, m)
		a.p("VADDPS %s, %s, %s", dy, dx, a.r(poolFree+1))
		a.p("VBLENDVPS %s, %s, %s, %s", won, a.r(poolFree+1), dx, dx)
	}
	a.st(poolPixel, to, m)
}
