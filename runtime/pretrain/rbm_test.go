package pretrain

import (
	"context"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// belief is a deep belief net of three machines, the last with linear units,
// unrolled and trained further.
func belief(change ...func(*plan, *RBMPhase, *StackPhase)) *plan {
	p := &plan{x: spec.Input("x", 12)}
	p.enc = spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid(), spec.Layers(spec.Dense(7), spec.Sigmoid()), spec.Dense(4))
	p.logits = p.x.Then(p.enc, spec.Dense(4).Named("head"))
	o := options()
	o.Optimizer = optim.SGD(0.1).Momentum(0.9).EarlyMomentum(0.5, 1).Decay(2e-4)
	linear := o
	linear.Optimizer = optim.SGD(0.01).Momentum(0.9)
	machines := RBM(p.x, p.enc, rows(100), o).Stage(3, linear)
	whole := EndToEnd(p.x, p.enc, rows(100), options()).CrossEntropy().Untied()
	for _, f := range change {
		f(p, machines, whole)
	}
	classifier := spec.NewModel("classes", spec.CrossEntropy(p.logits, spec.Labels("y", 4)))
	p.program = NewProgram("belief", machines, whole, Fit(classifier, rows(60), options()))
	return p
}

func TestBelief(t *testing.T) {
	p := belief()
	t.Log("\n" + p.program.String())
	r, err := p.program.Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.InitReports())
}
