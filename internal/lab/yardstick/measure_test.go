package yardstick

import (
	"context"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// rectifier is the net y = max(x, 0) of so many units.
func rectifier(t *testing.T, units string) *engine.Net {
	t.Helper()
	g, err := ir.Parse("g (f32[N "+units+"] x) => (y) {\n\tf32[N "+units+"] y = Relu(x)\n}", ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 100})
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.NewNet(g, p, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The numbers are those of the definitions, over more rows than are computed at a
// time: the squared error is summed over the values of a row and is the mean of rows,
// the error rate is in per cent.
func TestMetrics(t *testing.T) {
	const rows = 4500
	x, y := make([]float32, 0, 3*rows), make([]int64, rows)
	squared, wrong := 0.0, 0
	for i := range rows {
		a := float32(i%7) / 7
		x = append(x, a, -a, -2) // restored but for the two that are negative
		squared += float64(a)*float64(a) + 4
		if i%3 != 0 && i%7 != 0 { // the first is the greatest, also of equals
			y[i] = 1 + int64(i%2)
			wrong++
		}
	}
	tab, err := dataset.NewTable(
		dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	net := rectifier(t, "3")
	if got, err := squaredError(t.Context(), net, tab); err != nil || math.Abs(got-squared/rows) > 1e-9 {
		t.Errorf("squared error %v, %v, want %v", got, err, squared/rows)
	}
	if got, err := errorRate(t.Context(), net, tab); err != nil || math.Abs(got-100*float64(wrong)/rows) > 1e-9 {
		t.Errorf("error rate %v, %v, want %v", got, err, 100*float64(wrong)/rows)
	}
	if _, err := errorRate(t.Context(), net, &dataset.Table{}); err == nil {
		t.Error("rows without labels have an error rate")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := squaredError(ctx, net, tab); err == nil {
		t.Error("an error measured after its context ended")
	}
}
