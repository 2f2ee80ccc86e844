package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// encodeFormat is the version of what a partial folder holds.
const encodeFormat = 3

// Names of the files of a partial folder.
const (
	partialSuffix = ".partial"
	partialRows   = "rows.npy"
	partialState  = "state.json"
	partialLock   = "lock"
)

// encodeState is state.json: how many rows are done, and the hashes of what they
// were made of and of what they became. It lies in the folder of the first output
// and speaks for all, so that they never differ in how far they are.
type encodeState struct {
	Format  int               `json:"format"`
	Facts   checkpoint.Facts  `json:"facts"` // of what decides the bits, all but the inputs' elements
	Rows    int64             `json:"rows"`
	Inputs  map[string]string `json:"inputs"`
	Outputs []encodedRows     `json:"outputs"` // in the model's order
}

// encodedRows is what is done of one output.
type encodedRows struct {
	Bytes int64  `json:"bytes"` // of rows.npy
	Hash  string `json:"hash"`  // of these bytes
}

// partial is the outputs of one command that are not complete.
type partial struct {
	facts checkpoint.Facts
	anew  string // why what was in the folder cannot be gone on from
	state encodeState
	out   []*partialOutput
	in    map[string]hash.Hash // of the rows' bytes so far, by input
	last  time.Time            // when the state was recorded
}

// partialOutput is one of them, in a folder of its own beside where it will be.
type partialOutput struct {
	path, dir string
	shape     []int
	dtype     ir.DType

	f      *os.File
	w      *bufio.Writer
	bytes  int64
	hash   hash.Hash // of the bytes of rows.npy so far
	unlock func() error
}

// dir is the folder that has the record.
func (p *partial) dir() string { return p.out[0].dir }

// openPartial takes the folders, and keeps what is in them if their facts are
// these; resumes says in the end whether it can be gone on from.
func openPartial(outputs []encodedOutput, facts checkpoint.Facts, rows int64) (*partial, error) {
	p := &partial{facts: facts}
	if err := p.open(outputs, rows); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *partial) open(outputs []encodedOutput, rows int64) error {
	for _, out := range outputs {
		o := &partialOutput{path: out.path, dir: out.path + partialSuffix, shape: shapeOf(out.v.Type, rows), dtype: out.v.Type.DType}
		p.out = append(p.out, o)
		if err := o.open(); err != nil {
			return err
		}
		if len(p.out) == 1 {
			continue
		}
		// A record of this output alone does not hold for what comes into the folder.
		if err := os.Remove(filepath.Join(o.dir, partialState)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := p.readState(rows); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.anew = err.Error()
		}
		return p.restart()
	}
	p.reset()
	return nil
}

// readState reads the record. The error says why it is not one to go on from.
func (p *partial) readState(rows int64) error {
	path := filepath.Join(p.dir(), partialState)
	b, err := onnxfile.Read(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var s encodeState
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be read: %w", path, err)
	case s.Format != encodeFormat:
		return fmt.Errorf("%s is of another version of this command", path)
	}
	if err := s.Facts.Differ(p.facts); err != nil {
		return err
	}
	if s.Rows <= 0 || s.Rows > rows || len(s.Outputs) != len(p.out) {
		return fmt.Errorf("%s does not fit the files", path)
	}
	p.state = s
	return nil
}

// open takes the folder of one output.
func (o *partialOutput) open() error {
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return fmt.Errorf("cannot write %s: %w", o.path, err)
	}
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		temporary := strings.HasPrefix(e.Name(), ".")
		if !temporary && !slices.Contains([]string{partialRows, partialState, partialLock}, e.Name()) {
			return fmt.Errorf("%s holds %q, so it is not what an interrupted encode left; remove it or name another output", o.dir, command.Clean(e.Name()))
		}
	}
	if o.unlock, err = atomicfile.Lock(filepath.Join(o.dir, partialLock)); errors.Is(err, errors.ErrUnsupported) {
		o.unlock, err = func() error { return nil }, nil
	}
	if errors.Is(err, atomicfile.ErrLocked) {
		return fmt.Errorf("%s is being written by another process", o.path)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", o.path, err)
	}
	if err := atomicfile.Clean(filepath.Join(o.dir, partialState)); err != nil {
		return err
	}
	if o.f, err = os.OpenFile(filepath.Join(o.dir, partialRows), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return err
	}
	o.w = bufio.NewWriterSize(io.MultiWriter(o.f, (*counter)(&o.bytes)), 1<<20)
	return nil
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func (p *partial) reset() {
	p.in, p.last = map[string]hash.Hash{}, time.Now()
	for _, o := range p.out {
		o.hash = sha256.New()
	}
}

