package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

func TestMain(m *testing.M) { os.Exit(commandtest.Main(m, main)) }

// lamina runs the command with variables added to the environment.
func lamina(t *testing.T, env []string, args ...string) commandtest.Result {
	t.Helper()
	return commandtest.Run(t, env, args...)
}

func port(name string, elem onnxpb.TensorProto_DataType, shape ...any) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, d := range shape {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		}
		s.Dim = append(s.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(elem), Shape: s}}}}
}

func node(op, out string, in ...string) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: op, Input: in, Output: []string{out}}
}

func model(g *onnxpb.GraphProto) *onnxpb.ModelProto {
	g.Name = "small"
	return &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		ProducerName: "lamina", Graph: g,
		MetadataProps: []*onnxpb.StringStringEntryProto{{Key: "lamina.seed", Value: "7"}}}
}

// linear is y = x·w, x of shape [N 2], y of shape [N 3].
func linear() *onnxpb.ModelProto {
	w := &onnxpb.TensorProto{Name: "w", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{2, 3}}
	for i := range 6 {
		w.RawData = binary.LittleEndian.AppendUint32(w.RawData, math.Float32bits(float32(i)))
	}
	return model(&onnxpb.GraphProto{
		Input:       []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, "N", 2)},
		Output:      []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_FLOAT, "N", 3)},
		Initializer: []*onnxpb.TensorProto{w},
		Node:        []*onnxpb.NodeProto{node("MatMul", "y", "x", "w")},
	})
}

// joined has two inputs and two outputs: total = a + b, and few = a < b.
func joined() *onnxpb.ModelProto {
	return model(&onnxpb.GraphProto{
		Input: []*onnxpb.ValueInfoProto{port("a", onnxpb.TensorProto_INT32, "N", 2, 2), port("b", onnxpb.TensorProto_INT32, "N", 2, 2)},
		Output: []*onnxpb.ValueInfoProto{port("total", onnxpb.TensorProto_INT32, "N", 2, 2),
			port("few", onnxpb.TensorProto_BOOL, "N", 2, 2)},
		Node: []*onnxpb.NodeProto{node("Add", "total", "a", "b"), node("Less", "few", "a", "b")},
	})
}

func save(t *testing.T, m *onnxpb.ModelProto) string {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return saveBytes(t, "model.onnx", b)
}

