package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

var special = []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-126, 0x1.fffffcp-127, math.MaxFloat32, -math.MaxFloat32, 88.72284, 89, -87.4, -103.98, -104.1, 1e-5}

// testValues mixes normal values with special ones and arbitrary bit patterns.
func testValues(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch rng.IntN(8) {
		case 0:
			x[i] = special[rng.IntN(len(special))]
		case 1:
			x[i] = math.Float32frombits(rng.Uint32())
		default:
			x[i] = float32(rng.NormFloat64() * 5)
		}
	}
	return x
}

func normals(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func squares(rng *rand.Rand, n int) []float32 {
	x := normals(rng, n)
	for i := range x {
		x[i] *= x[i]
	}
	return x
}

// tiny are half zeros, the rest about the least normal number, some of them a little below what stays normal if it is
// multiplied by 0.9.
func tiny(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		if rng.IntN(2) == 0 {
			x[i] = float32((rng.Float64()*4 - 2) * 0x1p-126)
		}
	}
	return x
}

// magnitudes makes values positive.
func magnitudes(x []float32) []float32 {
	for i := range x {
		x[i] = float32(math.Abs(float64(x[i])))
	}
	return x
}

// noSubnormals fails if a moment is subnormal, or a zero with a sign.
func noSubnormals(t *testing.T, what string, x []float32) {
	t.Helper()
	for i, v := range x {
		if math.Abs(float64(v)) < 0x1p-126 && u32(v) != 0 {
			t.Fatalf("%s: element %d of %d is %g (%#08x), want 0", what, i, len(x), v, u32(v))
		}
	}
}

// sameBits fails unless got and want are the same bits; one NaN is as good as another.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("%s: element %d of %d is %g (%#08x), want %g (%#08x)", what, i, len(got), got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func u32(f float32) uint32 { return math.Float32bits(f) }
