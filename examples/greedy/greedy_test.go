package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/reproduce"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestGreedy runs the program for one epoch on a slice of the rows, again in the
// same folder, and replays the bundle.
func TestGreedy(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	for range 2 {
		if err := run(t.Context(), &out, dir, digits.Train.Head(500), digits.Test.Head(100), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"encoder-stage4", "500 codes", "MaskingNoise(0.1)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "encoder"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	again, err := reproduce.Bundle(t.Context(), filepath.Join(dir, "encoder"), reproduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !again.Same || again.Phases != 5 {
		t.Errorf("the bundle is not reproduced: %+v", again)
	}
	record, err := os.ReadFile(filepath.Join(dir, "encoder", "training.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, phase := range []string{"encoder-stage1", "encoder-stage2", "encoder-stage3", "encoder-stage4", "digits"} {
		if !strings.Contains(string(record), `"name": "`+phase+`"`) {
			t.Errorf("training.json lacks the phase %s", phase)
		}
	}
	f, err := os.Open(filepath.Join(dir, "reconstructions.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
