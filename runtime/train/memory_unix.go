//go:build linux || darwin

package train

import (
	"runtime"
	"syscall"
)

// peakMemory is the most memory that the process has had resident, in bytes, or 0 if the
// system does not say.
func peakMemory() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" { // which counts bytes
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}
