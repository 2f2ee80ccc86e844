package consumers_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/consumer"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// severalBundle writes a bundle with two inputs and two outputs, one of each of
// integers.
func severalBundle(t *testing.T) string {
	t.Helper()
	x, kind := spec.Input("x", 6), spec.Tokens("kind", 2, 5)
	y := spec.Apply(&tokenLayer{spec.Here("tokens")}, x, kind).Then(spec.Dense(4), spec.Tanh()).Named("y")
	best := y.Then(&bestLayer{spec.Here("best")}).Named("best")
	rows := dataset.From(make([]struct{}, 100), func(_ struct{}, row dataset.Row) {
		row.F32("x", 0.5, -1, 2, 0.25, 3, -0.75)
		row.I64("kind", 1, 4)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{6}}, dataset.Column{Name: "kind", DType: dataset.I64, Shape: []int{2}})
	m := spec.NewModel("several", spec.MSE(y.Then(spec.Dense(6)), x))
	fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "several")
	_, err = bundle.Write(t.Context(), dir, fit.Net(y, best), rows, ort.Runtime())
	if errors.Is(err, bundle.ErrUnverified) && !errors.Is(err, ort.ErrSetting) {
		consumer.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tokenLayer puts a row's tokens, spread out and added, behind its numbers.
type tokenLayer struct{ spec.Base }

func (*tokenLayer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	hot := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.OneHot{Depth: 5}, x[1]))
	return b.Op(ops.Concat{Axis: 1}, x[0], hot)
}

// bestLayer is the place of a row's greatest element.
type bestLayer struct{ spec.Base }

func (*bestLayer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.ArgMax{Axis: 1}, x[0])
}

func TestCPP(t *testing.T) {
	exe := filepath.Join(consumer.CPP(t), "replay")
	run := func(t *testing.T, dir string) (int, string) {
		t.Helper()
		return consumer.Run(t, exe, dir)
	}
	made := severalBundle(t)
	stored, err := filepath.Glob(filepath.Join(root, "testdata", "bundles", "*", "model.onnx"))
	if err != nil || len(stored) == 0 {
		t.Errorf("no bundle in testdata/bundles: %v", err)
	}
	all := []string{made}
	for _, m := range stored {
		all = append(all, filepath.Dir(m))
	}
	for _, dir := range all {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
			if err != nil || len(sets) == 0 {
				t.Fatalf("no test sets in %s", dir)
			}
			status, out := run(t, dir)
			if status != 0 || strings.Count(out, ": holds\n") != len(sets) {
				t.Errorf("exit status %d, want 0 and %d sets that hold:\n%s", status, len(sets), out)
			}
		})
	}
	t.Run("no argument", func(t *testing.T) {
		if status, out := consumer.Run(t, exe); status != 2 || !strings.Contains(out, "usage:") {
			t.Errorf("exit status %d\n%s", status, out)
		}
	})
	for _, c := range alterations() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			c.alter(t, dir)
			status, out := run(t, dir)
			if status != c.status || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d, want %d and %q in:\n%s", status, c.status, c.want, out)
			}
		})
	}
	t.Run("hostile", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "test_data_set_0", "input_0.pb")
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range hostile(good) {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			if status, out := run(t, dir); status != 2 || !strings.Contains(out, "input_0.pb: ") {
				t.Errorf("%s: exit status %d\n%s", name, status, out)
			}
		}
	})
}

