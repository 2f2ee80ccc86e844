package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/kernels/simd"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure training steps, matrix products and encoding on this machine",
		Long: `Measures on this machine, now. Beside each figure stands the peak of float32
multiply-adds, measured in the same seconds: other processes lower both, so that
their ratio says more than either.`,
	}
	c.AddCommand(benchTrainCommand(), benchGEMMCommand(), benchEncodeCommand())
	return c
}

// peakSample is how long the peak is measured beside a figure.
const peakSample = 2 * time.Millisecond

// peakOf measures the multiply-adds of so many cores together, in GFLOP/s.
func peakOf(threads int, d time.Duration) float64 {
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

// median returns the middle of the values, which it sorts, or 0 for none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratio is a/b, or 0 where there is no b: the portable kernels have no peak.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// benchFlags are what the measurements share.
type benchFlags struct {
	threads int
	seconds float64
	json    bool
}

const (
	maxThreads = 1 << 10
	maxSeconds = 3600
)

func (f *benchFlags) check() error {
	var errs []error
	if f.threads < 1 || f.threads > maxThreads {
		errs = append(errs, fmt.Errorf("--threads must be from 1 to %d, got %d", maxThreads, f.threads))
	}
	if !(f.seconds > 0 && f.seconds <= maxSeconds) {
		errs = append(errs, fmt.Errorf("--seconds must be above 0 and at most %d, got %v", maxSeconds, f.seconds))
	}
	return errors.Join(errs...)
}

func (f *benchFlags) duration() time.Duration { return time.Duration(f.seconds * float64(time.Second)) }
