package regular

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Open(dir); !errors.Is(err, ErrNot) {
		t.Errorf("a folder: %v", err)
	}
	path := filepath.Join(dir, "file")
	if _, _, err := Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, n, err := Open(path)
	if err != nil || n != 3 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	f.Close()
}
