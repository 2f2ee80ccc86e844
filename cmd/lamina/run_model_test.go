package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// apart is linear with its weights, times k, in w.data beside it.
func apart(t *testing.T, k float32) string {
	t.Helper()
	m := linear()
	w := m.Graph.Initializer[0]
	var data []byte
	for i := range 6 {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(k*float32(i)))
	}
	w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
	w.ExternalData = []*onnxpb.StringStringEntryProto{{Key: "location", Value: "w.data"}, {Key: "length", Value: "24"}}
	path := save(t, m)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "w.data"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// floatsOf reads the only column of an .npy file.
func floatsOf(t *testing.T, file string) []float32 {
	t.Helper()
	got, err := dataset.NPY(file, "v")
	if err != nil {
		t.Fatal(err)
	}
	return got.F32("v")
}

// moveTo changes the working folder and keeps onnxruntime within reach, which is
// looked for from there.
func moveTo(t *testing.T, dir string) {
	t.Helper()
	library := os.Getenv("LAMINA_ONNXRUNTIME")
	if library == "" {
		library = filepath.Join("..", "..", ".cache", "python")
	}
	abs, err := filepath.Abs(library)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err == nil {
		t.Setenv("LAMINA_ONNXRUNTIME", abs)
	}
	t.Chdir(dir)
}

// The weights are those beside the model, wherever the command is run: here in the
// folder of another model whose data has the same name.
func TestRunDataBeside(t *testing.T) {
	orttest.Runtime(t)
	one, ten := apart(t, 1), apart(t, 10)
	x := saveNPY(t, []int{2, 2}, float32(1), 0, 2, 1)
	y, all := filepath.Join(t.TempDir(), "y.npy"), filepath.Join(t.TempDir(), "all.npz")
	moveTo(t, filepath.Dir(ten))
	for _, engine := range []string{onORT, onLamina, onBoth} {
		r := lamina(t, nil, "run", one, "--engine", engine, "--input", x, "--output", y, "--all", all)
		if r.Status != 0 {
			t.Fatalf("%s: %+v", engine, r)
		}
		if got := floatsOf(t, y); !slices.Equal(got, []float32{0, 1, 2, 3, 6, 9}) {
			t.Errorf("%s: y is %v", engine, got)
		}
		if r := lamina(t, nil, "run", "model.onnx", "--engine", engine, "--input", x, "--output", y); r.Status != 0 {
			t.Fatalf("%s: %+v", engine, r)
		}
		if got := floatsOf(t, y); !slices.Equal(got, []float32{0, 10, 20, 30, 60, 90}) {
			t.Errorf("%s: y of the other model is %v", engine, got)
		}
	}
	got := inspectJSON(t, one)
	if st, err := os.Stat(one); err != nil || got.Bytes != st.Size()+24 || got.Model.WeightBytes != 24 || !slices.Equal(got.Model.Beside, []fileReport{{"w.data", 24}}) {
		t.Errorf("inspect counts %d bytes, %d of weights, in %v", got.Bytes, got.Model.WeightBytes, got.Model.Beside)
	}
	if err := os.Rename(filepath.Join(filepath.Dir(one), "w.data"), filepath.Join(filepath.Dir(one), "weights")); err != nil {
		t.Fatal(err)
	}
	for _, engine := range []string{onORT, onLamina} {
		commandtest.WantError(t, lamina(t, nil, "run", one, "--engine", engine, "--input", x, "--output", filepath.Join(t.TempDir(), "y.npy")), `"w.data", which is not there`)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(one), "w.data"), make([]byte, 23), 0o600); err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, "run", one, "--input", x, "--output", filepath.Join(t.TempDir(), "y.npy")), `"w.data"`, "it has 23 bytes")
}

