package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestLongRows: rows of more than one block are sums of blocks, and as precise as a short one.
func TestLongRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 14))
	for _, n := range []int{lineBlock, lineBlock + 1, 2*lineBlock - 1, 100_003} {
		y, x := normals(rng, n), normals(rng, n)
		d, square, soft, h := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		Sub(d, y, x)
		Mul(square, d, d)
		MulScalar(d, d, -0.3)
		Softplus(soft, y)
		var exact, blocks float64
		for i, v := range square {
			exact += float64(v)
			if i%lineBlock == 0 {
				blocks += float64(Sum(square[i:min(i+lineBlock, n)]))
			}
		}
		if got := LineSum(square); got != blocks || math.Abs(got-exact) > 1e-6*exact {
			t.Errorf("%d elements: LineSum is %v, its blocks add to %v, the elements to %v", n, got, blocks, exact)
		}
		var dots float64
		for i := 0; i < n; i += lineBlock {
			end := min(i+lineBlock, n)
			dots += float64(Dot(y[i:end], x[i:end]))
		}
		if got := LineDot(y, x); got != dots {
			t.Errorf("%d elements: LineDot is %v, its blocks add to %v", n, got, dots)
		}
		grad := make([]float32, n)
		if got := SquaredError(grad, y, x, -0.3); got != blocks || SquaredError(nil, y, x, -0.3) != blocks {
			t.Errorf("%d elements: SquaredError is %v, want %v", n, got, blocks)
		}
		sameBits(t, "gradient", grad, d)
		if got, want := SigmoidSoftplus(h, y), LineSum(soft); got != want {
			t.Errorf("%d elements: SigmoidSoftplus is %v, want %v", n, got, want)
		}
		Sigmoid(d, y)
		sameBits(t, "sigmoid", h, d)
	}
	if s := LineSum(nil) + LineDot(nil, nil) + SquaredError(nil, nil, nil, 1) + SigmoidSoftplus(nil, nil); s != 0 {
		t.Errorf("sums of nothing are %v", s)
	}
}
