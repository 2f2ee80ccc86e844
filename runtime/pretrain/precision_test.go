package pretrain

import (
	"context"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBF16Phases trains a machine and what follows in bf16. Each phase says so in its record, and takes other steps than in
// FP32.
func TestBF16Phases(t *testing.T) {
	run := func(machine, whole optim.Precision) *train.Result {
		x := spec.Input("x", 12)
		front := spec.Sequential("encoder", spec.Dense(40), spec.Sigmoid(), spec.Dense(33), spec.Sigmoid())
		o := options()
		o.Optimizer, o.Precision = optim.SGD(0.1).Momentum(0.9), machine
		after := options()
		after.Precision = whole
		r, err := NewProgram("narrow", RBM(x, front, rows(100), o), EndToEnd(x, front, rows(100), after)).Run(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	float, narrow, last := run(optim.FP32, optim.FP32), run(optim.BF16, optim.BF16), run(optim.FP32, optim.BF16)
	phases, err := narrow.Phases()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range phases {
		if p.Precision != "BF16" {
			t.Errorf("phase %s is in %q", p.Name, p.Precision)
		}
	}
	const w = "encoder/dense2/w"
	same := func(a, b *train.Result) bool {
		x, y := a.Param(w), b.Param(w)
		for i := range x {
			if x[i] != y[i] {
				return false
			}
		}
		return true
	}
	if same(float, narrow) || same(float, last) || same(narrow, last) {
		t.Error("in bf16 the phases make the parameters of FP32")
	}
}
