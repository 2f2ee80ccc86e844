package main

import "fmt"

// vectorFamily writes the elementwise kernels, reductions and optimizers of the set, and the switches that call them.
func (a *asm) vectorFamily() {
	a.class("Unary", "dst, src *float32, n int", 24, append([]kernel{
		{"relu", []string{"zero"}, func(m bool) {
			a.ld("SI", 0, m)
			a.p("VMAXPS %s, %s, %s", a.r(0), a.c("zero"), a.r(0))
			a.st(0, "DI", m)
		}},
		{"exp", append([]string{"expLo", "expHi", "magic"}, expConsts...), func(m bool) {
			a.ld("SI", 0, m)
			a.p("VMAXPS %s, %s, %s", a.r(0), a.c("expLo"), a.r(0))
			a.p("VMINPS %s, %s, %s", a.r(0), a.c("expHi"), a.r(0))
			a.exp()
			a.st(1, "DI", m)
		}},
		{"sigmoid", append([]string{"expLo", "magic", "one"}, expConsts...), func(m bool) { a.sigmoid(m) }},
		{"tanh", append([]string{"tanhLo", "magic"}, append(expConsts, "two", "abs")...), func(m bool) { a.tanh(m) }},
	}, a.functions()...))
	a.class("Binary", "dst, a, b *float32, n int", 32, []kernel{
		{"add", nil, a.arith("VADDPS")},
		{"sub", nil, a.arith("VSUBPS")},
		{"mul", nil, a.arith("VMULPS")},
		{"div", nil, a.arith("VDIVPS")},
		{"max", []string{"sign"}, a.minMax(true)},
		{"min", nil, a.minMax(false)},
		{"relugrad", []string{"zero"}, func(m bool) {
			a.ld("SI", 0, m)
			a.ld("DX", 1, m)
			if a.wide() {
				a.p("VCMPPS $18, %s, Z1, K2", a.c("zero"))
				a.p("VMOVAPS %s, K2, Z0", a.c("zero"))
			} else {
				a.p("VCMPPS $18, %s, Y1, Y1", a.c("zero"))
				a.p("VANDNPS Y0, Y1, Y0")
			}
			a.st(0, "DI", m)
		}},
		{"sigmoidgrad", []string{"one"}, func(m bool) {
			a.ld("SI", 0, m)
			a.ld("DX", 1, m)
			a.p("VSUBPS %s, %s, %s", a.r(1), a.c("one"), a.r(2))
			a.p("VMULPS %s, %s, %s", a.r(2), a.r(1), a.r(1))
			a.p("VMULPS %s, %s, %s", a.r(1), a.r(0), a.r(0))
			a.st(0, "DI", m)
		}},
		{"tanhgrad", []string{"one"}, func(m bool) {
			a.ld("SI", 0, m)
			a.ld("DX", 1, m)
			a.p("VMOVAPS %s, %s", a.c("one"), a.r(2))
			a.p("VFNMADD231PS %s, %s, %s", a.r(1), a.r(1), a.r(2))
			a.p("VMULPS %s, %s, %s", a.r(2), a.r(0), a.r(0))
			a.st(0, "DI", m)
		}},
	})
	a.class("Scalar", "dst, a *float32, n int, s float32", 28, append([]kernel{
		{"addscalar", nil, a.withScalar("VADDPS")},
		{"mulscalar", nil, a.withScalar("VMULPS")},
		{"axpy", nil, func(m bool) {
			a.ld("SI", 0, m)
			a.ld("DI", 1, m)
			a.p("VFMADD231PS %s, %s, %s", a.r(0), a.r(7), a.r(1))
			a.st(1, "DI", m)
		}},
	}, a.selections()...))
	a.reductions()
	a.squaredError()
	a.sigmoidSoftplus()
	a.norms()
	a.normLines()
	a.normSums()
	a.channels()
	a.colSums("colsums", false)
	a.colSums("colsumsgrad", true)
	a.pools()
	a.random()
	a.optimizers()
	a.transpose()
	a.peak()
}

// kernel is one row of a class: its constants, those needed in registers first, and the work on one vector.
type kernel struct {
	op     string
	consts []string
	body   func(masked bool)
}

// class writes kernels of one signature and the Go switch that calls them.
func (a *asm) class(class, args string, size int, ks []kernel) {
	sw := fmt.Sprintf("\nfunc vector%s_%s(o op, %s) {\n\tswitch o {\n", class, a.name, args)
	for _, k := range ks {
		a.text(k.op, args, size)
		ptrs := []string{"DI", "SI"}
		call := "dst, src, n"
		switch class {
		case "Unary":
			a.args("dst", "DI", "src", "SI", "n", "CX")
		case "Binary":
			a.args("dst", "DI", "a", "SI", "b", "DX", "n", "CX")
			ptrs, call = append(ptrs, "DX"), "dst, a, b, n"
		case "Scalar":
			a.args("dst", "DI", "a", "SI", "n", "CX")
			a.p("VBROADCASTSS s+24(FP), %s", a.r(7))
			call = "dst, a, n, s"
		}
		a.load(k.consts...)
		if class == "Unary" {
			a.paired(ptrs, k.body)
		} else {
			a.loop(ptrs, k.body)
		}
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(%s)\n", goOp[k.op], k.op, a.name, call)
	}
	a.switches += sw + "\t}\n}\n"
}

