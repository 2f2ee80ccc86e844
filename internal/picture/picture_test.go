package picture

import (
	"image/png"
	"math"
	"os"
	"path/filepath"
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
