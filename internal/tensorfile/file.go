// Package tensorfile reads named arrays of numbers from files that other programs wrote: NumPy's .npz and .safetensors.
// Files are assumed hostile: what a file claims is checked against the bytes that are there, and a tensor's numbers are
// read only when it is asked for.
package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/float16"
	"github.com/lamina-ml/lamina/internal/regular"
)

const (
	maxTensors = 1 << 14 // of a file
	maxAxes    = 64      // of a tensor, as NumPy
	maxBytes   = 1 << 40 // of a tensor
)

// Tensor is what a file says of one tensor.
type Tensor struct {
	Name  string
	Type  string // of the elements, in the words of the file: F32, <f4
	Shape []int  // row-major; empty for one number
	Float bool   // whether Read can read it: float16, bfloat16, float32 and float64

	from, bytes int64 // where it is in the file
	head        int64 // bytes of an array's header, unpacked
	deflated    bool
	sum         uint32 // CRC-32 of an array, unpacked
	order       binary.ByteOrder
	kind        kind
	fortran     bool // the first axis runs fastest
}

// kind is how a number is stored.
type kind int

const (
	other kind = iota
	half
	brain
	single
	double
)

func (k kind) size() int { return [...]int{0, 2, 2, 4, 8}[k] }

// File is a file whose directory was read.
type File struct {
	Format  string // npz or safetensors
	Tensors []Tensor
	path    string
	size    int64
	byName  map[string]int
}

