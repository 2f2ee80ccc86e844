package main

import "fmt"

// functions are the elementwise kernels of one operand beyond those of activations.
func (a *asm) functions() []kernel {
	return []kernel{
		{"log", nil, a.log},
		{"erf", []string{"four", "magic"}, a.erf},
		{"softplus", append([]string{"expLo", "magic"}, expConsts...), a.softplus},
		{"sqrt", nil, func(m bool) {
			a.ld("SI", 0, m)
			a.p("VSQRTPS %s, %s", a.r(0), a.r(0))
			a.st(0, "DI", m)
		}},
		{"flush", []string{"exponent"}, func(m bool) {
			a.ld("SI", 0, m)
			a.flush(0, 1)
			a.st(0, "DI", m)
		}},
		{"abs", []string{"abs"}, func(m bool) {
			a.ld("SI", 0, m)
			a.bits("AND", a.c("abs"), a.r(0), a.r(0))
			a.st(0, "DI", m)
		}},
	}
}

// flush makes 0 of what is subnormal in register n; register t is free. It tests the bits of the exponent with integer
// instructions, which no CPU slows down for subnormals.
func (a *asm) flush(n, t int) {
	if a.wide() {
		k := a.k()
		a.p("VPTESTMD %s, %s, %s", a.c("exponent"), a.r(n), k)
		a.p("VMOVAPS.Z %s, %s, %s", a.r(n), k, a.r(n))
		return
	}
	a.p("VPAND %s, %s, %s", a.c("exponent"), a.r(n), a.r(t))
	a.p("VPSIGND %s, %s, %s", a.r(t), a.r(n), a.r(n)) // 0 where the exponent is 0
}

// selections are the elementwise kernels of an operand and a number that differ by the sign of the operand.
func (a *asm) selections() []kernel {
	return []kernel{
		{"leakyrelu", nil, func(m bool) {
			a.ld("SI", 0, m)
			a.p("VMULPS %s, %s, %s", a.r(7), a.r(0), a.r(1))
			a.bySign(0, 1, 0, 2)
			a.st(2, "DI", m)
		}},
		{"elu", append([]string{"tanhLo", "magic"}, expConsts...), func(m bool) {
			a.ld("SI", 5, m)
			a.bits("XOR", a.r(6), a.r(6), a.r(6))
			a.p("VMINPS %s, %s, %s", a.r(5), a.r(6), a.r(0))
			a.p("VMAXPS %s, %s, %s", a.r(0), a.c("tanhLo"), a.r(0))
			a.wholeExpm1()
			a.p("VMULPS %s, %s, %s", a.r(7), a.r(1), a.r(1))
			a.bySign(5, 1, 5, 2)
			a.st(2, "DI", m)
		}},
	}
}

// minMax is the lesser or greater of two, NaN if one is, with -0 below +0. MINPS gives its second source if one is NaN or
// both are zero, so the two orders together hold what is wanted.
func (a *asm) minMax(greater bool) func(bool) {
	return func(m bool) {
		a.ld("SI", 0, m)
		a.ld("DX", 1, m)
		if greater {
			a.bits("XOR", a.c("sign"), a.r(0), a.r(0))
			a.bits("XOR", a.c("sign"), a.r(1), a.r(1))
		}
		a.p("VMINPS %s, %s, %s", a.r(1), a.r(0), a.r(2))
		a.p("VMINPS %s, %s, %s", a.r(0), a.r(1), a.r(3))
		a.bits("OR", a.r(3), a.r(2), a.r(2))
		if greater {
			a.bits("XOR", a.c("sign"), a.r(2), a.r(2))
		}
		a.st(2, "DI", m)
	}
}

// bySign sets dst to register neg where the sign of register x is set and to pos elsewhere.
func (a *asm) bySign(x, neg, pos, dst int) {
	mask := a.r(x)
	if a.wide() {
		mask = a.k()
		a.p("VPMOVD2M %s, %s", a.r(x), mask)
	}
	a.blend(mask, neg, pos, dst)
}

// compare returns the mask of x op a constant, in register tmp or a mask register.
func (a *asm) compare(predicate int, constant string, x, tmp int) string {
	m := a.r(tmp)
	if a.wide() {
		m = a.k()
	}
	a.use(constant)
	a.p("VCMPPS $%d, %s, %s, %s", predicate, a.c(constant), a.r(x), m)
	return m
}

// Predicates of VCMPPS; each is false for NaN but the last, which is its negation for NaN too.
const (
	equal    = 0
	less     = 17
	greater  = 30
	notBelow = 21
)

// constWhere sets register dst to a constant where the mask holds.
func (a *asm) constWhere(mask, constant string, dst int) {
	a.use(constant)
	if a.wide() {
		a.p("VMOVUPS %s, %s, %s", a.c(constant), mask, a.r(dst))
	} else {
		a.p("VBLENDVPS %s, %s, %s, %s", mask, a.c(constant), a.r(dst), a.r(dst))
	}
}

// merge sets register dst to register from where the mask holds.
func (a *asm) merge(mask string, from, dst int) {
	if a.wide() {
		a.p("VMOVAPS %s, %s, %s", a.r(from), mask, a.r(dst))
	} else {
		a.p("VBLENDVPS %s, %s, %s, %s", mask, a.r(from), a.r(dst), a.r(dst))
	}
}

