package simd

import "math"

// Constants of erf and softplus, as in gen; coefficients by Remez' exchange. erf(x) is x + x·Q(x²) to a relative 5e-10 up to
// erfEdge; erfc(x) is exp(x·G(x)) to 3e-9 of 1 from there to 4, beyond which erf is 1; log1p(e) is e·P(e) to a relative
// 8e-10 on [0, 1].
const (
	erfEdge = 0.9375
	erfEnd  = 4

	erf0 = 0.12837916612625122
	erf1 = -0.37612631916999817
	erf2 = 0.1128367930650711
	erf3 = -0.02685849741101265
	erf4 = 0.005198829807341099
	erf5 = -0.0008118074620142579
	erf6 = 8.267458906630054e-05

	erfc0 = -1.1285085678100586
	erfc1 = -0.6357378363609314
	erfc2 = -0.10523630678653717
	erfc3 = 0.022873681038618088
	erfc4 = -0.0032099024392664433
	erfc5 = 0.00021337451471481472

	log1p0  = 1.0
	log1p1  = -0.4999998211860657
	log1p2  = 0.33332559466362
	log1p3  = -0.24987271428108215
	log1p4  = 0.19890746474266052
	log1p5  = -0.16105686128139496
	log1p6  = 0.12418422102928162
	log1p7  = -0.0824415385723114
	log1p8  = 0.04147804155945778
	log1p9  = -0.013407440856099129
	log1p10 = 0.002030223375186324
)

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

// log scales subnormal numbers first.
func log(x float32) float32 {
	switch {
	case !(x < float32(math.Inf(1))):
		return x
	case x < 0:
		return float32(math.NaN())
	case x == 0:
		return float32(math.Inf(-1))
	}
	under := float32(0)
	if x < 0x1p-126 {
		x *= 1 << 23
		under = 23
	}
	i := int32(math.Float32bits(x)) - int32(math.Float32bits(twoThirds))
	return logParts(math.Float32frombits(uint32(i&(1<<23-1))+math.Float32bits(twoThirds)), float32(i>>23)-under)
}

// expm1 is that of x in [-40, 0].
func expm1(x float32) float32 {
	q, n := expm1Parts(x)
	s := pow2(n)
	return fma(s, q, s-1)
}

func erf(x float32) float32 {
	a := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	var y float32
	if a > erfEdge {
		t := minps(erfEnd, a)
		q := float32(erfc5)
		q = fma(q, t, erfc4)
		q = fma(q, t, erfc3)
		q = fma(q, t, erfc2)
		q = fma(q, t, erfc1)
		q = fma(q, t, erfc0)
		y = -expm1(float32(t * q))
	} else {
		u := float32(a * a)
		q := float32(erf6)
		q = fma(q, u, erf5)
		q = fma(q, u, erf4)
		q = fma(q, u, erf3)
		q = fma(q, u, erf2)
		q = fma(q, u, erf1)
		q = fma(q, u, erf0)
		y = fma(a, q, a)
	}
	return math.Float32frombits(math.Float32bits(y)&^(1<<31) | math.Float32bits(x)&(1<<31))
}

func softplus(x float32) float32 {
	e := exp(math.Float32frombits(math.Float32bits(x) | 1<<31))
	p := float32(log1p10)
	p = fma(p, e, log1p9)
	p = fma(p, e, log1p8)
	p = fma(p, e, log1p7)
	p = fma(p, e, log1p6)
	p = fma(p, e, log1p5)
	p = fma(p, e, log1p4)
	p = fma(p, e, log1p3)
	p = fma(p, e, log1p2)
	p = fma(p, e, log1p1)
	p = fma(p, e, log1p0)
	return fma(e, p, relu(x))
}

func elu(x, alpha float32) float32 {
	if math.Float32bits(x)>>31 == 0 {
		return x
	}
	return float32(expm1(maxps(tanhLo, minps(0, x))) * alpha)
}
