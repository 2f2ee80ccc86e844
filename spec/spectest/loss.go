package spectest

import (
	"errors"
	"testing"

	"github.com/lamina-ml/lamina/spec"
)

// Loss tests a loss of one's own, on predictions and targets f32[N dims…].
// Targets are between 0 and 1.
//
// The loss must: be declared without a mistake; be finite; have the gradient
// that differences find; train to the same bits with 1 and 3 workers, and after
// an interruption; be read back from its text form; report a mistake with a line.
func Loss(t testing.TB, newLoss func(prediction, target *spec.Value) *spec.Loss, dims ...int) {
	t.Helper()
	x := spec.Input("input", dims...)
	m := spec.NewModel("spectest", newLoss(x.Then(&offset{spec.Here("input")}), spec.Input("target", dims...)))
	if err := m.Err(); err != nil {
		t.Errorf("the declaration has mistakes:\n%v", err)
		return
	}
	if len(m.Params()) == 0 {
		t.Error("the loss does not depend on the prediction")
		return
	}
	s := &subject{TB: t, model: m, input: dims, target: dims}
	var e *spec.Error
	if err := spec.NewModel("spectest", newLoss(nil, nil)).Err(); !errors.As(err, &e) || e.Made.IsZero() {
		t.Errorf("a loss of no values must be a mistake with a line, got %v", err)
	}
	s.text()
	s.gradient()
	s.training()
}
