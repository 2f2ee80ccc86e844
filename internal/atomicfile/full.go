package atomicfile

import (
	"errors"
	"runtime"
	"syscall"
)

// Windows' ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL.
const (
	windowsHandleFull syscall.Errno = 39
	windowsDiskFull   syscall.Errno = 112
)

// IsFull reports whether a write failed because the disk or the user's share of
// it is full.
func IsFull(err error) bool {
	if runtime.GOOS == "windows" && (errors.Is(err, windowsDiskFull) || errors.Is(err, windowsHandleFull)) {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
