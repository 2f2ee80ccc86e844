package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/npywrite"
)

// byteRows gives rows of bytes in batches.
type byteRows struct{ *Table }

func (b byteRows) Rows(index []int, dst Rows) error {
	x := b.U8("x")
	for k, i := range index {
		copy(dst.U8("x")[3*k:], x[3*i:3*i+3])
	}
	return dst.Err()
}

// rowByRow is the same without batches.
type rowByRow struct{ t *Table }

func (r rowByRow) Len() int          { return r.t.Len() }
func (r rowByRow) Columns() []Column { return r.t.Columns() }
func (r rowByRow) Row(i int, row Row) error {
	copy(row.U8Slice("x"), r.t.U8("x")[3*i:])
	return row.Err()
}

// TestBytes reads a column of bytes from memory, in batches and row by row: the
// values, the hash and the ranges are the same, and nothing is widened.
func TestBytes(t *testing.T) {
	x := make([]uint8, 3*50)
	for i := range x {
		x[i] = uint8(i * 7)
	}
	table, err := NewTable(Data{Column: Column{Name: "x", DType: U8, Shape: []int{3}}, U8: x})
	if err != nil {
		t.Fatal(err)
	}
	if &table.U8("x")[0] != &x[0] || table.I64("x") != nil || table.F32("x") != nil {
		t.Error("the table does not have the slice itself")
	}
	made := From(make([]struct{}, 50), func() func(struct{}, Row) {
		i := -1
		return func(_ struct{}, row Row) { i++; row.U8("x", x[3*i:3*i+3]...) }
	}())
	want, err := table.Hash()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q u8[3] 50\n%s", "x", x)
	if total := sha256.Sum256(sum.Sum(nil)); want != hex.EncodeToString(total[:]) {
		t.Errorf("the hash is %s, which is not that of the name, the type, the rows and the values", want)
	}
	ranges, err := table.Ranges()
	if err != nil || ranges[0].Min[0] != 0 || ranges[0].Max[2] < 250 {
		t.Errorf("ranges %v, %v", ranges, err)
	}
	for name, src := range map[string]Source{"batches": byteRows{table}, "rows": rowByRow{table}, "from": made} {
		if h, err := Hash(src); err != nil || h != want {
			t.Errorf("%s: hash %s, want %s (%v)", name, h, want, err)
		}
		if r, err := Ranges(src); err != nil || fmt.Sprint(r) != fmt.Sprint(ranges) {
			t.Errorf("%s: ranges %v, want %v (%v)", name, r, ranges, err)
		}
		all, err := Collect(src)
		if err != nil || !slices.Equal(all.U8("x"), x) {
			t.Errorf("%s: collected %v", name, err)
		}
		var seen [2][]uint8
		for k, s := range []Source{table, src} {
			b, err := NewBatches(s, 8, random.New(3), true)
			if err != nil {
				t.Fatal(err)
			}
			for ok := true; ok; {
				var batch Batch
				if batch, ok, err = b.Next(context.Background()); err != nil {
					t.Fatal(err)
				}
				seen[k] = append(seen[k], batch.U8("x")...)
			}
			b.Close()
		}
		if len(seen[0]) != len(x) || !slices.Equal(seen[0], seen[1]) {
			t.Errorf("%s: shuffled batches differ from those of memory", name)
		}
	}
	chosen := table.Select([]int{4, 1})
	if err := chosen.Err(); err != nil || !slices.Equal(chosen.U8("x"), append(slices.Clone(x[12:15]), x[3:6]...)) {
		t.Errorf("rows 4 and 1 are %v (%v)", chosen.U8("x"), err)
	}
	f := table.Float("x", 0.5)
	if err := f.Err(); err != nil || f.F32("x")[1] != 3.5 {
		t.Errorf("as floats: %v", err)
	}
}

// TestBytesOfFile reads a file of bytes as a column of them.
func TestBytesOfFile(t *testing.T) {
	write := func(name string, f func(w io.Writer) error) *NPYRows {
		path := filepath.Join(t.TempDir(), name)
		var b bytes.Buffer
		if err := errors.Join(f(&b), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		r, err := OpenNPY(path, "x")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	x := []uint8{0, 1, 2, 253, 254, 255}
	r := write("bytes.npy", func(w io.Writer) error { return npywrite.Write(w, []int{2, 3}, x) })
	if err := r.Bytes(); err != nil {
		t.Fatal(err)
	}
	all, err := Collect(r.Source())
	if err != nil || !slices.Equal(all.U8("x"), x) {
		t.Errorf("%v, %v", all, err)
	}
	for name, r := range map[string]*NPYRows{
		"<i8": write("ints.npy", func(w io.Writer) error { return npywrite.Write(w, []int{2}, []int64{1, 2}) }),
		"|b1": write("bools.npy", func(w io.Writer) error { return npywrite.Write(w, []int{2}, []bool{true, false}) }),
		"<f4": write("floats.npy", func(w io.Writer) error { return npywrite.Write(w, []int{2}, []float32{1, 2}) }),
	} {
		if err := r.Bytes(); err == nil || !strings.Contains(err.Error(), "it holds "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBytesOfIntegers narrows integers, and refuses those that are no byte.
func TestBytesOfIntegers(t *testing.T) {
	ints := func(x ...int64) *Table {
		table, err := NewTable(Data{Column: Column{Name: "x", DType: I64}, I64: x})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	if b := ints(0, 255).Bytes("x"); b.Err() != nil || !slices.Equal(b.U8("x"), []uint8{0, 255}) {
		t.Errorf("%v, %v", b.U8("x"), b.Err())
	}
	for _, v := range []int64{-1, 256} {
		if err := ints(7, v).Bytes("x").Err(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("row 1: column \"x\": %d is not from 0 to 255", v)) {
			t.Errorf("%d: %v", v, err)
		}
	}
}

// TestBytesOfIDX leaves bytes of IDX files and of the embedded digits as they are, also as pictures.
func TestBytesOfIDX(t *testing.T) {
	dir := t.TempDir()
	pixels := make([]byte, 2*784)
	for i := range pixels {
		pixels[i] = byte(i)
	}
	for _, part := range []string{"train", "t10k"} {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, part+"-images-idx3-ubyte"), idx(0x08, pixels, 2, 28, 28), 0o600),
			os.WriteFile(filepath.Join(dir, part+"-labels-idx1-ubyte"), idx(0x08, []byte{3, 4}, 2), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := MNIST(dir, IDXOptions{Bytes: true})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Train.Reshape("x", 1, 28, 28)
	if got := fmt.Sprint(p.Columns()); got != "[x u8[1 28 28] y i64[]]" || !slices.Equal(p.U8("x"), pixels) || s.Train.F32("x") != nil {
		t.Errorf("%s (%v)", got, p.Err())
	}
	b, f := Digits(IDXOptions{Bytes: true}).Test, Digits().Test
	if !slices.Equal(b.Float("x", 1).Reshape("x", 1, 28, 28).F32("x"), scaled(f.F32("x"))) {
		t.Error("the bytes of the digits are not those of their floats")
	}
	path := filepath.Join(dir, "x.idx")
	if err := os.WriteFile(path, idx(0x0D, make([]byte, 8), 2), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = IDX(path, "", IDXOptions{Bytes: true})
	wantError(t, err, "x.idx: it holds no bytes")
	wantError(t, Digits(IDXOptions{}, IDXOptions{}).Train.Err(), "2 IDXOptions are given")
}

// scaled is x times 255, whole.
func scaled(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(math.Round(255 * float64(v)))
	}
	return y
}
