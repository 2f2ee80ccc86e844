package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// chain is y = relu(x·w) with an inner value whose type the file does not state
// and whose name would lead out of a folder.
func chain() *onnxpb.ModelProto {
	m := linear()
	m.Graph.Node = []*onnxpb.NodeProto{node("MatMul", "../inner", "x", "w"), node("Relu", "y", "../inner")}
	return m
}

func TestRunEngines(t *testing.T) {
	orttest.Runtime(t)
	dir := t.TempDir()
	tensor := &onnxpb.TensorProto{Name: "x", DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{2, 2}, FloatData: []float32{1, -2, 3, 4}}
	b, err := tensor.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(dir, "x.pb")
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	file := save(t, chain())
	var first []byte
	for _, engine := range []string{onORT, onLamina, onBoth} {
		out, all := filepath.Join(dir, engine+".npy"), filepath.Join(dir, engine+".npz")
		r := lamina(t, nil, "run", file, "--engine", engine, "--input", in, "--output", out, "--all", all)
		if r.Status != 0 {
			t.Fatalf("%s: exit %d: %s", engine, r.Status, r.Stderr)
		}
		if both := strings.Contains(r.Stdout, "differ by at most 0,"); both != (engine == onBoth) {
			t.Errorf("%s: stdout %q", engine, r.Stdout)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Errorf("%s wrote other outputs", engine)
		}
		z, err := zip.OpenReader(all)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range z.File {
			names = append(names, f.Name)
		}
		z.Close()
		if !slices.Equal(names, []string{"inner.npy", "y.npy"}) {
			t.Errorf("%s: values %q", engine, names)
		}
	}
	commandtest.WantError(t, lamina(t, nil, "run", file, "--engine", "frob", "--input", in, "--all", "z.npz"), "frob", "both")
	if err := os.WriteFile(in, []byte{0xff, 1, 2}, 0o600); err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, "run", file, "--input", in, "--output", filepath.Join(dir, "z.npy")), "x.pb")
}

// Without onnxruntime Lamina's own engine runs the file.
func TestRunOnLaminaAlone(t *testing.T) {
	bundle := filepath.Join("..", "..", "testdata", "bundles", "demo-v1")
	out := filepath.Join(t.TempDir(), "y.npy")
	r := lamina(t, []string{"LAMINA_ONNXRUNTIME=/nonexistent"}, "run", bundle, "--engine", onLamina,
		"--input", filepath.Join(bundle, "test_data_set_0", "input_0.pb"), "--output", out)
	if st, err := os.Stat(out); r.Status != 0 || err != nil || st.Size() != 64*30*4+128 {
		t.Fatalf("exit %d: %s; %v", r.Status, r.Stderr, err)
	}
}