// sampler has the mean and the sample of a variational encoder, and an output of
// no tensor's type that only the sample's neighbour reads.
func sampler() *onnxpb.ModelProto {
	m := linear()
	g := m.Graph
	g.Input = append(g.Input, port("noise", onnxpb.TensorProto_FLOAT, "N", "T", "S"))
	g.Node = append(g.Node, node("RandomNormalLike", "e", "y"), node("Add", "z", "y", "e"), node("Sin", "s", "noise"))
	g.Output = append(g.Output, port("z", onnxpb.TensorProto_FLOAT, "N", 3), port("s", onnxpb.TensorProto_FLOAT, "N", "T", "S"))
	return m
}

// Only what the outputs asked for need is read, required and supported.
func TestRunWantedOutputs(t *testing.T) {
	orttest.Runtime(t)
	path := save(t, sampler())
	x := saveNPY(t, []int{1, 2}, float32(1), 1)
	y := filepath.Join(t.TempDir(), "y.npy")
	for _, engine := range []string{onORT, onLamina, onBoth} {
		if r := lamina(t, nil, "run", path, "--engine", engine, "--input", "x="+x, "--output", "y="+y); r.Status != 0 {
			t.Fatalf("%s: %+v", engine, r)
		}
		if got := floatsOf(t, y); !slices.Equal(got, []float32{3, 5, 7}) {
			t.Errorf("%s: y is %v", engine, got)
		}
	}
	z := filepath.Join(t.TempDir(), "z.npy")
	commandtest.WantError(t, lamina(t, nil, "run", path, "--engine", onLamina, "--input", "x="+x, "--output", "z="+z), "RandomNormalLike")
	if r := lamina(t, nil, "run", path, "--input", "x="+x, "--output", "z="+z); r.Status != 0 {
		t.Errorf("%+v", r)
	}
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", "x="+x, "--output", "s="+z), "0 of the model's 1 inputs", `"noise"`)
}

// Doubles go in and come out as they are.
func TestRunDoubles(t *testing.T) {
	orttest.Runtime(t)
	path := save(t, model(&onnxpb.GraphProto{
		Input:       []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_DOUBLE, "N", 2)},
		Output:      []*onnxpb.ValueInfoProto{port("y", onnxpb.TensorProto_DOUBLE, "N", 2)},
		Initializer: []*onnxpb.TensorProto{{Name: "mu", DataType: int32(onnxpb.TensorProto_DOUBLE), Dims: []int64{2}, DoubleData: []float64{1e8, 1e300}}},
		Node:        []*onnxpb.NodeProto{node("Sub", "y", "x", "mu")},
	}))
	y := filepath.Join(t.TempDir(), "y.npy")
	for _, engine := range []string{onORT, onLamina, onBoth} {
		r := lamina(t, nil, "run", path, "--engine", engine, "--input", saveNPY(t, []int{1, 2}, 1e8+.125, 1e300), "--output", y)
		if r.Status != 0 || !strings.Contains(r.Stdout, "f64[1 2] y") {
			t.Fatalf("%s: %+v", engine, r)
		}
		if got := floatsOf(t, y); !slices.Equal(got, []float32{.125, 0}) {
			t.Errorf("%s: y is %v", engine, got)
		}
		if r := lamina(t, nil, "run", path, "--engine", engine, "--input", saveNPY(t, []int{1, 2}, float32(1e8), 8), "--output", y); r.Status != 0 {
			t.Errorf("%s: float32 for float64: %+v", engine, r)
		}
	}
	z := filepath.Join(t.TempDir(), "z.npy")
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", saveNPY(t, []int{1, 2}, int64(1), 2), "--output", z), "integers", "float64")
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", saveNPY(t, []int{1, 2}, math.Inf(1), 2), "--output", z), "finite")
}

