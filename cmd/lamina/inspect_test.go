package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// randomBytes are the same each time.
func randomBytes() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// foreign is a model of another maker: unknown ops, subgraphs, weights outside
// and weights that lie.
func foreign() *onnxpb.ModelProto {
	m := model(&onnxpb.GraphProto{
		Input: []*onnxpb.ValueInfoProto{port("x\x1b[31m", onnxpb.TensorProto_FLOAT16, "batch", nil, 3),
			port("w", onnxpb.TensorProto_FLOAT)}, // listed as before IR 4
		Output: []*onnxpb.ValueInfoProto{{Name: "any", Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_INT64)}}}}, {Name: "untyped"}},
		Initializer: []*onnxpb.TensorProto{
			{Name: "w", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{2}, FloatData: []float32{1, 2}},
			{Name: "far", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{1000, 1000}, DataLocation: onnxpb.TensorProto_EXTERNAL,
				ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: "weights.bin"}}},
			{Name: "short", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{3}, RawData: make([]byte, 8)},
			{Name: "vast", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{math.MaxInt64, math.MaxInt64}},
			{Name: "most", DataType: int32(onnxpb.TensorProto_UINT8), Dims: []int64{math.MaxInt64}, RawData: []byte{1}},
			{Name: "most2", DataType: int32(onnxpb.TensorProto_UINT8), Dims: []int64{math.MaxInt64}, RawData: []byte{1}},
			{Name: "minus", DataType: 99, Dims: []int64{-1}},
		},
		Node: []*onnxpb.NodeProto{node("Conv", "c", "x"), node("Conv", "d", "c"),
			{OpType: "If", Attribute: []*onnxpb.AttributeProto{{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH,
				G: &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{OpType: "Fancy", Domain: "com.maker"}}}}}}},
	})
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: "com.maker", Version: 2})
	return m
}

func TestInspectModel(t *testing.T) {
	path := save(t, linear())
	r := lamina(t, nil, "inspect", path)
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"model, ", "f32[N 2] x", "f32[N 3] y", "ai.onnx 17, IR 8", "MatMul", "1 of 6 elements, 24 bytes", "f32[2 3]", "lamina.seed", "7"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.Stdout)
		}
	}
}

func inspectJSON(t *testing.T, path string) (got inspection) {
	t.Helper()
	r := lamina(t, nil, "inspect", "--json", path)
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
		t.Fatalf("%v in\n%s", err, r.Stdout)
	}
	return got
}

