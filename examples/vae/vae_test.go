package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestVAE trains for two epochs on a slice of the rows, replays the bundle and looks
// at what its two heads compute.
func TestVAE(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(500), digits.Test.Head(100), 2, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "bound of a test digit: ") {
		t.Errorf("it says %q", out.String())
	}
	path := filepath.Join(dir, "encoder")
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
	y, err := b.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{3, 784}, F32: digits.Test.Head(3).F32("x")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{"mean", "logvar"} {
		if v := y[head]; v == nil || len(v.F32) != 6 {
			t.Errorf("the encoder's %s is %v", head, v)
		}
	}
	f, err := os.Open(filepath.Join(dir, "plane.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}
