package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestDenoise trains on a slice of the rows, replays the bundle and looks for digits that
// are nearer to the clean ones.
func TestDenoise(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 6, nil); err != nil {
		t.Fatal(err)
	}
	var before, after struct{ ratio, alike float64 }
	if _, err := fmt.Sscanf(out.String(), "noisy: PSNR %f dB, SSIM %f\ndenoised: PSNR %f dB, SSIM %f", &before.ratio, &before.alike, &after.ratio, &after.alike); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	// A deviation of 0.25 is 12.04 dB.
	if before.ratio < 12 || before.ratio > 12.1 || after.ratio < before.ratio+3 || after.alike < before.alike+0.1 {
		t.Errorf("it says %q", out.String())
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "denoiser"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
	if _, err := os.Stat(filepath.Join(dir, "denoised.png")); err != nil {
		t.Error(err)
	}
}
