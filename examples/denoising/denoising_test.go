package main

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestDenoising runs the program for one epoch on a slice of the rows and replays
// the bundle. So short a training already restores more than it spoils.
func TestDenoising(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(2000), digits.Test.Head(100), 1, nil); err != nil {
		t.Fatal(err)
	}
	var bad, good float64
	if _, err := fmt.Sscanf(out.String(), "squared error of a corrupted digit: %g, restored: %g", &bad, &good); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if bad < 50 || bad > 90 || !(good < 0.8*bad) {
		t.Errorf("a corrupted digit is %v from the clean one, a restored one %v", bad, good)
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "restorer"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	f, err := os.Open(filepath.Join(dir, "restored.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
