package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// place is where a folder goes.
type place struct {
	dir    string // cleaned
	parent string
}

func newPlace(dir string) (*place, error) {
	if dir == "" {
		return nil, errors.New("bundle: the folder has no name")
	}
	p := &place{dir: filepath.Clean(dir)}
	p.parent = filepath.Dir(p.dir)
	if base := filepath.Base(p.dir); base == "." || base == ".." || base == string(filepath.Separator) {
		return nil, fmt.Errorf("bundle: %q cannot be replaced as a whole; name a folder in it", dir)
	}
	return p, replaceable(p.dir)
}

// notWritten is why the folder was not written.
func (p *place) notWritten(why error) error {
	return fmt.Errorf("bundle: %s was not written: %w", filepath.Base(p.dir), why)
}

// MayWrite returns why [Write] could not put a bundle in the place of a folder, as far as its name and what is there tell, so
// that this is known before there is anything to write.
func MayWrite(dir string) error {
	_, err := newPlace(dir)
	return err
}

// replaceable refuses to put a folder in the place of what is no bundle.
func replaceable(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("bundle: %s is a file; name a folder", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, verificationFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("bundle: %s exists and is not a bundle; name another folder or remove it", dir)
	}
	return nil
}

// put writes the files to a folder beside dir and renames it; what dir was stays
// until then, and comes back if that fails.
func (p *place) put(dir string, files map[string][]byte) (err error) {
	if err := replaceable(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.parent, 0o777); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	tmp, err := os.MkdirTemp(p.parent, "."+filepath.Base(dir)+".new-*")
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	folders := map[string]bool{tmp: true}
	for name, b := range files {
		path := filepath.Join(tmp, filepath.FromSlash(name))
		folders[filepath.Dir(path)] = true
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
		if err := writeFile(path, b); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
	}
	for f := range folders {
		if err := atomicfile.SyncDir(f); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
	}
	if err := swap(tmp, dir); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return atomicfile.SyncDir(p.parent)
}

// swap renames tmp to dir. A folder cannot be renamed over one that has files, so
// the old one steps aside first and is removed last.
func swap(tmp, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(tmp, dir)
	}
	old, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".old-*")
	if err != nil {
		return err
	}
	aside := filepath.Join(old, "was")
	if err := os.Rename(dir, aside); err != nil {
		os.Remove(old)
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if back := os.Rename(aside, dir); back != nil {
			return fmt.Errorf("%w; what was there is now %s", err, aside)
		}
		os.Remove(old)
		return err
	}
	return os.RemoveAll(old)
}

func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
