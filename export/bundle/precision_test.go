package bundle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBF16Ships ships in FP32 what was trained in bf16, says what the precision changes, and refuses a Net that computes
// in bf16.
func TestBF16Ships(t *testing.T) {
	rt := orttest.Runtime(t)
	x := spec.Input("x", 20)
	code := x.Then(spec.Dense(64), spec.ReLU(), spec.Dense(40)).Named("code")
	ae := spec.NewModel("digits", spec.MSE(code.Then(spec.Dense(20)), x))
	fit, err := train.Fit(t.Context(), ae, rows(100), train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 32, Precision: optim.BF16})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "code")
	_, err = bundle.Write(t.Context(), dir, fit.In(optim.BF16).Net(code), rows(100), rt)
	if err == nil || !strings.Contains(err.Error(), "what ships is FP32: write the Net of the Result itself") {
		t.Errorf("a Net in bf16 is written: %v", err)
	}
	rep, err := bundle.Write(t.Context(), dir, fit.Net(code), rows(100), rt)
	if err != nil {
		t.Fatal(err)
	}
	if s := rep.String(); rep.Verification.Status != bundle.Holds || !strings.Contains(s, "; trained in BF16; computed so instead of in FP32, on 100 rows code changes by at most") {
		t.Error(s)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "training.json"))
	if err != nil || !strings.Contains(string(raw), `"products": "BF16"`) {
		t.Errorf("training.json does not say the precision: %v\n%s", err, raw)
	}
}
