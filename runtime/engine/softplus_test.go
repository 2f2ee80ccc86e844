package engine

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/kernels/simd"
)

func exactSoftplus(x float32) float64 {
	return max(float64(x), 0) + math.Log1p(math.Exp(-math.Abs(float64(x))))
}

// TestSoftplus compares the kernels with float64, over all magnitudes and for rows
// of many lengths.
func TestSoftplus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 7, 31, 63, 64, 65, 127, 500, 1000, 5001} {
		for _, scale := range []float64{1e-3, 1, 10, 60} {
			x, h, g, y := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			want := 0.0
			for i := range x {
				x[i] = float32(scale * r.NormFloat64())
				want += exactSoftplus(x[i])
			}
			simd.Sigmoid(g, x)
			if got := simd.SigmoidSoftplus(h, x); math.Abs(got-want) > 2e-6*want {
				t.Errorf("%d elements of scale %v: the sum is %v, want %v", n, scale, got, want)
			}
			simd.Softplus(y, x)
			for i := range x {
				if w := exactSoftplus(x[i]); math.Abs(float64(y[i])-w) > 4e-7*w+1e-37 || h[i] != g[i] {
					t.Fatalf("softplus(%v) is %v, want %v; sigmoid %v, want %v", x[i], y[i], w, h[i], g[i])
				}
			}
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x, y := []float32{inf, -inf, nan, 0, 200, -200}, make([]float32, 6)
	simd.Softplus(y, x)
	if y[0] != inf || y[1] != 0 || y[2] == y[2] || y[3] != float32(math.Ln2) || y[4] != 200 || y[5] > 1e-38 {
		t.Errorf("softplus(%v) is %v", x, y)
	}
	for _, v := range []float32{inf, -inf, nan} {
		got := simd.SigmoidSoftplus(make([]float32, 1), []float32{v})
		if want := exactSoftplus(v); got != want && (got == got || want == want) {
			t.Errorf("the sum of softplus(%v) is %v, want %v", v, got, want)
		}
	}
}
