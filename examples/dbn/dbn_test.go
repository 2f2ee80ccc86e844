package main

import (
	"bytes"
	"fmt"
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

// TestDBN runs the program for few epochs on a slice of the rows, again in the same
// folder, and replays the bundle. So short a training already tells digits from the
// mean digit, which is some 52 away from one.
func TestDBN(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var runs [2]bytes.Buffer
	for i := range runs {
		if err := run(t.Context(), &runs[i], dir, digits.Train.Head(800), digits.Test.Head(100), 12, 5, nil); err != nil {
			t.Fatal(err)
		}
	}
	if runs[0].String() != runs[1].String() {
		t.Errorf("run again in its folder it says\n%s\nand not\n%s", runs[1].String(), runs[0].String())
	}
	for _, want := range []string{"encoder-rbm3", "800 codes", "CD-1", "encoder-mirror-untied"} {
		if !strings.Contains(runs[0].String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, runs[0].String())
		}
	}
	var err float64
	at := strings.Index(runs[0].String(), "squared error")
	if _, e := fmt.Sscanf(runs[0].String()[max(at, 0):], "squared error of a digit from its code of 30 numbers: %g", &err); e != nil || !(err < 49) {
		t.Errorf("%v in %q", e, runs[0].String())
	}
	verdict, e := bundle.Verify(t.Context(), filepath.Join(dir, "encoder"), ort.Runtime())
	if e != nil {
		t.Fatal(e)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	for _, name := range []string{"machines.png", "reconstructions.png"} {
		raw, e := os.ReadFile(filepath.Join(dir, name))
		if e != nil {
			t.Fatal(e)
		}
		if _, e := png.Decode(bytes.NewReader(raw)); e != nil {
			t.Errorf("%s: %v", name, e)
		}
	}
}
