// Package atomicfile writes files whole or not at all.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Write makes path hold what write writes. It writes a temporary file in the
// same folder, syncs it, renames it over path and syncs the folder, so that a
// crash or a full disk leaves the old file or the new one. Missing folders are
// made and synced too.
func Write(path string, write func(w io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	there := existing(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the folder of %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, tempPrefix(path)+"*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	b := bufio.NewWriterSize(f, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	for ; dir != there; dir = filepath.Dir(dir) {
		if err := SyncDir(dir); err != nil {
			return err
		}
	}
	return SyncDir(there)
}

// existing is the folder itself or the nearest one above it that is there.
func existing(dir string) string {
	for {
		up := filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || up == dir {
			return dir
		}
		dir = up
	}
}

// tempPrefix begins the names of the temporary files of path.
func tempPrefix(path string) string { return "." + filepath.Base(path) + ".tmp-" }

// Try makes and removes a temporary file of path, so that a folder that cannot
// be written is known before there is anything to write.
func Try(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix(path)+"*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Clean removes the temporary files that writers of path left when they were
// killed. No other may be writing path then.
func Clean(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix(path)) && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(filepath.Dir(path), e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// SyncDir makes renames in the folder last. Systems and file systems that cannot
// sync a folder are taken to need none.
//
// Errors: the folder cannot be opened; a disk that could not write.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder is no file there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot sync the folder: %w", err)
	}
	return errors.Join(synced(d.Sync()), d.Close())
}

// synced is what a sync of a folder gave, without what says only that the file
// system has none.
func synced(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// WriteBytes is Write of a slice.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
