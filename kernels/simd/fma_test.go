package simd

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactFMA rounds the exact x*y+z once, with arbitrary precision.
func exactFMA(x, y, z float32) float32 {
	const prec = 700 // the products span 2^-298 to 2^256
	p := new(big.Float).SetPrec(prec).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
	p.Add(p.SetPrec(prec), big.NewFloat(float64(z)))
	f, _ := p.Float32()
	return f
}

func TestFMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(x, y, z float32) {
		t.Helper()
		got, want := fma(x, y, z), exactFMA(x, y, z)
		if got != want { // signs of zero: below
			t.Fatalf("fma(%g, %g, %g) = %g (%#08x), want %g (%#08x)", x, y, z, got, math.Float32bits(got), want, math.Float32bits(want))
		}
	}
	finite := func() float32 {
		for {
			if f := math.Float32frombits(rng.Uint32()); f-f == 0 {
				return f
			}
		}
	}
	for range 100000 {
		x, y := finite(), finite()
		check(x, y, finite())
		if z := -x * y; z-z == 0 {
			check(x, y, z) // cancellation
		}
		// Near ties of the rounding: z carries the bits, x*y a whisper around half a unit.
		z := float32(1+rng.IntN(1<<24)) * float32(math.Ldexp(1, rng.IntN(240)-149))
		if z-z != 0 {
			continue
		}
		ulp := math.Nextafter32(z, math.MaxFloat32) - z
		h := float32(math.Sqrt(float64(ulp) / 2))
		check(h, h, z)
		check(math.Nextafter32(h, 0), h, z)
		check(ulp, 0.5, z)
		check(ulp, -0.5, z)
		check(math.Nextafter32(ulp, 0), 0.5, z)
		check(math.Nextafter32(0.5, 1), ulp, z)
	}
	// Double rounding: 1 + 2^-24 + 2^-60 lies above a tie that float64 cannot tell from it.
	if got := fma(float32(math.Ldexp(1+1.0/(1<<20), -12)), float32(math.Ldexp(1-1.0/(1<<20), -12)), 1); got != 1 {
		t.Errorf("below the tie: got %v, want 1", got)
	}
	check(0x1.000002p-12, 0x1p-12, 1)
	inf, nan, zero := float32(math.Inf(1)), float32(math.NaN()), float32(0)
	for _, c := range []struct{ x, y, z, want float32 }{
		{inf, 1, 1, inf}, {inf, 0, 1, nan}, {inf, 1, -inf, nan}, {nan, 1, 1, nan}, {1, 1, -inf, -inf},
		{-zero, 1, zero, zero}, {zero, 1, zero, zero}, {math.MaxFloat32, 2, -inf, -inf}, {math.MaxFloat32, 2, 0, inf},
	} {
		if got := fma(c.x, c.y, c.z); math.Float32bits(got) != math.Float32bits(c.want) && !(got != got && c.want != c.want) {
			t.Errorf("fma(%v, %v, %v) = %v, want %v", c.x, c.y, c.z, got, c.want)
		}
	}
	minusZero := float32(math.Copysign(0, -1))
	if got := fma(minusZero, 1, minusZero); math.Float32bits(got) != 1<<31 {
		t.Errorf("-0·1 + -0 = %v, want -0", got)
	}
}
