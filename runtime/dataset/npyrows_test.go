package dataset

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/npywrite"
)

func saved[T npywrite.Element](t testing.TB, shape []int, data ...T) string {
	t.Helper()
	var b bytes.Buffer
	if err := npywrite.Write(&b, shape, data); err != nil {
		t.Fatal(err)
	}
	return rawFile(t, b.Bytes())
}

func rawFile(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNPYRows(t *testing.T) {
	x := make([]float32, 5*6)
	for i := range x {
		x[i] = float32(i) / 3
	}
	r, err := OpenNPY(saved(t, []int{5, 2, 3}, x...), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Len() != 5 || r.Column().String() != "x f32[2 3]" || r.Type() != "<f4" {
		t.Errorf("%d rows of %v, %s", r.Len(), r.Column(), r.Type())
	}
	got := make([]float32, 12)
	at := 0
	for _, n := range []int{2, 1, 2, 0} {
		raw, err := r.Read(n, got[:n*6], nil)
		if err != nil || len(raw) != n*24 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		for i, v := range got[:n*6] {
			if v != x[at+i] {
				t.Fatalf("value %d is %v", at+i, v)
			}
		}
		at += n * 6
	}
	if _, err := r.Read(1, got[:6], nil); err == nil {
		t.Error("a row after the last")
	}
	if err := r.SeekRow(6); err == nil {
		t.Error("sought behind the end")
	}
	if err := r.SeekRow(4); err != nil {
		t.Fatal(err)
	}
	if raw, err := r.Read(1, nil, nil); err != nil || len(raw) != 24 {
		t.Errorf("the bytes alone: %d, %v", len(raw), err)
	}
	if err := r.SeekRow(0); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []func() ([]byte, error){
		func() ([]byte, error) { return r.Read(1, got[:5], nil) },
		func() ([]byte, error) { return r.Read(1, nil, make([]int64, 6)) },
		func() ([]byte, error) { return r.Read(-1, nil, nil) },
	} {
		if _, err := bad(); err == nil {
			t.Error("slices that do not fit are filled")
		}
	}

	whole, err := OpenNPY(saved(t, []int{3}, int64(-7), 8, 1<<40), "y")
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	y := make([]int64, 3)
	if _, err := whole.Read(3, nil, y); err != nil || y[0] != -7 || y[2] != 1<<40 || whole.Column().DType != I64 {
		t.Errorf("%v, %v", y, err)
	}
	none, err := OpenNPY(saved[float32](t, []int{0, 4}), "x")
	if err != nil || none.Len() != 0 {
		t.Fatalf("no rows: %v", err)
	}
	none.Close()
}

func TestNPYRowsRefuses(t *testing.T) {
	var b bytes.Buffer
	if err := npywrite.Write(&b, []int{2, 3}, make([]float32, 6)); err != nil {
		t.Fatal(err)
	}
	honest := b.String()
	for name, c := range map[string]struct{ path, want string }{
		"missing":       {filepath.Join(t.TempDir(), "x.npy"), "no file"},
		"empty":         {rawFile(t, nil), "no bytes"},
		"no npy":        {rawFile(t, []byte(strings.Repeat("x", 200))), "not an .npy file"},
		"more":          {rawFile(t, npyFile("<f4", "False", "(9, 3)", make([]byte, 24))), "not the 24 bytes"},
		"fewer":         {rawFile(t, npyFile("<f4", "False", "(1, 3)", make([]byte, 24))), "not the 24 bytes"},
		"huge":          {rawFile(t, npyFile("<f4", "False", "(4611686018427387905, 3)", make([]byte, 24))), ""},
		"overflow":      {rawFile(t, npyFile("<f4", "False", "(4611686018427387904, 3)", make([]byte, 24))), "not the 24 bytes"},
		"wide":          {rawFile(t, npyFile("<f4", "False", "(2, 9999999999)", make([]byte, 24))), "values a row"},
		"no width":      {rawFile(t, npyFile("<f4", "False", "(2, 0)", make([]byte, 24))), "empty"},
		"negative":      {rawFile(t, npyFile("<f4", "False", "(-2, 3)", make([]byte, 24))), ""},
		"structures":    {rawFile(t, npyFile("', '<f4", "False", "(2, 3)", make([]byte, 24))), "not NumPy's"},
		"one number":    {saved(t, []int{}, float32(1)), "one number"},
		"truncated":     {rawFile(t, []byte(honest[:len(honest)-1])), "not the 24 bytes"[:7]},
		"bytes follow":  {rawFile(t, []byte(honest+"x")), "not the 25 bytes"[:7]},
		"complex":       {rawFile(t, npyFile("<c8", "False", "(1, 3)", make([]byte, 24))), "can be read"},
		"folder":        {t.TempDir(), "not a regular file"},
		"header's end":  {rawFile(t, []byte(honest[:20])), "header"},
		"header's size": {rawFile(t, []byte(honest[:8]+"\xff\xff"+honest[10:])), "header"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := OpenNPY(c.path, "x")
			if err == nil {
				r.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	r, err := OpenNPY(saved(t, []int{2, 2}, 1, 2, 3, float32(math.NaN())), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(2, make([]float32, 4), nil); err == nil || !strings.Contains(err.Error(), "row 1, value 1") {
		t.Errorf("error %v", err)
	}
	wide, err := OpenNPY(saved(t, []int{1, 1}, 1e300), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	if _, err := wide.Read(1, make([]float32, 1), nil); err == nil || !strings.Contains(err.Error(), "row 0, value 0: 1e+300 overflows float32") {
		t.Errorf("1e300 as float32: %v", err)
	}
}

// TestNPYRowsInFortranOrder reads the rows of a file that has them in pieces.
func TestNPYRowsInFortranOrder(t *testing.T) {
	// Element (i, j, k) of (4, 2, 3) is 100i + 10j + k.
	var raw []byte
	want := make([]int64, 24)
	for k := range 3 {
		for j := range 2 {
			for i := range 4 {
				v := 100*i + 10*j + k
				raw = append(raw, byte(v), byte(v>>8))
				want[6*i+3*j+k] = int64(v)
			}
		}
	}
	r, err := OpenNPY(rawFile(t, npyFile("<u2", "True", "(4, 2, 3)", raw)), "y")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]int64, 24)
	for _, part := range [][2]int{{0, 1}, {1, 3}, {3, 4}} {
		if _, err := r.Read(part[1]-part[0], nil, got[6*part[0]:6*part[1]]); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzNPYRows(f *testing.F) {
	f.Add(npyFile("<f4", "False", "(2, 3)", make([]byte, 24)))
	f.Add(npyFile(">i8", "False", "(3,)", make([]byte, 24)))
	f.Add(npyFile("<f2", "True", "(0, 3)", nil))
	path := filepath.Join(f.TempDir(), "x.npy")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenNPY(path, "x")
		if err != nil {
			return
		}
		defer r.Close()
		if n := r.Len() * int64(r.Column().Width()); n > int64(len(b)) {
			t.Fatalf("%d values in %d bytes", n, len(b))
		}
		n := int(r.Len())
		x, y := make([]float32, n*r.Column().Width()), []int64(nil)
		if r.Column().DType == I64 {
			x, y = nil, make([]int64, len(x))
		}
		r.Read(n, x, y)
	})
}
