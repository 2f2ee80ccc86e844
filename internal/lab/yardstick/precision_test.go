package yardstick

import (
	"math"
	"strings"
	"testing"
)

// TestPrecision trains each kind of work in small in both precisions: the products in bf16 are others, what is learned is
// much the same.
func TestPrecision(t *testing.T) {
	digits := few(2000, 500)
	frozen := tuning{Epochs: 1, Rate: 1e-9, Batch: 50, Loss: "mse"} // nothing but the pretraining
	for _, c := range []struct {
		name string
		how  recipe
		most float64 // as in TestRecipes
		near float64 // of each other
	}{
		{"keras-tied", tied{[]int{64, 32}, 6, 50, 1e-3}, 0.035, 0.001},
		{"ae30/direct", autoencoder{[]int{128, 32}, "elu", pretraining{Kind: "none"}, tuning{Epochs: 5, Rate: 2e-3, Batch: 50, Loss: "mse", Decay: 0.01}}, 30, 0.5},
		{"ae30/denoising", autoencoder{[]int{128, 32}, "elu", pretraining{Kind: "denoising", Noise: 0.2, Epochs: 4, Rate: 2e-3, Batch: 50}, frozen}, 50, 1},
		{"ae30/rbm", autoencoder{[]int{128, 32}, "sigmoid", pretraining{Kind: "rbm", Epochs: 4, Rate: 0.05, CodeRate: 1e-3, Decay: 2e-4, Batch: 50}, frozen}, 60, 1},
		{"sdae/basic/SDAE-3", classifier{"basic", sizes{1500, 300, 600}, []int{128, 128, 64}, pretraining{Kind: "denoising", Noise: 0.2, Epochs: 4, Rate: 2e-3, Batch: 50},
			tuning{Epochs: 8, Rate: 4e-3, Batch: 50}}, 35, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got [2]numbers
			for i, p := range []string{"fp32", "bf16"} {
				var err error
				if got[i], err = (inPrecision{p, c.how}).measure(t.Context(), &input{digits: digits}); err != nil {
					t.Fatal(err)
				}
			}
			plain, err := c.how.measure(t.Context(), &input{digits: digits})
			if err != nil || plain.value != got[0].value {
				t.Errorf("in fp32 it gives %v, and without a precision %v, %v", got[0].value, plain.value, err)
			}
			a, b := got[0].value, got[1].value
			t.Logf("%.6g in fp32, %.6g in bf16", a, b)
			if !(a < c.most && b < c.most) || math.Abs(a-b) > c.near {
				t.Errorf("%.6g in fp32 and %.6g in bf16, want at most %v and %v apart", a, b, c.most, c.near)
			}
			if a == b && got[0].also["train"] == got[1].also["train"] {
				t.Errorf("%v in both precisions: the products were the same", a)
			}
		})
	}
	if _, err := (inPrecision{"fp8", tied{[]int{4, 2}, 1, 50, 1e-3}}).measure(t.Context(), &input{digits: digits}); err == nil || !strings.Contains(err.Error(), "fp8") {
		t.Errorf("a precision that does not exist: %v", err)
	}
}

func TestPrecisionTable(t *testing.T) {
	if got := PrecisionTable(nil); got != "Not measured yet.\n" {
		t.Errorf("of nothing: %q", got)
	}
	all := map[string]Result{}
	for i, c := range Find(precision) {
		at := float64(i % 2)
		x := Result{Name: c.Name, Machine: "here", Date: "2026-01-02", Values: []float64{2, 3 + at, 4 - at/2, 2.5, 3.5}, WallS: 12 + at}
		x.Value, x.Std = median(x.Values), deviation(x.Values)
		all[c.Name] = x
	}
	bad := all["precision/ae30-direct/bf16"]
	bad.Values = []float64{3, 4, 5, 3.5, 4.5}
	bad.Value, bad.Std = median(bad.Values), deviation(bad.Values)
	all[bad.Name] = bad
	delete(all, "precision/sdae-basic/fp32")
	got := PrecisionTable(all)
	for _, want := range []string{"| 3 ± 0.79 | 3.5 ± 0.82 | +0.1 ± 0.55 | yes | 12.0 → 13.0 |", "| 4 ± 0.79 | +1 ± 0 | **no** |", "Measured on here, 2026-01-02."} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "three layers") {
		t.Errorf("a work without one of its two is in the table:\n%s", got)
	}
	if strings.Contains(Table(all), precision) {
		t.Error("the table of the yardsticks has the precisions too")
	}
}
