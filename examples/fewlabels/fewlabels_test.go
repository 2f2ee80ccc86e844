package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/runtime/train"
)

// TestFewLabels measures two draws in short, looks for the page and replays the bundle.
func TestFewLabels(t *testing.T) {
	orttest.Runtime(t)
	digits := dataset.Digits()
	short := func(int) train.Options { return train.Options{Optimizer: optim.Adam(1e-3), Batch: 20, Epochs: 2} }
	o := report.CurveOptions{Rows: digits.Train.Head(300), Test: digits.Test.Head(100), Counts: []int{20, 100}, Drawn: "balanced", Dir: t.TempDir(), Draws: 2, Train: short, Pretrain: short, Unseen: true}
	var out bytes.Buffer
	if err := run(t.Context(), &out, o); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"error %", "20 labels", "100 labels", "from scratch", "denoising", "greedy", "logistic regression", "pseudo-labels", "shipped: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	page, err := os.ReadFile(filepath.Join(o.Dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Reconstructions", "Weights of encoder/dense1/w", "Map of the codes"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(o.Dir, "classifier"), ort.Runtime())
	if err != nil || verdict.Status != bundle.Holds {
		t.Fatalf("%+v %v", verdict, err)
	}
	net, err := bundle.Open(t.Context(), filepath.Join(o.Dir, "classifier"))
	if err != nil {
		t.Fatal(err)
	}
	if rec := net.Record(); rec.Estimate == nil || rec.Estimate.Labels != 100 || len(rec.Classes) != 10 || rec.Classes[7] != "seven" {
		t.Errorf("the record has the estimate %+v and classes %v", rec.Estimate, rec.Classes)
	}
}
