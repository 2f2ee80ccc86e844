package vicreg_test

import (
	"math"
	"testing"

	"example.com/extend/vicreg"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestLoss(t *testing.T) { spectest.Loss(t, vicreg.Loss, 5) }

// TestValue works the loss out for four rows of three numbers.
func TestValue(t *testing.T) {
	const n, d = 4, 3
	a := []float64{1, -2, 0.5, 0, 1, 0.25, -1, 3, 0.75, 2, 0, 0.5}
	b := []float64{0.5, -1, 0, 0.25, 2, 1, -2, 2, 0.5, 1, 1, 0}
	want := 0.0
	for i := range a {
		want += 25 * (a[i] - b[i]) * (a[i] - b[i]) / (n * d)
	}
	for _, z := range [][]float64{a, b} {
		var mean [d]float64
		var c [d][d]float64
		for i, x := range z {
			mean[i%d] += x / n
		}
		for r := range n {
			for i := range d {
				for j := range d {
					c[i][j] += (z[r*d+i] - mean[i]) * (z[r*d+j] - mean[j]) / n
				}
			}
		}
		for i := range d {
			want += 25 * max(0, 1-math.Sqrt(c[i][i]+1e-4)) / d
			for j := range d {
				if i != j {
					want += c[i][j] * c[i][j] / d
				}
			}
		}
	}
	g, err := spec.NewModel("m", vicreg.Loss(spec.Input("a", d), spec.Input("b", d))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(x []float64) *ir.Tensor { return &ir.Tensor{DType: ir.F64, Shape: []int{n, d}, F64: x} }
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(n), UpdateRows: n}, map[string]*ir.Tensor{"a": tensor(a), "b": tensor(b)})
	if err != nil {
		t.Fatal(err)
	}
	if got := vals[g.Outputs[0]].F64[0]; math.Abs(got-want) > 1e-9 {
		t.Errorf("the loss is %v, want %v", got, want)
	}
}
