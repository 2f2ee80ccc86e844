package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/internal/regular"
)

const (
	maxDeflate = 1032    // how many bytes one byte of deflate can become
	maxFile    = 1 << 33 // bytes of one array in a file, unpacked
)

// array is what a data file holds: numbers in C order.
type array struct {
	shape []int
	f32   []float32 // one of these is set
	i64   []int64
	u8    []byte
}

// IDXOptions says what values of IDX files become.
type IDXOptions struct {
	// Bytes leaves bytes as they are, a column of uint8 in a quarter of the memory, for a model that takes pixels as they
	// are (spec.Bytes).
	Bytes bool
}

// IDX reads a pair of IDX files, plain or gzip, as used by MNIST and similar data sets: rows of numbers and their
// labels. The columns are x f32[width], with bytes scaled to [0, 1] and other types unchanged, and y i64[]. Without a
// path of labels there is no y. Pictures of 28 by 28 are f32[1 28 28] by Reshape("x", 1, 28, 28).
// Errors: a file is missing, truncated, too long or not an IDX file; the numbers of rows differ; bytes are wanted of
// other types.
func IDX(values, labels string, options ...IDXOptions) (*Table, error) {
	o, err := only("IDXOptions", options)
	if err != nil {
		return nil, err
	}
	a, err := readIDX(values)
	if err != nil {
		return nil, err
	}
	x, err := a.data(o)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", values, err)
	}
	t, err := tableOf(values, x)
	if err != nil || labels == "" {
		return t, err
	}
	l, err := readIDX(labels)
	if err != nil {
		return nil, err
	}
	if len(l.shape) != 1 {
		return nil, fmt.Errorf("dataset: %s: labels have one dimension, got shape %v", labels, l.shape)
	}
	if l.shape[0] != a.shape[0] {
		return nil, fmt.Errorf("dataset: %s has %d rows, but %s has %d labels", values, a.shape[0], labels, l.shape[0])
	}
	y, err := l.ints()
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", labels, err)
	}
	u, err := tableOf(labels, Data{Column: Column{Name: "y", DType: I64}, I64: y})
	if err != nil {
		return nil, err
	}
	return t.Join(u), nil
}

// data is the column x of the values.
func (a *array) data(o IDXOptions) (Data, error) {
	width := 1
	for _, d := range a.shape[1:] {
		width *= d
	}
	c := Column{Name: "x", DType: F32, Shape: []int{width}}
	if !o.Bytes {
		return Data{Column: c, F32: a.floats()}, nil
	}
	if a.u8 == nil {
		return Data{}, errors.New("it holds no bytes, as IDXOptions.Bytes wants them")
	}
	c.DType = U8
	return Data{Column: c, U8: a.u8}, nil
}

// floats returns the values as float32, bytes divided by 255.
func (a *array) floats() []float32 {
	if a.f32 != nil {
		return a.f32
	}
	v := make([]float32, len(a.u8)+len(a.i64))
	for i, b := range a.u8 {
		v[i] = float32(b) / 255
	}
	for i, b := range a.i64 {
		v[i] = float32(b)
	}
	return v
}

// ints returns the values as int64, if they are whole numbers.
func (a *array) ints() ([]int64, error) {
	if a.f32 != nil {
		return nil, errors.New("labels are whole numbers, got floats")
	}
	if a.i64 != nil {
		return a.i64, nil
	}
	v := make([]int64, len(a.u8))
	for i, b := range a.u8 {
		v[i] = int64(b)
	}
	return v, nil
}

func readIDX(path string) (*array, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := decodeIDX(f, size, strings.HasSuffix(path, ".gz"))
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return a, nil
}

// open opens a data file and tells its size.
func open(path string) (*os.File, int64, error) {
	f, size, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("dataset: there is no file %s; check the path, or use dataset.Digits(), which needs none: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("dataset: %w", err)
	}
	if size == 0 {
		f.Close()
		return nil, 0, fmt.Errorf("dataset: %s: %w: the file has no bytes", path, ErrEmpty)
	}
	return f, size, nil
}

