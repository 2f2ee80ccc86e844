// Package float16 converts the two floating-point types of 16 bits: binary16 of
// IEEE 754, and bfloat16, which is the upper half of a float32.
package float16

import "math"

// Half returns the number that a binary16 stands for, exactly.
func Half(bits uint16) float32 {
	sign, exp, frac := uint32(bits>>15)<<31, uint32(bits>>10)&31, uint32(bits)&1023
	switch exp {
	case 0:
		v := float32(frac) * 0x1p-24
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// HalfBits returns x as a binary16, rounded to nearest, ties to even.
func HalfBits(x float64) uint16 {
	sign := uint16(math.Float64bits(x) >> 48 & 0x8000)
	y := math.Abs(RoundHalf(x))
	switch {
	case y != y:
		return sign | 0x7e00
	case math.IsInf(y, 0):
		return sign | 0x7c00
	case y < 0x1p-14:
		return sign | uint16(y*0x1p24)
	}
	bits := math.Float64bits(y)
	return sign | uint16(bits>>52-1023+15)<<10 | uint16(bits>>42&1023)
}

// Brain returns the number that a bfloat16 stands for, exactly.
func Brain(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }

// BrainBits returns x as a bfloat16, rounded to nearest, ties to even.
func BrainBits(x float64) uint16 {
	if x != x {
		return uint16(math.Float64bits(x)>>48&0x8000) | 0x7fc0
	}
	return uint16(math.Float32bits(float32(RoundBrain(x))) >> 16)
}

// RoundHalf returns the binary16 nearest to x, of two the even one; infinity
// from 65520 on.
func RoundHalf(x float64) float64 { return round(x, 10, -14, 65504) }

// RoundBrain returns the bfloat16 nearest to x, of two the even one.
func RoundBrain(x float64) float64 { return round(x, 7, -126, 0x1.fep127) }

// round returns x with so many bits behind the point, of the least normal
// exponent below that. Scaling by powers of two is exact.
func round(x float64, bits, least int, greatest float64) float64 {
	if x == 0 || x != x || math.IsInf(x, 0) {
		return x
	}
	_, e := math.Frexp(x)
	step := math.Ldexp(1, max(e-1, least)-bits)
	y := math.RoundToEven(x/step) * step
	if math.Abs(y) > greatest {
		return math.Inf(int(math.Copysign(1, x)))
	}
	return math.Copysign(y, x)
}

// HalfOf is HalfBits of a float32, by its bits.
func HalfOf(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b>>16) & 0x8000
	switch b &= 0x7fffffff; {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x47800000: // 65536
		return sign | 0x7c00
	case b >= 0x38800000: // 2⁻¹⁴: rounding may carry into the exponent
		return sign | uint16((b+0xfff+b>>13&1-0x38000000)>>13)
	}
	return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000) // its last bit is 2⁻²⁴
}

// BrainOf is BrainBits of a float32, by its bits.
func BrainOf(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16)&0x8000 | 0x7fc0
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
