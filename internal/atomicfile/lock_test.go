package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(filepath.Join(path, "below-a-file")); err == nil || errors.Is(err, ErrLocked) {
		t.Fatalf("a lock that cannot be made: %v", err)
	}
}

func TestCleanRemovesOnlyTemporaryFilesOfThePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a[1].bin")
	keep := []string{"a[1].bin", ".a1.bin.tmp-4", ".b.tmp-1", "a[1].bin.tmp-1"}
	for _, name := range append([]string{".a[1].bin.tmp-77", ".a[1].bin.tmp-78"}, keep...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := ".a[1].bin.tmp-folder"
	if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Clean(path), Try(path)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != len(keep)+1 {
		t.Fatalf("left: %v", left)
	}
	for _, name := range append(keep, folder) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	nowhere := filepath.Join(dir, "none", "x")
	if Clean(nowhere) == nil || Try(nowhere) == nil {
		t.Fatal("a folder that is not there was accepted")
	}
}

func TestIsFull(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSPC: true,
		syscall.EDQUOT: true,
		syscall.EACCES: false,
		fs.ErrNotExist: false,
	} {
		if got := IsFull(fmt.Errorf("writing: %w", &fs.PathError{Op: "write", Path: "x", Err: err})); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
