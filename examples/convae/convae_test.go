package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestConvAE trains on a slice of the rows, replays both bundles and looks for digits that
// are nearer to the clean ones.
func TestConvAE(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 8, nil); err != nil {
		t.Fatal(err)
	}
	var noisy, denoised float64
	if _, err := fmt.Sscanf(out.String(), "PSNR: %f dB noisy, %f dB denoised", &noisy, &denoised); err != nil || denoised < noisy+0.5 {
		t.Errorf("it says %q (%v)", out.String(), err)
	}
	for _, name := range []string{"encoder", "denoiser"} {
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("the bundle %s does not hold: %+v", name, verdict)
		}
	}
}
