package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/regular"
)

// Mark says how much of a file counts, with the SHA-256 of that part in hexadecimal. With
// the zero Mark nothing of the file counts.
type Mark struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Growing is an append-only file beside a checkpoint, so that the cost of adding does not
// grow with its size. Its content is what lies before its Mark, which the checkpoint
// keeps. Anything that a killed writer left after the mark is overwritten by the next.
type Growing struct {
	path string
	sum  hash.Hash // of what lies before the mark
	n    int64
}

// NewGrowing returns the file at path with nothing in it. Only Append creates or changes
// the file itself.
func NewGrowing(path string) *Growing { return &Growing{path: path, sum: sha256.New()} }

// ReadMarked returns what lies before the mark. The files are copies of each other; the
// first one in which it is unaltered is used. Allocation is bounded by the files' sizes.
//
// Errors: none of them has it (ErrNotCheckpoint).
func ReadMarked(m Mark, paths ...string) ([]byte, error) {
	if m == (Mark{}) {
		return nil, nil
	}
	var errs []error
	for _, path := range paths {
		b, err := readMarked(path, m)
		if err == nil {
			return b, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	return nil, fmt.Errorf("%w: %w", ErrNotCheckpoint, errors.Join(errs...))
}

func readMarked(path string, m Mark) ([]byte, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if m.Bytes < 0 || size < m.Bytes {
		return nil, fmt.Errorf("%d bytes of it belong to the checkpoint, but it has %d", m.Bytes, size)
	}
	b := make([]byte, m.Bytes)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("its first %d bytes are not those that belong to the checkpoint", m.Bytes)
	}
	return b, nil
}

// Restore makes the file hold content and nothing else. It leaves a file that already does
// untouched.
//
// Errors: the file cannot be written, or is not a regular file; it is then unchanged.
func (g *Growing) Restore(content []byte) error {
	begins, size, err := g.beginsWith(content)
	switch {
	case err != nil:
	case !begins:
		err = atomicfile.WriteBytes(g.path, content)
	case size > int64(len(content)):
		err = os.Truncate(g.path, int64(len(content)))
	}
	if err != nil {
		return err
	}
	g.sum.Reset()
	g.sum.Write(content) // a hash takes everything
	g.n = int64(len(content))
	return nil
}

// beginsWith reports whether the file is there and begins with content, and its size.
// It reads no more than that of it.
//
// Errors: it is no regular file, such as a pipe, which would be waited for.
func (g *Growing) beginsWith(content []byte) (begins bool, size int64, err error) {
	f, size, err := regular.Open(g.path)
	if errors.Is(err, regular.ErrNot) {
		return false, 0, fmt.Errorf("cannot write %s: %w", g.path, regular.ErrNot)
	}
	if err != nil || size < int64(len(content)) {
		if f != nil {
			f.Close()
		}
		return false, size, nil
	}
	defer f.Close()
	old := make([]byte, len(content))
	_, err = io.ReadFull(f, old)
	return err == nil && bytes.Equal(old, content), size, nil
}

// Intact reports whether the file ends at the mark.
func (g *Growing) Intact() bool {
	st, err := os.Stat(g.path)
	return err == nil && st.Size() == g.n
}

// Append adds b after the mark and syncs it to disk.
//
// Errors: b cannot be written; the mark then stays where it is, and what lies before it is
// untouched.
func (g *Growing) Append(b []byte) (err error) {
	if len(b) == 0 {
		return nil
	}
	if st, err := os.Stat(g.path); err == nil && !st.Mode().IsRegular() { // opening a pipe would wait
		return fmt.Errorf("cannot write %s: %w", g.path, regular.ErrNot)
	}
	f, err := os.OpenFile(g.path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if st, err := f.Stat(); err != nil || st.Size() < g.n {
		return fmt.Errorf("cannot write %s: it is shorter than the %d bytes that were written to it, so something else changed it (%v)", g.path, g.n, err)
	}
	if _, err := f.WriteAt(b, g.n); err != nil {
		return err
	}
	if err := f.Truncate(g.n + int64(len(b))); err != nil { // what a killed writer left
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if g.n == 0 { // the file may be new
		if err := atomicfile.SyncDir(filepath.Dir(g.path)); err != nil {
			return err
		}
	}
	g.sum.Write(b)
	g.n += int64(len(b))
	return nil
}

// Mark returns the end of what was written.
func (g *Growing) Mark() Mark {
	if g.n == 0 {
		return Mark{}
	}
	return Mark{g.n, hex.EncodeToString(g.sum.Sum(nil))}
}
