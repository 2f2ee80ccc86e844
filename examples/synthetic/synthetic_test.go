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

// TestSynthetic runs the example in short, replays the bundle and looks at what its record says of the rows.
func TestSynthetic(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), size{200, 5, 50, 1, 2, 1}, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"strokes rows=200 seed=1", "200 synthetic", "from scratch", "% of 100 test digits read", "phase glyphs    200 rows, 100 % synthetic", "phase digits     50 rows, 0 % synthetic"} {
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
	phases := b.Record().Phases
	if len(phases) != 2 || phases[0].Synthetic != 1 || phases[1].Synthetic != 0 || !strings.HasPrefix(phases[0].Recipe.Data.Generator, "strokes rows=200 seed=1 ") {
		t.Errorf("the record says of its rows: %+v", phases)
	}
	f, err := os.Open(filepath.Join(dir, "dreamt.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
