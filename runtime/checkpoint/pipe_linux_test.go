package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lamina-ml/lamina/internal/regular"
)

// Opening a named pipe would wait for a writer.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, ErrNotCheckpoint) {
		t.Errorf("got %v", err)
	}
}

// A file that grows is opened by name too, and a pipe in its place is told and left.
func TestGrowingPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	g := NewGrowing(path)
	for name, err := range map[string]error{
		"Restore of nothing": g.Restore(nil),
		"Restore":            g.Restore([]byte("a\n")),
		"Append":             g.Append([]byte("a\n")),
	} {
		if !errors.Is(err, regular.ErrNot) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().IsRegular() {
		t.Errorf("the pipe was replaced: %v", err)
	}
}
