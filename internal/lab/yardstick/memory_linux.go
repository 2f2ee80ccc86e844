package yardstick

import (
	"os"
	"strconv"
	"strings"
)

// resetPeak makes the peak of the process's memory what it has now, and returns that in bytes; 0 if the system does not
// let it.
func resetPeak() int64 {
	if os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) != nil {
		return 0
	}
	return status("VmRSS:")
}

// PeakMemory returns the most memory that the process has had, since resetPeak if that was called, in bytes.
func PeakMemory() int64 { return status("VmHWM:") }

func status(line string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, line); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}
