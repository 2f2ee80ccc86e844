//go:build !linux

package yardstick

import "runtime"

// resetPeak is 0: nothing is measured.
func resetPeak() int64 { return 0 }

// PeakMemory returns the memory that Go asked the system for, in bytes, which is about the most the process had.
func PeakMemory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