// restart forgets the rows that are done.
func (p *partial) restart() error {
	p.reset()
	p.state = encodeState{}
	for _, o := range p.out {
		if err := o.restart(); err != nil {
			return err
		}
	}
	return nil
}

func (o *partialOutput) restart() error {
	o.bytes = 0
	if err := o.f.Truncate(0); err != nil {
		return err
	}
	if _, err := o.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch o.dtype {
	case ir.F32:
		return npywrite.Begin[float32](o.both(), o.shape)
	case ir.F64:
		return npywrite.Begin[float64](o.both(), o.shape)
	case ir.I64:
		return npywrite.Begin[int64](o.both(), o.shape)
	case ir.Bool:
		return npywrite.Begin[bool](o.both(), o.shape)
	}
	return fmt.Errorf("an output of type %s cannot be written", o.dtype)
}

// both is the file and its hash.
func (o *partialOutput) both() io.Writer { return io.MultiWriter(o.w, o.hash) }

// seen enters the bytes of rows of an input.
func (p *partial) seen(port string, b []byte) {
	if p.in[port] == nil {
		p.in[port] = sha256.New()
	}
	p.in[port].Write(b) // a hash takes everything
}

// add writes rows of the output.
func (o *partialOutput) add(t *ir.Tensor) error {
	var err error
	switch t.DType {
	case ir.F32:
		err = npywrite.Append(o.both(), t.F32)
	case ir.F64:
		err = npywrite.Append(o.both(), t.F64)
	case ir.I64:
		err = npywrite.Append(o.both(), t.I64)
	case ir.Bool:
		err = npywrite.Append(o.both(), t.Bool)
	}
	return o.failed(err)
}

func (o *partialOutput) failed(err error) error {
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", o.path, err)
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
	s := encodeState{Format: encodeFormat, Facts: p.facts, Rows: rows, Inputs: map[string]string{}}
	for _, o := range p.out {
		if err := errors.Join(o.w.Flush(), o.f.Sync()); err != nil {
			return o.failed(err)
		}
		s.Outputs = append(s.Outputs, encodedRows{o.bytes, sum256(o.hash)})
	}
	for port, h := range p.in {
		s.Inputs[port] = sum256(h)
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(p.dir(), partialState), append(b, '\n')); err != nil {
		return err
	}
	p.state, p.last = s, time.Now()
	return nil
}

func sum256(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// resumes returns why the rows that are done cannot be gone on from, or "" with the
// files ready for the rows after them: the rows seen are those that were encoded,
// and what they became is still there.
func (p *partial) resumes() (why string) {
	same := len(p.in) == len(p.state.Inputs)
	for port, h := range p.in {
		same = same && p.state.Inputs[port] == sum256(h)
	}
	if !same {
		return "the input is another than the one that rows were made of"
	}
	for i, o := range p.out {
		done := p.state.Outputs[i]
		n, err := io.Copy(o.hash, io.LimitReader(o.f, done.Bytes))
		if err == nil && (n != done.Bytes || sum256(o.hash) != done.Hash) {
			err = errors.New("it has changed")
		}
		if err == nil {
			o.bytes = done.Bytes
			err = o.f.Truncate(o.bytes)
		}
		if err != nil {
			return fmt.Sprintf("%s cannot be gone on from: %v", filepath.Join(o.dir, partialRows), err)
		}
	}
	return ""
}

// finish puts the complete files in their places, all of them ready before the
// first.
func (p *partial) finish() error {
	for _, o := range p.out {
		if err := errors.Join(o.w.Flush(), o.f.Chmod(0o644), o.f.Sync()); err != nil {
			return o.failed(err)
		}
	}
	for _, o := range p.out {
		err := o.f.Close()
		o.f = nil
		if err == nil {
			err = os.Rename(filepath.Join(o.dir, partialRows), o.path)
		}
		if err == nil {
			err = atomicfile.SyncDir(filepath.Dir(o.path))
		}
		if err != nil {
			return o.failed(err)
		}
	}
	// The outputs are there: what is left of the folders harms nobody.
	os.Remove(filepath.Join(p.dir(), partialState))
	p.close()
	for _, o := range p.out {
		os.Remove(filepath.Join(o.dir, partialLock))
		os.Remove(o.dir)
	}
	return nil
}

func (p *partial) close() {
	for _, o := range p.out {
		o.close()
	}
}

func (o *partialOutput) close() {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
	if o.unlock != nil {
		o.unlock()
		o.unlock = nil
	}
}
