package bundle_test

import (
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestAverage trains an encoder with its moving average, ships the average, and has it
// executed and compared by onnxruntime.
func TestAverage(t *testing.T) {
	rt := orttest.Runtime(t)
	x := spec.Input("x", 20)
	enc := spec.Sequential("encoder", spec.Dense(12), spec.Tanh(), spec.Dense(4))
	code := x.Then(enc)
	slow := x.Then(spec.Average(enc, 0.9).Named("target")).Named("slow")
	m := spec.NewModel("digits", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x), spec.MSE(code, slow).Weight(0.1))
	fit, err := train.Fit(t.Context(), m, rows(100), train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 32})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "target")
	if _, err := bundle.Write(t.Context(), dir, fit.Net(slow), rows(100), rt); err != nil {
		t.Fatal(err)
	}
	v, err := bundle.Verify(t.Context(), dir, rt)
	if err != nil || v.Status != bundle.Holds {
		t.Fatalf("%v %+v", err, v)
	}
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if w := net.Params()["target/encoder/dense1/w"]; len(w) != 240 || len(net.Params()) != 4 {
		t.Errorf("the file has the parameters %v", len(net.Params()))
	}
}
