package tensorfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

// safe makes a .safetensors file.
func safe(head string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	return append(append(b, head...), data...)
}

func entry(name, dtype, shape string, from, to int) string {
	return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, dtype, shape, from, to)
}

func npyFile(descr, fortran, shape string, data []byte) []byte {
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, fortran, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(h)), byte(len(h)>>8))
	return append(append(b, h...), data...)
}

type member struct {
	name string
	data []byte
}

func archive(t testing.TB, method uint16, files ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func little(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func wide(order binary.AppendByteOrder, v ...float64) (b []byte) {
	for _, x := range v {
		b = order.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// readAll reads every tensor that can be.
func readAll(b []byte) (*File, map[string][]float32, error) {
	r := bytes.NewReader(b)
	f, err := parse(r, int64(len(b)))
	if err != nil {
		return nil, nil, err
	}
	all := map[string][]float32{}
	for _, t := range f.Tensors {
		if !t.Float {
			continue
		}
		if all[t.Name], err = f.read(r, t.Name); err != nil {
			return f, nil, err
		}
	}
	return f, all, nil
}

func TestRead(t *testing.T) {
	types := safe("{"+strings.Join([]string{
		`"__metadata__":{"format":"pt"}`,
		entry("f32", "F32", "[2,1]", 0, 8), entry("f64", "F64", "[1]", 8, 16), entry("f16", "F16", "[2]", 16, 20), entry("bf16", "BF16", "[]", 20, 22),
		entry("count", "I64", "[]", 22, 30), entry("none", "F32", "[0,3]", 30, 30)}, ",")+"}   ",
		slices.Concat(little(1, -2), wide(binary.LittleEndian, 0.5), []byte{0, 0x3c, 1, 0}, []byte{0xc0, 0x3f}, make([]byte, 8))...)
	want := map[string][]float32{"f32": {1, -2}, "f64": {0.5}, "f16": {1, 0x1p-24}, "bf16": {1.5}, "none": {}}
	other := archive(t, zip.Deflate, member{"encoder/dense1/w.npy", npyFile("<f4", "True", "(2, 3)", little(1, 4, 2, 5, 3, 6))},
		member{"big.npy", npyFile(">f8", "False", "(2,)", wide(binary.BigEndian, 0.25, -8))}, member{"one.npy", npyFile("<f4", "False", "()", little(7))},
		member{"labels.npy", npyFile("<i8", "False", "(1,)", make([]byte, 8))}, member{"text.npy", npyFile("<U3", "False", "(1,)", make([]byte, 12))})
	wantOther := map[string][]float32{"encoder/dense1/w": {1, 2, 3, 4, 5, 6}, "big": {0.25, -8}, "one": {7}}
	deep := archive(t, zip.Store, member{"x.npy", npyFile("<f4", "True", "(2, 2, 2)", little(0, 4, 2, 6, 1, 5, 3, 7))})
	for name, c := range map[string]struct {
		file []byte
		want map[string][]float32
		not  []string
	}{
		"safetensors": {types, want, []string{"count"}},
		"npz":         {other, wantOther, []string{"labels", "text"}},
		"fortran":     {deep, map[string][]float32{"x": {0, 1, 2, 3, 4, 5, 6, 7}}, nil},
		"nothing":     {safe("{}"), map[string][]float32{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Tensors) != len(c.want)+len(c.not) {
				t.Errorf("%d tensors: %+v", len(f.Tensors), f.Tensors)
			}
			for name, want := range c.want {
				if got, err := f.Read(name); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s is %v, want %v: %v", name, got, want, err)
				}
			}
			for _, name := range c.not {
				if _, err := f.Read(name); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "floats are needed") {
					t.Errorf("%s: error %v", name, err)
				}
			}
			if _, err := f.Read("absent"); err == nil {
				t.Error("a tensor that is not there was read")
			}
			if err := os.WriteFile(path, append(c.file, 0), 0o600); err != nil {
				t.Fatal(err)
			}
			for name := range c.want {
				if _, err := f.Read(name); err == nil || !strings.Contains(err.Error(), "when it was opened") {
					t.Errorf("a file that was changed: %v", err)
				}
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	x := npyFile("<f4", "False", "(2,)", little(1, 2))
	long := entry("w", "F32", "[2]", 0, 8)
	encrypted := archive(t, zip.Store, member{"x.npy", x})
	at := bytes.LastIndex(encrypted, []byte("PK\x01\x02"))
	encrypted[at+8] |= 1
	sum := archive(t, zip.Store, member{"x.npy", x})
	sum[bytes.Index(sum, little(1, 2))]++
	lying := archive(t, zip.Deflate, member{"x.npy", npyFile("<f4", "False", "(100000, 100)", little(1))})
	binary.LittleEndian.PutUint32(lying[bytes.LastIndex(lying, []byte("PK\x01\x02"))+24:], 40_000_128)
	shared := archive(t, zip.Store, member{"x.npy", x}, member{"y.npy", x})
	at = bytes.LastIndex(shared, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(shared[at+42:], 0) // y is where x is
	beyond := archive(t, zip.Store, member{"x.npy", npyFile("<f4", "False", "(10000000000,)", little(1))})
	at = bytes.LastIndex(beyond, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(beyond[at+20:], 1<<31)
	binary.LittleEndian.PutUint32(beyond[at+24:], 1<<31)
	many := "{" + strings.Repeat(`"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},`, 3)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":         {nil, "too short"},
		"text":          {[]byte("hello, world"), "header of"},
		"npy":           {x, "numpy.savez"},
		"hdf5":          {[]byte("\x89HDF\r\n\x1a\n and more"), "numpy.savez"},
		"pickle":        {[]byte("\x80\x04\x95\x11\x00\x00\x00\x00\x00\x00\x00}q"), "pickle"},
		"no object":     {safe("[]"), "no JSON object"},
		"not UTF-8":     {safe("{\"\xff\":1}"), "no JSON object"},
		"cut object":    {safe(`{"w":{"dtype":"F32"`), "header"},
		"behind":        {safe("{}x"), "1 bytes follow"},
		"header length": {append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, "{}"...), "9223372036854775807"},
		"header cut":    {safe("{" + long + "}")[:30], "header of"},
		"twice":         {safe("{"+long+","+entry("w", "F32", "[2]", 8, 16)+"}", make([]byte, 16)...), `two tensors are named "w"`},
		"type twice":    {safe(`{"w":{"dtype":"F32","dtype":"F32"`), `two "dtype"`},
		"unknown key":   {safe(`{"w":{"colour":1}}`), `"w": it has the key "colour"`},
		"lacks":         {safe(`{"w":{"dtype":"F32","shape":[]}}`), "lacks"},
		"one offset":    {safe(`{"w":{"dtype":"F32","shape":[],"data_offsets":[0]}}`), "lacks"},
		"offsets":       {safe(`{"w":{"dtype":"F32","shape":[],"data_offsets":[0,1,4]}}`), "more than 2"},
		"unknown type":  {safe("{"+entry("w", "F31", "[2]", 0, 8)+"}", make([]byte, 8)...), `"w": its type "F31" is unknown`},
		"type a number": {safe(`{"w":{"dtype":3}}`), "a string"},
		"shape":         {safe("{"+entry("w", "F32", "[3]", 0, 8)+"}", make([]byte, 8)...), `"w": its shape [3] of F32 is 12 bytes, its data_offsets [0 8] are 8`},
		"negative":      {safe("{"+entry("w", "F32", "[-2]", 0, 8)+"}", make([]byte, 8)...), "not of -2"},
		"fraction":      {safe("{"+entry("w", "F32", "[2.0]", 0, 8)+"}", make([]byte, 8)...), "not of 2.0"},
		"overflow":      {safe("{"+entry("w", "F32", "[4294967296,4294967296]", 0, 0)+"}", make([]byte, 8)...), "GiB"},
		"huge number":   {safe("{" + entry("w", "F32", "[99999999999999999999]", 0, 0) + "}"), "not of 9999"},
		"axes":          {safe("{" + entry("w", "F32", "["+strings.Repeat("1,", 64)+"1]", 0, 4) + "}"), "more than 64"},
		"backwards":     {safe("{"+entry("w", "F32", "[2]", 8, 0)+"}", make([]byte, 8)...), "not a place"},
		"overrun":       {safe("{"+long+"}", make([]byte, 7)...), `"w": its data end at byte`},
		"far":           {safe("{"+entry("w", "F32", "[2]", 1<<62, 1<<62+8)+"}", make([]byte, 8)...), "not a place"},
		"left over":     {safe("{"+long+"}", make([]byte, 9)...), "last 1 bytes belong"},
		"overlap":       {safe("{"+long+","+entry("v", "F32", "[2]", 4, 12)+"}", make([]byte, 12)...), `"v": its data overlap those of "w"`},
		"hole":          {safe("{"+long+","+entry("v", "F32", "[1]", 12, 16)+"}", make([]byte, 16)...), `"v": the 4 bytes in front`},
		"many commas":   {safe(many + "}"), "header"},
		"metadata":      {safe(`{"__metadata__":["a"]}`), "should be an object"},
		"metadata 2":    {safe(`{"__metadata__":{},"__metadata__":{}}`), "two __metadata__"},
		"overflows":     {safe("{"+entry("w", "F64", "[1]", 0, 8)+"}", wide(binary.LittleEndian, 1e300)...), `"w": element 0, 1e+300, overflows`},
		"zip cut":       {archive(t, zip.Store, member{"x.npy", x})[:60], "not an .npz file"},
		"no npy":        {archive(t, zip.Store, member{"config.json", x}), ".keras"},
		"member twice":  {archive(t, zip.Store, member{"x.npy", x}, member{"x.npy", x}), `two tensors are named "x"`},
		"no array":      {archive(t, zip.Store, member{"x.npy", []byte("hello, world")}), `"x": not an .npy file`},
		"short array":   {archive(t, zip.Store, member{"x.npy", npyFile("<f4", "False", "(3,)", little(1, 2))}), `"x": its shape [3] of <f4 is 12 bytes, but it has 8`},
		"huge array":    {archive(t, zip.Store, member{"x.npy", npyFile("<f4", "False", "(4294967296, 4294967296)", nil)}), "GiB"},
		"encrypted":     {encrypted, `"x": it is encrypted`},
		"checksum":      {sum, `"x": it is damaged: its checksum`},
		"lying":         {lying, `"x": its 40000128 bytes cannot come of`},
		"beyond":        {beyond, `"x.npy": its 2147483648 bytes are more than the file has`},
		"shared":        {shared, "overlap"},
		"header 64 KB":  {archive(t, zip.Deflate, member{"x.npy", append([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "{}"...)}), "4294967307"},
	} {
		_, _, err := readAll(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 400 {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder is a file")
	}
}

func seeds(t testing.TB) [][]byte {
	f4, f8 := npyFile("<f4", "True", "(2, 3)", little(1, 2, 3, 4, 5, 6)), npyFile(">f8", "False", "(3,)", wide(binary.BigEndian, 1, 2, 3))
	return [][]byte{
		safe("{"+entry("encoder/w", "F32", "[2,2]", 0, 16)+","+entry("encoder/b", "F16", "[2]", 16, 20)+"}", make([]byte, 20)...),
		safe("{"+`"__metadata__":{"format":"np"},`+entry("b", "BF16", "[3]", 8, 14)+","+entry("n", "I64", "[]", 0, 8)+"}  ", make([]byte, 14)...),
		archive(t, zip.Store, member{"a/w.npy", f4}, member{"b.npy", f8}),
		archive(t, zip.Deflate, member{"w.npy", f8}, member{"i.npy", npyFile("|u1", "False", "(4,)", make([]byte, 4))}),
	}
}

func parseAll(b []byte) error {
	_, _, err := readAll(b)
	return err
}

// mend makes the CRCs of stored members right again.
func mend(b []byte) []byte {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte("PK\x01\x02"))
		if i < 0 {
			return b
		}
		if at += i; at+46 > len(b) {
			return b
		}
		e := b[at:]
		size, local := int(binary.LittleEndian.Uint32(e[20:])), int(binary.LittleEndian.Uint32(e[42:]))
		if local+30 > len(b) {
			continue
		}
		from := local + 30 + int(binary.LittleEndian.Uint16(b[local+26:])) + int(binary.LittleEndian.Uint16(b[local+28:]))
		if from+size <= len(b) {
			binary.LittleEndian.PutUint32(e[16:], crc32.ChecksumIEEE(b[from:from+size]))
		}
	}
}

func TestCorpus(t *testing.T) {
	hostile.Corpus(t, hostile.Parser{Seeds: seeds(t), Parse: parseAll, Mend: mend})
}

func TestFindings(t *testing.T) { hostile.Findings(t, "testdata/hostile", parseAll) }

// Files that are short for what they make.
func TestBigFiles(t *testing.T) {
	var names, arrays, longNames []member
	for i := range maxTensors + 1 {
		names = append(names, member{fmt.Sprintf("%d.npy", i), npyFile("<f4", "False", "()", little(1))})
	}
	for i := range maxDirectory/60_000 + 1 {
		longNames = append(longNames, member{fmt.Sprintf("%060000d.npy", i), npyFile("<f4", "False", "()", little(1))})
	}
	padded := npyFile("<f4", "False", "(1,)"+strings.Repeat(" ", 1<<15), little(1))
	for i := range 2000 {
		arrays = append(arrays, member{fmt.Sprintf("%d.npy", i), padded})
	}
	const n = 4 << 20
	for name, b := range map[string][]byte{
		"entries":        safe("{" + strings.Repeat(entry("w", "F32", "[0]", 0, 0)+",", n/50) + "}"),
		"axes":           safe(`{"w":{"dtype":"F32","shape":[` + strings.Repeat("0,", n) + "0]}}"),
		"metadata":       safe(`{"__metadata__":{` + strings.Repeat(`"":"",`, n/6) + `"a":"b"}}`),
		"nesting":        safe("{" + strings.Repeat(`"a":{`, n/5)),
		"zeros":          safe("{"+entry("w", "BF16", "[4194304]", 0, 8<<20)+"}", make([]byte, 8<<20)...),
		"members":        archive(t, zip.Store, names[1:]...),
		"long headers":   archive(t, zip.Deflate, arrays...),
		"deflated zeros": archive(t, zip.Deflate, member{"w.npy", npyFile("<f2", "False", "(4194304,)", make([]byte, 8<<20))}),
	} {
		_ = hostile.Watch(t, name, b, parseAll)
	}
	for want, b := range map[string][]byte{
		"16385 arrays are more": archive(t, zip.Store, names...),
		"its directory takes":   archive(t, zip.Store, longNames...),
	} {
		if err := hostile.Watch(t, want, b, parseAll); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, all, err := readAll(b)
		if err != nil {
			return
		}
		for name, x := range all {
			if int64(len(x)) != elements(file.Tensor(name).Shape) {
				t.Fatalf("%s of shape %v has %d numbers", name, file.Tensor(name).Shape, len(x))
			}
		}
	})
}

// Files that the libraries themselves wrote: NumPy 2.3.5 by savez and savez_compressed, and safetensors 0.8.0.
func TestLibraries(t *testing.T) {
	a, turned := []float32{-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}, []float32{-2.5, 0.5, -1.5, 1.5, -0.5, 2.5}
	numpy := map[string][]float32{"encoder/dense1/w": turned, "f": a, "s": {2.5}, "h": a, "b": a}
	for file, want := range map[string]map[string][]float32{
		"numpy.npz": numpy, "numpy_compressed.npz": numpy,
		"library.safetensors": {"encoder/dense1/w": a, "h": a, "d": a, "s": a, "e": {}},
	} {
		f, err := Open(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range want {
			if x, err := f.Read(name); err != nil || !slices.Equal(x, want) {
				t.Errorf("%s: %s is %v, want %v: %v", file, name, x, want, err)
			}
		}
		if len(f.Tensors) != len(want)+1 || f.Tensor("i") == nil || f.Tensor("i").Float {
			t.Errorf("%s: %+v", file, f.Tensors)
		}
	}
	f, err := Open(filepath.Join("testdata", "numpy.npz"))
	if err != nil {
		t.Fatal(err)
	}
	if w := f.Tensor("encoder/dense1/w"); !slices.Equal(w.Shape, []int{3, 2}) {
		t.Errorf("shape %v", w.Shape)
	}
}
