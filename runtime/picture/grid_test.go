package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
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

// TestGridColour draws planes of red, green and blue beside gray.
func TestGridColour(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grid.png")
	// Two values: pure red, and half green with full blue.
	if err := Grid(path, 1, 2, [][]float32{{1, 0, 0, 0.5, -1, 2}, {1, 0.2}}); err != nil {
		t.Fatal(err)
	}
	img := decoded(t, path)
	if b := img.Bounds(); b.Dx() != 3*7 || b.Dy() != 3*3 {
		t.Fatalf("size %v", b)
	}
	pixels(t, img, map[image.Point]color.RGBA{
		{0, 0}: {96, 96, 96, 255}, {3, 3}: {255, 0, 0, 255}, {6, 3}: {0, 128, 255, 255}, {8, 5}: {0, 128, 255, 255},
		{9, 3}: {96, 96, 96, 255}, {12, 3}: {255, 255, 255, 255}, {15, 3}: {51, 51, 51, 255},
	})
	refused(t, path, map[string]func(path string) error{
		"picture 2 of line 1 has 3 values, must have 2, or 6 for colour": func(p string) error { return Grid(p, 1, 2, [][]float32{{1, 2}, {1, 2, 3}}) },
		"picture 1 of line 2 has 4 values, must have 2, or 6 for colour": func(p string) error { return Grid(p, 1, 2, [][]float32{{1, 2}}, [][]float32{{1, 2, 3, 4}}) },
		"nothing to draw": func(p string) error { return Grid(p, math.MaxInt, 0, [][]float32{{}}) },
		"20000 pictures of 28x28 in each of 1 lines would take more than 100 million pixels: draw fewer": func(p string) error {
			return Grid(p, 28, 28, slices.Repeat([][]float32{make([]float32, 784)}, 20000))
		},
	})
}

func decoded(t *testing.T, path string) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(bytesOf(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pixels compares some of a picture's.
func pixels(t *testing.T, img image.Image, want map[image.Point]color.RGBA) {
	t.Helper()
	for at, w := range want {
		if got := color.RGBAModel.Convert(img.At(at.X, at.Y)); got != w {
			t.Errorf("at %v it is %v, want %v", at, got, w)
		}
	}
}

// refused expects errors that name the file, and leave what was there as it was.
func refused(t *testing.T, path string, draw map[string]func(path string) error) {
	t.Helper()
	before := bytesOf(t, path)
	for want, f := range draw {
		err := f(path)
		if err == nil || !strings.HasPrefix(err.Error(), "picture "+path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if !bytes.Equal(before, bytesOf(t, path)) {
		t.Error("the file is not what it was")
	}
}
