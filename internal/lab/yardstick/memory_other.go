//go:build !linux

package yardstick

// resetPeak is 0: nothing is measured.
func resetPeak() int64 { return 0 }

func peakMemory() int64 { return 0 }
