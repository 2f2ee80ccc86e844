package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestActive asks in two short rounds, and replays the bundle.
func TestActive(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	rows := digits.Train.Head(400)
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, rows, digits.Test.Head(100), size{30, 20, 2, 10}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"asked by margin  at random", "\n    30  ", "\n    70  "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	var asked [][]int
	for _, way := range []string{"margin", "random"} {
		l, err := active.ReadLabels(filepath.Join(dir, way, "labels.csv"))
		if err != nil {
			t.Fatal(err)
		}
		known := l.Known()
		if len(l.Y) != 400 || len(known) != 70 {
			t.Errorf("%s: %d labels of %d rows", way, len(known), len(l.Y))
		}
		for _, i := range known {
			if l.Y[i] != rows.I64("y")[i] {
				t.Errorf("%s: row %d has the label %d", way, i, l.Y[i])
			}
		}
		asked = append(asked, known)
		f, err := os.Open(filepath.Join(dir, way, "rank.png"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := png.Decode(f); err != nil {
			t.Error(err)
		}
	}
	if slices.Equal(asked[0], asked[1]) {
		t.Error("both ways asked about the same rows")
	}
	path := filepath.Join(dir, "classifier")
	if verdict, err := bundle.Verify(t.Context(), path, ort.Runtime()); err != nil || verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v %v", verdict, err)
	}
	b, err := bundle.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if outs := b.Outputs(); len(outs) != 2 || outs[0].Name != "probabilities" || outs[1].Name != "code" {
		t.Errorf("outputs %v", outs)
	}
}
