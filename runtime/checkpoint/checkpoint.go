// Package checkpoint stores a training on disk: parameters, optimizer state and how
// far the training got, in one file that is written whole or not at all.
//
// The file is the magic "LAMINACK", the format version and the header's length
// (uint32 each, little-endian), the header as JSON, the tensors' float32 values in
// header order, and the SHA-256 of everything before it. Data that grows with the
// training is in a [Growing] file beside it, so a checkpoint's size does not grow.
// Tensors are in IR layout, never a kernel's, so a file written with one kernel set
// can be read with another.
package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/regular"
)

// Version is the format this package writes; it reads this and older ones.
const Version = 2

const (
	magic     = "LAMINACK"
	maxHeader = 64 << 20
	sumLen    = sha256.Size

	// Of what takes more memory than its bytes in the header.
	maxTensors = 1 << 16
	maxFacts   = 1 << 16
	maxRank    = 32
)

// Tensor is one named array of float32.
type Tensor struct {
	Name  string    `json:"name"`
	Shape []int     `json:"shape"`
	Data  []float32 `json:"-"`
}

// Header says what the tensors belong to and how far the training got.
type Header struct {
	Model     string `json:"model"`
	ModelHash string `json:"model_hash"` // of the declaration without positions
	Kernels   string `json:"kernels"`    // kernel set that computed the bits
	Optimizer string `json:"optimizer"`  // name, "" if there is no state
	Seed      uint64 `json:"seed"`
	DataHash  string `json:"data_hash"`

	// Cursor is where the training resumes; its random streams are functions of the
	// seed and of these numbers.
	Cursor Cursor `json:"cursor"`

	// Facts is everything that decides the result. Version 1 has none: its trainer's
	// record has the settings.
	Facts Facts `json:"facts,omitempty"`

	// Grown says how much of the growing file beside this one belongs to it.
	// Version 1 has the history in the trainer's record.
	Grown Mark `json:"grown,omitzero"`

	// Trainer is the trainer's own record: early stopping, schedule.
	Trainer json.RawMessage `json:"trainer,omitempty"`
}

// Cursor counts what has been done.
type Cursor struct {
	Epoch  int   `json:"epoch"`  // epochs finished
	Step   int   `json:"step"`   // finished steps of the current epoch
	Update int64 `json:"update"` // updates finished
}

// File is a checkpoint in memory.
type File struct {
	Header
	Tensors []Tensor
}

// Tensor returns the tensor of that name, or nil.
func (f *File) Tensor(name string) *Tensor {
	for i := range f.Tensors {
		if f.Tensors[i].Name == name {
			return &f.Tensors[i]
		}
	}
	return nil
}

type header struct {
	Header
	Tensors tensors `json:"tensors"`
}

// tensors is a list that is counted while it is read.
type tensors []Tensor

// UnmarshalJSON reads the list.
func (ts *tensors) UnmarshalJSON(b []byte) error {
	type tensor struct {
		Name  string `json:"name"`
		Shape dims   `json:"shape"`
	}
	*ts = tensors{}
	return eachItem(b, "tensors", maxTensors, func(t tensor) { *ts = append(*ts, Tensor{Name: t.Name, Shape: t.Shape}) })
}

// eachItem reads a list item by item, so that its length is known before it is
// allocated.
func eachItem[T any](b []byte, what string, most int, add func(T)) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("the %s are not a list", what)
	}
	for n := 0; d.More(); n++ {
		if n == most {
			return fmt.Errorf("more than %d %s", most, what)
		}
		var t T
		if err := d.Decode(&t); err != nil {
			return err
		}
		add(t)
	}
	return nil
}

// dims is a shape that is counted before it is read.
type dims []int

// UnmarshalJSON reads the shape.
func (s *dims) UnmarshalJSON(b []byte) error {
	if bytes.Count(b, []byte(",")) >= maxRank {
		return fmt.Errorf("a shape of more than %d lengths", maxRank)
	}
	return json.Unmarshal(b, (*[]int)(s))
}

// Write writes the checkpoint to path, whole or not at all.
//
// Errors: those of Encode; the folder cannot be written; the disk is full. The
// previous file then stays.
func Write(path string, f *File) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Encode(w, f) })
}

