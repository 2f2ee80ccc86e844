package npywrite

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sbinet/npyio/npy"
)

func TestWriteReadByNpyio(t *testing.T) {
	for _, shape := range [][]int{{}, {6}, {2, 3}, {1, 2, 3}, {3, 1, 2, 1}, {70, 80, 5}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		want := make([]float32, n)
		for i := range want {
			want[i] = float32(i) - 2.5
		}
		want[0] = math.Float32frombits(1) // the least denormal
		var b bytes.Buffer
		if err := Write(&b, shape, want); err != nil {
			t.Fatal(err)
		}
		if at := b.Len() - 4*n; at%align != 0 {
			t.Errorf("shape %v: the data begin at %d", shape, at)
		}
		r, err := npy.NewReader(&b)
		if err != nil {
			t.Fatalf("shape %v: %v", shape, err)
		}
		if h := r.Header.Descr; h.Type != "<f4" || h.Fortran || !cmp.Equal(append([]int{}, h.Shape...), shape) {
			t.Errorf("shape %v: header %+v", shape, h)
		}
		got := make([]float32, n)
		if err := r.Read(&got); err != nil {
			t.Fatalf("shape %v: %v", shape, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("shape %v (-want +got):\n%s", shape, d)
		}
	}
}

// The bytes are those of numpy.save.
func TestBytesOfNumPy(t *testing.T) {
	head := func(dict string) string {
		return "\x93NUMPY\x01\x00\x76\x00" + dict + string(bytes.Repeat([]byte{' '}, 0x75-len(dict))) + "\n"
	}
	for name, c := range map[string]struct {
		write func(*bytes.Buffer) error
		want  string
	}{
		"i64": {func(b *bytes.Buffer) error { return Write(b, []int{2}, []int64{-1, 258}) },
			head("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }") +
				"\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x00\x00\x00\x00\x00\x00"},
		"bool": {func(b *bytes.Buffer) error { return Write(b, []int{1, 2}, []bool{true, false}) },
			head("{'descr': '|b1', 'fortran_order': False, 'shape': (1, 2), }") + "\x01\x00"},
		"f64 scalar": {func(b *bytes.Buffer) error { return Write(b, nil, []float64{1}) },
			head("{'descr': '<f8', 'fortran_order': False, 'shape': (), }") + "\x00\x00\x00\x00\x00\x00\xf0\x3f"},
		"no rows": {func(b *bytes.Buffer) error { return Write(b, []int{0, 30}, []float32{}) },
			head("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 30), }")},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Errorf("%s: got %q, want %q", name, b.String(), c.want)
		}
	}
}

func TestShapeMustFit(t *testing.T) {
	for _, shape := range [][]int{{2}, {3, 2}, {-1, -3}, {}, make([]int, 65)} {
		var b bytes.Buffer
		if err := Write(&b, shape, make([]float32, 3)); err == nil {
			t.Errorf("3 elements were written as shape %v", shape)
		}
		if b.Len() > 0 {
			t.Errorf("shape %v: %d bytes were written before the error", shape, b.Len())
		}
	}
}
