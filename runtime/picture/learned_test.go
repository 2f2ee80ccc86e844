package picture

import (
	"image"
	"image/color"
	"math"
	"path/filepath"
	"testing"
)

var (
	black  = color.RGBA{0, 0, 0, 255}
	white  = color.RGBA{255, 255, 255, 255}
	middle = color.RGBA{128, 128, 128, 255}
	behind = color.RGBA{paper, paper, paper, 255}
)

func size(t *testing.T, img image.Image, width, height int) {
	t.Helper()
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Errorf("it is %dx%d, want %dx%d", b.Dx(), b.Dy(), width, height)
	}
}

// TestFilters draws filters of one, two and three channels: 0 is middle gray, and each
// filter's greatest weight black or white.
func TestFilters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "filters.png")
	// Three filters of 1x2: a value takes 12 pixels, as the longer side must have 24.
	if err := Filters(path, 1, 1, 2, []float32{0, 2, -3, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	img := decoded(t, path)
	size(t, img, 12*7, 12*5)
	pixels(t, img, map[image.Point]color.RGBA{
		{12, 12}: middle, {24, 12}: white, {48, 12}: black, {60, 12}: middle,
		{12, 36}: middle, {24, 36}: middle, {48, 36}: behind,
	})

	if err := Filters(path, 3, 1, 1, []float32{-1, 0, 1, 5, 2.5, -5}); err != nil {
		t.Fatal(err)
	}
	img = decoded(t, path)
	size(t, img, 24*5, 24*3)
	pixels(t, img, map[image.Point]color.RGBA{{24, 24}: {0, 128, 255, 255}, {72, 24}: {255, 191, 0, 255}})

	// A filter of two channels is a line, on one scale.
	if err := Filters(path, 2, 1, 1, []float32{4, 0, 1, -2}); err != nil {
		t.Fatal(err)
	}
	img = decoded(t, path)
	size(t, img, 24*5, 24*5)
	pixels(t, img, map[image.Point]color.RGBA{{24, 24}: white, {72, 24}: middle, {24, 72}: {191, 191, 191, 255}, {72, 72}: black})

	refused(t, path, map[string]func(path string) error{
		"the filters must be one or more of [2 3 3], got 27 values":  func(p string) error { return Filters(p, 2, 3, 3, make([]float32, 27)) },
		"the filters must be one or more of [2 3 3], got 0 values":   func(p string) error { return Filters(p, 2, 3, 3, nil) },
		"the filters must have positive lengths, got [1 0 3]":        func(p string) error { return Filters(p, 1, 0, 3, make([]float32, 9)) },
		"the filters must be finite, got NaN at 1":                   func(p string) error { return Filters(p, 1, 1, 2, []float32{0, float32(math.NaN())}) },
		"the filters must be one or more of [1 4294967296 42949672":  func(p string) error { return Filters(p, 1, 1<<32, 1<<32, make([]float32, 9)) },
		"1 pictures of 6000x6000 in each of 1 lines would take more": func(p string) error { return Filters(p, 1, 6000, 6000, make([]float32, 36e6)) },
	})
}

// TestFeatureMaps draws each channel from its least to its greatest value.
func TestFeatureMaps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maps.png")
	if err := FeatureMaps(path, 2, 1, 3, []float32{-1, 0, 1, 7, 7, 7}); err != nil {
		t.Fatal(err)
	}
	img := decoded(t, path)
	size(t, img, 8*9, 8*3)
	pixels(t, img, map[image.Point]color.RGBA{{8, 8}: black, {16, 8}: middle, {24, 8}: white, {40, 8}: black, {56, 8}: black, {32, 8}: behind})
	refused(t, path, map[string]func(path string) error{
		"must be those of one picture, 4 values for [1 2 2], got 8":   func(p string) error { return FeatureMaps(p, 1, 2, 2, make([]float32, 8)) },
		"the feature maps must be finite, got +Inf at 0":              func(p string) error { return FeatureMaps(p, 1, 1, 1, []float32{float32(math.Inf(1))}) },
		"the feature maps must be one or more of [1 2 2], got 3 valu": func(p string) error { return FeatureMaps(p, 1, 2, 2, make([]float32, 3)) },
	})
}

// TestReconstructions draws inputs, outputs and what lies between, in gray and colour.
func TestReconstructions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pairs.png")
	if err := Reconstructions(path, 1, 1, [][]float32{{1}, {1, 0.5, 0}}, [][]float32{{0.5}, {0, 0.75, 3}}); err != nil {
		t.Fatal(err)
	}
	img := decoded(t, path)
	size(t, img, 3*5, 3*7)
	pixels(t, img, map[image.Point]color.RGBA{
		{3, 3}: white, {3, 9}: middle, {3, 15}: middle,
		{9, 3}: {255, 128, 0, 255}, {9, 9}: {0, 191, 255, 255}, {9, 15}: {255, 64, 255, 255},
	})
	refused(t, path, map[string]func(path string) error{
		"there must be an output for each of the 2 inputs, got 1": func(p string) error { return Reconstructions(p, 1, 1, [][]float32{{1}, {1}}, [][]float32{{1}}) },
		"output 1 has 3 values, but its input has 1":              func(p string) error { return Reconstructions(p, 1, 1, [][]float32{{1}}, [][]float32{{1, 1, 1}}) },
		"nothing to draw": func(p string) error { return Reconstructions(p, 1, 1, nil, nil) },
	})
}
