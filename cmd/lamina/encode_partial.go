package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/npywrite"
)

// encodeFormat is the version of what a partial folder holds.
const encodeFormat = 1

// Names of the files of a partial folder.
const (
	partialSuffix = ".partial"
	partialRows   = "rows.npy"
	partialState  = "state.json"
	partialLock   = "lock"
)

// encodeKey is what the bits of the output depend on, but for the input's
// elements.
type encodeKey struct {
	Format  int           `json:"format"`
	Bundle  string        `json:"bundle"` // SHA-256 of its verification.json
	Version string        `json:"version"`
	Kernels string        `json:"kernels"`
	Output  string        `json:"output"`
	Inputs  []encodeInput `json:"inputs"`
}

type encodeInput struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	Rows  int64  `json:"rows"`
}

// encodeState is state.json: how many rows are done, and the hashes of what they
// were made of and of what they became.
type encodeState struct {
	Key    json.RawMessage   `json:"key"`
	Rows   int64             `json:"rows"`
	Bytes  int64             `json:"bytes"` // of rows.npy
	Inputs map[string]string `json:"inputs"`
	Output string            `json:"output"`
}

// partial is an output that is not complete, in a folder of its own beside where
// it will be.
type partial struct {
	path, dir string
	key       []byte
	shape     []int
	dtype     ir.DType
	state     encodeState

	f      *os.File
	w      *bufio.Writer
	bytes  int64
	in     map[string]hash.Hash // of the rows' bytes so far, by input
	out    hash.Hash            // of the bytes of rows.npy so far
	last   time.Time            // when the state was recorded
	unlock func() error
}

// openPartial takes the folder, and keeps what is in it if its key is this one;
// resumes says in the end whether it can be gone on from.
func openPartial(path string, key encodeKey, rows int64, t ir.Type) (p *partial, err error) {
	p = &partial{path: path, dir: path + partialSuffix, shape: shapeOf(t, rows), dtype: t.DType}
	if p.key, err = json.Marshal(key); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	state := filepath.Join(p.dir, partialState)
	for _, e := range entries {
		temporary := strings.HasPrefix(e.Name(), ".")
		if !temporary && !slices.Contains([]string{partialRows, partialState, partialLock}, e.Name()) {
			return nil, fmt.Errorf("%s holds %q, so it is not what an interrupted encode left; remove it or name another output", p.dir, clean(e.Name()))
		}
	}
	if p.unlock, err = atomicfile.Lock(filepath.Join(p.dir, partialLock)); errors.Is(err, errors.ErrUnsupported) {
		p.unlock, err = func() error { return nil }, nil
	}
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, fmt.Errorf("%s is being written by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if err := atomicfile.Clean(state); err != nil {
		return nil, err
	}
	if p.f, err = os.OpenFile(filepath.Join(p.dir, partialRows), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	p.w = bufio.NewWriterSize(io.MultiWriter(p.f, (*counter)(&p.bytes)), 1<<20)
	if b, err := readFile(state, maxRecord); err == nil {
		var s encodeState
		var have bytes.Buffer
		if json.Unmarshal(b, &s) == nil && json.Compact(&have, s.Key) == nil && bytes.Equal(have.Bytes(), p.key) && s.Rows > 0 && s.Rows <= rows {
			p.state = s
		}
	}
	if p.state.Rows == 0 {
		return p, p.restart()
	}
	p.reset()
	return p, nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func (p *partial) reset() {
	p.in, p.out, p.last = map[string]hash.Hash{}, sha256.New(), time.Now()
}

// restart forgets the rows that are done.
func (p *partial) restart() error {
	p.reset()
	p.state, p.bytes = encodeState{}, 0
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch p.dtype {
	case ir.F32:
		return npywrite.Begin[float32](p.both(), p.shape)
	case ir.F64:
		return npywrite.Begin[float64](p.both(), p.shape)
	case ir.I64:
		return npywrite.Begin[int64](p.both(), p.shape)
	case ir.Bool:
		return npywrite.Begin[bool](p.both(), p.shape)
	}
	return fmt.Errorf("an output of type %s cannot be written", p.dtype)
}

// both is the file and its hash.
func (p *partial) both() io.Writer { return io.MultiWriter(p.w, p.out) }

// seen enters the bytes of rows of an input.
func (p *partial) seen(port string, b []byte) {
	if p.in[port] == nil {
		p.in[port] = sha256.New()
	}
	p.in[port].Write(b) // a hash takes everything
}

// add writes rows of the output.
func (p *partial) add(t *ir.Tensor) error {
	var err error
	switch t.DType {
	case ir.F32:
		err = npywrite.Append(p.both(), t.F32)
	case ir.F64:
		err = npywrite.Append(p.both(), t.F64)
	case ir.I64:
		err = npywrite.Append(p.both(), t.I64)
	case ir.Bool:
		err = npywrite.Append(p.both(), t.Bool)
	}
	return p.failed(err)
}

func (p *partial) failed(err error) error {
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", p.path, err)
	}
	return nil
}

// due reports whether it is time to record.
func (p *partial) due() bool { return time.Since(p.last) >= time.Second }

// record makes the rows so far last through a crash.
func (p *partial) record(rows int64) error {
	if rows == p.state.Rows {
		return nil
	}
	if err := errors.Join(p.w.Flush(), p.f.Sync()); err != nil {
		return p.failed(err)
	}
	s := encodeState{Key: p.key, Rows: rows, Bytes: p.bytes, Inputs: map[string]string{}, Output: sum256(p.out)}
	for port, h := range p.in {
		s.Inputs[port] = sum256(h)
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(p.dir, partialState), append(b, '\n')); err != nil {
		return err
	}
	p.state, p.last = s, time.Now()
	return nil
}

func sum256(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// resumes reports whether the rows seen are those that were encoded and what they
// became is still there, and makes the file ready for the rows after them.
func (p *partial) resumes() bool {
	if len(p.in) != len(p.state.Inputs) {
		return false
	}
	for port, h := range p.in {
		if p.state.Inputs[port] != sum256(h) {
			return false
		}
	}
	if n, err := io.Copy(p.out, io.LimitReader(p.f, p.state.Bytes)); err != nil || n != p.state.Bytes || sum256(p.out) != p.state.Output {
		return false
	}
	p.bytes = p.state.Bytes
	return p.f.Truncate(p.bytes) == nil
}

// finish puts the complete file in its place.
func (p *partial) finish() error {
	if err := errors.Join(p.w.Flush(), p.f.Chmod(0o644), p.f.Sync()); err != nil {
		return p.failed(err)
	}
	if err := p.f.Close(); err != nil {
		return p.failed(err)
	}
	p.f = nil
	if err := os.Rename(filepath.Join(p.dir, partialRows), p.path); err != nil {
		return p.failed(err)
	}
	if err := atomicfile.SyncDir(filepath.Dir(p.path)); err != nil {
		return p.failed(err)
	}
	// The output is there: what is left of the folder harms nobody.
	os.Remove(filepath.Join(p.dir, partialState))
	p.close()
	os.Remove(filepath.Join(p.dir, partialLock))
	os.Remove(p.dir)
	return nil
}

func (p *partial) close() {
	if p.f != nil {
		p.f.Close()
		p.f = nil
	}
	if p.unlock != nil {
		p.unlock()
		p.unlock = nil
	}
}