func TestInspectForeignModel(t *testing.T) {
	path := save(t, foreign())
	got := inspectJSON(t, path).Model
	want := &modelReport{
		Graph: "small", IR: 8, Opsets: map[string]int64{"ai.onnx": 17, "com.maker": 2}, Producer: "lamina",
		Inputs:  []portReport{{"x\x1b[31m", "f16", []string{"batch", "?", "3"}}},
		Outputs: []portReport{{"any", "i64", []string{"…"}}, {"untyped", "not a tensor", []string{}}},
		Nodes:   4, Ops: map[string]int{"Conv": 2, "If": 1, "com.maker.Fancy": 1},
		Initializers: []tensorReport{
			{Name: "w", Elem: "f32", Shape: []string{"2"}, Elements: 2, Bytes: 8},
			{Name: "far", Elem: "f32", Shape: []string{"1000", "1000"}, Elements: 1_000_000, External: "weights.bin",
				Problem: `lies in "weights.bin", which is not there; put it into ` + filepath.Dir(path) + ", the model's folder"},
			{Name: "short", Elem: "f32", Shape: []string{"3"}, Elements: 3, Bytes: 8, Problem: "its shape does not fit these 8 bytes"},
			{Name: "vast", Elem: "f32", Shape: []string{"9223372036854775807", "9223372036854775807"}, Problem: "its shape is impossible"},
			{Name: "most", Elem: "u8", Shape: []string{"9223372036854775807"}, Elements: math.MaxInt64, Bytes: 1, Problem: "its shape does not fit these 1 bytes"},
			{Name: "most2", Elem: "u8", Shape: []string{"9223372036854775807"}, Elements: math.MaxInt64, Bytes: 1, Problem: "its shape does not fit these 1 bytes"},
			{Name: "minus", Elem: "99", Shape: []string{"-1"}, Problem: "its shape is impossible"},
		},
		Elements: math.MaxInt64, WeightBytes: 18, Metadata: map[string]string{"lamina.seed": "7"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	text := lamina(t, nil, "inspect", path).Stdout
	if strings.Contains(text, "\x1b") {
		t.Errorf("a name drives the terminal: %q", text)
	}
	if !strings.Contains(text, `lies in "weights.bin", which is not there`) {
		t.Errorf("external weights are not named:\n%s", text)
	}
}

func TestInspectBundle(t *testing.T) {
	dir := filepath.Dir(save(t, linear()))
	for name, text := range map[string]string{
		"verification.json": `{"status": "holds", "worst_abs": 1e-7, "sets": []}`,
		"training.json":     `{"seed": 18446744073709551615, "spec": "several\nlines", "classes": ["ant", "bee\u001b[31m"], "mixed": ["wasp", 1]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := lamina(t, nil, "inspect", dir)
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"bundle, ", "model.onnx", "training.json", "holds", "1e-7", "18446744073709551615", "f32[N 2] x", "ant, bee�[31m"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.Stdout)
		}
	}
	if strings.Contains(r.Stdout, "wasp") {
		t.Error("a list that is not of names is printed")
	}
	if got := inspectJSON(t, dir); got.Kind != "bundle" || len(got.Bundle.Files) != 3 || got.Bundle.Training["spec"] != "several\nlines" {
		t.Errorf("%+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "training.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, "inspect", dir), "training.json")
}

func TestInspectCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint.lamina")
	f := &checkpoint.File{
		Header: checkpoint.Header{Model: "digits", ModelHash: "abc", Optimizer: "adam", Seed: 3, Cursor: checkpoint.Cursor{Epoch: 2, Update: 64}},
		Tensors: []checkpoint.Tensor{{Name: "encoder/dense1/w", Shape: []int{2, 3}, Data: make([]float32, 6)},
			{Name: "encoder/dense1/b", Shape: []int{3}, Data: make([]float32, 3)}},
	}
	if err := checkpoint.Write(path, f); err != nil {
		t.Fatal(err)
	}
	r := lamina(t, nil, "inspect", path)
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"checkpoint, ", "digits, hash abc", "2 epochs", "64 updates", "adam", "encoder/dense1/w", "f32[2 3]", "2 of 9 elements, 36 bytes"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.Stdout)
		}
	}
	if got := inspectJSON(t, path); got.Kind != "checkpoint" || got.Checkpoint.Cursor.Epoch != 2 || len(got.Checkpoint.Tensors) != 2 {
		t.Errorf("%+v", got)
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, "inspect", saveBytes(t, "cut.lamina", whole[:len(whole)-1])), "cut.lamina")
}

func TestInspectRefuses(t *testing.T) {
	whole, err := linear().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	empty, err := (&onnxpb.ModelProto{IrVersion: 8}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path  string
		words []string
	}{
		"random bytes":    {saveBytes(t, "random", randomBytes()), []string{"random", "not an ONNX model"}},
		"cut":             {saveBytes(t, "cut", whole[:len(whole)-3]), []string{"cut", "not an ONNX model"}},
		"empty":           {saveBytes(t, "empty", nil), []string{"empty"}},
		"no graph":        {saveBytes(t, "none", empty), []string{"none", "no graph"}},
		"text":            {saveBytes(t, "text", []byte("one two three\n")), []string{"text", "not an ONNX model"}},
		"absent":          {filepath.Join(t.TempDir(), "absent"), []string{"absent"}},
		"folder":          {t.TempDir(), []string{"not a bundle"}},
		"endless":         {os.DevNull, []string{"not a regular file"}},
		"empty magic":     {saveBytes(t, "magic", []byte("LAMINACK")), []string{"magic"}},
		"lines in a name": {filepath.Join(t.TempDir(), "a\nb\nc\nd\ne\nf\ng\nh"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{{"inspect", c.path}, {"inspect", "--json", c.path}} {
				commandtest.WantError(t, lamina(t, nil, args...), c.words...)
			}
		})
	}
}

func FuzzInspectModel(f *testing.F) {
	for _, m := range []*onnxpb.ModelProto{linear(), joined(), foreign()} {
		b, err := m.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(randomBytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnxpb.UnmarshalModel(b)
		if err != nil || m.Graph == nil {
			return
		}
		r := &inspection{Path: "x", Kind: "model", Model: reportModel(m)}
		if text := r.String(); strings.ContainsAny(text, "\x00\x1b\r") {
			t.Errorf("a control character reaches the terminal: %q", text)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