// log scales subnormal numbers first and puts right what is no positive number last.
func (a *asm) log(m bool) {
	a.ld("SI", 0, m)
	small := a.compare(less, "minNormal", 0, 1)
	a.use("two23")
	a.use("twentyThree")
	a.p("VMULPS %s, %s, %s", a.c("two23"), a.r(0), a.r(2))
	a.merge(small, 2, 0)
	if a.wide() {
		a.p("VMOVUPS.Z %s, %s, %s", a.c("twentyThree"), small, a.r(1))
	} else {
		a.p("VANDPS %s, %s, %s", a.c("twentyThree"), a.r(1), a.r(1))
	}
	a.logParts()
	a.p("VSUBPS %s, %s, %s", a.r(1), a.r(2), a.r(2))
	a.logTail()
	a.ld("SI", 1, m)
	a.merge(a.compare(notBelow, "infinity", 1, 2), 1, 0)
	a.constWhere(a.compare(less, "zero", 1, 2), "nan", 0)
	a.constWhere(a.compare(equal, "zero", 1, 2), "minusInfinity", 0)
	a.st(0, "DI", m)
}

// logCore takes a normal positive number in register 0 and leaves its logarithm there; it spoils 2, 3, 4 and 5.
func (a *asm) logCore() {
	a.logParts()
	a.logTail()
}

// logParts splits x = m·2^e with m in [2/3, 4/3): m in register 0, e in 2.
func (a *asm) logParts() {
	r := a.r
	a.use("twoThirds")
	a.use("mantissa")
	a.p("VPSUBD %s, %s, %s", a.c("twoThirds"), r(0), r(0))
	a.p("VPSRAD $23, %s, %s", r(0), r(2))
	a.ibits("AND", a.c("mantissa"), r(0), r(0))
	a.p("VPADDD %s, %s, %s", a.c("twoThirds"), r(0), r(0))
	a.p("VCVTDQ2PS %s, %s", r(2), r(2))
}

// logTail leaves log(m·2^e) = (e·ln2High + f) + (f²·(f·P(f) - 1/2) + e·ln2Low) in register 0, f being m - 1 and e·ln2High exact.
func (a *asm) logTail() {
	r := a.r
	c := func(name string) string { a.use(name); return a.c(name) }
	a.p("VSUBPS %s, %s, %s", c("one"), r(0), r(0))
	a.p("VMOVUPS %s, %s", c("log7"), r(3))
	for k := 6; k >= 0; k-- {
		a.p("VFMADD213PS %s, %s, %s", c(fmt.Sprintf("log%d", k)), r(0), r(3))
	}
	a.p("VFMADD213PS %s, %s, %s", c("minusHalf"), r(0), r(3))
	a.p("VMULPS %s, %s, %s", r(0), r(0), r(4))
	a.p("VMULPS %s, %s, %s", c("ln2Low"), r(2), r(5))
	a.p("VFMADD213PS %s, %s, %s", r(5), r(4), r(3))
	a.p("VFMADD231PS %s, %s, %s", c("ln2High"), r(2), r(0))
	a.p("VADDPS %s, %s, %s", r(3), r(0), r(0))
}

// wholeExpm1 takes a clamped x in register 0 and leaves expm1(x) in 1; it spoils 0, 2, 3 and 4.
func (a *asm) wholeExpm1() {
	a.expm1()
	a.pow2(2)
	a.p("VSUBPS %s, %s, %s", a.c("one"), a.r(2), a.r(3))
	a.p("VFMADD213PS %s, %s, %s", a.r(3), a.r(2), a.r(1)) // s·q + (s-1)
}

// poly is Horner's rule with the constants name+n to name+0 in register acc.
func (a *asm) poly(name string, n, x, acc int) {
	for k := n; k >= 0; k-- {
		c := fmt.Sprintf("%s%d", name, k)
		a.use(c)
		if k == n {
			a.p("VMOVUPS %s, %s", a.c(c), a.r(acc))
		} else {
			a.p("VFMADD213PS %s, %s, %s", a.c(c), a.r(x), a.r(acc))
		}
	}
}

// erf is |x| + |x|·Q(x²) up to 15/16 and -expm1(|x|·G(|x|)) beyond, with the sign of x.
func (a *asm) erf(m bool) {
	r := a.r
	for _, name := range append([]string{"two", "abs"}, expConsts...) {
		a.use(name)
	}
	a.ld("SI", 5, m)
	a.bits("AND", a.c("abs"), r(5), r(5))
	a.p("VMINPS %s, %s, %s", r(5), a.c("four"), r(0))
	a.poly("erfc", 5, 0, 1)
	a.p("VMULPS %s, %s, %s", r(1), r(0), r(0))
	a.wholeExpm1()
	a.p("VMULPS %s, %s, %s", r(5), r(5), r(2))
	a.poly("erf", 6, 2, 3)
	a.p("VFMADD213PS %s, %s, %s", r(5), r(5), r(3))
	a.merge(a.compare(greater, "erfEdge", 5, 4), 1, 3)
	a.ld("SI", 1, m)
	a.bits("AND", a.c("abs"), r(3), r(3))
	a.bits("AND", a.c("sign"), r(1), r(1))
	a.bits("OR", r(1), r(3), r(3))
	a.st(3, "DI", m)
}

// softplus is max(x, 0) + e·P(e) with e = exp(-|x|).
func (a *asm) softplus(m bool) {
	a.ld("SI", 5, m)
	a.softplusParts()
	a.st(0, "DI", m)
}

// softplusParts takes x in register 5 and leaves its softplus in 0 and exp(-|x|) in 1; it spoils 2, 3 and 4.
func (a *asm) softplusParts() {
	r := a.r
	a.bits("OR", a.c("sign"), r(5), r(0))
	a.p("VMAXPS %s, %s, %s", r(0), a.c("expLo"), r(0))
	a.exp()
	a.poly("log1p", 10, 1, 2)
	a.bits("XOR", r(0), r(0), r(0))
	a.p("VMAXPS %s, %s, %s", r(5), r(0), r(0))
	a.p("VFMADD231PS %s, %s, %s", r(2), r(1), r(0))
}
