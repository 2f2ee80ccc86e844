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

// TestStacked runs the program for one epoch on a slice of the rows, again in the same
// folder, and replays the bundle.
func TestStacked(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var runs [2]bytes.Buffer
	for i := range runs {
		if err := run(t.Context(), &runs[i], dir, digits.Train.Head(600), digits.Test.Head(100), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"encoder-mirror-untied", "Emphasis(2, 0.5), klsparsity", "probe1: a linear classifier says", "probe2: "} {
		if !strings.Contains(runs[0].String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, runs[0].String())
		}
	}
	if runs[0].String() != runs[1].String() {
		t.Errorf("run again in its folder it says\n%s\nand not\n%s", runs[1].String(), runs[0].String())
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "encoder"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	record, err := os.ReadFile(filepath.Join(dir, "encoder", "training.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name": "probe2"`, `"linear/accuracy"`, `"confusion"`, `"program": "program stacked\n`} {
		if !strings.Contains(string(record), want) {
			t.Errorf("training.json lacks %s", want)
		}
	}
	f, err := os.Open(filepath.Join(dir, "filters.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
