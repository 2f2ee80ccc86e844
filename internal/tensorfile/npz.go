package tensorfile

import (
	"archive/zip"
	"bufio"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/internal/npyheader"
)

const (
	maxDeflate   = 1032     // how many bytes one byte of deflate can become
	maxDirectory = 8 << 20  // bytes of an archive's directory, which take more in memory
	maxHeads     = 16 << 20 // bytes of the headers of all arrays, unpacked
)

// floats are the types of NumPy that can be read, without their order.
var floats = map[string]kind{"f2": half, "f4": single, "f8": double}

// npz reads the directory of an archive and the header of each array.
func npz(r io.ReaderAt, size int64) ([]Tensor, error) {
	directory := &bounded{r, maxDirectory}
	z, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, fmt.Errorf("not an .npz file: %w", err)
	}
	directory.left = math.MaxInt64
	if len(z.File) > maxTensors {
		return nil, fmt.Errorf("%d arrays are more than the limit of %d", len(z.File), maxTensors)
	}
	if err := apart(z.File, size); err != nil {
		return nil, err
	}
	var list []Tensor
	in := bufio.NewReaderSize(nil, 1<<12)
	left := int64(maxHeads)
	for _, m := range z.File {
		name, ok := strings.CutSuffix(m.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("it holds %q: an .npz file holds .npy files only, others are none (a .keras or .pt file is an archive too: write its weights with numpy.savez)", clip(m.Name))
		}
		t, head, err := array(m, in, left)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", clip(name), err)
		}
		left -= head
		t.Name = name
		list = append(list, t)
	}
	return list, nil
}

// bounded is a reader of so many bytes, wherever they are.
type bounded struct {
	io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, fmt.Errorf("its directory takes more than %d MiB", maxDirectory>>20)
	}
	return b.ReaderAt.ReadAt(p, at)
}

// apart refuses members that share bytes, by which a small archive unpacks to any size, and bytes that are not there.
func apart(files []*zip.File, size int64) error {
	type span struct {
		from, end int64
		name      string
	}
	var spans []span
	for _, m := range files {
		from, err := m.DataOffset()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", clip(m.Name), err)
		}
		if from > size || m.CompressedSize64 > uint64(size-from) {
			return fmt.Errorf("tensor %q: its %d bytes are more than the file has", clip(m.Name), m.CompressedSize64)
		}
		spans = append(spans, span{from, from + int64(m.CompressedSize64), m.Name})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.end, b.end)) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].end {
			return fmt.Errorf("tensor %q: its data overlap those of %q", clip(spans[i].name), clip(spans[i-1].name))
		}
	}
	return nil
}

// array reads the header of a member, of at most that many bytes, and tells its length.
func array(m *zip.File, in *bufio.Reader, most int64) (t Tensor, head int64, err error) {
	if m.Flags&1 != 0 {
		return t, 0, errors.New("it is encrypted")
	}
	size := m.UncompressedSize64
	if size > maxBytes || size > m.CompressedSize64*maxDeflate {
		return t, 0, fmt.Errorf("its %d bytes cannot come of %d", size, m.CompressedSize64)
	}
	r, err := m.Open()
	if err != nil {
		return t, 0, err
	}
	defer r.Close()
	in.Reset(io.LimitReader(r, most))
	h, head, err := npyheader.Read(in, int64(size))
	if err != nil {
		return t, 0, err
	}
	t.Type, t.Shape, t.fortran, t.order = h.Type, h.Shape, h.Fortran, binary.LittleEndian
	if strings.HasPrefix(h.Type, ">") {
		t.order = binary.BigEndian
	}
	t.kind = floats[strings.TrimLeft(h.Type, "<>|=")]
	if t.kind == other {
		return t, head, nil
	}
	t.Float = true
	n, err := volume(h.Shape, int64(8*t.kind.size()))
	if err != nil {
		return t, 0, err
	}
	if have := int64(size) - head; n*int64(t.kind.size()) != have {
		return t, 0, fmt.Errorf("its shape %v of %s is %d bytes, but it has %d", h.Shape, h.Type, n*int64(t.kind.size()), have)
	}
	from, err := m.DataOffset()
	t.from, t.bytes, t.head, t.deflated, t.sum = from, int64(m.CompressedSize64), head, m.Method == zip.Deflate, m.CRC32
	return t, head, err
}

// readMember reads the numbers of an array, and holds all its bytes against the archive's checksum.
func readMember(r io.ReaderAt, t *Tensor) ([]float32, error) {
	sum := crc32.NewIEEE()
	var in io.Reader = io.NewSectionReader(r, t.from, t.bytes)
	if t.deflated {
		in = flate.NewReader(in)
	}
	in = io.TeeReader(in, sum)
	if _, err := io.CopyN(io.Discard, in, t.head); err != nil {
		return nil, err
	}
	x, err := t.numbers(in, t.bytes)
	if err != nil {
		return nil, err
	}
	if n, err := io.CopyN(io.Discard, in, 1); n > 0 || err != io.EOF {
		return nil, fmt.Errorf("it is damaged: %w", cmp.Or(err, errors.New("bytes follow its data")))
	}
	if sum.Sum32() != t.sum {
		return nil, errors.New("it is damaged: its checksum is not that of the archive")
	}
	return x, nil
}
