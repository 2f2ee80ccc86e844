package spectest_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBatchStatisticsShip writes what depends on the rows that come together, whose rows
// [spectest.Layer] would refuse for that reason, and verifies it on onnxruntime.
func TestBatchStatisticsShip(t *testing.T) {
	r := orttest.Runtime(t)
	x := spec.Input("x", 4)
	h := x.Then(spec.Dense(3))
	c := spec.Sub(h, h.Then(spec.BatchMean())).Named("centred")
	s := spec.Mul(h, h.Then(spec.BatchSum(), spec.Tanh())).Named("summed")
	m := spec.NewModel("m", spec.MSE(c.Then(spec.Dense(4)), x), spec.NewLoss("sizes", s.Then(spec.Square(), spec.Mean(0))))
	type reading struct{ i int }
	list := make([]reading, 96)
	for i := range list {
		list[i].i = i
	}
	rows := dataset.From(list, func(r reading, row dataset.Row) {
		cells := row.F32Slice("x")
		for j := range cells {
			cells[j] = float32((r.i*7+j*3)%11)/5 - 1
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4}})
	fit, err := train.Fit(context.Background(), m, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 2, Batch: 32})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(context.Background(), filepath.Join(t.TempDir(), "b"), fit.Net(c, s), rows, r); err != nil {
		t.Fatal(err)
	}
}
