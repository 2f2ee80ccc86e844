package main

import "fmt"

// The fields of randomConsts.
const (
	argTweak = 8
	argKeys  = 16 // ten pairs of 32 bits
	argLimit = 96 // draws below it, of 24 bits, are below the rate
	argBelow = 100
	argAbove = 104
	argOpen  = 112 // four operands of the first two rounds, 64 bytes each
	argPairs = 368 // of each two rounds from the third on, the two keys, 32 bytes each, for AVX2
)

// patterns are constants whose lanes differ, by 32-bit word.
var patterns = map[string]func(i *isa, word int) uint32{
	// The block that each 64-bit lane makes, so that unpacking leaves blocks in order.
	"order": func(i *isa, word int) uint32 {
		lane := word / 2
		if word%2 != 0 {
			return 0
		}
		return uint32(lane/2 + lane%2*i.lanes/4)
	},
	"group": func(i *isa, word int) uint32 { return uint32((1 - word%2) * i.lanes / 2) },
	"both":  func(i *isa, word int) uint32 { return uint32((1 - word%2) * i.lanes) },
}

// random writes the kernels that draw: Philox4x32-10 in 64-bit lanes, one block of four draws to a lane, two groups of
// blocks at a time, and what becomes of the draws.
func (a *asm) random() {
	const args = "dst, x, y *float32, n int, c *randomConsts"
	sw := fmt.Sprintf("\nfunc vectorRandom_%s(o op, %s) {\n\tswitch o {\n", a.name, args)
	for _, k := range []struct {
		op   string
		pack func()
		body func(v, off int)
	}{
		{"uniform", a.words, func(v, off int) {
			a.unit(v)
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
		{"choose", a.words, func(v, off int) {
			m := a.below(v)
			a.p("VBROADCASTSS %d(R8), %s", argBelow, a.r(3))
			a.p("VBROADCASTSS %d(R8), %s", argAbove, a.r(4))
			a.blend(m, 3, 4, v)
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
		{"keep", a.words, func(v, off int) {
			m := a.below(v)
			if a.wide() {
				a.p("VMOVUPS %d(SI), %s", off, a.r(v))
				a.zeroLanes(m, 3, v)
			} else {
				a.p("VPANDN %d(SI), %s, %s", off, m, a.r(v))
			}
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
		{"replace", a.words, func(v, off int) {
			m := a.below(v)
			a.p("VMOVUPS %d(DX), %s", off, a.r(3))
			a.p("VMOVUPS %d(SI), %s", off, a.r(4))
			a.blend(m, 3, 4, v)
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
		{"sample", a.words, func(v, off int) {
			a.unit(v)
			if a.wide() {
				k := a.k()
				a.p("VCMPPS $17, %d(SI), %s, %s", off, a.r(v), k)
				a.p("VMOVUPS.Z %s, %s, %s", a.c("one"), k, a.r(v))
			} else {
				a.p("VCMPPS $17, %d(SI), %s, %s", off, a.r(v), a.r(v))
				a.p("VANDPS %s, %s, %s", a.c("one"), a.r(v), a.r(v))
			}
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
		{"normal", a.normals, func(v, off int) { a.p("VMOVUPS %s, %d(DI)", a.r(v), off) }},
		{"addnormal", a.normals, func(v, off int) {
			a.p("VBROADCASTSS %d(R8), %s", argBelow, a.r(3))
			a.p("VFMADD213PS %d(SI), %s, %s", off, a.r(3), a.r(v))
			a.p("VMOVUPS %s, %d(DI)", a.r(v), off)
		}},
	} {
		a.text(k.op, args, 40)
		a.args("dst", "DI", "x", "SI", "y", "DX", "n", "CX", "c", "R8")
		for _, name := range []string{"m0", "m1", "order", "group", "both", "unit24", "one"} {
			a.use(name)
		}
		a.consts["m0"], a.consts["m1"] = a.r(12), a.r(13)
		key, counter := a.r(14), a.r(15)
		a.p("VMOVUPS m0<>(SB), %s", a.r(12))
		a.p("VMOVUPS m1<>(SB), %s", a.r(13))
		a.p("VPBROADCASTQ (R8), %s", counter)
		a.p("VPADDQ order<>(SB), %s, %s", counter, counter)
		if a.wide() {
			a.p("MOVL $0xaaaa, AX")
			a.p("KMOVW AX, K4") // the odd words
		}
		loop := a.fresh("loop")
		a.p("PCALIGN $32")
		a.at(loop)
		a.philox(key, counter)
		a.p("VPADDQ both<>(SB), %s, %s", counter, counter)
		a.pair(k.pack)
		for v := range 2 {
			a.pair(func() {
				off := v * a.bytes()
				if a.second {
					off += 2 * a.bytes()
				}
				k.body(v, off)
			})
		}
		for _, p := range []string{"DI", "SI", "DX"} {
			a.p("ADDQ $%d, %s", 4*a.bytes(), p)
		}
		a.p("SUBQ $%d, CX", 4*a.lanes)
		a.p("JGT %s", loop)
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(dst, x, y, n, c)\n", goOp[k.op], k.op, a.name)
	}
	a.switches += sw + "\t}\n}\n"
}

// philox leaves words 0 to 3 of a block in the low halves of the lanes of registers 0, 1, 2 and 3. The high halves of 0
// and 2 hold anything: a multiplication does not read them. Of the first two rounds the products of what all blocks have in
// common, the tweak and the high half of the counter, are made ahead.
func (a *asm) philox(key, counter string) {
	x0, x1, x2, x3, p0, p1 := 0, 1, 2, 3, 4, 5
	open := func(i, x, dst int) { a.ibits("XOR", fmt.Sprintf("%d(R8)", argOpen+64*i), a.r(x), a.r(dst)) }
	a.pair(func() {
		if a.second {
			a.p("VPADDQ group<>(SB), %s, %s", counter, a.r(x0))
			a.p("VPMULUDQ %s, %s, %s", a.c("m0"), a.r(x0), a.r(x0))
		} else {
			a.p("VPMULUDQ %s, %s, %s", a.c("m0"), counter, a.r(x0))
		}
	})
	a.pair(func() {
		a.p("VPSHUFD $245, %s, %s", a.r(x0), a.r(x2))
		open(0, x2, x2)
		a.p("VPMULUDQ %s, %s, %s", a.c("m1"), a.r(x2), a.r(x1))
		open(2, x0, x2)
		a.p("VPSHUFD $245, %s, %s", a.r(x1), a.r(x0))
		open(1, x0, x0)
		a.p("VMOVUPS %d(R8), %s", argOpen+3*64, a.r(x3))
	})
	for round := 2; round < 10; round++ {
		a.pair(func() {
			a.p("VPMULUDQ %s, %s, %s", a.c("m0"), a.r(x0), a.r(p0))
			a.p("VPMULUDQ %s, %s, %s", a.c("m1"), a.r(x2), a.r(p1))
			if !a.wide() && round%2 == 0 { // with the low half, the next round's operand, goes that round's key
				a.p("VPXOR %d(R8), %s, %s", argPairs+32*(round-2), a.r(p1), a.r(p1))
				a.p("VPXOR %d(R8), %s, %s", argPairs+32*(round-1), a.r(p0), a.r(p0))
			}
			a.p("VPSHUFD $245, %s, %s", a.r(p1), a.r(x0)) // the high words; faster than a shift on some CPUs
			a.p("VPSHUFD $245, %s, %s", a.r(p0), a.r(x2))
		})
		for half := range 2 {
			if a.wide() {
				a.p("VPBROADCASTD %d(R8), %s", argKeys+8*round+4*half, key)
			}
			a.pair(func() {
				x, old := a.r(x0), a.r(x1)
				if half == 1 {
					x, old = a.r(x2), a.r(x3)
				}
				if a.wide() {
					a.p("VPTERNLOGD $150, %s, %s, %s", key, old, x)
				} else {
					a.p("VPXOR %s, %s, %s", old, x, x)
				}
			})
		}
		x1, p1 = p1, x1
		x3, p0 = p0, x3
	}
}

// words leaves the draws of a group in order in registers 0 and 1.
func (a *asm) words() {
	a.odd(0, 1)
	a.odd(2, 3)
	a.p("VPUNPCKHQDQ %s, %s, %s", a.r(2), a.r(0), a.r(1))
	a.p("VPUNPCKLQDQ %s, %s, %s", a.r(2), a.r(0), a.r(0))
}

// odd puts the low words of register y beside those of x.
func (a *asm) odd(x, y int) {
	a.p("VPSLLQ $32, %s, %s", a.r(y), a.r(y))
	if a.wide() {
		a.p("VMOVAPS %s, K4, %s", a.r(y), a.r(x))
	} else {
		a.p("VPBLENDD $170, %s, %s, %s", a.r(y), a.r(x), a.r(x))
	}
}

// unit turns 32 bits into a uniform draw of 24.
func (a *asm) unit(v int) {
	a.p("VPSRLD $8, %s, %s", a.r(v), a.r(v))
	a.p("VCVTDQ2PS %s, %s", a.r(v), a.r(v))
	a.p("VMULPS %s, %s, %s", a.c("unit24"), a.r(v), a.r(v))
}

// k is a mask register of this body.
func (a *asm) k() string {
	if a.second {
		return "K3"
	}
	return "K2"
}

// below returns the mask, in register 2 or a mask register, of the draws below the limit.
func (a *asm) below(v int) string {
	m := a.r(2)
	if a.wide() {
		m = a.k()
	}
	a.p("VPSRLD $8, %s, %s", a.r(v), a.r(v))
	a.p("VPBROADCASTD %d(R8), %s", argLimit, a.r(2))
	a.p("VPCMPGTD %s, %s, %s", a.r(v), a.r(2), m)
	return m
}

// blend sets dst to register yes where the mask holds and to no elsewhere.
func (a *asm) blend(mask string, yes, no, dst int) {
	if a.wide() {
		a.p("VMOVAPS %s, %s", a.r(no), a.r(dst))
		a.p("VMOVAPS %s, %s, %s", a.r(yes), mask, a.r(dst))
	} else {
		a.p("VBLENDVPS %s, %s, %s, %s", mask, a.r(yes), a.r(no), a.r(dst))
	}
}

// zeroLanes clears the lanes of dst where the mask register holds, by way of tmp.
func (a *asm) zeroLanes(mask string, tmp, dst int) {
	a.p("VPXORD %s, %s, %s", a.r(tmp), a.r(tmp), a.r(tmp))
	a.p("VMOVAPS %s, %s, %s", a.r(tmp), mask, a.r(dst))
}

// normals turns the words of a group into normal draws in registers 0 and 1: words 0 and 2 are radii, 1 and 3 angles.
func (a *asm) normals() {
	r := a.r
	c := func(name string) string { a.use(name); return a.c(name) }
	a.odd(0, 2)
	a.odd(1, 3)
	// u = (w>>1)·2^-31 + 2^-32, then its logarithm
	a.p("VPSRLD $1, %s, %s", r(0), r(0))
	a.p("VCVTDQ2PS %s, %s", r(0), r(0))
	a.p("VMOVUPS %s, %s", c("unit31"), r(2))
	a.p("VFMADD213PS %s, %s, %s", c("unit32"), r(2), r(0))
	a.logCore()
	a.p("VMULPS %s, %s, %s", c("minusTwo"), r(0), r(0))
	a.p("VSQRTPS %s, %s", r(0), r(0))
	// the angle: quadrant in the top bits of t, z in [-1/2, 1/2) of a quadrant
	a.p("VPADDD %s, %s, %s", c("eighth"), r(1), r(1))
	a.ibits("AND", c("low30"), r(1), r(2))
	a.p("VPSUBD %s, %s, %s", c("eighth"), r(2), r(2))
	a.p("VCVTDQ2PS %s, %s", r(2), r(2))
	a.p("VMULPS %s, %s, %s", c("unit30"), r(2), r(2))
	a.p("VMULPS %s, %s, %s", r(2), r(2), r(3))
	a.p("VMOVUPS %s, %s", c("sin3"), r(4))
	a.p("VMOVUPS %s, %s", c("cos4"), r(5))
	for _, k := range []int{2, 1, 0} {
		a.p("VFMADD213PS %s, %s, %s", c(fmt.Sprintf("sin%d", k)), r(3), r(4))
		a.p("VFMADD213PS %s, %s, %s", c(fmt.Sprintf("cos%d", k+1)), r(3), r(5))
	}
	a.p("VFMADD213PS %s, %s, %s", c("one"), r(3), r(5)) // cos = 1 + z²·(…)
	a.p("VMULPS %s, %s, %s", r(2), r(4), r(4))          // sin = z·(…)
	a.p("VPSLLD $1, %s, %s", r(1), r(3))                // odd quadrants exchange the two
	mask := r(3)
	if a.wide() {
		mask = a.k()
		a.p("VPMOVD2M %s, %s", r(3), mask)
	}
	a.blend(mask, 5, 4, 2)
	if a.wide() {
		a.p("VMOVAPS %s, %s, %s", r(4), mask, r(5))
	} else {
		a.p("VBLENDVPS %s, %s, %s, %s", mask, r(4), r(5), r(5))
	}
	a.ibits("AND", c("sign"), r(1), r(3))
	a.ibits("XOR", r(3), r(2), r(2))
	a.p("VPADDD %s, %s, %s", c("quarter"), r(1), r(1))
	a.ibits("AND", c("sign"), r(1), r(3))
	a.ibits("XOR", r(3), r(5), r(5))
	a.p("VMULPS %s, %s, %s", r(0), r(2), r(2))
	a.p("VMULPS %s, %s, %s", r(0), r(5), r(5))
	a.p("VUNPCKLPS %s, %s, %s", r(2), r(5), r(0))
	a.p("VUNPCKHPS %s, %s, %s", r(2), r(5), r(1))
}

// ibits is a bitwise instruction of the integer domain.
func (a *asm) ibits(ins, x, y, dst string) {
	if a.wide() {
		ins += "D"
	}
	a.p("VP%s %s, %s, %s", ins, x, y, dst)
}
