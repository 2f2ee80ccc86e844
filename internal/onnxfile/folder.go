package onnxfile

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Folder reads the tensors that a model keeps in files beside it. Nothing outside
// the model's folder is read, whatever the model or a symbolic link says, but for
// a model that is itself a link, as download caches lay them out: then its data
// may lie in the folder that the model's link leads to, under their own name
// there or as the target of a link beside the model's.
type Folder struct {
	root   *os.Root // the folder of the path
	path   string
	origin *os.Root // the folder of the file that the path is a link to, or nil
	real   string   // its path, without links
	left   int64    // bytes that may still be read

	sums map[string]string // SHA-1 of data files whose checksum was asked for
}

// OpenFolder opens the folder of the model at path, for reading at most limit
// bytes of tensors. It is to be closed.
func OpenFolder(path string, limit int64) (*Folder, error) {
	f := &Folder{path: filepath.Dir(path), left: limit}
	var err error
	if f.root, err = os.OpenRoot(f.path); err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(f.path)
	if err == nil {
		var file string
		if file, err = filepath.EvalSymlinks(path); err == nil {
			if f.real = filepath.Dir(file); f.real != dir {
				f.origin, err = os.OpenRoot(f.real)
			}
		}
	}
	if err != nil {
		f.root.Close()
		return nil, err
	}
	return f, nil
}

// Close closes the folder.
func (f *Folder) Close() error {
	if f.origin != nil {
		f.origin.Close()
	}
	return f.root.Close()
}

// Place is where the elements of a tensor lie.
type Place struct {
	File   string // as the model says it
	Offset int64
	Bytes  int64 // of the tensor
	Size   int64 // of the file

	in   *os.Root
	name string
}

// Find returns where a tensor of that many bytes lies. The errors are phrases
// that follow the tensor's name; the Place then has what the model says.
//
// Errors: no location or one that is not inside the folder; a file that is
// missing, no regular file, or too short; a length that is not the tensor's.
func (f *Folder) Find(t *onnxpb.TensorProto, bytes int64) (Place, error) {
	at, err := entries(t)
	if err != nil {
		return Place{}, err
	}
	p := Place{File: at["location"], Bytes: bytes}
	if p.Offset, err = number(at, "offset", 0); err != nil {
		return p, err
	}
	length, err := number(at, "length", bytes)
	if err != nil {
		return p, err
	}
	if length != bytes {
		return p, fmt.Errorf("has %d bytes in %s but its shape needs %d", length, quote(p.File), bytes)
	}
	info, err := f.locate(&p)
	if err != nil {
		return p, err
	}
	if p.Size = info.Size(); p.Offset > p.Size || bytes > p.Size-p.Offset {
		if f.pointer(&p) {
			return p, fmt.Errorf("lies in %s, which is a Git LFS pointer; fetch the file itself with git lfs pull", quote(p.File))
		}
		return p, fmt.Errorf("lies at bytes %d to %d of %s, which is not that long: it has %d bytes, so it is truncated or belongs to another model", p.Offset, uint64(p.Offset)+uint64(bytes), quote(p.File), p.Size)
	}
	return p, f.check(&p, at["checksum"])
}

// entries returns what a tensor says of its place.
func entries(t *onnxpb.TensorProto) (map[string]string, error) {
	at := map[string]string{}
	for _, e := range t.GetExternalData() {
		if _, twice := at[e.GetKey()]; twice {
			return nil, fmt.Errorf("has the external_data key %s twice", quote(e.GetKey()))
		}
		at[e.GetKey()] = e.GetValue()
	}
	return at, nil
}

func number(at map[string]string, key string, otherwise int64) (int64, error) {
	s, ok := at[key]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("has the external_data %s %s, which is not a length", key, quote(s))
	}
	return n, nil
}