// decodeIDX reads an IDX file of size bytes, unpacked if it is gzip. What is allocated is bounded by the bytes that
// are really there.
func decodeIDX(r io.Reader, size int64, mustZip bool) (*array, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	limit := size
	head, _ := in.Peek(2)
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("not a gzip file: %w", err)
		}
		in = bufio.NewReaderSize(z, 1<<16)
		limit = min(size, maxFile) * maxDeflate
	} else if mustZip {
		return nil, errors.New("not a gzip file, though its name ends in .gz")
	}
	var magic [4]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil {
		return nil, short("its first four bytes", err)
	}
	if magic[0] != 0 || magic[1] != 0 {
		return nil, fmt.Errorf("not an IDX file: it starts with % x", magic)
	}
	elem := map[byte]int{0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}[magic[2]]
	if elem == 0 {
		return nil, fmt.Errorf("not an IDX file: it has no element type 0x%02x", magic[2])
	}
	if magic[3] == 0 || magic[3] > 8 {
		return nil, fmt.Errorf("not an IDX file of 1 to 8 dimensions: it says %d", magic[3])
	}
	a := &array{shape: make([]int, magic[3])}
	total := int64(elem)
	for i := range a.shape {
		var dim [4]byte
		if _, err := io.ReadFull(in, dim[:]); err != nil {
			return nil, short("its dimensions", err)
		}
		d := int64(binary.BigEndian.Uint32(dim[:]))
		if d == 0 {
			return nil, fmt.Errorf("%w: dimension %d is 0", ErrEmpty, i)
		}
		if total > maxFile/d {
			return nil, fmt.Errorf("its dimensions %v are more than %d GiB", append(a.shape[:i], int(d)), maxFile>>30)
		}
		total *= d
		a.shape[i] = int(d)
	}
	if head := int64(4 + 4*len(a.shape)); total+head > limit {
		return nil, fmt.Errorf("truncated: %v values of %d bytes need %d bytes, more than its %d can hold", a.shape, elem, total+head, size)
	}
	raw, err := readExactly(in, total, size)
	if err != nil {
		return nil, err
	}
	return a, a.decode(raw, magic[2])
}

// decode converts raw elements of an IDX type. Errors: a number that overflows float32.
func (a *array) decode(raw []byte, kind byte) error {
	n := len(raw)
	switch kind {
	case 0x08:
		a.u8 = raw
	case 0x09:
		a.i64 = make([]int64, n)
		ints(a.i64, raw, true, 1, binary.BigEndian)
	case 0x0B:
		a.i64 = make([]int64, n/2)
		ints(a.i64, raw, true, 2, binary.BigEndian)
	case 0x0C:
		a.i64 = make([]int64, n/4)
		ints(a.i64, raw, true, 4, binary.BigEndian)
	case 0x0D:
		a.f32 = make([]float32, n/4)
		floats(a.f32, raw, 4, binary.BigEndian)
	case 0x0E:
		a.f32 = make([]float32, n/8)
		e := elements{size: 8, order: binary.BigEndian}
		return e.floats(a.f32, raw, 0, len(a.f32)/a.shape[0])
	}
	return nil
}

// readExactly reads the last n bytes of r. Its memory grows with what arrives, from what stored bytes may become
// without much compression.
func readExactly(r io.Reader, n, stored int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(n, 8*stored+1<<16)) + bytes.MinRead)
	got, err := io.Copy(&buf, io.LimitReader(r, n))
	if err != nil {
		return nil, short(fmt.Sprintf("byte %d of %d", got, n), err)
	}
	if got < n {
		return nil, fmt.Errorf("truncated: it ends after %d of %d bytes of data", got, n)
	}
	// Reading on to the end also checks gzip's sum.
	switch extra, err := io.CopyN(io.Discard, r, 1); {
	case extra > 0:
		return nil, fmt.Errorf("bytes follow the %d that its dimensions say", n)
	case err != io.EOF:
		return nil, fmt.Errorf("damaged: %w", err)
	}
	return buf.Bytes(), nil
}

// short says what could not be read.
func short(what string, err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated: it ends within %s", what)
	}
	return fmt.Errorf("damaged at %s: %w", what, err)
}

// MNIST reads the four IDX files of MNIST, or of a data set in its format, from a folder; each may be plain or gzip:
// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte.
// The columns are x f32[784] in [0, 1], or u8[784] by IDXOptions, and y i64[], 0 to 9.
// Errors: those of [IDX]; a picture is not 28 by 28; a label is not a digit.
func MNIST(dir string, options ...IDXOptions) (*Split, error) {
	var s Split
	for _, part := range []struct {
		name string
		to   **Table
	}{{"train", &s.Train}, {"t10k", &s.Test}} {
		images, err := mnistFile(dir, part.name+"-images", "idx3-ubyte")
		if err != nil {
			return nil, err
		}
		labels, err := mnistFile(dir, part.name+"-labels", "idx1-ubyte")
		if err != nil {
			return nil, err
		}
		t, err := IDX(images, labels, options...)
		if err != nil {
			return nil, err
		}
		if err := checkDigits(t); err != nil {
			return nil, err
		}
		*part.to = t
	}
	return &s, nil
}

func checkDigits(t *Table) error {
	if w := t.cols[0].width; w != 784 {
		return fmt.Errorf("dataset: %s: pictures of MNIST are 28 by 28, 784 wide, got %d wide", t.File("x"), w)
	}
	for i, y := range t.cols[1].i64 {
		if y < 0 || y > 9 {
			return fmt.Errorf("dataset: %s: the label of row %d is %d, not a digit", t.File("y"), i, y)
		}
	}
	return nil
}

func mnistFile(dir, part, kind string) (string, error) {
	for _, name := range []string{part + "-" + kind, part + "." + kind} {
		for _, ext := range []string{"", ".gz"} {
			if p := filepath.Join(dir, name+ext); exists(p) {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("dataset: no file %s-%s or %s-%s.gz in %q: put the four files of MNIST there, "+
		"from https://storage.googleapis.com/cvdf-datasets/mnist/, or use the digits that are embedded: %w",
		part, kind, part, kind, dir, fs.ErrNotExist)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