var goOp = map[string]string{
	"relu": "opRelu", "exp": "opExp", "sigmoid": "opSigmoid", "tanh": "opTanh", "log": "opLog", "erf": "opErf", "softplus": "opSoftplus", "sqrt": "opSqrt", "flush": "opFlush", "abs": "opAbs",
	"max": "opMax", "min": "opMin", "leakyrelu": "opLeakyRelu", "elu": "opElu", "add": "opAdd", "sub": "opSub", "mul": "opMul", "div": "opDiv",
	"relugrad": "opReluGrad", "sigmoidgrad": "opSigmoidGrad", "tanhgrad": "opTanhGrad",
	"addscalar": "opAddScalar", "mulscalar": "opMulScalar", "axpy": "opAxpy", "sum": "opSum", "dot": "opDot",
	"uniform": "opUniform", "choose": "opChoose", "keep": "opKeep", "replace": "opReplace", "sample": "opSample", "normal": "opNormal", "addnormal": "opAddNormal",
}

// args loads 8-byte arguments, in order, into registers.
func (a *asm) args(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		a.p("MOVQ %s+%d(FP), %s", pairs[i], 4*i, pairs[i+1])
	}
}

// loop runs body over CX elements, whole vectors first, then the rest under a mask; ptrs advance together.
func (a *asm) loop(ptrs []string, body func(masked bool)) {
	tail, done := a.fresh("tail"), a.fresh("done")
	a.blocks(ptrs, 1, tail, func() { body(false) })
	a.at(tail)
	a.p("ADDQ $%d, CX", a.lanes)
	a.p("JZ %s", done)
	a.mask()
	body(true)
	a.at(done)
}

// paired is loop with two vectors at a time while there are.
func (a *asm) paired(ptrs []string, body func(masked bool)) {
	rest := a.fresh("rest")
	a.blocks(ptrs, 2, rest, func() { a.pair(func() { body(false) }) })
	a.at(rest)
	a.p("ADDQ $%d, CX", 2*a.lanes)
	a.loop(ptrs, body)
}

// blocks runs work while CX holds vecs vectors, then goes to or falls through to rest with CX short by as many lanes.
func (a *asm) blocks(ptrs []string, vecs int, rest string, work func()) {
	loop := a.fresh("loop")
	a.p("SUBQ $%d, CX", vecs*a.lanes)
	a.p("JLT %s", rest)
	a.p("PCALIGN $32")
	a.at(loop)
	work()
	for _, p := range ptrs {
		a.p("ADDQ $%d, %s", vecs*a.bytes(), p)
	}
	a.p("SUBQ $%d, CX", vecs*a.lanes)
	a.p("JGE %s", loop)
}

// mask makes the tail mask of CX lanes, 1 to lanes-1; it spoils AX and CX.
func (a *asm) mask() {
	if a.wide() {
		a.p("MOVL $1, AX")
		a.p("SHLL CX, AX")
		a.p("DECL AX")
		a.p("KMOVW AX, K1")
		return
	}
	a.use("lanes")
	a.p("LEAQ lanes<>+32(SB), AX")
	a.p("SHLQ $2, CX")
	a.p("SUBQ CX, AX")
	a.p("VMOVUPS (AX), Y15")
}

func (a *asm) ld(ptr string, n int, masked bool) {
	switch {
	case a.second:
		a.p("VMOVUPS %d(%s), %s", a.bytes(), ptr, a.r(n))
	case !masked:
		a.p("VMOVUPS (%s), %s", ptr, a.r(n))
	case a.wide():
		a.p("VMOVUPS.Z (%s), K1, %s", ptr, a.r(n))
	default:
		a.p("VMASKMOVPS (%s), Y15, %s", ptr, a.r(n))
	}
}

func (a *asm) st(n int, ptr string, masked bool) {
	switch {
	case a.second:
		a.p("VMOVUPS %s, %d(%s)", a.r(n), a.bytes(), ptr)
	case !masked:
		a.p("VMOVUPS %s, (%s)", a.r(n), ptr)
	case a.wide():
		a.p("VMOVUPS %s, K1, (%s)", a.r(n), ptr)
	default:
		a.p("VMASKMOVPS %s, Y15, (%s)", a.r(n), ptr)
	}
}

// arith is a op b for loads of both.
func (a *asm) arith(ins string) func(bool) {
	return func(m bool) {
		a.ld("SI", 0, m)
		a.ld("DX", 1, m)
		a.p("%s %s, %s, %s", ins, a.r(1), a.r(0), a.r(0))
		a.st(0, "DI", m)
	}
}

func (a *asm) withScalar(ins string) func(bool) {
	return func(m bool) {
		a.ld("SI", 0, m)
		a.p("%s %s, %s, %s", ins, a.r(7), a.r(0), a.r(0))
		a.st(0, "DI", m)
	}
}

