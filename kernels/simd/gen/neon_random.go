package main

import "fmt"

// random writes the kernels that draw: Philox4x32-10 on four blocks, word i of all of them in register i, which loads and
// stores of four registers deal out.
func (a *arm) random() {
	const args = "dst, x, y *float32, n int, c *randomConsts"
	sw := fmt.Sprintf("\nfunc vectorRandom_%s(o op, %s) {\n\tswitch o {\n", a.name, args)
	each := func(body func(v int)) func() int {
		return func() int {
			for v := range 4 {
				body(v)
			}
			return 0
		}
	}
	for _, k := range []struct {
		op   string
		x, y bool
		body func() int // returns the first register of the result
	}{
		{"uniform", false, false, each(a.unit)},
		{"choose", false, false, each(func(v int) {
			a.below(v)
			a.op3("BSL", 24, 23, 4)
			a.mov(4, v)
		})},
		{"keep", true, false, each(func(v int) {
			a.below(v)
			a.op3("BIC", 4, 16+v, v)
		})},
		{"replace", true, true, each(func(v int) {
			a.below(v)
			a.op3("BSL", 16+v, 8+v, 4)
			a.mov(4, v)
		})},
		{"sample", true, false, each(func(v int) {
			a.unit(v)
			a.op3("FCMGT", v, 16+v, 4)
			a.op3("AND", 21, 4, v)
		})},
		{"normal", false, false, func() int { return a.normals() }},
		{"addnormal", true, false, func() int {
			a.normals()
			for v := range 4 {
				a.fmla(23, v, 16+v)
			}
			return 16
		}},
	} {
		a.text(k.op, args, 40)
		a.args("dst", "R0", "x", "R1", "y", "R2", "n", "R3", "c", "R4")
		a.constant("unit24", 20)
		a.constant("one", 21)
		a.p("ADD $%d, R4, R5", argLimit)
		a.p("VLD1R.P 4(R5), [V22.S4]")
		a.p("VLD1R.P 4(R5), [V23.S4]")
		a.p("VLD1R (R5), [V24.S4]")
		a.constant("m0", 28)
		a.constant("m1", 29)
		a.p("VLD1R (R4), [V30.D2]")
		for _, add := range []struct {
			name     string
			from, to int
		}{{"order", 30, 30}, {"group", 30, 31}} {
			a.constant(add.name, 26)
			a.p("VADD V26.D2, V%d.D2, V%d.D2", add.from, add.to)
		}
		a.constant("both", 26)
		a.blocks(func() {
			a.philox()
			if k.x {
				a.p("VLD4.P 64(R1), %s", vecs(16, 4))
			}
			if k.y {
				a.p("VLD4.P 64(R2), %s", vecs(8, 4))
			}
			a.p("VST4.P %s, 64(R0)", vecs(k.body(), 4))
		})
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(dst, x, y, n, c)\n", goOp[k.op], k.op, a.name)
	}
	a.switches += sw + "\t}\n}\n"
}

// philox leaves the words of the next four blocks in registers 0 to 3; it spoils 4 to 7 and 27.
func (a *arm) philox() {
	uzp := func(odd, m, n, d int) { a.p("VUZP%d V%d.S4, V%d.S4, V%d.S4", 1+odd, m, n, d) }
	eor := func(m, d int) { a.p("VEOR V%d.B16, V%d.B16, V%d.B16", m, d, d) }
	uzp(0, 31, 30, 0)
	uzp(1, 31, 30, 1)
	a.p("ADD $%d, R4, R6", argTweak)
	a.p("VLD1R.P 4(R6), [V2.S4]")
	a.p("VLD1R.P 4(R6), [V3.S4]") // the keys follow
	for range 10 {
		a.op3("UMULL", 28, 0, 4)
		a.op3("UMULL2", 28, 0, 5)
		a.op3("UMULL", 29, 2, 6)
		a.op3("UMULL2", 29, 2, 7)
		a.p("VLD1R.P 4(R6), [V27.S4]")
		uzp(1, 7, 6, 0)
		eor(1, 0)
		eor(27, 0)
		uzp(0, 7, 6, 1)
		a.p("VLD1R.P 4(R6), [V27.S4]")
		uzp(1, 5, 4, 2)
		eor(3, 2)
		eor(27, 2)
		uzp(0, 5, 4, 3)
	}
	a.p("VADD V26.D2, V30.D2, V30.D2")
	a.p("VADD V26.D2, V31.D2, V31.D2")
}

