// Package smalldisk gives tests a real disk that fills up.
package smalldisk

import (
	"syscall"
	"testing"
)

// Mount returns a folder that is a disk of 1 MB of its own until the test ends. It
// skips the test where that may not be mounted.
func Mount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted (run as root, with the right to mount): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