// bits is a bitwise instruction: AVX-512F has only the integer spelling.
func (a *asm) bits(ins, x, y, dst string) {
	if a.wide() {
		a.p("VP%sD %s, %s, %s", ins, x, y, dst)
	} else {
		a.p("V%sPS %s, %s, %s", ins, x, y, dst)
	}
}

var expConsts = []string{"c5", "log2e", "ln2Hi", "ln2Lo", "c4", "c3", "c2", "c1", "c0", "one", "bias", "sign"}

// expm1 takes x in register 0 and leaves expm1(r) in 1 and n in 2; it spoils 0, 3 and 4.
func (a *asm) expm1() {
	r, c := a.r, a.c
	a.p("VMOVAPS %s, %s", r(0), r(2))
	a.p("VFMADD132PS %s, %s, %s", c("log2e"), c("magic"), r(2)) // t = x·log2e + magic
	a.p("VSUBPS %s, %s, %s", c("magic"), r(2), r(3))            // f = t - magic
	a.p("VPSUBD %s, %s, %s", c("magic"), r(2), r(2))            // n = bits(t) - bits(magic)
	a.p("VFNMADD231PS %s, %s, %s", c("ln2Hi"), r(3), r(0))      // r = x - f·ln2
	a.p("VFNMADD231PS %s, %s, %s", c("ln2Lo"), r(3), r(0))
	a.p("VMOVUPS %s, %s", c("c5"), r(1))
	for _, k := range []string{"c4", "c3", "c2", "c1", "c0"} {
		a.p("VFMADD213PS %s, %s, %s", c(k), r(0), r(1))
	}
	a.p("VMULPS %s, %s, %s", r(0), r(0), r(4))
	a.p("VFMADD213PS %s, %s, %s", r(0), r(4), r(1)) // q = r²·P + r
}

// pow2 turns integer n in a register into 2^n.
func (a *asm) pow2(n int) {
	a.p("VPADDD %s, %s, %s", a.c("bias"), a.r(n), a.r(n))
	a.p("VPSLLD $23, %s, %s", a.r(n), a.r(n))
}

// exp takes a clamped x in register 0 and leaves e^x in 1; it spoils 0, 2, 3 and 4.
func (a *asm) exp() {
	a.expm1()
	a.p("VADDPS %s, %s, %s", a.c("one"), a.r(1), a.r(1))
	a.p("VPSRAD $1, %s, %s", a.r(2), a.r(3))
	a.p("VPSUBD %s, %s, %s", a.r(3), a.r(2), a.r(2))
	a.pow2(3)
	a.pow2(2)
	a.p("VMULPS %s, %s, %s", a.r(3), a.r(1), a.r(1))
	a.p("VMULPS %s, %s, %s", a.r(2), a.r(1), a.r(1))
}

func (a *asm) sigmoid(m bool) {
	a.ld("SI", 5, m)
	a.bits("OR", a.c("sign"), a.r(5), a.r(0))
	a.p("VMAXPS %s, %s, %s", a.r(0), a.c("expLo"), a.r(0))
	a.exp()
	if a.wide() { // numerator: e where x is negative, else 1
		k := "K2"
		if a.second {
			k = "K3"
		}
		a.p("VPMOVD2M %s, %s", a.r(5), k)
		a.p("VMOVAPS %s, %s", a.c("one"), a.r(2))
		a.p("VMOVAPS %s, %s, %s", a.r(1), k, a.r(2))
	} else {
		a.p("VBLENDVPS %s, %s, %s, %s", a.r(5), a.r(1), a.c("one"), a.r(2))
	}
	a.p("VADDPS %s, %s, %s", a.c("one"), a.r(1), a.r(1))
	a.p("VDIVPS %s, %s, %s", a.r(1), a.r(2), a.r(0))
	a.st(0, "DI", m)
}

func (a *asm) tanh(m bool) {
	a.ld("SI", 5, m)
	a.bits("OR", a.c("sign"), a.r(5), a.r(0))
	a.p("VADDPS %s, %s, %s", a.r(0), a.r(0), a.r(0))
	a.p("VMAXPS %s, %s, %s", a.r(0), a.c("tanhLo"), a.r(0))
	a.expm1()
	a.pow2(2)
	a.p("VSUBPS %s, %s, %s", a.c("one"), a.r(2), a.r(3))
	a.p("VFMADD213PS %s, %s, %s", a.r(3), a.r(2), a.r(1)) // m = s·q + (s-1)
	a.p("VADDPS %s, %s, %s", a.c("two"), a.r(1), a.r(3))
	a.p("VDIVPS %s, %s, %s", a.r(3), a.r(1), a.r(1))
	a.bits("AND", a.c("abs"), a.r(1), a.r(1))
	a.bits("AND", a.c("sign"), a.r(5), a.r(5))
	a.bits("OR", a.r(5), a.r(1), a.r(1))
	a.st(1, "DI", m)
}
