package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// idx makes an IDX file.
func idx(kind byte, data []byte, dims ...uint32) []byte {
	b := []byte{0, 0, kind, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, data...)
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func file(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIDX(t *testing.T) {
	images, labels := idx(0x08, []byte{0, 51, 255, 102, 0, 0, 1, 2}, 2, 2, 2), idx(0x08, []byte{7, 3}, 2)
	for _, c := range []struct{ images, labels string }{
		{file(t, "images", images), file(t, "labels", labels)},
		{file(t, "images.gz", zipped(images)), file(t, "labels.gz", zipped(labels))},
		{file(t, "images", zipped(images)), file(t, "labels", labels)},
	} {
		tab, err := IDX(c.images, c.labels)
		if err != nil {
			t.Fatal(err)
		}
		if got := tab.F32("x"); !slices.Equal(got, []float32{0, 0.2, 1, 0.4, 0, 0, 1. / 255, 2. / 255}) {
			t.Errorf("x is %v", got)
		}
		if got := tab.I64("y"); !slices.Equal(got, []int64{7, 3}) {
			t.Errorf("y is %v", got)
		}
	}
	bits := func(v ...float32) (b []byte) {
		for _, x := range v {
			b = binary.BigEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want []float32
	}{
		"int8":    {idx(0x09, []byte{1, 255}, 2), []float32{1, -1}},
		"int16":   {idx(0x0B, []byte{1, 0, 255, 254}, 2), []float32{256, -2}},
		"int32":   {idx(0x0C, []byte{0, 0, 1, 0, 255, 255, 255, 254}, 2), []float32{256, -2}},
		"float32": {idx(0x0D, bits(1.5, -2), 2), []float32{1.5, -2}},
		"float64": {idx(0x0E, binary.BigEndian.AppendUint64(nil, math.Float64bits(0.25)), 1, 1), []float32{0.25}},
	} {
		tab, err := IDX(file(t, name, c.file), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := tab.F32("x"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestBadIDX(t *testing.T) {
	good := idx(0x08, make([]byte, 12), 3, 2, 2)
	nan := idx(0x0D, binary.BigEndian.AppendUint32(make([]byte, 4), math.Float32bits(float32(math.NaN()))), 2, 1)
	for name, c := range map[string]struct {
		file  []byte
		parts []string
	}{
		"empty":               {nil, []string{"empty", "no bytes"}},
		"two bytes":           {good[:2], []string{"truncated", "first four bytes"}},
		"no dimensions":       {good[:6], []string{"truncated", "dimensions"}},
		"truncated":           {good[:len(good)-1], []string{"truncated", "[3 2 2]"}},
		"trailing":            {append(slices.Clone(good), 0), []string{"bytes follow the 12"}},
		"text":                {[]byte("x,y\n1,2\n"), []string{"not an IDX file"}},
		"type":                {idx(0x07, nil, 1), []string{"not an IDX file", "0x07"}},
		"zero dimensions":     {idx(0x08, nil), []string{"1 to 8 dimensions: it says 0"}},
		"200 dimensions":      {[]byte{0, 0, 8, 200, 0, 0}, []string{"1 to 8 dimensions: it says 200"}},
		"no rows":             {idx(0x08, nil, 0, 28, 28), []string{"empty", "dimension 0 is 0"}},
		"huge":                {idx(0x08, nil, 0xffffffff, 0xffffffff, 0xffffffff), []string{"GiB"}},
		"large":               {idx(0x08, nil, 60000, 28, 28), []string{"truncated", "[60000 28 28]", "47040016"}},
		"large.gz":            {zipped(idx(0x08, nil, 60000, 28, 28)), []string{"truncated", "[60000 28 28]"}},
		"truncated inside.gz": {zipped(good[:len(good)-3]), []string{"truncated", "9 of 12 bytes"}},
		"trailing inside.gz":  {zipped(append(slices.Clone(good), 1, 2)), []string{"bytes follow the 12"}},
		"cut.gz":              {zipped(good)[:20], []string{"truncated"}},
		"sum.gz":              {zippedWithBadSum(good), []string{"damaged", "checksum"}},
		"tail.gz":             {append(zipped(good), 'x', 'y', 'z'), []string{"damaged"}},
		"plain.gz":            {good, []string{"not a gzip file"}},
		"header only.gz":      {[]byte{0x1f, 0x8b, 7}, []string{"gzip"}},
		"nan":                 {nan, []string{"row 1", `"x"`, "NaN"}},
	} {
		path := file(t, name, c.file)
		_, err := IDX(path, "")
		wantError(t, err, c.parts...)
	}
	three, two := file(t, "three", good), file(t, "two", idx(0x08, make([]byte, 2), 2))
	_, err := IDX(three, two)
	wantError(t, err, "has 3 rows", "has 2 labels")
	_, err = IDX(three, three)
	wantError(t, err, "labels have one dimension")
	_, err = IDX(three, file(t, "floats", idx(0x0D, make([]byte, 12), 3)))
	wantError(t, err, "whole numbers")
	_, err = IDX(filepath.Join(t.TempDir(), "none"), "")
	wantError(t, err, "there is no file", "none", "Digits")
	_, err = IDX(t.TempDir(), "")
	wantError(t, err, "not a regular file")
}

func zippedWithBadSum(b []byte) []byte {
	z := zipped(b)
	z[len(z)-8] ^= 1
	return z
}

// TestBomb unpacks a file that says it is as large as gzip can make it, but is not: what is allocated follows what
// arrives.
func TestBomb(t *testing.T) {
	z := zipped(append(idx(0x08, nil, 1000, 1000, 400), make([]byte, 1<<20)...))
	bomb := append(z[:len(z):len(z)], bytes.Repeat([]byte{0}, 400<<10)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeIDX(bytes.NewReader(bomb), int64(len(bomb)), true)
	runtime.ReadMemStats(&after)
	wantError(t, err, "damaged")
	if got := after.TotalAlloc - before.TotalAlloc; got > 20<<20 {
		t.Errorf("%d bytes allocated for %d that arrive", got, 1<<20)
	}
}

func TestMNISTMistakes(t *testing.T) {
	_, err := MNIST(t.TempDir())
	wantError(t, err, "no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz", "https://", "embedded")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	folder := func(width uint32, label byte) string {
		dir := t.TempDir()
		for name, b := range map[string][]byte{
			"train-images-idx3-ubyte":   idx(8, make([]byte, 28*width), 1, 28, width),
			"train-labels-idx1-ubyte":   idx(8, []byte{1}, 1),
			"t10k-images.idx3-ubyte.gz": zipped(idx(8, make([]byte, 2*784), 2, 28, 28)),
			"t10k-labels-idx1-ubyte.gz": zipped(idx(8, []byte{0, label}, 2)),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	s, err := MNIST(folder(28, 9))
	if err != nil || s.Train.Len() != 1 || s.Test.Len() != 2 || s.Test.I64("y")[1] != 9 {
		t.Errorf("%v, %v", s, err)
	}
	_, err = MNIST(folder(32, 9))
	wantError(t, err, "28 by 28", "896 wide")
	_, err = MNIST(folder(28, 10))
	wantError(t, err, "label of row 1 is 10")
}

func TestFullMNIST(t *testing.T) {
	dir := os.Getenv("LAMINA_DATA")
	if dir == "" {
		t.Skip("LAMINA_DATA is not set: name a folder with the four files of MNIST, from https://storage.googleapis.com/cvdf-datasets/mnist/")
	}
	s, err := MNIST(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len() != 60000 || s.Test.Len() != 10000 {
		t.Errorf("%d and %d rows", s.Train.Len(), s.Test.Len())
	}
	if got := s.Train.Head(5).I64("y"); !slices.Equal(got, []int64{5, 0, 4, 1, 9}) {
		t.Errorf("the first labels are %v", got)
	}
}

func FuzzIDX(f *testing.F) {
	good := idx(0x08, []byte{1, 2, 3, 4}, 2, 2)
	f.Add(good)
	f.Add(zipped(good))
	f.Add(zipped(good)[:12])
	f.Add(idx(0x0E, make([]byte, 16), 1, 2))
	f.Add(idx(0x08, nil, 0xffffffff, 0xffffffff))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeIDX(bytes.NewReader(b), int64(len(b)), false)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.shape {
			n *= d
		}
		if len(a.floats()) != n {
			t.Fatalf("%d values of shape %v", len(a.floats()), a.shape)
		}
	})
}

func TestIDXOverflow(t *testing.T) {
	big := binary.BigEndian.AppendUint64(make([]byte, 24), math.Float64bits(-1e39))
	_, err := IDX(file(t, "x", idx(0x0E, big, 2, 2)), "")
	wantError(t, err, "row 1, value 1: -1e+39 overflows float32")
}
