package picture

import (
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGrid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grid.png")
	p := []float32{0, 1, 2, float32(math.NaN())}
	if err := Grid(path, 2, 2, [][]float32{p, p}, [][]float32{p}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 3*7 || b.Dy() != 3*7 {
		t.Fatalf("size %v", b)
	}
	if r, _, _, _ := img.At(3, 3).RGBA(); r != 0 {
		t.Fatalf("value 0 is drawn as %d", r)
	}
	if r, _, _, _ := img.At(6, 3).RGBA(); r != 0xffff {
		t.Fatalf("value 1 is drawn as %d", r)
	}
	if Grid(path, 2, 2, [][]float32{p[:3]}) == nil || Grid(path, 2, 2) == nil {
		t.Fatal("pictures of another size, or none, were drawn")
	}
}

func TestCurves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loss.png")
	if err := Curves(path, "demo", "loss", Curve{"train", []float64{0.1, 0.01}}, Curve{"test", []float64{0.2, 0.02}}); err != nil {
		t.Fatal(err)
	}
	if Curves(path, "demo", "loss", Curve{"train", []float64{math.NaN()}}) == nil {
		t.Fatal("NaN was drawn")
	}
	if Curves(path, "demo", "loss", Curve{"train", nil}) == nil {
		t.Fatal("nothing was drawn")
	}
}

// TestLogTicks finds numbers on the axis wherever it lies: powers of ten alone leave
// one from 11 to 60 without any.
func TestLogTicks(t *testing.T) {
	labels := func(lo, hi float64) (out []string) {
		for _, tick := range logTicks(lo, hi) {
			if tick.Label != "" {
				out = append(out, tick.Label)
			}
		}
		return out
	}
	for want, r := range map[string][2]float64{"20 50": {11, 60}, "0.02 0.05 0.1": {0.018, 0.11}, "200 500 1000": {110, 1000}, "0.005 0.01": {0.0041, 0.019}} {
		if got := strings.Join(labels(r[0], r[1]), " "); got != want {
			t.Errorf("from %v to %v: %s, want %s", r[0], r[1], got, want)
		}
	}
	for lo := 1e-4; lo < 1e4; lo *= 1.07 {
		if n := len(labels(lo, 5*lo)); n < 2 {
			t.Errorf("from %v to %v: %d labels", lo, 5*lo, n)
		}
	}
}
