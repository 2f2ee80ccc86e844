package evaluate

import (
	"math"
	"strings"
	"testing"
)

// patterns returns two pictures of whole 256ths, exact in f32.
func patterns(height, width int) (x, y []float32) {
	at := func(r, c, a, b, m int) float64 { return float64((a*r*r+b*c+r*c)%m) / 256 }
	for r := range height {
		for c := range width {
			v := at(r, c, 3, 5, 256)
			x = append(x, float32(v))
			y = append(y, float32(v*0.75+at(r, c, 7, 2, 64)))
		}
	}
	return x, y
}

// TestPixels compares with scikit-image 0.26, whose structural_similarity was given a
// Gaussian window of deviation 1.5 and the variances of the rows.
func TestPixels(t *testing.T) {
	for _, c := range []struct {
		height, width int
		ssim, psnr    float64
	}{
		{11, 11, 0.9229653400539652, 20.784643081907262},
		{16, 13, 0.9135902346746797, 20.20695134431049},
		{28, 28, 0.9215910100995052, 20.092182950150637},
	} {
		x, y := patterns(c.height, c.width)
		near(t, "PSNR", c.psnr, 1e-12)(PSNR(y, x, 1))
		near(t, "SSIM", c.ssim, 1e-12)(SSIM(c.height, c.width, y, x, 1))
		near(t, "SSIM the other way", c.ssim, 1e-12)(SSIM(c.height, c.width, x, y, 1))
		for i := range x {
			x[i], y[i] = 256*x[i], 256*y[i]
		}
		near(t, "SSIM of bytes", c.ssim, 1e-12)(SSIM(c.height, c.width, x, y, 256))
		near(t, "PSNR of bytes", c.psnr, 1e-12)(PSNR(x, y, 256))
		// Two planes: the mean of both.
		near(t, "SSIM of two", (1+c.ssim)/2, 1e-12)(SSIM(c.height, c.width, append(x, x...), append(y, x...), 256))
	}
}

// TestPixelsByHand needs no reference: planes of one value have no variance, and the means
// alone decide.
func TestPixelsByHand(t *testing.T) {
	x, y := make([]float32, 11*12), make([]float32, 11*12)
	for i := range x {
		x[i], y[i] = 0.5, 0.25
	}
	near(t, "SSIM", (2*0.125+1e-4)/(0.3125+1e-4), 1e-12)(SSIM(11, 12, x, y, 1))
	near(t, "PSNR", 20*math.Log10(4), 1e-12)(PSNR(x, y, 1))
	near(t, "SSIM of equals", 1, 1e-12)(SSIM(11, 12, x, x, 1))
	if v, err := PSNR(x, x, 1); err != nil || !math.IsInf(v, 1) {
		t.Errorf("PSNR of equals is %v, %v", v, err)
	}
	nan := []float32{float32(math.NaN())}
	for _, c := range []struct {
		want string
		of   func() (float64, error)
	}{
		{"PSNR: there are no pixels", func() (float64, error) { return PSNR(nil, nil, 1) }},
		{"PSNR: there must be as many pixels as in the originals, 132, got 1", func() (float64, error) { return PSNR(x[:1], x, 1) }},
		{"PSNR: the peak must be positive and finite, got 0", func() (float64, error) { return PSNR(x, x, 0) }},
		{"PSNR: pixels must be finite, got NaN for 0.5 at 0", func() (float64, error) { return PSNR(nan, x[:1], 1) }},
		{"SSIM: pixels must be finite, got 0.5 for NaN at 0", func() (float64, error) { return SSIM(11, 11, x[:1], nan, 1) }},
		{"SSIM: a picture must be 11x11 or larger, the size of the window, got 10x13", func() (float64, error) { return SSIM(10, 13, x, y, 1) }},
		{"SSIM: there must be whole planes of 11x11 pixels, got 132", func() (float64, error) { return SSIM(11, 11, x, y, 1) }},
		{"SSIM: there must be whole planes of 4294967296x4294967296 pixels, got 132", func() (float64, error) { return SSIM(1<<32, 1<<32, x, y, 1) }},
	} {
		if _, err := c.of(); err == nil || err.Error() != "evaluate: "+c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func near(t *testing.T, what string, want, within float64) func(got float64, err error) {
	return func(got float64, err error) {
		t.Helper()
		if err != nil || !(math.Abs(got-want) <= within) {
			t.Errorf("%s is %v, want %v (%v)", what, got, want, err)
		}
	}
}

// TestRanking compares with scikit-learn 1.9 on scores many of which are equal, with the
// pairs themselves, and with what can be seen.
func TestRanking(t *testing.T) {
	var s []float64
	var p []bool
	for i := range 40 {
		s, p = append(s, float64(i*i*7%13)), append(p, i*5%3 == 0)
	}
	near(t, "AUROC", 0.46703296703296704, 1e-15)(AUROC(s, p))
	near(t, "average precision", 0.3357142857142857, 1e-15)(AveragePrecision(s, p))
	pairs, won := 0.0, 0.0
	for i := range s {
		for j := range s {
			if p[i] && !p[j] {
				pairs++
				if s[i] > s[j] {
					won++
				} else if s[i] == s[j] {
					won += 0.5
				}
			}
		}
	}
	near(t, "AUROC of pairs", won/pairs, 1e-15)(AUROC(s, p))

	yes := []bool{false, true, false, true}
	for _, c := range []struct {
		scores      []float64
		auroc, mean float64
	}{
		{[]float64{1, 3, 2, 4}, 1, 1},
		{[]float64{4, 1, 3, 2}, 0, (1.0/3 + 2.0/4) / 2},
		{[]float64{5, 5, 5, 5}, 0.5, 0.5},
		{[]float64{0, math.Inf(1), math.Inf(-1), 0}, 0.875, (1 + 2.0/3) / 2},
		{[]float64{math.Copysign(0, -1), 0, 0, 0}, 0.5, 0.5},
	} {
		near(t, "AUROC", c.auroc, 0)(AUROC(c.scores, yes))
		near(t, "average precision", c.mean, 1e-15)(AveragePrecision(c.scores, yes))
	}
	near(t, "average precision where all are positive", 1, 0)(AveragePrecision([]float64{1, 2}, []bool{true, true}))
	for _, c := range []struct {
		want   string
		scores []float64
		yes    []bool
	}{
		{"there must be a score for each of the 2 rows, got 1", []float64{1}, yes[:2]},
		{"the score of row 1 is NaN", []float64{1, math.NaN()}, yes[:2]},
		{"none of the 1 rows is positive", []float64{1}, yes[:1]},
		{"none of the 0 rows is positive", nil, nil},
		{"all 1 rows are positive", []float64{1}, yes[1:2]},
	} {
		if _, err := AUROC(c.scores, c.yes); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if _, err := AveragePrecision(c.scores, c.yes); c.want[0] != 'a' && (err == nil || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