func saveBytes(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func saveNPY[T npywrite.Element](t *testing.T, shape []int, data ...T) string {
	t.Helper()
	var b bytes.Buffer
	if err := npywrite.Write(&b, shape, data); err != nil {
		t.Fatal(err)
	}
	return saveBytes(t, "x.npy", b.Bytes())
}

func TestRun(t *testing.T) {
	orttest.Runtime(t)
	path := save(t, linear())
	x := saveNPY(t, []int{2, 2}, float32(1), 0, 2, 1)
	y := filepath.Join(t.TempDir(), "new", "y.npy")
	for _, at := range []string{path, filepath.Dir(path)} { // a file, and a bundle's folder
		r := lamina(t, nil, "run", at, "--input", x, "--output", y)
		if r.Status != 0 || r.Stderr != "" || !strings.Contains(r.Stdout, "f32[2 3] y") {
			t.Fatalf("%+v", r)
		}
		got, err := dataset.NPY(y, "y")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]float32{0, 1, 2, 3, 6, 9}, got.F32("y")); d != "" {
			t.Errorf("y (-want +got):\n%s", d)
		}
		if err := os.Remove(y); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunElementTypes casts between types of elements, from .npy and .pb files to
// .npy: what an input does not hold is refused.
func TestRunElementTypes(t *testing.T) {
	orttest.Runtime(t)
	pb := func(elem onnxpb.TensorProto_DataType, raw ...byte) string {
		b, err := (&onnxpb.TensorProto{DataType: int32(elem), Dims: []int64{2}, RawData: raw}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return saveBytes(t, "x.pb", b)
	}
	for _, c := range []struct {
		from, to onnxpb.TensorProto_DataType
		in       string
		typ      string
		out      string // the end of the file
		refused  string
	}{
		{onnxpb.TensorProto_UINT8, onnxpb.TensorProto_UINT16, saveNPY(t, []int{2}, uint8(7), 255), "<u2", "\x07\x00\xff\x00", ""},
		{onnxpb.TensorProto_UINT8, onnxpb.TensorProto_INT8, saveNPY(t, []int{2}, int64(7), 255), "|i1", "\x07\xff", ""},
		{onnxpb.TensorProto_UINT8, onnxpb.TensorProto_INT8, saveNPY(t, []int{2}, int64(7), 256), "", "", "is u8, and element 1 is 256"},
		{onnxpb.TensorProto_UINT8, onnxpb.TensorProto_INT8, saveNPY(t, []int{2}, float32(7), 255), "", "", "holds floats"},
		{onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT64, saveNPY(t, []int{2}, int64(1), -1), "<u8", "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", ""},
		{onnxpb.TensorProto_UINT64, onnxpb.TensorProto_INT32, pb(onnxpb.TensorProto_UINT64, append(bytes.Repeat([]byte{255}, 8), 2, 0, 0, 0, 1, 0, 0, 0)...), "<i4", "\xff\xff\xff\xff\x02\x00\x00\x00", ""},
		{onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_UINT32, saveNPY(t, []int{2}, float32(2.5), 9), "<u4", "\x02\x00\x00\x00\x09\x00\x00\x00", ""},
		{onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_UINT32, saveNPY(t, []int{2}, float32(2.5), 7e4), "", "", "is f16, and element 1 is 70000"},
		{onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_INT16, pb(onnxpb.TensorProto_BFLOAT16, 0x80, 0x3f, 0, 0xc0), "<i2", "\x01\x00\xfe\xff", ""},
	} {
		cast := node("Cast", "y", "x")
		cast.Attribute = []*onnxpb.AttributeProto{{Name: "to", Type: onnxpb.AttributeProto_INT, I: int64(c.to)}}
		path := save(t, model(&onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{port("x", c.from, "N")},
			Output: []*onnxpb.ValueInfoProto{port("y", c.to, "N")}, Node: []*onnxpb.NodeProto{cast}}))
		for _, engine := range []string{"onnxruntime", "lamina"} {
			y := filepath.Join(t.TempDir(), "y.npy")
			r := lamina(t, nil, "run", path, "--engine", engine, "--input", c.in, "--output", y)
			if c.refused != "" {
				commandtest.WantError(t, r, c.refused)
				continue
			}
			b, err := os.ReadFile(y)
			if err != nil || !bytes.Contains(b, []byte("'"+c.typ+"'")) || !bytes.HasSuffix(b, []byte("\n"+c.out)) {
				t.Errorf("%v to %v by %s: %q (%v) %s", c.from, c.to, engine, b, err, r.Stderr)
			}
		}
	}
}

func TestRunSeveral(t *testing.T) {
	orttest.Runtime(t)
	path := save(t, joined())
	a := saveNPY(t, []int{1, 2, 2}, int64(1), 2, 3, 4)
	b := saveNPY(t, []int{1, 2, 2}, int64(4), 3, 2, -1)
	dir := t.TempDir()
	total, few := filepath.Join(dir, "total.npy"), filepath.Join(dir, "a=b.npy")
	r := lamina(t, nil, "run", path, "--input", "b="+b, "--input", "a="+a, "--output", "few="+few, "--output", "total="+total)
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	for file, want := range map[string][]int64{total: {5, 5, 5, 3}, few: {1, 1, 0, 0}} {
		got, err := dataset.NPY(file, "v")
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Columns()[0]; got.Len() != 1 || !cmp.Equal(c.Shape, []int{2, 2}) {
			t.Errorf("%s: %d rows of %v", file, got.Len(), c.Shape)
		}
		if d := cmp.Diff(want, got.I64("v")); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	orttest.Runtime(t)
	one, two := save(t, linear()), save(t, joined())
	x := saveNPY(t, []int{1, 2}, float32(1), 2)
	whole := saveNPY(t, []int{1, 2}, int64(1), 2)
	square := saveNPY(t, []int{1, 2, 2}, int64(1), 2, 3, 4)

	// A header that says more, and one that says less, than there is.
	honest, err := os.ReadFile(x)
	if err != nil {
		t.Fatal(err)
	}
	more := saveBytes(t, "more.npy", bytes.Replace(honest, []byte("(1, 2)"), []byte("(9, 2)"), 1))
	less := saveBytes(t, "less.npy", bytes.Replace(honest, []byte("(1, 2)"), []byte("(1, 1)"), 1))
	huge := saveBytes(t, "huge.npy", bytes.Replace(honest, []byte("(1, 2), }          "), []byte("(99999999999, 2), }"), 1))

	dir := t.TempDir()
	y := filepath.Join(dir, "y.npy")
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"shape says more":   {[]string{one, "--input", more, "--output", y}, []string{"more.npy", "[9 2]", "72 bytes"}},
		"shape says less":   {[]string{one, "--input", less, "--output", y}, []string{"less.npy", "[1 1]"}},
		"shape says huge":   {[]string{one, "--input", huge, "--output", y}, []string{"huge.npy", "99999999999"}},
		"no .npy":           {[]string{one, "--input", one, "--output", y}, []string{"model.onnx", "not an .npy file"}},
		"absent":            {[]string{one, "--input", "absent.npy", "--output", y}, []string{"absent.npy"}},
		"wrong width":       {[]string{one, "--input", saveNPY(t, []int{1, 3}, float32(1), 2, 3), "--output", y}, []string{`"x"`, "[1 3]", "[-1 2]"}},
		"integers":          {[]string{one, "--input", whole, "--output", y}, []string{`"x"`, "f32", "float32"}},
		"floats":            {[]string{two, "--input", "a=" + x, "--input", "b=" + square, "--output", "few=" + y}, []string{`"a"`, "i32", "integers"}},
		"which input":       {[]string{two, "--input", square, "--output", "few=" + y}, []string{"NAME=FILE", `"a", "b"`}},
		"one of two":        {[]string{two, "--input", "a=" + square, "--output", "few=" + y}, []string{"1 of the model's 2 inputs"}},
		"input twice":       {[]string{two, "--input", "a=" + square, "--input", "a=" + square, "--output", "few=" + y}, []string{"already"}},
		"outputs in one":    {[]string{two, "--input", "a=" + square, "--input", "b=" + square, "--output", "few=" + y, "--output", "total=" + y}, []string{"already"}},
		"no output":         {[]string{one, "--input", x}, []string{"--output"}},
		"no file":           {[]string{one, "--input", "x=", "--output", y}, []string{"names no file"}},
		"unwritable":        {[]string{one, "--input", x, "--output", filepath.Join(x, "y.npy")}, []string{"x.npy"}},
		"random bytes":      {[]string{saveBytes(t, "random.onnx", randomBytes()), "--input", x, "--output", y}, []string{"random.onnx", "not an ONNX model"}},
		"no model":          {[]string{t.TempDir(), "--input", x, "--output", y}, []string{"not a bundle", "model.onnx"}},
		"op of another day": {[]string{save(t, model(&onnxpb.GraphProto{Input: linear().Graph.Input, Output: linear().Graph.Output, Node: []*onnxpb.NodeProto{node("Unheard", "y", "x")}})), "--input", x, "--output", y}, []string{"Unheard"}},
	} {
		t.Run(name, func(t *testing.T) {
			commandtest.WantError(t, lamina(t, nil, append([]string{"run"}, c.args...)...), c.words...)
		})
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("errors left files behind: %v %v", left, err)
	}
}

func TestRunWithoutRuntime(t *testing.T) {
	y := filepath.Join(t.TempDir(), "y.npy")
	r := lamina(t, []string{"LAMINA_ONNXRUNTIME=" + filepath.Join(t.TempDir(), "absent")},
		"run", save(t, linear()), "--input", saveNPY(t, []int{1, 2}, float32(1), 2), "--output", y)
	commandtest.WantError(t, r, "make deps", "LAMINA_ONNXRUNTIME")
	if _, err := os.Stat(y); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("y.npy was written: %v", err)
	}
}
