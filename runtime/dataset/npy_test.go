package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// npyFile makes an .npy file of version 1.
func npyFile(descr, fortran, shape string, data []byte) []byte {
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, fortran, shape)
	h += strings.Repeat(" ", 63-(10+len(h))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(h)), byte(len(h)>>8))
	return append(append(b, h...), data...)
}

func little(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func TestNPY(t *testing.T) {
	f8 := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, math.Float64bits(0.5)), math.Float64bits(-3))
	for name, c := range map[string]struct {
		file []byte
		f32  []float32
		i64  []int64
		col  string
	}{
		"f4":       {npyFile("<f4", "False", "(2, 3)", little(1, 2, 3, 4, 5, 6)), []float32{1, 2, 3, 4, 5, 6}, nil, "x f32[3]"},
		"vector":   {npyFile("<f4", "False", "(2,)", little(1, 2)), []float32{1, 2}, nil, "x f32[]"},
		"fortran":  {npyFile("<f4", "True", "(2, 3)", little(1, 4, 2, 5, 3, 6)), []float32{1, 2, 3, 4, 5, 6}, nil, "x f32[3]"},
		"fortran3": {npyFile("|u1", "True", "(2, 2, 2)", []byte{0, 4, 2, 6, 1, 5, 3, 7}), nil, []int64{0, 1, 2, 3, 4, 5, 6, 7}, "x i64[2 2]"},
		"f8":       {npyFile(">f8", "False", "(2, 1)", f8), []float32{0.5, -3}, nil, "x f32[1]"},
		"f2":       {npyFile("<f2", "False", "(4,)", []byte{0, 0x3c, 0, 0xc0, 1, 0, 0xff, 0x7b}), []float32{1, -2, 0x1p-24, 65504}, nil, "x f32[]"},
		"no order": {npyFile("f4", "False", "(1,)", little(7)), []float32{7}, nil, "x f32[]"},
		"i1":       {npyFile("|i1", "False", "(2,)", []byte{1, 255}), nil, []int64{1, -1}, "x i64[]"},
		"u1":       {npyFile("|u1", "False", "(2,)", []byte{1, 255}), nil, []int64{1, 255}, "x i64[]"},
		"i2":       {npyFile("<i2", "False", "(2,)", []byte{1, 0, 254, 255}), nil, []int64{1, -2}, "x i64[]"},
		"u2":       {npyFile(">u2", "False", "(1,)", []byte{255, 254}), nil, []int64{65534}, "x i64[]"},
		"i4":       {npyFile("<i4", "False", "(1,)", []byte{254, 255, 255, 255}), nil, []int64{-2}, "x i64[]"},
		"u4":       {npyFile("<u4", "False", "(1,)", []byte{254, 255, 255, 255}), nil, []int64{1<<32 - 2}, "x i64[]"},
		"i8":       {npyFile("<i8", "False", "(1,)", bytes.Repeat([]byte{255}, 8)), nil, []int64{-1}, "x i64[]"},
		"b1":       {npyFile("|b1", "False", "(2,)", []byte{0, 1}), nil, []int64{0, 1}, "x i64[]"},
	} {
		tab, err := NPY(file(t, name, c.file), "x")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(tab.F32("x"), c.f32) || !slices.Equal(tab.I64("x"), c.i64) || tab.Columns()[0].String() != c.col {
			t.Errorf("%s: %v, %v, %v", name, tab.Columns(), tab.F32("x"), tab.I64("x"))
		}
	}
}

var badNPY = map[string]struct {
	file  []byte
	parts []string
}{
	"empty":          {nil, []string{"empty"}},
	"text":           {[]byte("hello, world"), []string{"not an .npy file"}},
	"shape too long": {npyFile("<f4", "False", "(1000000, 784)", little(1, 2)), []string{"[1000000 784]", "3136000000 bytes", "it has 8"}},
	"shape short":    {npyFile("<f4", "False", "(1,)", little(1, 2)), []string{"[1]", "4 bytes", "it has 8"}},
	"shape huge":     {npyFile("<f4", "False", "(9223372036854775807, 9223372036854775807)", little(1)), []string{"more than"}},
	"shape overflow": {npyFile("<f4", "False", "(4294967296, 4294967296)", nil), []string{"more than"}},
	"beyond int64":   {npyFile("<f4", "False", "(99999999999999999999,)", little(1)), []string{"header"}},
	"negative":       {npyFile("<f4", "False", "(-1,)", little(1)), []string{"negative"}},
	"no rows":        {npyFile("<f4", "False", "(0, 784)", nil), []string{"empty"}},
	"one number":     {npyFile("<f4", "False", "()", little(1)), []string{"rows are needed"}},
	"objects":        {npyFile("|O", "False", "(1,)", little(1)), []string{`"|O"`, "numbers are needed"}},
	"long double":    {npyFile("<f16", "False", "(1,)", make([]byte, 16)), []string{`"<f16"; float16, float32`}},
	"structures":     {bytes.Replace(npyFile("s", "False", "(1,)", little(1)), []byte("'s'"), []byte("[ ]"), 1), []string{"structures: its elements are structures; save an array of each field"}},
	"complex":        {npyFile("<c8", "False", "(1,)", little(1, 2)), []string{`"<c8"`}},
	"u8":             {npyFile("<u8", "False", "(1,)", little(1, 2)), []string{`"<u8"`}},
	"order":          {npyFile("<f4", "Maybe", "(1,)", little(1)), []string{"header"}},
	"no braces":      {append([]byte("\x93NUMPY\x01\x00\x05\x00"), "hello"...), []string{"header"}},
	"header length":  {append([]byte("\x93NUMPY\x01\x00\xff\xff"), "{}"...), []string{"header", "65545"}},
	"header 4 GB":    {append([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "{}"...), []string{"header", "4294967307"}},
	"version 9":      {append([]byte("\x93NUMPY\x09\x00\x05\x00\x00\x00"), "hello"...), []string{"header"}},
	"nan":            {npyFile("<f4", "False", "(2, 2)", little(1, 2, 3, float32(math.NaN()))), []string{"row 1", `"x"`, "NaN at 1"}},
	"f8 too large":   {npyFile("<f8", "False", "(1,)", binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300))), []string{"row 0, value 0", "1e+300 overflows float32"}},
}

