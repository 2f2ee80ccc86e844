package main

// transpose writes the kernels that turn blocks of 8 by 8 and of 4 by 4, down one strip of src after another, which is right
// in dst; strides are in bytes. Loads of half rows put row i beside row i+4, so that unpacking within 128-bit halves is all
// that is left.
func (a *asm) transpose() {
	a.transposeBlocks("transpose", 8)
	a.transposeBlocks("transpose4", 4)
}

func (a *asm) transposeBlocks(op string, size int) {
	a.text(op, "dst, src *float32, ldd, lds, blocks, strips int", 48)
	a.args("dst", "R12", "src", "R11", "ldd", "BX", "lds", "AX")
	a.p("MOVQ strips+40(FP), R13")
	a.p("LEAQ (AX)(AX*2), R8")
	a.p("LEAQ (BX)(BX*2), R9")
	strip, loop, reg := a.fresh("strip"), a.fresh("block"), "X"
	a.at(strip)
	a.p("MOVQ R11, SI")
	a.p("MOVQ R12, DI")
	a.p("MOVQ blocks+32(FP), CX")
	a.at(loop)
	if size == 8 {
		reg = "Y"
		a.p("LEAQ (SI)(AX*4), DX")
		a.p("LEAQ (DI)(BX*4), R10")
	}
	for half := range size / 4 {
		for i := range 4 {
			a.p("VMOVUPS %s, X%d", row(i, "SI", "", "AX", "R8", 16*half), 4*half+i)
			if size == 8 {
				a.p("VINSERTF128 $1, %s, Y%d, Y%d", row(i, "DX", "", "AX", "R8", 16*half), 4*half+i, 4*half+i)
			}
		}
	}
	for half := range size / 4 {
		a.turn4(reg, 4*half, 8)
	}
	for i := range size {
		a.p("VMOVUPS %s%d, %s", reg, i, row(i, "DI", "R10", "BX", "R9", 0))
	}
	a.p("LEAQ (SI)(AX*%d), SI", size)
	a.p("ADDQ $%d, DI", 4*size)
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.p("ADDQ $%d, R11", 4*size)
	a.p("LEAQ (R12)(BX*%d), R12", size)
	a.p("DECQ R13")
	a.p("JNZ %s", strip)
	a.ret()
}

// turn4 turns blocks of 4 by 4 within each 128 bits of registers r to r+3; it spoils t to t+3.
func (a *asm) turn4(reg string, r, t int) {
	three := func(ins string, x, y, dst int) { a.p("%s %s%d, %s%d, %s%d", ins, reg, x, reg, y, reg, dst) }
	for i := range 2 {
		three("VUNPCKLPS", r+2*i+1, r+2*i, t+2*i)
		three("VUNPCKHPS", r+2*i+1, r+2*i, t+2*i+1)
	}
	for i := range 2 {
		three("VUNPCKLPD", t+2+i, t+i, r+2*i)
		three("VUNPCKHPD", t+2+i, t+i, r+2*i+1)
	}
}
