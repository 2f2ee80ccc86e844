// Package timing measures how long something takes on this machine, together with the
// current peak of float32 multiply-adds. Other processes lower both, so their ratio says
// more than either.
package timing

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// PeakSample is how long the peak is measured beside a figure.
const PeakSample = 2 * time.Millisecond

// PeakOf measures the multiply-adds of so many cores together, in GFLOP/s.
func PeakOf(threads int, d time.Duration) float64 {
	if threads <= 1 {
		return simd.PeakFMA(d)
	}
	peaks := make([]float64, threads)
	var wg sync.WaitGroup
	for i := range peaks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			peaks[i] = simd.PeakFMA(d)
		}()
	}
	wg.Wait()
	sum := 0.0
	for _, p := range peaks {
		sum += p
	}
	return sum
}

// Median returns the middle of the values, which it sorts, or 0 for none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Ratio is a/b, or 0 where there is no b: the portable kernels have no peak.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Flags are what the measurements share.
type Flags struct {
	Threads int
	Seconds float64
	JSON    bool
}

const (
	maxThreads = 1 << 10
	maxSeconds = 3600
)

// Check refuses what cannot be measured.
func (f *Flags) Check() error {
	var errs []error
	if f.Threads < 1 || f.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("--threads must be from 1 to %d, got %d", maxThreads, f.Threads))
	}
	if !(f.Seconds > 0 && f.Seconds <= maxSeconds) {
		errs = append(errs, fmt.Errorf("--seconds must be above 0 and at most %d, got %v", maxSeconds, f.Seconds))
	}
	return errors.Join(errs...)
}

// Duration is how long to measure.
func (f *Flags) Duration() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }
