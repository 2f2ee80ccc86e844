package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

func TestWriteWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "file")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	err := Write(path, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
		return full
	})
	if !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Fatalf("the old file became %q", b)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Fatalf("temporary files are left: %v", left)
	}
	if err := WriteBytes(filepath.Join(path, "under-a-file"), nil); err == nil {
		t.Fatal("writing below a file was accepted")
	}
}

func TestSyncDirTellsErrors(t *testing.T) {
	if err := SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := SyncDir(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) && runtime.GOOS != "windows" {
		t.Errorf("a folder that is not there: %v", err)
	}
	for err, told := range map[error]bool{
		nil:             false,
		syscall.EINVAL:  false,
		syscall.ENOTSUP: false,
		syscall.ENOSYS:  false,
		syscall.EIO:     true,
		syscall.ENOSPC:  true,
		syscall.EDQUOT:  true,
		syscall.EROFS:   true,
	} {
		if err != nil {
			err = &os.PathError{Op: "sync", Path: "dir", Err: err}
		}
		if got := synced(err); (got != nil) != told {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
