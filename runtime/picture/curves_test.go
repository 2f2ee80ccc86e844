package picture

import (
	"image"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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

// TestRateDistortion finds the lines of two series, whose points are in no order, and no
// picture of what cannot be drawn.
func TestRateDistortion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rate.png")
	codes := Series{"codes", []Point{{0.4, 22}, {0.1, 15}, {0.2, 18}}}
	jpeg := Series{"JPEG", []Point{{2, 30}, {0.9, 20}}}
	given := slices.Clone(codes.Points)
	if err := RateDistortion(path, "digits", codes, jpeg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(given, codes.Points) {
		t.Errorf("the caller's points have become %v", codes.Points)
	}
	img := decoded(t, path)
	// The background and the colours of both lines.
	for _, c := range []color.Color{img.At(0, 0), color.RGBA{R: 241, G: 90, B: 96, A: 255}, color.RGBA{R: 122, G: 195, B: 106, A: 255}} {
		if pixelsOf(img, c) < 100 {
			t.Errorf("%d pixels are %v", pixelsOf(img, c), c)
		}
	}
	sorted := filepath.Join(t.TempDir(), "sorted.png")
	if err := RateDistortion(sorted, "digits", Series{"codes", []Point{{0.1, 15}, {0.2, 18}, {0.4, 22}}}, jpeg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bytesOf(t, path), bytesOf(t, sorted)) {
		t.Error("the picture depends on the order of the points")
	}
	if err := RateDistortion(path, "a rate of 0", Series{"none", []Point{{0, 3}, {10, 4}}}); err != nil {
		t.Error(err)
	}
	refused(t, path, map[string]func(path string) error{
		`there is no series to draw`: func(p string) error { return RateDistortion(p, "none") },
		`curve "a" has no value`:     func(p string) error { return RateDistortion(p, "empty", Series{Name: "a"}) },
		`curve "a": the rate of point 2 must not be negative, got -1`: func(p string) error {
			return RateDistortion(p, "negative", Series{"a", []Point{{1, 1}, {-1, 1}}})
		},
		`curve "a": plotter: infinite data point`: func(p string) error {
			return RateDistortion(p, "equal", Series{"a", []Point{{1, math.Inf(1)}}})
		},
		`curve "a": plotter: NaN data point`: func(p string) error {
			return RateDistortion(p, "NaN", Series{"a", []Point{{math.NaN(), 1}}})
		},
	})
}

func pixelsOf(img image.Image, c color.Color) (n int) {
	r, g, b, _ := c.RGBA()
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if r2, g2, b2, _ := img.At(x, y).RGBA(); r == r2 && g == g2 && b == b2 {
				n++
			}
		}
	}
	return n
}
