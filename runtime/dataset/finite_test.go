package dataset

import (
	"math"
	"testing"
)

func TestNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	fine := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	for n := range 20 {
		v := make([]float32, n)
		for i := range v {
			v[i] = fine[i%len(fine)]
		}
		if got := notFinite(v); got != -1 {
			t.Errorf("%v: place %d", v, got)
		}
		for i := range v {
			was := v[i]
			for _, bad := range []float32{inf, -inf, nan, -nan, math.Float32frombits(0x7f800001)} {
				if v[i] = bad; notFinite(v) != i {
					t.Errorf("%v at %d of %d: place %d", bad, i, n, notFinite(v))
				}
			}
			v[i] = was
		}
	}
}
