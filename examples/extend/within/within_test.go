package within_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/extend/within"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

func TestMetric(t *testing.T) {
	g, _, err := spec.GraphOf("m", within.Metric(spec.Input("p", 2), spec.Input("q", 2), 0.5).Value)
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(x ...float64) *ir.Tensor { return &ir.Tensor{DType: ir.F64, Shape: []int{3, 2}, F64: x} }
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(3), UpdateRows: 3}, map[string]*ir.Tensor{
		"p": tensor(1, 2, 3, 4, 5, 6),
		"q": tensor(1.25, 1.75, 3, 4.5, -5, 6),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := vals[g.Outputs[0]].F64; !slices.Equal(got, []float64{1, 0, 0}) {
		t.Errorf("rows within are %v", got)
	}
}

func TestMistakes(t *testing.T) {
	p := spec.Input("p", 2)
	for want, m := range map[string]*spec.Value{
		"of one type, got f32[N 2] and f32[N 3]": within.Metric(p, spec.Input("q", 3), 1).Value,
		"the limit must be positive, got 0":      within.Metric(p, spec.Input("q", 2), 0).Value,
	} {
		if err := m.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "within_test.go:") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
