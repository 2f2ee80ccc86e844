//go:build amd64 && !noasm

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
	case "VMOVDQU16": // masked by words
		var out [16]uint32
		for i := range 2 * lanes {
			if mask>>i&1 != 0 {
				out[i/2] |= uint32(binary.LittleEndian.Uint16(m.at(m.addr(a[0])+2*uint64(i), 2))) << (16 * (i % 2))
			} else if suffix != "Z" {
				panic("this instruction keeps no words")
			}
		}
		m.vec[dst.reg] = out
	case "VPMOVZXWD":
		set(func(i int) uint32 { return uint32(binary.LittleEndian.Uint16(m.at(m.addr(a[0])+2*uint64(i), 2))) })
	case "VPMOVZXBD":
		set(func(i int) uint32 {
			if a[0].kind == 'v' {
				return m.vec[a[0].reg][i/4] >> (8 * (i % 4)) & 0xff
			}
			return uint32(m.at(m.addr(a[0])+uint64(i), 1)[0])
		})
	case "VPMOVDB": // to memory
		for i := range a[0].lanes {
			if mask>>i&1 != 0 {
				m.at(m.addr(dst)+uint64(i), 1)[0] = byte(m.vec[a[0].reg][i])
			}
		}
	case "VPACKUSWB": // of 128 bits: bytes of a1, then of a0
		set(func(i int) (v uint32) {
			for b := range 4 {
				at := i%2*4 + b
				word := int16(x(1-i/2, at/2) >> (16 * (at % 2)))
				v |= uint32(min(max(word, 0), 0xff)) << (8 * b)
			}
			return v
		})
	case "VMOVQ":
		switch {
		case dst.kind == 'v':
			v := m.read(a[0])
			m.vec[dst.reg] = [16]uint32{uint32(v), uint32(v >> 32)}
		default:
			m.write(dst, uint64(x(0, 0))|uint64(x(0, 1))<<32)
		}
	case "VPCMPEQD":
		m.compare(dst, a[1].lanes, func(i int) bool { return x(1, i) == x(0, i) })
	case "VEXTRACTF32X4": // to memory
		for i := range 4 {
			binary.LittleEndian.PutUint32(m.at(m.addr(dst)+4*uint64(i), 4), m.vec[a[1].reg][4*int(a[0].imm)+i])
		}
	case "VBROADCASTF32X4":
		set(func(i int) uint32 { return m.lane(a[0], i%4, false) })
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
	case "VINSERTF128", "VINSERTF32X4": // the part that the immediate names comes from a1, the rest from a2
		set(func(i int) uint32 {
			if i/4 == int(a[0].imm) {
				return x(1, i%4)
			}
			return x(2, i)
		})
	case "VEXTRACTF128", "VEXTRACTF64X4": // as many lanes as the destination has, from the end that the immediate names
		set(func(i int) uint32 { return m.vec[a[1].reg][int(a[0].imm)*lanes+i] })
	case "VPERMILPS":
		set(func(i int) uint32 { return x(1, i&^3+int(a[0].imm>>(2*(i&3))&3)) })
	case "VMOVSHDUP":
		set(func(i int) uint32 { return x(0, i|1) })
	case "VMOVSS", "VMOVLPS":
		for i := range map[string]int{"VMOVSS": 1, "VMOVLPS": 2}[name] {
			binary.LittleEndian.PutUint32(m.at(m.addr(dst)+4*uint64(i), 4), m.vec[a[0].reg][i])
		}
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
	case "VPADDQ", "VPMULUDQ", "VPSRLQ", "VPSLLQ", "VPUNPCKLQDQ", "VPUNPCKHQDQ", "VPBROADCASTQ":
		var out [16]uint32
		for i := 0; i < lanes; i += 2 {
			v := m.quad(name, a, i)
			out[i], out[i+1] = uint32(v), uint32(v>>32)
		}
		m.vec[dst.reg] = out
	case "VPBROADCASTD":
		set(func(int) uint32 { return m.lane(a[0], 0, true) })
	case "VPBLENDD": // the second source where the immediate has a bit
		set(func(i int) uint32 {
			if a[0].imm>>i&1 != 0 {
				return x(1, i)
			}
			return x(2, i)
		})
	case "VPSHUFD":
		set(func(i int) uint32 { return x(1, i&^3+int(a[0].imm>>(2*(i&3))&3)) })
	case "VPTERNLOGD":
		if a[0].imm != 150 {
			panic("unknown table")
		}
		set(func(i int) uint32 { return x(1, i) ^ x(2, i) ^ x(3, i) })
	case "VCVTDQ2PS":
		set(func(i int) uint32 { return u32(float32(int32(x(0, i)))) })
	case "VPCMPGTD":
		m.compare(dst, a[1].lanes, func(i int) bool { return int32(x(1, i)) > int32(x(0, i)) })
	case "VPTESTMD":
		m.compare(dst, a[1].lanes, func(i int) bool { return x(1, i)&x(0, i) != 0 })
	case "VPSIGND": // the second operand with the sign of the first, or 0
		ints(func(x, y uint32) uint32 {
			switch {
			case int32(y) < 0:
				return -x
			case y == 0:
				return 0
			}
			return x
		})
	case "VXORPS", "VPXOR", "VPXORD":
		ints(func(x, y uint32) uint32 { return x ^ y })
	case "VORPS", "VPOR", "VPORD":
		ints(func(x, y uint32) uint32 { return x | y })
	case "VANDPS", "VPAND", "VPANDD":
		ints(func(x, y uint32) uint32 { return x & y })
	case "VANDNPS", "VPANDN":
		ints(func(x, y uint32) uint32 { return ^x & y })
	case "VPSLLD":
		set(func(i int) uint32 { return x(1, i) << a[0].imm })
	case "VPSRLD":
		set(func(i int) uint32 { return x(1, i) >> a[0].imm })
	case "VPSRAD":
		set(func(i int) uint32 { return uint32(int32(x(1, i)) >> a[0].imm) })
	case "VCMPPS":
		holds, ok := map[int64]func(x, y float32) bool{
			0:  func(x, y float32) bool { return x == y },
			6:  func(x, y float32) bool { return !(x <= y) },
			7:  func(x, y float32) bool { return x == x && y == y },
			17: func(x, y float32) bool { return x < y },
			21: func(x, y float32) bool { return !(x < y) },
			30: func(x, y float32) bool { return x > y },
			18: func(x, y float32) bool { return x <= y },
		}[a[0].imm]
		if !ok {
			panic("unknown predicate")
		}
		m.compare(dst, a[2].lanes, func(i int) bool { return mask>>i&1 != 0 && holds(fx(2, i), fx(1, i)) })
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