// An input or output that the model does not have is named with those it has, and
// nothing is written over what is read.
func TestRunNames(t *testing.T) {
	orttest.Runtime(t)
	path := save(t, linear())
	x := saveNPY(t, []int{1, 2}, float32(1), 2)
	dir := t.TempDir()
	y := filepath.Join(dir, "y.npy")
	moveTo(t, dir)
	r := lamina(t, nil, "run", path, "--input", "X="+x, "--output", y)
	commandtest.WantError(t, r, `the model has no input "X"`, `it has "x"`)
	r = lamina(t, nil, "run", path, "--input", x, "--output", "Y=y.npy")
	commandtest.WantError(t, r, `the model has no output "Y"`, `it has "y"`)
	r = lamina(t, nil, "run", path, "--input", "x=none.npy", "--output", y)
	commandtest.WantError(t, r, "none.npy", "no such file")
	if strings.Contains(r.Stderr, "Digits") {
		t.Errorf("the command recommends a function of Go: %s", r.Stderr)
	}
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", x, "--output", x), "name another file")
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", x, "--output", path), "name another file")
	commandtest.WantError(t, lamina(t, nil, "run", path, "--input", x, "--output", y, "--all", "./y.npy"), "an output's already")
	wantOnly(t, dir)
	odd := linear()
	odd.Graph.Input[0].Name, odd.Graph.Node[0].Input[0] = "a=b", "a=b"
	if r := lamina(t, nil, "run", save(t, odd), "--input", "a=b="+x, "--output", y); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

// Files that are no models are told for what they are by every command.
func TestNotAModel(t *testing.T) {
	x := saveNPY(t, []int{1, 2}, float32(1), 2)
	for text, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n": "git lfs pull",
		"<!DOCTYPE html><html>": "a web page",
		"\x1f\x8b\x08\x00":      "a gzip file",
		"":                      "empty",
	} {
		path := saveBytes(t, "m.onnx", []byte(text))
		commandtest.WantError(t, lamina(t, nil, "inspect", path), "m.onnx", want)
		for _, engine := range []string{onORT, onLamina} {
			commandtest.WantError(t, lamina(t, nil, "run", path, "--engine", engine, "--input", x, "--output", "y.npy"), "m.onnx", want)
		}
	}
	commandtest.WantError(t, lamina(t, nil, "inspect", x), "a NumPy .npy file")
	pb := saveBytes(t, "x.pb", []byte("<html>"))
	commandtest.WantError(t, lamina(t, nil, "run", save(t, linear()), "--engine", onLamina, "--input", pb, "--output", "y.npy"), "x.pb", "a web page")
}

// A file of one number feeds an input without an axis, and comes out as it went in.
func TestRunNumber(t *testing.T) {
	orttest.Runtime(t)
	for typ, file := range map[onnxpb.TensorProto_DataType]string{
		onnxpb.TensorProto_FLOAT:  saveNPY(t, []int{}, float32(3.25)),
		onnxpb.TensorProto_DOUBLE: saveNPY(t, []int{}, 3.25),
		onnxpb.TensorProto_INT32:  saveNPY(t, []int{}, int64(3)),
	} {
		x := []*onnxpb.ValueInfoProto{port("x", typ)}
		path := save(t, model(&onnxpb.GraphProto{Input: x, Output: x}))
		for _, engine := range []string{"lamina", "onnxruntime", "both"} {
			y := filepath.Join(t.TempDir(), "y.npy")
			if r := lamina(t, nil, "run", path, "--engine", engine, "--input", file, "--output", y); r.Status != 0 {
				t.Errorf("%v on %s: %+v", typ, engine, r)
				continue
			}
			want := 3.25
			if typ == onnxpb.TensorProto_INT32 {
				want = 3
			}
			got, err := readNumber(y)
			if err != nil || got.At(0) != want {
				t.Errorf("%v on %s: %v, %v", typ, engine, got, err)
			}
		}
	}
	rows := save(t, linear())
	commandtest.WantError(t, lamina(t, nil, "run", rows, "--input", saveNPY(t, []int{}, float32(1)), "--output", filepath.Join(t.TempDir(), "y.npy")), "rows are needed")
}
