package evaluate

import (
	"errors"
	"fmt"
	"math"
)

// PSNR returns the peak signal-to-noise ratio of pixels in decibels, 10·log10(peak²/MSE),
// over all of them together: of several pictures it is that of their mean squared error,
// not the mean of their ratios. peak is the greatest value a pixel may have, such as 1 or
// 255. It is +Inf if nothing differs.
//
// Errors: there is no pixel, or another number of them; one is not finite; peak is not
// positive and finite.
func PSNR(got, want []float32, peak float64) (float64, error) {
	if err := pixels(got, want, peak); err != nil {
		return 0, fmt.Errorf("evaluate: PSNR: %w", err)
	}
	return psnr(squares(got, want), len(want), peak), nil
}

// squares is the sum of the squared differences.
func squares(got, want []float32) (sum float64) {
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		sum += d * d
	}
	return sum
}

func psnr(squares float64, n int, peak float64) float64 {
	return 10 * math.Log10(peak*peak*float64(n)/squares)
}

func pixels(got, want []float32, peak float64) error {
	switch {
	case len(want) == 0:
		return errors.New("there are no pixels")
	case len(got) != len(want):
		return fmt.Errorf("there must be as many pixels as in the originals, %d, got %d", len(want), len(got))
	case !(peak > 0) || math.IsInf(peak, 0):
		return fmt.Errorf("the peak must be positive and finite, got %v", peak)
	}
	for i := range want {
		if got[i]-got[i] != 0 || want[i]-want[i] != 0 {
			return fmt.Errorf("pixels must be finite, got %v for %v at %d", got[i], want[i], i)
		}
	}
	return nil
}

// The window and the constants of SSIM as published.
const (
	ssimSide  = 11
	ssimSigma = 1.5
	ssimK1    = 0.01
	ssimK2    = 0.03
)

// SSIM returns the mean structural similarity of pictures (Wang, Bovik, Sheikh and
// Simoncelli 2004), at most 1, which it is for equal ones. The pixels are planes of
// height*width, one after the other: gray pictures, or the channels of [C H W]. In each
// plane it compares means, variances and covariance under a Gaussian window of 11x11 with
// a deviation of 1.5, at every place where the window lies within the picture, with K1 =
// 0.01 and K2 = 0.03. peak is the greatest value a pixel may have. The result is the mean
// over all places and planes.
//
// Errors: those of [PSNR]; the pixels are not whole planes; a plane is smaller than the
// window.
func SSIM(height, width int, got, want []float32, peak float64) (float64, error) {
	if err := pixels(got, want, peak); err != nil {
		return 0, fmt.Errorf("evaluate: SSIM: %w", err)
	}
	if height < ssimSide || width < ssimSide {
		return 0, fmt.Errorf("evaluate: SSIM: a picture must be %dx%d or larger, the size of the window, got %dx%d", ssimSide, ssimSide, height, width)
	}
	if len(want)%height != 0 || len(want)/height%width != 0 {
		return 0, fmt.Errorf("evaluate: SSIM: there must be whole planes of %dx%d pixels, got %d", height, width, len(want))
	}
	s := newSimilarity(height, width, peak)
	sum, planes := 0.0, 0
	for n := height * width; planes*n < len(want); planes++ {
		sum += s.plane(got[planes*n:][:n], want[planes*n:][:n])
	}
	return sum / float64(planes), nil
}

// similarity compares planes of one size.
type similarity struct {
	height, width int
	c1, c2        float64
	window        [ssimSide]float64 // one axis of it; it adds up to 1
	product, rows []float64         // of a plane, and its sums along the rows
	sums          [5][]float64      // under the window: x, y, xx, yy, xy
}

func newSimilarity(height, width int, peak float64) *similarity {
	s := &similarity{height: height, width: width, c1: ssimK1 * peak * ssimK1 * peak, c2: ssimK2 * peak * ssimK2 * peak}
	total := 0.0
	for i := range s.window {
		d := float64(i - ssimSide/2)
		s.window[i] = math.Exp(-d * d / (2 * ssimSigma * ssimSigma))
		total += s.window[i]
	}
	for i := range s.window {
		s.window[i] /= total
	}
	high, wide := height-ssimSide+1, width-ssimSide+1
	s.product, s.rows = make([]float64, height*width), make([]float64, height*wide)
	for i := range s.sums {
		s.sums[i] = make([]float64, high*wide)
	}
	return s
}

func (s *similarity) plane(x, y []float32) float64 {
	for k, pair := range [5][2][]float32{{x, nil}, {y, nil}, {x, x}, {y, y}, {x, y}} {
		for i, v := range pair[0] {
			s.product[i] = float64(v)
			if pair[1] != nil {
				s.product[i] *= float64(pair[1][i])
			}
		}
		s.under(s.sums[k])
	}
	sum := 0.0
	for i, mx := range s.sums[0] {
		my := s.sums[1][i]
		vx, vy, xy := s.sums[2][i]-mx*mx, s.sums[3][i]-my*my, s.sums[4][i]-mx*my
		sum += (2*mx*my + s.c1) * (2*xy + s.c2) / ((mx*mx + my*my + s.c1) * (vx + vy + s.c2))
	}
	return sum / float64(len(s.sums[0]))
}

// under sets dst to the window's weighted sums of the product.
func (s *similarity) under(dst []float64) {
	wide := s.width - ssimSide + 1
	for r := range s.height {
		for c := range wide {
			sum := 0.0
			for k, w := range s.window {
				sum += w * s.product[r*s.width+c+k]
			}
			s.rows[r*wide+c] = sum
		}
	}
	for r := range s.height - ssimSide + 1 {
		for c := range wide {
			sum := 0.0
			for k, w := range s.window {
				sum += w * s.rows[(r+k)*wide+c]
			}
			dst[r*wide+c] = sum
		}
	}
}
