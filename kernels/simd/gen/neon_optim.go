package main

// optimizers write Adam, SGD and RMSProp; their constants lie in memory in the order of the Go structs.
func (a *arm) optimizers() {
	const c, exponent = 16, 31
	// consts broadcasts n floats at R8 into registers from 16 on, and the mask of flush into the last one.
	consts := func(n int) {
		for i := range n {
			a.p("VLD1R.P 4(R8), [V%d.S4]", 16+i)
		}
		a.constant("exponent", exponent)
	}
	// gradient leaves g·scale + decay·w in register 1, with w in 0.
	gradient := func() {
		a.ld0("R0", 0)
		a.ld("R1", 1)
		a.op3("FMUL", c, 1, 1)
		a.fmla(c+1, 0, 1)
	}

	a.text("adam", "w, d, m, v *float32, n int, c *adamConsts", 48)
	a.args("w", "R0", "d", "R1", "m", "R2", "v", "R4", "n", "R3", "c", "R8")
	consts(10)
	a.loop(func() {
		gradient()
		a.ld0("R2", 2)
		a.ld0("R4", 3)
		a.op3("FMUL", c+3, 1, 4)
		a.fmla(c+2, 2, 4) // m = beta1·m + grow1·g
		a.op3("FMUL", c+5, 1, 5)
		a.op3("FMUL", 1, 5, 5)
		a.fmla(c+4, 3, 5) // v = beta2·v + grow2·g·g
		a.flush(exponent, 4, 6)
		a.flush(exponent, 5, 6)
		a.st(4, "R2")
		a.st(5, "R4")
		a.op2("FSQRT", 5, 5)
		a.mov(c+7, 6)
		a.fmla(c+6, 5, 6) // sqrt(v)·rootFix + eps
		a.op3("FDIV", 6, 4, 4)
		a.op3("FMUL", c+8, 0, 0)
		a.fmla(c+9, 4, 0)
		a.st(0, "R0")
	})
	a.ret()

	a.text("sgd", "w, d, vel *float32, n int, c *sgdConsts", 40)
	a.args("w", "R0", "d", "R1", "vel", "R2", "n", "R3", "c", "R8")
	a.p("MOVD 16(R8), R5")
	consts(4)
	plain, done, step := a.fresh("plain"), a.fresh("done"), a.fresh("step")
	a.p("CBZ R2, %s", plain)
	a.loop(func() {
		gradient()
		a.ld0("R2", 2)
		a.mov(1, 3)
		a.fmla(c+2, 2, 3) // vel = momentum·vel + g
		a.flush(exponent, 3, 4)
		a.st(3, "R2")
		a.mov(3, 4)
		a.p("CBZ R5, %s", step)
		a.mov(1, 4)
		a.fmla(c+2, 3, 4) // Nesterov looks ahead
		a.at(step)
		a.fmla(c+3, 4, 0)
		a.st(0, "R0")
	})
	a.p("B %s", done)
	a.at(plain)
	a.loop(func() {
		gradient()
		a.fmla(c+3, 1, 0)
		a.st(0, "R0")
	})
	a.at(done)
	a.ret()

	a.text("rmsprop", "w, d, v *float32, n int, c *rmsConsts", 40)
	a.args("w", "R0", "d", "R1", "v", "R2", "n", "R3", "c", "R8")
	consts(6)
	a.loop(func() {
		gradient()
		a.ld0("R2", 2)
		a.op3("FMUL", c+3, 1, 3)
		a.op3("FMUL", 1, 3, 3)
		a.fmla(c+2, 2, 3) // v = rho·v + grow·g·g
		a.flush(exponent, 3, 4)
		a.st(3, "R2")
		a.op2("FSQRT", 3, 4)
		a.op3("FADD", c+4, 4, 4)
		a.op3("FDIV", 4, 1, 1)
		a.fmla(c+5, 1, 0)
		a.st(0, "R0")
	})
	a.ret()
}
