package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/reproduce"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestProgram trains in short. The bundle must hold on onnxruntime, and train again to the same bytes.
func TestProgram(t *testing.T) {
	rows, classes, err := read(t.Context(), "data")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	var out bytes.Buffer
	if err := run(t.Context(), &out, rows, classes, dir, 3, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "accuracy") {
		t.Errorf("it printed\n%s", out.String())
	}
	verdict, err := bundle.Verify(t.Context(), dir, ort.Runtime())
	if err != nil || verdict.Status != bundle.Holds {
		t.Fatal(verdict, err)
	}
	again, err := reproduce.Bundle(t.Context(), dir, reproduce.Options{Tables: []*dataset.Table{rows}})
	if err != nil || !again.Same {
		t.Fatal(again, err)
	}
}