// hostile returns files that are no tensor.
func hostile(good []byte) map[string][]byte {
	const (
		longest = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		huge    = "\x80\x80\x80\x80\x10" // 2^32
	)
	return map[string][]byte{
		"empty":               {},
		"cut":                 good[:len(good)-1],
		"cut in a number":     {0x08, 0x80},
		"endless number":      []byte("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"long field":          []byte("\x10\x01\x4a" + longest),
		"long unknown field":  []byte("\x10\x01\x42" + longest),
		"shape overflows":     []byte("\x08" + huge + "\x08" + huge + "\x10\x01\x4a\x00"),
		"shape without data":  []byte("\x08" + huge + "\x10\x01"),
		"negative length":     []byte("\x08" + longest + "\x10\x01\x4a\x04\x00\x00\x00\x00"),
		"no type":             []byte("\x08\x01\x4a\x04\x00\x00\x00\x00"),
		"another type":        []byte("\x08\x01\x10\x08\x4a\x04\x00\x00\x00\x00"),
		"half an element":     []byte("\x08\x01\x10\x01\x4a\x02\x00\x00"),
		"integers of floats":  []byte("\x08\x01\x10\x01\x3a\x01\x05"),
		"data twice":          []byte("\x08\x01\x10\x01\x25\x00\x00\x00\x00\x4a\x04\x00\x00\x00\x00"),
		"data elsewhere":      []byte("\x08\x01\x10\x01\x70\x01"),
		"unknown wire":        []byte("\x10\x01\x43"),
		"cut in packed data":  []byte("\x08\x01\x10\x01\x22\x03\x00\x00\x00"),
		"cut in fixed length": []byte("\x10\x01\x25\x00"),
	}
}

type alteration struct {
	name   string
	alter  func(t *testing.T, dir string)
	status int
	want   string
}

// alterations are changes that the consumer must notice, and two it must not.
func alterations() []alteration {
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	tensor := func(name string, f func(*onnxpb.TensorProto)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, filepath.FromSlash(name))
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var p onnxpb.TensorProto
			if err := p.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			f(&p)
			if b, err = p.Marshal(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	const set = "test_data_set_0/"
	return []alteration{
		{"an output", tensor(set+"output_0.pb", func(p *onnxpb.TensorProto) { p.RawData[3] ^= 0x40 }), 1, "test_data_set_0 (rtol"},
		{"an output of integers", tensor(set+"output_1.pb", func(p *onnxpb.TensorProto) { p.RawData[0] ^= 1 }), 1, "best 1 of "},
		{"an output that is NaN", tensor(set+"output_0.pb", func(p *onnxpb.TensorProto) { copy(p.RawData, "\x00\x00\xc0\x7f") }), 1, "want nan"},
		{"a shape", tensor(set+"output_0.pb", func(p *onnxpb.TensorProto) { p.Dims = []int64{p.Dims[0] * p.Dims[1]} }), 1, "y is float[64,4], want float[256]"},
		{"an input", tensor(set+"input_0.pb", func(p *onnxpb.TensorProto) { p.RawData[3] ^= 0x40 }), 1, "differs: y "},
		{"an input's type", tensor(set+"input_0.pb", func(p *onnxpb.TensorProto) {
			p.DataType, p.Dims, p.RawData = int32(onnxpb.TensorProto_INT64), []int64{1}, make([]byte, 8)
		}), 2, "cannot replay"},
		{"floats not raw", tensor(set+"input_0.pb", func(p *onnxpb.TensorProto) {
			for i := 0; i < len(p.RawData); i += 4 {
				p.FloatData = append(p.FloatData, math.Float32frombits(binary.LittleEndian.Uint32(p.RawData[i:])))
			}
			p.RawData = nil
		}), 0, "test_data_set_0 (rtol"},
		{"integers not raw", tensor(set+"input_1.pb", func(p *onnxpb.TensorProto) {
			for i := 0; i < len(p.RawData); i += 8 {
				p.Int64Data = append(p.Int64Data, int64(p.RawData[i]))
			}
			p.RawData = nil
		}), 0, "test_data_set_0 (rtol"},
		{"a missing input", remove(set + "input_0.pb"), 2, "test_data_set_0: 1 input files, the model has 2 inputs"},
		{"a missing model", remove("model.onnx"), 2, "model.onnx: is missing"},
		{"no model", write("model.onnx", "nothing"), 2, "cannot replay"},
		{"no tolerances", write("data.json", `{"rtol": 0}`), 2, "does not say rtol and atol"},
		{"a negative tolerance", write("data.json", `{"rtol": 0, "atol": -1}`), 2, "atol is no tolerance"},
		{"no JSON", write("data.json", `{"rtol`), 2, "data.json: "},
		{"no sets", func(t *testing.T, dir string) {
			for _, s := range []string{"test_data_set_0", "test_data_set_1"} {
				remove(s)(t, dir)
			}
		}, 2, "no test_data_set_*"},
	}
}
