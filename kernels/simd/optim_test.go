package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFlushSubnormals compares every set with the definition: a value as it is, its NaN too, or +0 below 2^-126.
func TestFlushSubnormals(t *testing.T) {
	old := Active()
	defer func() {
		if err := Select(old); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(6, 1))
	x := append([]float32{0x1p-126, -0x1p-126, 0x1.fffffcp-127, -0x1.fffffcp-127, math.Float32frombits(1), math.Float32frombits(1<<31 | 1),
		0, float32(math.Copysign(0, -1)), math.Float32frombits(0x7fc01234), math.Float32frombits(0xffc00001), float32(math.Inf(-1))}, tiny(rng, 40)...)
	x = append(x, testValues(rng, 50)...)
	for _, set := range Available() {
		if err := Select(set); err != nil {
			t.Fatal(err)
		}
		for from := range x {
			got := append([]float32(nil), x[from:]...)
			FlushSubnormals(got, got)
			for i, v := range x[from:] {
				want := u32(v)
				if math.Abs(float64(v)) < 0x1p-126 {
					want = 0
				}
				if u32(got[i]) != want {
					t.Fatalf("%s makes %#08x of %#08x, element %d of %d, want %#08x", set, u32(got[i]), u32(v), i, len(got), want)
				}
			}
		}
	}
}

// TestFetchAhead: only where it was found faster.
func TestFetchAhead(t *testing.T) {
	for vendor, want := range map[string]uint64{"GenuineIntel": 2048, "AuthenticAMD": 0, "": 0} {
		if got := aheadOf(vendor); got != want {
			t.Errorf("%q fetches %d bytes ahead, want %d", vendor, got, want)
		}
	}
}