// unit turns 32 bits into a uniform draw of 24.
func (a *arm) unit(v int) {
	a.p("VUSHR $8, V%d.S4, V%d.S4", v, v)
	a.op2("SCVTF", v, v)
	a.op3("FMUL", 20, v, v)
}

// below puts the mask of the draws below the limit into register 4.
func (a *arm) below(v int) {
	a.p("VUSHR $8, V%d.S4, V%d.S4", v, v)
	a.op3("CMHI", v, 22, 4)
}

// normals turns words 0 and 2, radii, and 1 and 3, angles, into normal draws; it spoils 4 to 15. As in random.go.
func (a *arm) normals() int {
	for w := 0; w < 4; w += 2 {
		t := w + 1
		a.p("VUSHR $1, V%d.S4, V%d.S4", w, w)
		a.op2("SCVTF", w, w)
		a.constant("unit32", 5)
		a.constant("unit31", 6)
		a.fmla(6, w, 5)
		a.constant("twoThirds", 6) // the logarithm of u
		a.subi(6, 5, 5)
		a.sshr(23, 5, 7)
		a.op2("SCVTF", 7, 7)
		a.constant("mantissa", 8)
		a.op3("AND", 8, 5, 5)
		a.addi(6, 5, 5)
		a.op3("FSUB", 21, 5, 5)
		p := a.horner(5, 8, 9, "log7", "log6", "log5", "log4", "log3", "log2", "log1", "log0", "minusHalf")
		a.op3("FMUL", 5, 5, 10)
		a.constant("ln2Low", 11)
		a.op3("FMUL", 11, 7, 11)
		a.fmla(p, 10, 11)
		a.constant("ln2High", 12)
		a.fmla(12, 7, 5)
		a.op3("FADD", 11, 5, 5)
		a.constant("minusTwo", 6)
		a.op3("FMUL", 6, 5, 5)
		a.op2("FSQRT", 5, 5)
		a.constant("eighth", 6) // quadrant and z
		a.addi(6, t, t)
		a.constant("low30", 7)
		a.op3("AND", 7, t, 8)
		a.subi(6, 8, 8)
		a.op2("SCVTF", 8, 8)
		a.constant("unit30", 9)
		a.op3("FMUL", 9, 8, 8)
		a.op3("FMUL", 8, 8, 9)
		s := a.horner(9, 10, 11, "sin3", "sin2", "sin1", "sin0")
		a.op3("FMUL", 8, s, 10)
		c := a.horner(9, 11, 12, "cos4", "cos3", "cos2", "cos1", "one")
		a.shl(1, t, 15)
		a.op2("CMLT0", 15, 13) // odd quadrants exchange sine and cosine
		a.mov(13, 14)
		a.op3("BSL", 10, c, 13)
		a.op3("BSL", c, 10, 14)
		a.constant("sign", 6)
		a.op3("AND", 6, t, 7)
		a.p("VEOR V7.B16, V13.B16, V13.B16")
		a.constant("quarter", 8)
		a.addi(8, t, t)
		a.op3("AND", 6, t, 7)
		a.p("VEOR V7.B16, V14.B16, V14.B16")
		a.op3("FMUL", 5, 14, w)
		a.op3("FMUL", 5, 13, t)
	}
	return 0
}

// horner is Horner's rule in registers from and to by turns, with constants fetched as they are used; it returns the one that
// holds the result.
func (a *arm) horner(x, from, to int, names ...string) int {
	a.constant(names[0], from)
	for _, name := range names[1:] {
		a.constant(name, to)
		a.fmla(x, from, to)
		from, to = to, from
	}
	return from
}
