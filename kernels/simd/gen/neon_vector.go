package main

import "fmt"

// vectorFamily writes the elementwise kernels, reductions and optimizers of the set, and the switches that call them.
// They take whole vectors of four; the Go set makes the last one to three elements.
func (a *arm) vectorFamily() {
	a.class("Unary", "dst, src *float32, n int", 24, []armKernel{
		{"relu", nil, func() {
			a.ld("R1", 0)
			a.op2("FCMLT0", 0, 1)
			a.op3("BIC", 1, 0, 0)
			a.st(0, "R0")
		}},
		{"exp", append([]string{"expLo", "expHi"}, armExp...), func() {
			a.ld("R1", 0)
			a.op3("FMAX", a.k("expLo"), 0, 0)
			a.op3("FMIN", a.k("expHi"), 0, 0)
			a.exp()
			a.st(0, "R0")
		}},
		{"sigmoid", append([]string{"expLo", "sign"}, armExp...), func() {
			a.ld("R1", 5)
			a.op3("ORR", a.k("sign"), 5, 0)
			a.op3("FMAX", a.k("expLo"), 0, 0)
			a.exp()
			a.op2("CMLT0", 5, 2) // all ones where the sign is set: there the numerator is e, else 1
			a.op3("BSL", a.k("one"), 0, 2)
			a.op3("FADD", a.k("one"), 0, 0)
			a.op3("FDIV", 0, 2, 0)
			a.st(0, "R0")
		}},
		{"tanh", append([]string{"tanhLo", "sign", "two"}, armExp...), func() {
			a.ld("R1", 5)
			a.op3("ORR", a.k("sign"), 5, 0)
			a.op3("FADD", 0, 0, 0)
			a.op3("FMAX", a.k("tanhLo"), 0, 0)
			a.wholeExpm1()
			a.op3("FADD", a.k("two"), 3, 1)
			a.op3("FDIV", 1, 3, 1)
			a.mov(a.k("sign"), 2)
			a.op3("BSL", 1, 5, 2) // the sign of x, the rest of the quotient
			a.st(2, "R0")
		}},
		{"log", []string{"minNormal", "two23", "twentyThree", "twoThirds", "mantissa", "one", "log7", "log6", "log5", "log4", "log3", "log2", "log1", "log0",
			"minusHalf", "ln2High", "ln2Low", "infinity", "nan", "minusInfinity"}, a.log},
		{"erf", append([]string{"four", "erfEdge", "sign"}, armExp...), a.erf},
		{"softplus", append([]string{"expLo", "sign"}, armExp...), func() {
			a.ld("R1", 5)
			a.op3("ORR", a.k("sign"), 5, 0)
			a.op3("FMAX", a.k("expLo"), 0, 0)
			a.exp()
			p := a.poly("log1p", 10, 0)
			a.op2("FCMLT0", 5, 3)
			a.op3("BIC", 3, 5, 3)
			a.fmla(p, 0, 3) // max(x, 0) + e·P(e)
			a.st(3, "R0")
		}},
		{"sqrt", nil, a.one("FSQRT")},
		{"flush", []string{"exponent"}, func() {
			a.ld("R1", 0)
			a.flush(a.k("exponent"), 0, 1)
			a.st(0, "R0")
		}},
		{"abs", nil, a.one("FABS")},
	})
	a.class("Binary", "dst, a, b *float32, n int", 32, []armKernel{
		{"add", nil, a.arith("FADD")},
		{"sub", nil, a.arith("FSUB")},
		{"mul", nil, a.arith("FMUL")},
		{"div", nil, a.arith("FDIV")},
		{"max", nil, a.arith("FMAX")},
		{"min", nil, a.arith("FMIN")},
		{"relugrad", nil, func() {
			a.ld("R1", 0)
			a.ld("R2", 1)
			a.op2("FCMLE0", 1, 1)
			a.op3("BIC", 1, 0, 0)
			a.st(0, "R0")
		}},
		{"sigmoidgrad", []string{"one"}, func() {
			a.ld("R1", 0)
			a.ld("R2", 1)
			a.op3("FSUB", 1, a.k("one"), 2)
			a.op3("FMUL", 2, 1, 1)
			a.op3("FMUL", 1, 0, 0)
			a.st(0, "R0")
		}},
		{"tanhgrad", []string{"one"}, func() {
			a.ld("R1", 0)
			a.ld("R2", 1)
			a.mov(a.k("one"), 2)
			a.fmls(1, 1, 2)
			a.op3("FMUL", 2, 0, 0)
			a.st(0, "R0")
		}},
	})
	a.class("Scalar", "dst, a *float32, n int, s float32", 28, []armKernel{
		{"addscalar", nil, a.withScalar("FADD")},
		{"mulscalar", nil, a.withScalar("FMUL")},
		{"axpy", nil, func() {
			a.ld("R1", 0)
			a.ld0("R0", 1)
			a.fmla(0, 7, 1)
			a.st(1, "R0")
		}},
		{"leakyrelu", nil, func() {
			a.ld("R1", 0)
			a.op3("FMUL", 7, 0, 1)
			a.op2("CMLT0", 0, 2)
			a.op3("BSL", 0, 1, 2)
			a.st(2, "R0")
		}},
		{"elu", append([]string{"tanhLo"}, armExp...), func() {
			a.ld("R1", 5)
			a.zero(6)
			a.op3("FMIN", 6, 5, 0)
			a.op3("FMAX", a.k("tanhLo"), 0, 0)
			a.wholeExpm1()
			a.op3("FMUL", 7, 3, 3)
			a.op2("CMLT0", 5, 2)
			a.op3("BSL", 5, 3, 2)
			a.st(2, "R0")
		}},
	})
	a.reductions()
	a.squaredError()
	a.colSums()
	a.random()
	a.optimizers()
	a.transpose()
	a.peak()
}

