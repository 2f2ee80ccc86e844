package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestFewLabels runs two draws of 100 labels in short and replays the bundle.
func TestFewLabels(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), size{100, 2, 1, 2}, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100, tested on 100", "draw  from scratch  pretrained   (test digits read, 100 labels)", "\n   2 ", "\nmean ", "seven", "of 100 right"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	path := filepath.Join(dir, "classifier")
	verdict, err := bundle.Verify(t.Context(), path, ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	b, err := bundle.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	rec := b.Record()
	if len(rec.Classes) != 10 || rec.Classes[7] != "seven" || len(rec.Phases) != 1 || len(rec.Phases[0].Chosen) != 100 {
		t.Errorf("the record has classes %v and phases %+v", rec.Classes, rec.Phases)
	}
	if start := rec.Phases[0].Start; len(start) != 1 || len(start[0].Phases) != 3 || start[0].Phases[0].Name != "encoder-stage1" || start[0].Phases[2].Metrics["linear/accuracy"] == 0 {
		t.Errorf("the record does not say how the layers were pretrained: %+v", start)
	}
	model, err := os.ReadFile(filepath.Join(path, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(model, []byte(`["zero","one","two","three","four","five","six","seven","eight","nine"]`)) {
		t.Error("the file's metadata lack the names of the classes")
	}
	f, err := os.Open(filepath.Join(dir, "errors.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
