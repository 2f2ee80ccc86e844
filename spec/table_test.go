package spec_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestNewTable: the row, the losses and the contributions are there for numbers, for categories and for both.
func TestNewTable(t *testing.T) {
	for name, c := range map[string]struct {
		k      int
		cards  []int
		inputs int
		row    string
		losses int
		why    string
	}{
		"both":       {3, []int{4, 6}, 2, "f32[N 14]", 2, "f32[N 5]"},
		"numbers":    {3, nil, 1, "f32[N 6]", 1, "f32[N 3]"},
		"a category": {0, []int{4}, 1, "f32[N 4]", 1, "f32[N 1]"},
	} {
		table := spec.NewTable(c.k, c.cards...)
		enc, head := spec.Sequential("encoder", spec.Dense(4), spec.ReLU()), spec.Dense(1).Named("head")
		code := table.Row.Then(spec.MaskingNoise(0.2), enc)
		losses := table.Reconstruction(code)
		if got := table.Row.Type().String(); got != c.row || len(losses) != c.losses {
			t.Errorf("%s: the row is %s, %d losses", name, got, len(losses))
		}
		m := spec.NewModel("columns", losses...)
		if err := m.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		score := spec.Layers(enc, head, spec.Sigmoid(), spec.Sum(0))
		g, _, err := spec.GraphOf("ship", table.Row.Then(score).Named("score"), table.Contributions(8, score))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inputs := 0
		for _, v := range g.Inputs {
			if v.Kind == ir.InputValue {
				inputs++
			}
		}
		if out := g.Outputs[1]; out.Name != "contributions" || out.Type.String() != c.why || inputs != c.inputs {
			t.Errorf("%s: %d inputs, %s %s", name, inputs, out.Type, out.Name)
		}
	}
	if err := spec.NewTable(0).Row.Err(); err == nil || !strings.Contains(err.Error(), "table_test.go:") {
		t.Errorf("a table of no columns: %v", err)
	}
}