// armKernel is one row of a class: its constants and the work on one vector.
type armKernel struct {
	op     string
	consts []string
	body   func()
}

// class writes kernels of one signature and the Go switch that calls them.
func (a *arm) class(class, args string, size int, ks []armKernel) {
	sw := fmt.Sprintf("\nfunc vector%s_%s(o op, %s) {\n\tswitch o {\n", class, a.name, args)
	for _, k := range ks {
		a.text(k.op, args, size)
		call := "dst, src, n"
		switch class {
		case "Unary":
			a.args("dst", "R0", "src", "R1", "n", "R3")
		case "Binary":
			a.args("dst", "R0", "a", "R1", "b", "R2", "n", "R3")
			call = "dst, a, b, n"
		case "Scalar":
			a.args("dst", "R0", "a", "R1", "n", "R3")
			a.p("FMOVS s+24(FP), F7")
			a.p("VDUP V7.S[0], V7.S4")
			call = "dst, a, n, s"
		}
		a.load(k.consts...)
		a.loop(k.body)
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(%s)\n", goOp[k.op], k.op, a.name, call)
	}
	a.switches += sw + "\t}\n}\n"
}

// load puts constants into registers from 8 on.
func (a *arm) load(names ...string) {
	for i, name := range names {
		a.constant(name, 8+i)
		a.consts[name] = fmt.Sprint(8 + i)
	}
}

// k is the register of a loaded constant.
func (a *arm) k(name string) int {
	var n int
	if _, err := fmt.Sscan(a.consts[name], &n); err != nil {
		panic("constant " + name + " is not loaded")
	}
	return n
}

// loop runs body over R3 elements, four at a time. Loads and stores advance their pointers.
func (a *arm) loop(body func()) {
	loop, done := a.fresh("loop"), a.fresh("done")
	a.at(loop)
	a.p("SUBS $4, R3, R3")
	a.p("BLT %s", done)
	body()
	a.p("B %s", loop)
	a.at(done)
}

func (a *arm) ld(ptr string, n int)  { a.p("VLD1.P 16(%s), [V%d.S4]", ptr, n) }
func (a *arm) ld0(ptr string, n int) { a.p("VLD1 (%s), [V%d.S4]", ptr, n) }
func (a *arm) st(n int, ptr string)  { a.p("VST1.P [V%d.S4], 16(%s)", n, ptr) }

// arith is a op b for loads of both.
func (a *arm) arith(ins string) func() {
	return func() {
		a.ld("R1", 0)
		a.ld("R2", 1)
		a.op3(ins, 1, 0, 0)
		a.st(0, "R0")
	}
}

func (a *arm) one(ins string) func() {
	return func() {
		a.ld("R1", 0)
		a.op2(ins, 0, 0)
		a.st(0, "R0")
	}
}

// flush makes 0 of what is subnormal in register n, with the mask of the exponent in register e; t is free.
func (a *arm) flush(e, n, t int) {
	a.p("VCMTST V%d.S4, V%d.S4, V%d.S4", e, n, t) // ones where the exponent is not 0
	a.op3("AND", t, n, n)
}

func (a *arm) withScalar(ins string) func() {
	return func() {
		a.ld("R1", 0)
		a.op3(ins, 7, 0, 0)
		a.st(0, "R0")
	}
}

var armExp = []string{"c5", "log2e", "ln2Hi", "ln2Lo", "c4", "c3", "c2", "c1", "c0", "one", "bias", "magic"}

