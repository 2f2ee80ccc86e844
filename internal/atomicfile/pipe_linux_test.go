package atomicfile

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Opening a named pipe would wait for a writer.
func TestLockPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}
