package synthetic

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
)

// What follows has the same bits everywhere: sums of products are fused on purpose, by math.FMA, where a compiler may fuse them or
// not, and functions are polynomials instead of those of package math, which may be assembly.

// product is a*b, which no compiler fuses with what it is added to.
func product(a, b float64) float64 { return float64(a * b) }

// dot is a*b + c*d.
func dot(a, b, c, d float64) float64 { return math.FMA(a, b, float64(c*d)) }

// between maps u in [0, 1) to [lo, hi).
func between(lo, hi, u float64) float64 { return math.FMA(hi-lo, u, lo) }

// polynomial is c[0] + c[1]·x + …
func polynomial(x float64, c ...float64) float64 {
	y := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		y = math.FMA(y, x, c[i])
	}
	return y
}

// sincos returns the sine and the cosine of an angle in turns, to about 1e-15.
func sincos(turns float64) (sin, cos float64) {
	turns -= math.Floor(turns)
	quarter := math.Floor(math.FMA(turns, 4, 0.5))
	x := product(math.FMA(quarter, -0.25, turns), 2*math.Pi) // in [-π/4, π/4]
	q := product(x, x)
	s := product(x, polynomial(q, 1, -1.0/6, 1.0/120, -1.0/5040, 1.0/362880, -1.0/39916800, 1.0/6227020800, -1.0/1307674368000))
	c := polynomial(q, 1, -1.0/2, 1.0/24, -1.0/720, 1.0/40320, -1.0/3628800, 1.0/479001600, -1.0/87178291200, 1.0/20922789888000)
	switch int(quarter) & 3 {
	case 1:
		return c, -s
	case 2:
		return -s, -c
	case 3:
		return -c, s
	}
	return s, c
}

// log returns the natural logarithm of a positive number, to about 1e-15.
func log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	s := (m - 1) / (m + 1) // at most 0.1716
	q := product(s, s)
	p := polynomial(q, 1, 1.0/3, 1.0/5, 1.0/7, 1.0/9, 1.0/11, 1.0/13, 1.0/15, 1.0/17, 1.0/19, 1.0/21)
	return math.FMA(float64(e), math.Ln2, product(2*s, p))
}

// normal returns draw i of the normal distribution with mean 0 and variance 1 (Box and Muller 1958).
func normal(k random.Key, i uint64) float64 {
	r := math.Sqrt(product(-2, log(1-k.Float64(i&^1)))) // of (0, 1]
	sin, cos := sincos(k.Float64(i | 1))
	if i&1 != 0 {
		return product(r, sin)
	}
	return product(r, cos)
}

// level is a value in [0, 1] as one of the 256 that a byte has, so that rows look like those that were read from bytes.
func level(v float64) float32 {
	return float32(math.Floor(math.FMA(255, min(max(v, 0), 1), 0.5))) / 255
}