// locate finds the file that p.File names. A backslash separates folders where
// no file has one in its name: exporters on Windows write it.
func (f *Folder) locate(p *Place) (fs.FileInfo, error) {
	names := []string{filepath.FromSlash(p.File)}
	if s := strings.ReplaceAll(p.File, `\`, "/"); s != p.File {
		names = append(names, filepath.FromSlash(s))
	}
	var info fs.FileInfo
	err := fs.ErrNotExist
	for _, name := range names {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("lies in %s, which is not inside the model's folder; only files there are read", quote(p.File))
		}
		if info, err = f.stat(p, name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("lies in %s, which is not there; put it into %s, the model's folder", quote(p.File), f.path)
	case err != nil:
		return nil, fmt.Errorf("lies in %s: %w", quote(p.File), err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("lies in %s, which is not a regular file", quote(p.File))
	}
	return info, nil
}

var (
	errLeaves = errors.New("a link there leads out of the model's folder, and only files there are read")
	errTwo    = errors.New("there is one beside the link to the model and another beside the model itself; open the model by its own path")
)

// stat looks for a file by its path in the folder, and enters where it is.
func (f *Folder) stat(p *Place, name string) (fs.FileInfo, error) {
	p.in, p.name = f.root, name
	info, err := f.root.Stat(name)
	if f.origin == nil {
		return info, escaped(err)
	}
	other, otherErr := f.origin.Stat(name)
	switch {
	case err == nil && (otherErr != nil || os.SameFile(info, other)):
		return info, nil
	case err == nil:
		return nil, errTwo
	case errors.Is(err, fs.ErrNotExist) && otherErr == nil:
		p.in = f.origin
		return other, nil
	}
	// A link of a download cache: its target lies beside the model's.
	target, linkErr := filepath.EvalSymlinks(filepath.Join(f.path, name))
	if linkErr == nil && filepath.Dir(target) == f.real {
		p.in, p.name = f.origin, filepath.Base(target)
		return f.origin.Stat(p.name)
	}
	return nil, escaped(err)
}

// escaped rewords the error for a link that leads out of the folder, which os has
// no name for: the link itself is there.
func escaped(err error) error {
	if err = pathless(err); err != nil && strings.Contains(err.Error(), "escapes") {
		return errLeaves
	}
	return err
}

// pathless drops the path of an error that is told with its own.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// pointer reports whether the file is a Git LFS pointer.
func (f *Folder) pointer(p *Place) bool {
	const most = 1 << 10
	if p.Size > most {
		return false
	}
	file, err := p.in.Open(p.name)
	if err != nil {
		return false
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, most))
	return err == nil && onnxpb.IsPointer(b)
}

// check holds the file against the SHA-1 that the model may state.
func (f *Folder) check(p *Place, want string) error {
	if want == "" {
		return nil
	}
	have, ok := f.sums[p.File]
	if !ok {
		file, err := p.in.Open(p.name)
		if err != nil {
			return fmt.Errorf("lies in %s: %w", quote(p.File), pathless(err))
		}
		defer file.Close()
		h := sha1.New()
		if _, err := io.Copy(h, file); err != nil {
			return fmt.Errorf("lies in %s: %w", quote(p.File), pathless(err))
		}
		if f.sums == nil {
			f.sums = map[string]string{}
		}
		have = hex.EncodeToString(h.Sum(nil))
		f.sums[p.File] = have
	}
	if !strings.EqualFold(have, want) {
		return fmt.Errorf("lies in %s, whose SHA-1 is %s and not %s as the model says: it is another model's or was changed", quote(p.File), have, quote(want))
	}
	return nil
}

// Tensor reads a tensor of that many bytes. The errors are phrases that follow
// the tensor's name.
//
// Errors: those of Find; more bytes in all than the limit.
func (f *Folder) Tensor(t *onnxpb.TensorProto, bytes int64) ([]byte, error) {
	p, err := f.Find(t, bytes)
	if err != nil {
		return nil, err
	}
	if f.left -= bytes; f.left < 0 {
		return nil, errors.New("together with the others lies outside the file with more bytes than the limit")
	}
	file, err := p.in.Open(p.name)
	if err != nil {
		return nil, fmt.Errorf("lies in %s: %w", quote(p.File), pathless(err))
	}
	defer file.Close()
	b := make([]byte, bytes)
	if _, err := io.ReadFull(io.NewSectionReader(file, p.Offset, bytes), b); err != nil {
		return nil, fmt.Errorf("lies in %s: %w", quote(p.File), pathless(err))
	}
	return b, nil
}
