package main

import "fmt"

// logConsts are those of logCore.
var logConsts = []string{"log7", "twoThirds", "mantissa", "one", "log6", "log5", "log4", "log3", "log2", "log1", "log0", "minusHalf", "ln2High", "ln2Low"}

// logCore takes a normal positive number in register 0 and leaves its logarithm there; it spoils 2, 3, 4 and 5.
// With x = 2^e·(1+f) and 1+f in [2/3, 4/3) it is e·ln2High + f + (f²·(f·P(f) - 1/2) + e·ln2Low), where e·ln2High is exact.
func (a *asm) logCore() {
	r := a.r
	c := func(name string) string { a.use(name); return a.c(name) }
	a.p("VPSUBD %s, %s, %s", c("twoThirds"), r(0), r(0))
	a.p("VPSRAD $23, %s, %s", r(0), r(2))
	a.ibits("AND", c("mantissa"), r(0), r(0))
	a.p("VPADDD %s, %s, %s", c("twoThirds"), r(0), r(0))
	a.p("VCVTDQ2PS %s, %s", r(2), r(2))
	a.logTail()
}

// logTail is the rest of logCore for 1+f in register 0 and e in 2.
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
