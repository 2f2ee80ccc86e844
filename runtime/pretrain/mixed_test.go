package pretrain_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// A phase is trained on a mix, what decides its result has the mix, and phases that take all rows once refuse one.
func TestMixedPhases(t *testing.T) {
	data := rows(90)
	mix := func(n, m int) *dataset.Mixture {
		return dataset.Mix(data.Head(30), n, data.Select([]int{40, 50, 60, 70, 80}).Unlabel("y", nil), m)
	}
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(5), spec.Tanh(), spec.Dense(3))
	code := x.Then(enc)
	model := spec.NewModel("m", spec.MSE(code.Then(spec.Mirror("decoder", enc)), x), spec.CrossEntropy(code.Then(spec.Dense(4).Named("head")), spec.Labels("y", 4).Optional()))
	o := options()
	o.Batch = 0
	dir := t.TempDir()
	run := func(p ...pretrain.Phase) (*train.Result, error) {
		return pretrain.NewProgram("p", p...).Run(context.Background(), pretrain.Options{Dir: dir})
	}
	r, err := run(pretrain.Fit(model, mix(6, 2), o), pretrain.Probe(code, data, data))
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Last(); e.Rows != 3*8 {
		t.Errorf("an epoch has %d rows, want 24", e.Rows)
	}
	_, err = run(pretrain.Fit(model, mix(5, 3), o), pretrain.Probe(code, data, data))
	if err == nil || !strings.Contains(err.Error(), "the mix of the rows was 6 of 30 rows and 2 of 5, is 5 of 30 rows and 3 of 5") {
		t.Errorf("got %v", err)
	}
	dir = t.TempDir()
	_, err = run(pretrain.Greedy(x, enc, mix(6, 2), o))
	if err == nil || !strings.Contains(err.Error(), "phase 2 of 2, encoder-stage2: the rows are a mix (6 of 30 rows and 2 of 5), which is for what a batch is trained on") {
		t.Errorf("got %v", err)
	}
	_, err = run(pretrain.Fit(model, data, o), pretrain.Probe(code, mix(6, 2), data))
	if err == nil || !strings.Contains(err.Error(), "phase 2 of 2, probe1: the rows are a mix") {
		t.Errorf("got %v", err)
	}
}
