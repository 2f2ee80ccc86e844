package simd

import "math"

// fma returns x*y+z rounded once to float32, the same bits as a hardware float32 FMA (NaN payloads apart).
//
// The product is exact in float64. The float64 sum rounds; rounding it again to float32 is wrong only when it landed
// on a tie of float32 or where float32 is subnormal, so only those go the slow way.
func fma(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	if unsafeToRound(s) {
		return fmaOdd(x, y, z)
	}
	return float32(s)
}

// unsafeToRound says whether s is a tie of float32, or would be subnormal there and is not 0.
func unsafeToRound(s float64) bool {
	b := math.Float64bits(s)
	return b<<35 == 1<<63 || b<<1-1 < 897<<53-1
}

// fmaOdd rounds the float64 sum to odd before it rounds to float32: 53 bits hold more than 24+2, so the second
// rounding sees on which side of a tie the exact sum lies (Boldo and Melquiond, "Emulation of FMA and correctly
// rounded sums: proved algorithms using rounding to odd", 2008).
//
//go:noinline
func fmaOdd(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	if s-s != 0 || s == 0 {
		return float32(s)
	}
	t := s - p
	e := (p - (s - t)) + (c - t) // s + e is exactly p + c (Knuth's two-sum)
	b := math.Float64bits(s)
	if e != 0 && b&1 == 0 {
		if (e > 0) == (s > 0) {
			b++
		} else {
			b--
		}
	}
	return float32(math.Float64frombits(b))
}
