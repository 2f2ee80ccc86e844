package simd

import (
	"encoding/binary"
	"math"
	"strings"
)

// vector executes one vector instruction. Go writes operands in the reverse of Intel's order.
func (m *machine) vector(in instruction) {
	if in.name == "VZEROUPPER" {
		for i := range m.vec {
			clear(m.vec[i][4:])
		}
		m.dirty = false
		return
	}
	m.dirty = true
	name, suffix, _ := strings.Cut(in.name, ".")
	a := in.args
	bcst := suffix == "BCST"
	// A mask before the destination: of a register (merging, or zeroing with .Z) or of memory.
	mask := ^uint64(0)
	if n := len(a); n > 2 && a[n-2].kind == 'k' && name != "VPMOVD2M" {
		mask = m.k[a[n-2].reg]
		a = append(append([]operand(nil), a[:n-2]...), a[n-1])
	}
	dst := a[len(a)-1]
	lanes := dst.lanes
	// set computes every lane before it writes any: sources may be the destination.
	set := func(f func(i int) uint32) {
		var out [16]uint32
		for i := range lanes {
			switch {
			case mask>>i&1 != 0:
				out[i] = f(i)
			case suffix != "Z":
				out[i] = m.vec[dst.reg][i]
			}
		}
		m.vec[dst.reg] = out
	}
	x := func(n, i int) uint32 { return m.lane(a[n], i, bcst && n == 0) }
	fx := func(n, i int) float32 { return f32(x(n, i)) }
	arith := func(f func(x, y float32) float32) { // Intel: dst, src1 = a[1], src2 = a[0]
		set(func(i int) uint32 { return u32(f(fx(1, i), fx(0, i))) })
	}
	ints := func(f func(x, y uint32) uint32) {
		set(func(i int) uint32 { return f(x(1, i), x(0, i)) })
	}
	switch name {
	case "VMOVUPS", "VMOVAPS":
		if dst.kind == 'm' {
			for i := range a[0].lanes {
				if mask>>i&1 != 0 {
					binary.LittleEndian.PutUint32(m.at(m.addr(dst)+4*uint64(i), 4), m.vec[a[0].reg][i])
				}
			}
			return
		}
		set(func(i int) uint32 { return x(0, i) })
	case "VMASKMOVPS":
		if dst.kind == 'm' {
			for i := range a[0].lanes {
				if m.vec[a[1].reg][i]>>31 != 0 {
					binary.LittleEndian.PutUint32(m.at(m.addr(dst)+4*uint64(i), 4), m.vec[a[0].reg][i])
				}
			}
			return
		}
		set(func(i int) uint32 {
			if m.vec[a[1].reg][i]>>31 == 0 {
				return 0
			}
			return x(0, i)
		})
	case "VINSERTF128": // the half that the immediate names comes from a1, the rest from a2
		set(func(i int) uint32 {
			if i/4 == int(a[0].imm) {
				return x(1, i%4)
			}
			return x(2, i)
		})
	case "VUNPCKLPS", "VUNPCKHPS": // pairs of first and second source, within each 128 bits
		high := map[string]int{"VUNPCKHPS": 2}[name]
		set(func(i int) uint32 { return x(1-i%2, i&^3+high+i%4/2) })
	case "VUNPCKLPD", "VUNPCKHPD":
		high := map[string]int{"VUNPCKHPD": 2}[name]
		set(func(i int) uint32 { return x(1-i%4/2, i&^3+high+i%2) })
	case "VBROADCASTSS":
		set(func(int) uint32 { return m.lane(a[0], 0, true) })
	case "VADDPS":
		arith(func(x, y float32) float32 { return x + y })
	case "VSUBPS":
		arith(func(x, y float32) float32 { return x - y })
	case "VMULPS":
		arith(func(x, y float32) float32 { return x * y })
	case "VDIVPS":
		arith(func(x, y float32) float32 { return x / y })
	case "VMAXPS": // the second source unless the first is greater
		arith(func(x, y float32) float32 {
			if x > y {
				return x
			}
			return y
		})
	case "VMINPS":
		arith(func(x, y float32) float32 {
			if x < y {
				return x
			}
			return y
		})
	case "VSQRTPS":
		set(func(i int) uint32 { return u32(float32(math.Sqrt(float64(fx(0, i))))) })
	case "VFMADD132PS": // dst = dst·a0 + a1
		set(func(i int) uint32 { return u32(fma(fx(2, i), fx(0, i), fx(1, i))) })
	case "VFMADD213PS": // dst = a1·dst + a0
		set(func(i int) uint32 { return u32(fma(fx(1, i), fx(2, i), fx(0, i))) })
	case "VFMADD231PS": // dst = a1·a0 + dst
		set(func(i int) uint32 { return u32(fma(fx(1, i), fx(0, i), fx(2, i))) })
	case "VFNMADD231PS":
		set(func(i int) uint32 { return u32(fma(-fx(1, i), fx(0, i), fx(2, i))) })
	case "VPADDD":
		ints(func(x, y uint32) uint32 { return x + y })
	case "VPSUBD":
		ints(func(x, y uint32) uint32 { return x - y })
	case "VXORPS", "VPXORD":
		ints(func(x, y uint32) uint32 { return x ^ y })
	case "VORPS", "VPORD":
		ints(func(x, y uint32) uint32 { return x | y })
	case "VANDPS", "VPANDD":
		ints(func(x, y uint32) uint32 { return x & y })
	case "VANDNPS":
		ints(func(x, y uint32) uint32 { return ^x & y })
	case "VPSLLD":
		set(func(i int) uint32 { return x(1, i) << a[0].imm })
	case "VPSRAD":
		set(func(i int) uint32 { return uint32(int32(x(1, i)) >> a[0].imm) })
	case "VCMPPS":
		if a[0].imm != 18 {
			panic("unknown predicate")
		}
		le := func(i int) bool { return fx(2, i) <= fx(1, i) }
		if dst.kind == 'k' {
			m.k[dst.reg] = 0
			for i := range a[2].lanes {
				if le(i) {
					m.k[dst.reg] |= 1 << i
				}
			}
			return
		}
		set(func(i int) uint32 {
			if le(i) {
				return ^uint32(0)
			}
			return 0
		})
	case "VBLENDVPS": // a1 where the sign of a0 is set, else a2; Go: mask, second source, first source, dst
		set(func(i int) uint32 {
			if x(0, i)>>31 != 0 {
				return x(1, i)
			}
			return x(2, i)
		})
	case "VPMOVD2M":
		m.k[dst.reg] = 0
		for i := range a[0].lanes {
			m.k[dst.reg] |= uint64(x(0, i)>>31) << i
		}
	default:
		panic("unknown instruction")
	}
}
