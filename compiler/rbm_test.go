package compiler

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// TestRBMPlan counts what a step of contrastive divergence computes: three products
// with the weights and two for their gradient, which are one chain; each sigmoid and
// softplus once.
func TestRBMPlan(t *testing.T) {
	p, err := Compile(spec.RBMModel("rbm", spec.Input("x", 784), 500), Options{Rows: 100})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	chained := false
	for _, s := range p.Train.Steps {
		if s.Op == nil {
			continue
		}
		name := s.Op.Name()
		count[name]++
		if name == "Gemm" && p.Train.Buffers[s.Out[0]].Name == "grad/rbm/dense1/w" {
			chained = len(s.In) == 3
		}
	}
	for name, want := range map[string]int{"Gemm": 5, "MatMul": 0, "SoftplusSum": 2, "Softplus": 0, "Sigmoid": 1, "Sample": 1} {
		if count[name] != want {
			t.Errorf("%d steps of %s, want %d\n%s", count[name], name, want, plan.Format(p.Train))
		}
	}
	if !chained {
		t.Error("the gradient of the weights is not one chain")
	}
	// An evaluation draws nothing and moves no chain.
	x := spec.Input("x", 20)
	stack := spec.Sequential("s", spec.Dense(8), spec.Sigmoid())
	mirror := spec.MirrorOf(stack, true)
	x.Then(stack, mirror)
	list, err := spec.RBMs(stack, mirror)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Compile(spec.NewModel("pcd", list[0].Persistent(5).Losses(x)...), Options{Rows: 10}); err != nil {
		t.Fatal(err)
	}
	train, eval := plan.Format(p.Train), plan.Format(p.Eval)
	if strings.Count(train, "Assign(") != 1 || strings.Count(train, "Sample<") != 2 {
		t.Errorf("the training is\n%s", train)
	}
	if strings.Contains(eval, "Assign(") || strings.Contains(eval, "Sample<") {
		t.Errorf("the evaluation is\n%s", eval)
	}
}
