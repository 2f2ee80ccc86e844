package simd

import "math"

// Constants of the logarithm, as in gen. P(f) approximates (log(1+f) - f + f²/2)/f³ for 1+f in [2/3, 4/3], the whole
// within a relative 6e-9 before rounding (coefficients by Remez' exchange). ln2High has zeros enough at its end for every exponent times it to be exact.
const (
	twoThirds = 0x1.555556p-1
	ln2High   = 0x1.62e4p-1
	ln2Low    = 0x1.7f7d1cp-20

	log0 = 0.33333244919776917
	log1 = -0.24999716877937317
	log2 = 0.2000904679298401
	log3 = -0.1668444275856018
	log4 = 0.14025302231311798
	log5 = -0.12127146869897842
	log6 = 0.13898387551307678
	log7 = -0.13146142661571503
)

// logNormal is the logarithm of a normal positive number.
func logNormal(x float32) float32 {
	i := int32(math.Float32bits(x)) - int32(math.Float32bits(twoThirds))
	return logParts(math.Float32frombits(uint32(i&(1<<23-1))+math.Float32bits(twoThirds)), float32(i>>23))
}

// logParts is log(m·2^e) for m in [2/3, 4/3).
func logParts(m, e float32) float32 {
	f := m - 1
	p := float32(log7)
	p = fma(p, f, log6)
	p = fma(p, f, log5)
	p = fma(p, f, log4)
	p = fma(p, f, log3)
	p = fma(p, f, log2)
	p = fma(p, f, log1)
	p = fma(p, f, log0)
	p = fma(p, f, -0.5)
	low := fma(p, float32(f*f), float32(e*ln2Low))
	return fma(e, ln2High, f) + low
}