// Encode writes the checkpoint's bytes.
//
// Errors: a tensor whose data do not fill its shape; more than 65,536 tensors
// or facts, or 32 axes; a header above 64 MB; that of the writer.
func Encode(out io.Writer, f *File) error {
	if len(f.Tensors) > maxTensors {
		return fmt.Errorf("checkpoint: %d tensors are above the limit of %d", len(f.Tensors), maxTensors)
	}
	if len(f.Facts) > maxFacts {
		return fmt.Errorf("checkpoint: %d facts are above the limit of %d", len(f.Facts), maxFacts)
	}
	for _, t := range f.Tensors {
		if len(t.Shape) > maxRank {
			return fmt.Errorf("checkpoint: tensor %q has %d axes, above the limit of %d", t.Name, len(t.Shape), maxRank)
		}
		if n, ok := elems(t.Shape); !ok || n != int64(len(t.Data)) {
			return fmt.Errorf("checkpoint: tensor %q of shape %v holds %d elements", t.Name, t.Shape, len(t.Data))
		}
	}
	head, err := json.Marshal(header{f.Header, f.Tensors})
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if len(head) > maxHeader {
		return fmt.Errorf("checkpoint: header of %d bytes is above the limit of %d", len(head), maxHeader)
	}
	sum := sha256.New()
	w := io.MultiWriter(out, sum)
	fixed := append([]byte(magic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(fixed[8:], Version)
	binary.LittleEndian.PutUint32(fixed[12:], uint32(len(head)))
	if _, err := w.Write(fixed); err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<16)
	for _, t := range f.Tensors {
		for data := t.Data; len(data) > 0; {
			n := min(len(data), cap(buf)/4)
			buf = buf[:0]
			for _, x := range data[:n] {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
			data = data[n:]
		}
	}
	_, err = out.Write(sum.Sum(nil))
	return err
}

// ErrNotCheckpoint is wrapped by the error for a file that is not a checkpoint, or is no
// longer a whole one.
var ErrNotCheckpoint = errors.New("not a whole checkpoint")

// Read reads a checkpoint and checks it. What is allocated is bounded by the
// file's size.
//
// Errors: the file is missing, is not a checkpoint, was cut or altered
// (ErrNotCheckpoint), or has a newer format.
func Read(path string) (*File, error) {
	f, size, err := regular.Open(path)
	if errors.Is(err, regular.ErrNot) {
		return nil, fmt.Errorf("checkpoint: %w: %w", ErrNotCheckpoint, err)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	c, err := decode(f, size)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return c, nil
}

// Decode reads a checkpoint from memory.
func Decode(data []byte) (*File, error) { return decode(bytes.NewReader(data), int64(len(data))) }

func decode(r io.Reader, size int64) (*File, error) {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrNotCheckpoint, fmt.Sprintf(format, a...))
	}
	if size < int64(len(magic)+8+sumLen) {
		return nil, bad("%d bytes are too few", size)
	}
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	var fixed [16]byte
	if _, err := io.ReadFull(in, fixed[:]); err != nil {
		return nil, bad("%v", err)
	}
	if string(fixed[:8]) != magic {
		return nil, bad("it does not begin with %q", magic)
	}
	if v := binary.LittleEndian.Uint32(fixed[8:]); v == 0 || v > Version {
		return nil, fmt.Errorf("format version %d is newer than %d: use a newer Lamina", v, Version)
	}
	left := size - int64(len(fixed)) - sumLen
	n := int64(binary.LittleEndian.Uint32(fixed[12:]))
	if n > left || n > maxHeader {
		return nil, bad("a header of %d bytes does not fit", n)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, bad("%v", err)
	}
	left -= n
	var h header
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, bad("header: %v", err)
	}
	if err := checkTensors(h.Tensors, left); err != nil {
		return nil, bad("%v", err)
	}
	if err := readTensors(in, h.Tensors); err != nil {
		return nil, bad("%v", err)
	}
	if err := checkSum(r, sum); err != nil {
		return nil, bad("%v", err)
	}
	return &File{Header: h.Header, Tensors: h.Tensors}, nil
}

// checkTensors holds the shapes against the bytes there are, before allocation.
func checkTensors(ts []Tensor, left int64) error {
	names := make(map[string]bool, len(ts))
	for _, t := range ts {
		n, ok := elems(t.Shape)
		if !ok || n > left/4 {
			return fmt.Errorf("tensor %q of shape %v does not fit the file", t.Name, t.Shape)
		}
		if names[t.Name] {
			return fmt.Errorf("two tensors are named %q", t.Name)
		}
		names[t.Name] = true
		left -= 4 * n
	}
	if left != 0 {
		return fmt.Errorf("%d bytes belong to no tensor", left)
	}
	return nil
}

func readTensors(in io.Reader, ts []Tensor) error {
	buf := make([]byte, 1<<16)
	for i := range ts {
		n, _ := elems(ts[i].Shape)
		data := make([]float32, n)
		ts[i].Data = data
		for len(data) > 0 {
			k := min(len(data), len(buf)/4)
			if _, err := io.ReadFull(in, buf[:4*k]); err != nil {
				return err
			}
			for j := range k {
				data[j] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*j:]))
			}
			data = data[k:]
		}
	}
	return nil
}

func checkSum(r io.Reader, sum hash.Hash) error {
	var want [sumLen]byte
	if _, err := io.ReadFull(r, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(want[:], sum.Sum(nil)) {
		return errors.New("its checksum does not match: it was altered or damaged")
	}
	return nil
}

func elems(shape []int) (int64, bool) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && n > (1<<40)/int64(d) {
			return 0, false
		}
		n *= int64(d)
	}
	return n, true
}
