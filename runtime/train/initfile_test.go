package train

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/npywrite"
)

// inNPZ writes tensors of float32 and one of int64 as NumPy would.
func inNPZ(t *testing.T, names []string, shapes [][]int, data [][]float32) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, name := range append(names, "count") {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy"}) // stored, as by numpy.savez
		if err == nil && i < len(names) {
			err = npywrite.Write(w, shapes[i], data[i])
		} else if err == nil {
			err = npywrite.Write(w, []int{1}, []int64{3})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "weights.npz")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// inSafetensors writes tensors of bfloat16, which must be able to hold the data.
func inSafetensors(t *testing.T, names []string, shapes [][]int, data [][]float32) string {
	t.Helper()
	var head []string
	var raw []byte
	for i, name := range names {
		from := len(raw)
		for _, v := range data[i] {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(math.Float32bits(v)>>16))
		}
		shape := strings.ReplaceAll(fmt.Sprint(shapes[i]), " ", ",")
		head = append(head, fmt.Sprintf(`%q:{"dtype":"BF16","shape":%s,"data_offsets":[%d,%d]}`, name, shape, from, len(raw)))
	}
	text := "{" + strings.Join(head, ",") + "}"
	b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	if err := os.WriteFile(path, append(b, raw...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A training that starts from a file has the bits of one that starts from the same numbers in memory, under the names of
// the parameters and under Keras's.
func TestInitFromFile(t *testing.T) {
	names := []string{"encoder/dense1/w", "encoder/dense1/b"}
	shapes := [][]int{{12, 8}, {8}}
	data := [][]float32{ramp(96), ramp(8)}
	inMemory := (&source{}).add(names[0], data[0], shapes[0]...).add(names[1], data[1], shapes[1]...)
	run := func(src Tensors) (string, InitReport) {
		t.Helper()
		o := options()
		o.InitFrom = []From{{Tensors: src, Pattern: "encoder/dense1"}}
		r := mustFit(t, o)
		return bits(r), r.InitReports()[0]
	}
	want, report := run(inMemory)
	keras := map[string]string{names[0]: "dense/kernel", names[1]: "dense/bias"}
	for name, write := range map[string]func(*testing.T, []string, [][]int, [][]float32) string{"npz": inNPZ, "safetensors": inSafetensors} {
		src, err := FileTensors(write(t, names, shapes, data))
		if err != nil {
			t.Fatal(err)
		}
		if got, r := run(src); got != want || r.Hash != report.Hash {
			t.Errorf("%s: another training; loaded %s", name, r)
		}
		if src, err = FileTensors(write(t, []string{"dense/kernel", "dense/bias"}, shapes, data)); err != nil {
			t.Fatal(err)
		}
		if src, err = Renamed(src, keras); err != nil {
			t.Fatal(err)
		}
		if got := src.Names(); !slices.Contains(got, names[0]) || slices.Contains(got, "dense/kernel") || slices.Contains(got, "dense/bias") {
			t.Errorf("%s, renamed: %v", name, got)
		}
		if got, r := run(src); got != want || r.Hash != report.Hash || len(r.Skipped) > 0 {
			t.Errorf("%s, renamed: another training; loaded %s", name, r)
		}
		if shape, x, ok := src.Tensor(names[0]); !ok || !slices.Equal(shape, shapes[0]) || !slices.Equal(x, data[0]) {
			t.Errorf("%s: tensor of %v, %v", name, shape, ok)
		}
	}
}

// What does not fit is not read: not even its damage is seen.
func TestInitFromFileReadsWhatFits(t *testing.T) {
	large := make([]float32, 1<<16)
	large[0] = 7
	path := inNPZ(t, []string{"encoder/dense1/w", "head/w"}, [][]int{{12, 8}, {1 << 16}}, [][]float32{ramp(96), large})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte{0, 0, 0xe0, 0x40, 0, 0, 0, 0})]++ // the 7
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := FileTensors(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := src.Tensor("head/w"); ok {
		t.Error("nothing was damaged")
	}
	o := options()
	o.InitFrom = []From{{Tensors: src, Pattern: "*", Partly: true}}
	if r := mustNew(t, o).InitReports()[0]; len(r.Loaded) != 1 || !strings.Contains(r.String(), `"head/w" (its shape is [65536]`) {
		t.Errorf("%s", r)
	}
}

func TestInitFromFileMistakes(t *testing.T) {
	good := func() Tensors {
		src, err := FileTensors(inNPZ(t, []string{"encoder/dense1/w", "head/w"}, [][]int{{12, 8}, {2, 2}}, [][]float32{ramp(96), ramp(4)}))
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	start := func(f From) error {
		t.Helper()
		o := options()
		o.InitFrom = []From{f}
		tr, err := New(context.Background(), model(), rows(150), o)
		if err == nil {
			tr.Close()
		}
		return err
	}
	wants := func(name string, err error, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %v, want %q", name, err, part)
			}
		}
	}
	wants("shape", start(From{Tensors: good(), Pattern: "head/w"}), "head/w", "its shape is [2 2], the parameter's")
	ints, err := Renamed(good(), map[string]string{"head/b": "count"})
	if err != nil {
		t.Fatal(err)
	}
	wants("integers", start(From{Tensors: ints, Pattern: "head/b"}), "head/b", "its type is <i8", "float32")

	bad := ramp(96)
	bad[5] = float32(math.Inf(1))
	src, err := FileTensors(inNPZ(t, []string{"encoder/dense1/w"}, [][]int{{12, 8}}, [][]float32{bad}))
	if err != nil {
		t.Fatal(err)
	}
	wants("not finite", start(From{Tensors: src, Pattern: "*", Partly: true}), "encoder/dense1/w", "element 5 is +Inf")

	path := inNPZ(t, []string{"encoder/dense1/w"}, [][]int{{12, 8}}, [][]float32{ramp(96)})
	if src, err = FileTensors(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte{0, 0, 0x80, 0x3c})]++ // 1/64, the first element
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	wants("damaged meanwhile", start(From{Tensors: src, Pattern: "*", Partly: true}), "encoder/dense1/w", "damaged", "InitFrom[0]")
	if _, _, ok := src.Tensor("encoder/dense1/w"); ok {
		t.Error("a damaged tensor is there")
	}

	_, err = FileTensors(filepath.Join(t.TempDir(), "absent.npz"))
	wants("no file", err, "absent.npz")
	_, err = Renamed(good(), map[string]string{"head/w": "kernel"})
	wants("no such source", err, `no tensor "kernel" for "head/w"`, "encoder/dense1/w, head/w, count")
	_, err = Renamed(good(), map[string]string{"head/w": "encoder/dense1/w"})
	wants("two of a name", err, `"head/w" already`)
	_, err = Renamed(nil, nil)
	wants("nothing", err, "no tensors")
}
