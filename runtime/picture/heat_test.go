package picture

import (
	"image"
	"image/color"
	"math"
	"path/filepath"
	"testing"
)

// TestHeatMap draws pictures, and below them the same under their maps.
func TestHeatMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heat.png")
	p, m := [][]float32{{1, 1, 0, 1}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}}, [][]float32{{0, 2, 8, 4}, {0, 0, 4, -1}}
	if err := HeatMap(path, 2, 2, p, m, 4); err != nil {
		t.Fatal(err)
	}
	img := decoded(t, path)
	size(t, img, leastWidth, 3*7+footHeight)
	pixels(t, img, map[image.Point]color.RGBA{
		{3, 3}: white, {3, 6}: black, {12, 3}: {255, 0, 0, 255}, {15, 3}: {0, 255, 0, 255}, // the pictures
		{3, 12}: middle, {6, 12}: {191, 96, 64, 255}, {3, 15}: {255, 255, 0, 255}, {6, 15}: {255, 255, 0, 255}, // darkened, half red, full
		{12, 12}: {128, 0, 0, 255}, {15, 12}: {0, 128, 0, 255}, {12, 15}: {255, 255, 0, 255}, {15, 15}: black,
		{3, 21}: black, {leastWidth - 4, 29}: {255, 255, 0, 255}, {48, 25}: {129, 33, 0, 255}, // the scale
	})
	if n := pixelsOf(img.(*image.RGBA).SubImage(image.Rect(0, 30, leastWidth, 49)), white); n < 20 {
		t.Errorf("the numbers of the scale take %d pixels", n)
	}

	// The top of the scale is the greatest value unless it is given.
	given, found := filepath.Join(t.TempDir(), "given.png"), filepath.Join(t.TempDir(), "found.png")
	if err := HeatMap(given, 2, 2, p, m, 8); err != nil {
		t.Fatal(err)
	}
	if err := HeatMap(found, 2, 2, p, m, 0); err != nil {
		t.Fatal(err)
	}
	if string(bytesOf(t, given)) != string(bytesOf(t, found)) {
		t.Error("the top is not the greatest value")
	}
	if err := HeatMap(found, 1, 1, [][]float32{{1}}, [][]float32{{0}}, 0); err != nil {
		t.Error("without any heat:", err)
	}

	inf := float32(math.Inf(1))
	refused(t, path, map[string]func(path string) error{
		"there must be a map for each of the 1 pictures, got 0":                   func(p string) error { return HeatMap(p, 1, 1, [][]float32{{1}}, nil, 0) },
		"map 1 has 3 values, must have 1":                                         func(p string) error { return HeatMap(p, 1, 1, [][]float32{{1}}, [][]float32{{1, 2, 3}}, 0) },
		"map 1 is +Inf at 0, must be finite":                                      func(p string) error { return HeatMap(p, 1, 1, [][]float32{{1}}, [][]float32{{inf}}, 0) },
		"the top of the scale must be positive, or 0 for the greatest value, got": func(p string) error { return HeatMap(p, 1, 1, [][]float32{{1}}, [][]float32{{1}}, -1) },
		"picture 1 of line 1 has 2 values, must have 1, or 3 for colour":          func(p string) error { return HeatMap(p, 1, 1, [][]float32{{1, 2}}, [][]float32{{1}}, 0) },
		"nothing to draw": func(p string) error { return HeatMap(p, 1, 1, nil, nil, 0) },
	})
}