// compare writes a comparison of lanes into a mask register, or as all ones into a vector.
func (m *machine) compare(dst operand, lanes int, holds func(i int) bool) {
	var bits uint64
	for i := range lanes {
		if holds(i) {
			bits |= 1 << i
		}
	}
	if dst.kind == 'k' {
		m.k[dst.reg] = bits
		return
	}
	var out [16]uint32
	for i := range lanes {
		out[i] = -uint32(bits >> i & 1)
	}
	m.vec[dst.reg] = out
}

// quad computes the 64-bit lane whose low word is i.
func (m *machine) quad(name string, a []operand, i int) uint64 {
	q := func(n, i int) uint64 { return uint64(m.lane(a[n], i, false)) | uint64(m.lane(a[n], i+1, false))<<32 }
	switch name {
	case "VPADDQ":
		return q(1, i) + q(0, i)
	case "VPMULUDQ":
		return uint64(m.lane(a[1], i, false)) * uint64(m.lane(a[0], i, false))
	case "VPSRLQ":
		return q(1, i) >> a[0].imm
	case "VPSLLQ":
		return q(1, i) << a[0].imm
	case "VPBROADCASTQ":
		return q(0, 0)
	}
	half := map[string]int{"VPUNPCKHQDQ": 2}[name] // a word of each source, within each 128 bits
	return q(1-i%4/2, i&^3+half)
}
