package bundle_test

import (
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBundleOfBytes trains on bytes, exports the encoder, whose input is uint8 and
// whose first node is a Cast, has onnxruntime hold it, and opens and replays it.
func TestBundleOfBytes(t *testing.T) {
	rt := orttest.Runtime(t)
	pixels := make([]uint8, 96*20)
	for i := range pixels {
		pixels[i] = uint8(i * i % 253)
	}
	rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.U8, Shape: []int{20}}, U8: pixels})
	if err != nil {
		t.Fatal(err)
	}
	x := spec.Bytes("x", 20).Then(spec.Floats().Times(1.0 / 255))
	code := x.Then(spec.Dense(8), spec.ReLU(), spec.Dense(4)).Named("code")
	m := spec.NewModel("pixels", spec.MSE(code.Then(spec.Dense(20)), x))
	fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 16})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "b")
	if _, err := bundle.Write(t.Context(), dir, fit.Net(code), rows, rt); err != nil {
		t.Fatal(err)
	}
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if in := net.Inputs(); len(in) != 1 || in[0].Type.DType != ir.U8 || net.Graph().Nodes[0].Op.Name() != "Cast" {
		t.Errorf("the function takes %v, and begins with %s", in[0].Type, net.Graph().Nodes[0].Op.Name())
	}
	if v, err := bundle.Verify(t.Context(), dir, rt); err != nil || v.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %v, %+v", err, v)
	}
}
