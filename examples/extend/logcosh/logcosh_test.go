package logcosh_test

import (
	"math"
	"strings"
	"testing"

	"example.com/extend/logcosh"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestLoss(t *testing.T) {
	spectest.Loss(t, logcosh.Loss, 5)
	spectest.Loss(t, logcosh.Loss, 2, 3)
}

func TestValue(t *testing.T) {
	m := spec.NewModel("m", logcosh.Loss(spec.Input("p", 2), spec.Input("q", 2)))
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	p, q := []float64{1, -2, 900, 0}, []float64{0.5, 1, -100, 0}
	tensor := func(x []float64) *ir.Tensor { return &ir.Tensor{DType: ir.F64, Shape: []int{2, 2}, F64: x} }
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, map[string]*ir.Tensor{"p": tensor(p), "q": tensor(q)})
	if err != nil {
		t.Fatal(err)
	}
	want := (math.Log(math.Cosh(0.5)) + math.Log(math.Cosh(3)) + (1000 - math.Ln2)) / 4
	if got := vals[g.Outputs[0]].F64[0]; math.Abs(got-want) > 1e-9 {
		t.Errorf("loss is %v, want %v", got, want)
	}
}

func TestMistake(t *testing.T) {
	err := spec.NewModel("m", logcosh.Loss(spec.Input("p", 2), spec.Input("q", 3))).Err()
	const want = `layer "sub1": Sub: lengths 2 and 3 do not broadcast: they must be equal, or one a fixed 1 (a is f32[N 2], b is f32[N 3])`
	if err == nil || !strings.Contains(err.Error(), "logcosh_test.go:38") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