// Open reads the directory of a file: an .npz file if it begins as a zip archive does, else a .safetensors file.
//
// Errors: the file is missing, no regular file, or none of the two formats; its directory is damaged: a name that is there
// twice, a type that is unknown, a length that is negative, bytes that are missing, left over or of two tensors. They
// name the tensor.
func Open(path string) (*File, error) {
	r, size, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := parse(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.path = path
	return f, nil
}

// foreign are the beginnings of files that hold tensors in yet another way.
var foreign = []struct{ begin, what string }{
	{"\x93NUMPY", "an .npy file, one array without a name: write an .npz file with numpy.savez"},
	{"\x89HDF", "an HDF5 file, as Keras writes .h5: write its weights with numpy.savez"},
	{"\x80", "a Python pickle, which could run any program: write the weights with numpy.savez or safetensors"},
}

func parse(r io.ReaderAt, size int64) (*File, error) {
	var begin [8]byte
	n, err := r.ReadAt(begin[:min(size, 8)], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, x := range foreign {
		// A .safetensors file may begin with any byte, that of a length that fits.
		if strings.HasPrefix(string(begin[:n]), x.begin) && binary.LittleEndian.Uint64(begin[:]) > uint64(size) {
			return nil, errors.New("it is " + x.what)
		}
	}
	f := &File{Format: "safetensors", size: size}
	if strings.HasPrefix(string(begin[:n]), "PK") && begin[2] < 16 && begin[3] < 16 {
		f.Format = "npz"
		f.Tensors, err = npz(r, size)
	} else {
		f.Tensors, err = safetensors(r, size)
	}
	if err != nil {
		return nil, err
	}
	f.byName = make(map[string]int, len(f.Tensors))
	for i, t := range f.Tensors {
		if _, ok := f.byName[t.Name]; ok {
			return nil, fmt.Errorf("two tensors are named %q", clip(t.Name))
		}
		f.byName[t.Name] = i
	}
	return f, nil
}

// Tensor returns what the file says of the tensor of that name, nil if there is none.
func (f *File) Tensor(name string) *Tensor {
	i, ok := f.byName[name]
	if !ok {
		return nil
	}
	return &f.Tensors[i]
}

// Read reads a tensor's numbers, row-major, as float32. Memory grows with what the file gives.
//
// Errors: there is no such tensor, or its numbers are no floats; the file was changed since Open, or is damaged; a
// float64 overflows.
func (f *File) Read(name string) ([]float32, error) {
	r, size, err := regular.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size != f.size {
		return nil, fmt.Errorf("%s: it had %d bytes when it was opened, and has %d: %w", f.path, f.size, size, os.ErrInvalid)
	}
	x, err := f.read(r, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return x, nil
}

func (f *File) read(r io.ReaderAt, name string) ([]float32, error) {
	t := f.Tensor(name)
	if t == nil {
		return nil, fmt.Errorf("it has no tensor %q", clip(name))
	}
	if !t.Float {
		return nil, fmt.Errorf("tensor %q: its type is %s; floats are needed", clip(name), t.Type)
	}
	var x []float32
	var err error
	if f.Format == "npz" {
		x, err = readMember(r, t)
	} else {
		x, err = t.numbers(io.NewSectionReader(r, t.from, t.bytes), t.bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", clip(name), err)
	}
	if t.fortran && len(t.Shape) > 1 {
		x = rowMajor(x, t.Shape)
	}
	return x, nil
}

// numbers reads the tensor's elements, to which stored bytes unpack.
func (t *Tensor) numbers(r io.Reader, stored int64) ([]float32, error) {
	n, size := elements(t.Shape), t.kind.size()
	x := make([]float32, 0, min(n, 4*stored+1<<12))
	buf := make([]byte, min(n*int64(size), 1<<16))
	for done := int64(0); done < n; {
		part := buf[:min(int64(len(buf)), (n-done)*int64(size))]
		if k, err := io.ReadFull(r, part); err != nil {
			return nil, fmt.Errorf("it ends after %d of %d bytes: %w", done*int64(size)+int64(k), n*int64(size), err)
		}
		if room := len(x) + len(part)/size; room > cap(x) {
			x = slices.Grow(x, int(min(n, int64(2*room)))-len(x))
		}
		for i := 0; i < len(part); i += size {
			v := t.number(part[i:])
			x = append(x, float32(v))
			if math.IsInf(float64(x[len(x)-1]), 0) && !math.IsInf(v, 0) {
				return nil, fmt.Errorf("element %d, %v, overflows float32", len(x)-1, v)
			}
		}
		done += int64(len(part) / size)
	}
	return x, nil
}

func (t *Tensor) number(b []byte) float64 {
	switch t.kind {
	case half:
		return float64(float16.Half(t.order.Uint16(b)))
	case brain:
		return float64(float16.Brain(t.order.Uint16(b)))
	case single:
		return float64(math.Float32frombits(t.order.Uint32(b)))
	}
	return math.Float64frombits(t.order.Uint64(b))
}

// rowMajor turns an array whose first axis runs fastest into one whose last axis does.
func rowMajor(x []float32, shape []int) []float32 {
	out, index, strides := make([]float32, len(x)), make([]int, len(shape)), make([]int, len(shape))
	for i, step := len(shape)-1, 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	at := 0
	for _, v := range x {
		out[at] = v
		for i := range index {
			index[i]++
			if at += strides[i]; index[i] < shape[i] {
				break
			}
			at -= index[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}

// elements is the product of a shape that volume has accepted.
func elements(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}

// volume is the number of elements of a shape, of so many bits each.
//
// Errors: too many axes; a negative length; more than 1 TiB.
func volume(shape []int, bits int64) (int64, error) {
	if len(shape) > maxAxes {
		return 0, fmt.Errorf("it has %d axes; the limit is %d", len(shape), maxAxes)
	}
	n, most := int64(1), 8*maxBytes/max(bits, 1)
	empty := false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("its shape %v has a negative length", shape)
		}
		empty = empty || d == 0
	}
	if empty {
		return 0, nil
	}
	for _, d := range shape {
		if int64(d) > most/n {
			return 0, fmt.Errorf("its shape %v says more than %d GiB", shape, int64(maxBytes)>>30)
		}
		n *= int64(d)
	}
	return n, nil
}

// clip keeps an error short whatever the file holds.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