// expm1 takes x in register 0 and leaves expm1(r) in 0 and n in 2; it spoils 1, 3 and 4.
func (a *arm) expm1() {
	a.mov(a.k("magic"), 2)
	a.fmla(a.k("log2e"), 0, 2)        // t = x·log2e + magic
	a.op3("FSUB", a.k("magic"), 2, 3) // f = t - magic
	a.subi(a.k("magic"), 2, 2)        // n = bits(t) - bits(magic)
	a.fmls(a.k("ln2Hi"), 3, 0)        // r = x - f·ln2
	a.fmls(a.k("ln2Lo"), 3, 0)
	from, to := a.k("c5"), 1
	for _, c := range []string{"c4", "c3", "c2", "c1", "c0"} { // five: the last is in 1
		a.mov(a.k(c), to)
		a.fmla(0, from, to)
		from, to = to, 5-to
	}
	a.op3("FMUL", 0, 0, 3)
	a.fmla(1, 3, 0) // q = r²·P + r
}

// pow2 turns integer n in a register into 2^n.
func (a *arm) pow2(n int) {
	a.addi(a.k("bias"), n, n)
	a.shl(23, n, n)
}

// exp takes a clamped x in register 0 and leaves e^x in 0; it spoils 1 to 4.
func (a *arm) exp() {
	a.expm1()
	a.op3("FADD", a.k("one"), 0, 0)
	a.sshr(1, 2, 3)
	a.subi(3, 2, 2)
	a.pow2(3)
	a.pow2(2)
	a.op3("FMUL", 3, 0, 0)
	a.op3("FMUL", 2, 0, 0)
}

// wholeExpm1 takes a clamped x in register 0 and leaves expm1(x) in 3; it spoils 0, 1, 2 and 4.
func (a *arm) wholeExpm1() {
	a.expm1()
	a.pow2(2)
	a.op3("FSUB", a.k("one"), 2, 3)
	a.fmla(0, 2, 3) // s·q + (s-1)
}

// poly is Horner's rule with the constants name+n to name+0; it spoils 1 and 2 and returns the one that holds the result.
func (a *arm) poly(name string, n, x int) int {
	var names []string
	for k := n; k >= 0; k-- {
		names = append(names, fmt.Sprintf("%s%d", name, k))
	}
	return a.horner(x, 1, 2, names...)
}

// log is as in functions.go.
func (a *arm) log() {
	a.ld("R1", 5)
	a.op3("FCMGT", 5, a.k("minNormal"), 1)
	a.op3("FMUL", a.k("two23"), 5, 2)
	a.mov(1, 3)
	a.op3("BSL", 5, 2, 3) // subnormal numbers are scaled
	a.op3("AND", a.k("twentyThree"), 1, 1)
	a.subi(a.k("twoThirds"), 3, 3)
	a.sshr(23, 3, 2)
	a.op2("SCVTF", 2, 2)
	a.op3("FSUB", 1, 2, 2) // e
	a.op3("AND", a.k("mantissa"), 3, 3)
	a.addi(a.k("twoThirds"), 3, 3)
	a.op3("FSUB", a.k("one"), 3, 0) // f
	from, to := a.k("log7"), 3
	for _, c := range []string{"log6", "log5", "log4", "log3", "log2", "log1", "log0", "minusHalf"} { // eight: the last is in 4
		a.mov(a.k(c), to)
		a.fmla(0, from, to)
		from, to = to, 7-to
	}
	a.op3("FMUL", 0, 0, 3)
	a.op3("FMUL", a.k("ln2Low"), 2, 6)
	a.fmla(4, 3, 6)
	a.fmla(a.k("ln2High"), 2, 0)
	a.op3("FADD", 6, 0, 0)
	a.op3("FCMGT", 5, a.k("infinity"), 1)
	a.op3("BSL", 5, 0, 1) // infinity and NaN stay
	a.op2("FCMLT0", 5, 2)
	a.op3("BSL", 1, a.k("nan"), 2)
	a.op2("FCMEQ0", 5, 3)
	a.op3("BSL", 2, a.k("minusInfinity"), 3)
	a.st(3, "R0")
}

// erf is as in functions.go.
func (a *arm) erf() {
	a.ld("R1", 5)
	a.op2("FABS", 5, 6)
	a.op3("FMIN", a.k("four"), 6, 0)
	a.op3("FMUL", a.poly("erfc", 5, 0), 0, 0)
	a.wholeExpm1()
	a.mov(3, 7)
	a.op3("FMUL", 6, 6, 0)
	p := a.poly("erf", 6, 0)
	a.mov(6, 3)
	a.fmla(p, 6, 3)
	a.op3("FCMGT", a.k("erfEdge"), 6, 1)
	a.op3("BSL", 3, 7, 1)
	a.mov(a.k("sign"), 2)
	a.op3("BSL", 1, 5, 2)
	a.st(2, "R0")
}
