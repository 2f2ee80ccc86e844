//go:build !linux

package main

import (
	"runtime"
	"time"
)

// processStart is not known here.
func processStart() (time.Time, bool) { return time.Time{}, false }

// peakMemory returns what Go asked of the system, which is about the most the
// process had.
func peakMemory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
