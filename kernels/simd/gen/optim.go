package main

// optimizers write Adam, SGD and RMSProp; their constants lie in memory in the order of the Go structs.
func (a *asm) optimizers() {
	r := a.r
	// consts broadcasts n floats at ptr into registers from first on and returns their names.
	consts := func(ptr string, first, n int) []string {
		names := make([]string, n)
		for i := range names {
			names[i] = r(first + i)
			a.p("VBROADCASTSS %d(%s), %s", 4*i, ptr, names[i])
		}
		return names
	}
	// exponent holds the mask of flush in register n; where there is none it stays in memory.
	exponent := func(n int) {
		a.use("exponent")
		if n <= a.last {
			a.consts["exponent"] = r(n)
			a.p("VMOVUPS exponent<>(SB), %s", r(n))
		}
	}
	// gradient leaves g·scale + decay·w in register 1, with w in 0.
	gradient := func(c []string, m bool) {
		a.ld("DI", 0, m)
		a.ld("SI", 1, m)
		a.p("VMULPS %s, %s, %s", c[0], r(1), r(1))
		a.p("VFMADD231PS %s, %s, %s", c[1], r(0), r(1))
	}

	a.text("adam", "w, d, m, v *float32, n int, c *adamConsts", 48) // d, because g names a register
	a.args("w", "DI", "d", "SI", "m", "DX", "v", "BX", "n", "CX", "c", "R8")
	loop, first := a.loop, 5
	if a.wide() { // Zen 4's divider takes 6 % less long for two roots and then two quotients than for each root with its quotient
		loop, first = a.paired, a.temps
	}
	c := consts("R8", first, 10)
	a.p("MOVQ 40(R8), R9")
	exponent(first + 10)
	ptrs := []string{"DI", "SI", "DX", "BX"}
	loop(ptrs, func(m bool) {
		for _, p := range ptrs { // what later vectors will read
			switch {
			case m:
			case a.second:
				a.p("PREFETCHT0 %d(%s)(R9*1)", a.bytes(), p)
			default:
				a.p("PREFETCHT0 (%s)(R9*1)", p)
			}
		}
		gradient(c, m)
		a.ld("DX", 2, m)
		a.ld("BX", 3, m)
		a.p("VMULPS %s, %s, %s", c[3], r(1), r(4))
		a.p("VFMADD213PS %s, %s, %s", r(4), c[2], r(2)) // m = beta1·m + grow1·g
		a.p("VMULPS %s, %s, %s", c[5], r(1), r(4))
		a.p("VMULPS %s, %s, %s", r(1), r(4), r(4))
		a.p("VFMADD213PS %s, %s, %s", r(4), c[4], r(3)) // v = beta2·v + grow2·g·g
		a.flush(2, 4)
		a.flush(3, 4)
		a.st(2, "DX", m)
		a.st(3, "BX", m)
		a.p("VSQRTPS %s, %s", r(3), r(4))
		a.p("VFMADD213PS %s, %s, %s", c[7], c[6], r(4)) // sqrt(v)·rootFix + eps
		a.p("VDIVPS %s, %s, %s", r(4), r(2), r(4))
		a.p("VMULPS %s, %s, %s", c[8], r(0), r(0))
		a.p("VFMADD231PS %s, %s, %s", r(4), c[9], r(0))
		a.st(0, "DI", m)
	})
	a.ret()

	a.text("sgd", "w, d, vel *float32, n int, c *sgdConsts", 40)
	a.args("w", "DI", "d", "SI", "vel", "DX", "n", "CX", "c", "R8")
	c = consts("R8", 8, 4)
	exponent(12)
	nesterov, plain, done := a.fresh("nesterov"), a.fresh("plain"), a.fresh("done")
	a.p("TESTQ DX, DX")
	a.p("JZ %s", plain)
	a.p("CMPQ 16(R8), $0")
	a.p("JNE %s", nesterov)
	for _, look := range []bool{false, true} {
		if look {
			a.at(nesterov)
		}
		a.loop([]string{"DI", "SI", "DX"}, func(m bool) {
			gradient(c, m)
			a.ld("DX", 2, m)
			a.p("VFMADD213PS %s, %s, %s", r(1), c[2], r(2)) // vel = momentum·vel + g
			a.flush(2, 3)
			a.st(2, "DX", m)
			if look {
				a.p("VFMADD213PS %s, %s, %s", r(1), c[2], r(2))
			}
			a.p("VFMADD231PS %s, %s, %s", r(2), c[3], r(0))
			a.st(0, "DI", m)
		})
		a.p("JMP %s", done)
	}
	a.at(plain)
	a.loop([]string{"DI", "SI"}, func(m bool) {
		gradient(c, m)
		a.p("VFMADD231PS %s, %s, %s", r(1), c[3], r(0))
		a.st(0, "DI", m)
	})
	a.at(done)
	a.ret()

	a.text("rmsprop", "w, d, v *float32, n int, c *rmsConsts", 40)
	a.args("w", "DI", "d", "SI", "v", "DX", "n", "CX", "c", "R8")
	c = consts("R8", 8, 6)
	exponent(14)
	a.loop([]string{"DI", "SI", "DX"}, func(m bool) {
		gradient(c, m)
		a.ld("DX", 2, m)
		a.p("VMULPS %s, %s, %s", c[3], r(1), r(3))
		a.p("VMULPS %s, %s, %s", r(1), r(3), r(3))
		a.p("VFMADD213PS %s, %s, %s", r(3), c[2], r(2)) // v = rho·v + grow·g·g
		a.flush(2, 3)
		a.st(2, "DX", m)
		a.p("VSQRTPS %s, %s", r(2), r(3))
		a.p("VADDPS %s, %s, %s", c[4], r(3), r(3))
		a.p("VDIVPS %s, %s, %s", r(3), r(1), r(1))
		a.p("VFMADD231PS %s, %s, %s", r(1), c[5], r(0))
		a.st(0, "DI", m)
	})
	a.ret()
}
