//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package dataset

import (
	"math"
	"os"
	"syscall"
)

// mapped returns a file's bytes as memory, which takes a page of the system's cache where it is read; nil if the
// system will not.
func mapped(f *os.File, size int64) []byte {
	if size <= 0 || size > math.MaxInt {
		return nil
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	return b
}

func unmap(b []byte) error {
	if b == nil {
		return nil
	}
	return syscall.Munmap(b)
}
