package npywrite

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sbinet/npyio/npy"
)

// Rows whose number is known at the end are read like others, and begin where memory can be mapped.
func TestRows(t *testing.T) {
	shapes := [][]int{{}, {2}, {3, 1, 2}}
	for n := 4; n < 20; n++ { // until the room for a length takes 64 bytes more than the length
		shapes = append(shapes, slices.Repeat([]int{1}, n))
	}
	for _, dims := range shapes {
		width := 1
		for _, d := range dims {
			width *= d
		}
		path := filepath.Join(t.TempDir(), "rows.npy")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := BeginRows[float32](f, dims); err != nil {
			t.Fatal(err)
		}
		var want []float32
		for part := range 3 {
			rows := make([]float32, part*width)
			for i := range rows {
				rows[i] = float32(len(want) + i)
			}
			if err := Append(f, rows); err != nil {
				t.Fatal(err)
			}
			want = append(want, rows...)
		}
		if err := EndRows[float32](f, 3, dims); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := npy.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]int{3}, dims...), r.Header.Descr.Shape); diff != "" {
			t.Error(diff)
		}
		var got []float32
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if head := len(b) - 4*len(want); head%align != 0 {
			t.Errorf("the elements begin at %d", head)
		}
	}
	if err := EndRows[int64](nil, -1, nil); err == nil {
		t.Error("a negative number of rows")
	}
}
