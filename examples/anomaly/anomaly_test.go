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

// TestAnomaly trains in short and replays both bundles. Both scores must find the other
// digits, and both flags must spare the known one.
func TestAnomaly(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train, digits.Test.Head(200), 8, nil); err != nil {
		t.Fatal(err)
	}
	type found struct {
		area                           float64
		alarms, known, digit, hits, of int
	}
	var a, s found
	if _, err := fmt.Sscanf(out.String(), "autoencoder: AUROC %f; flagged: %d of %d of the digit %d, %d of %d others\nsvdd: AUROC %f; flagged: %d of %d of the digit %d, %d of %d others",
		&a.area, &a.alarms, &a.known, &a.digit, &a.hits, &a.of, &s.area, &s.alarms, &s.known, &s.digit, &s.hits, &s.of); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	for name, f := range map[string]found{"autoencoder": a, "svdd": s} {
		if f.area < 0.8 || f.known+f.of != 200 || 4*f.alarms > f.known || 4*f.hits < f.of {
			t.Errorf("%s: %+v", name, f)
		}
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("the bundle %s does not hold: %+v", name, verdict)
		}
	}
	file, err := os.Open(filepath.Join(dir, "anomalies.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if img, err := png.Decode(file); err != nil || img.Bounds().Dx() != 3*(13*29+1) {
		t.Errorf("anomalies.png: %v (%v)", img, err)
	}
}
