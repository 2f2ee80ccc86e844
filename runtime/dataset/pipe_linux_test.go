package dataset

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// A named pipe among pictures is refused; nobody waits for somebody to write to it.
func TestImagePipe(t *testing.T) {
	dir := folderOfFiles(t, map[string][]byte{"a.png": pngOf(t, greyImage(8, 8, 0)), "b.png": pngOf(t, greyImage(8, 8, 1))})
	p := images(t, dir)
	if err := errors.Join(syscall.Unlink(filepath.Join(dir, "b.png")), syscall.Mkfifo(filepath.Join(dir, "b.png"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := Images(dir)
	wantError(t, err, "b.png", "not a regular file")
	_, err = Collect(p) // listed when it was a file
	wantError(t, err, "b.png", "not a regular file")
}
