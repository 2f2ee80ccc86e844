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

// TestConvAE trains on a slice of the rows, replays both bundles, and looks for
// reconstructions that are digits, and at the pictures.
func TestConvAE(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 14, nil); err != nil {
		t.Fatal(err)
	}
	// The mean digit alone has about 11 dB.
	var ratio, alike float64
	if _, err := fmt.Sscanf(out.String(), "reconstructions from 32 numbers: PSNR %f dB, SSIM %f", &ratio, &alike); err != nil || ratio < 15 || alike < 0.5 {
		t.Errorf("it says %q (%v)", out.String(), err)
	}
	for _, name := range []string{"encoder", "autoencoder"} {
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("the bundle %s does not hold: %+v", name, verdict)
		}
	}
	for name, width := range map[string]int{"reconstructions": 3 * (16*29 + 1), "filters": 8 * (3*4 + 1), "maps": 3 * (3*15 + 1)} {
		f, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds().Dx() != width {
			t.Errorf("%s.png: %v, want %d pixels across (%v)", name, img.Bounds(), width, err)
		}
	}
}