func TestBadNPY(t *testing.T) {
	for name, c := range badNPY {
		_, err := NPY(file(t, name, c.file), "x")
		wantError(t, err, c.parts...)
	}
	_, err := NPY("no/such.npy", "x")
	wantError(t, err, "there is no file")
}

// npz packs files in the order of their names.
func npz(t testing.TB, method uint16, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(files[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNPZ(t *testing.T) {
	x, y := npyFile("<f4", "False", "(2, 2)", little(1, 2, 3, 4)), npyFile("<i4", "False", "(2,)", []byte{5, 0, 0, 0, 6, 0, 0, 0})
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		tab, err := NPZ(file(t, "data.npz", npz(t, method, map[string][]byte{"x.npy": x, "y.npy": y})))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tab.F32("x"), []float32{1, 2, 3, 4}) || !slices.Equal(tab.I64("y"), []int64{5, 6}) {
			t.Errorf("%v, %v", tab.F32("x"), tab.I64("y"))
		}
	}
	short := npyFile("<f4", "False", "(1, 2)", little(1, 2))
	whole := npz(t, zip.Deflate, map[string][]byte{"x.npy": x})
	lying := npz(t, zip.Deflate, map[string][]byte{"x.npy": npyFile("<f4", "False", "(100000, 100)", little(1))})
	// The directory at the end says how large the array is: let it agree with the shape.
	at := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[at+24:], 40_000_128)
	for name, c := range map[string]struct {
		file  []byte
		parts []string
	}{
		"text":      {[]byte("hello"), []string{"not an .npz file"}},
		"truncated": {whole[:len(whole)-10], []string{"not an .npz file"}},
		"no arrays": {npz(t, zip.Store, nil), []string{"empty"}},
		"other":     {npz(t, zip.Store, map[string][]byte{"readme.txt": {1}}), []string{"readme.txt", ".npy files only"}},
		"rows":      {npz(t, zip.Store, map[string][]byte{"x.npy": x, "y.npy": short}), []string{`"y" has 1 rows`, `"x" has 2`}},
		"lying":     {lying, []string{`"x"`, "40000128 bytes cannot come of"}},
		"bad array": {npz(t, zip.Store, map[string][]byte{"x.npy": []byte("hello, world")}), []string{`"x"`, "not an .npy"}},
	} {
		_, err := NPZ(file(t, name, c.file))
		wantError(t, err, c.parts...)
	}
}

func FuzzNPY(f *testing.F) {
	f.Add(npyFile("<f4", "False", "(2, 3)", little(1, 2, 3, 4, 5, 6)))
	f.Add(npyFile("|u1", "True", "(2, 2)", []byte{1, 2, 3, 4}))
	f.Add(badNPY["shape huge"].file)
	f.Add(badNPY["no braces"].file)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeNPY(bytes.NewReader(b), int64(len(b)), int64(len(b)), "x")
		if err != nil {
			return
		}
		if n := len(d.F32) + len(d.I64); n == 0 || n%d.Width() != 0 || n > len(b) {
			t.Fatalf("%d values of %d bytes in rows of %v", n, len(b), d.Shape)
		}
	})
}

func FuzzNPZ(f *testing.F) {
	x := npyFile("<f4", "False", "(2, 2)", little(1, 2, 3, 4))
	f.Add(npz(f, zip.Store, map[string][]byte{"x.npy": x}))
	f.Add(npz(f, zip.Deflate, map[string][]byte{"x.npy": x}))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, err := decodeNPZ(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			return
		}
		for _, d := range data {
			if len(d.F32)+len(d.I64) == 0 {
				t.Fatal("an array without values")
			}
		}
	})
}
