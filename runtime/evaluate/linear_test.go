package evaluate

import (
	"context"
	"math"
	"testing"
)

// TestLinearOptimum has two codes, -1 and 1 when scaled, one of each class. With the
// weights -a and a the loss is log(1+exp(-2a)) + l2·a², least where σ(-2a) = l2·a.
func TestLinearOptimum(t *testing.T) {
	for _, l2 := range []float64{0.01, 0.1, 1} {
		p, err := FitLinear(context.Background(), &Set{X: []float64{-3, 5}, Dim: 1, Y: []int{0, 1}, Classes: 2}, l2)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := 0.0, 100.0
		for range 100 {
			if a := (lo + hi) / 2; 1/(1+math.Exp(2*a)) > l2*a {
				lo = a
			} else {
				hi = a
			}
		}
		if math.Abs(p.w[1]-lo) > 1e-3*lo || math.Abs(p.w[0]+lo) > 1e-3*lo {
			t.Errorf("l2 %v: the weights are %v, want -%v and %v", l2, p.w[:2], lo, lo)
		}
	}
}
