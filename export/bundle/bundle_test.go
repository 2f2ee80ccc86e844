package bundle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// encoder is a trained function x f32[N 20] -> code f32[N 5].
func encoder(t testing.TB) *engine.Net {
	t.Helper()
	b := ir.NewBuilder("encoder")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(20)))
	r := rand.New(rand.NewPCG(1, 2))
	params := map[string][]float32{}
	dense := func(name string, x *ir.Value, n, line int) *ir.Value {
		b.Layer, b.Pos = name, ir.Pos{Made: ir.Frame{File: "/home/someone/main.go", Pkg: "example.com/digits", Line: line}}
		w := b.Param(name+"/w", ir.T(ir.F32, ir.Fixed(x.Type.Last()), ir.Fixed(n)))
		c := b.Param(name+"/b", ir.T(ir.F32, ir.Fixed(n)))
		for _, v := range []*ir.Value{w, c} {
			p := make([]float32, v.Type.Shape.Count())
			for i := range p {
				p[i] = float32(r.Float64() - 0.5)
			}
			params[v.Name] = p
		}
		return b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), c)
	}
	h := dense("encoder/dense1", x, 12, 10)
	b.Layer, b.Pos.Made.Line = "encoder/relu1", 11
	h = b.Op(ops.Relu{}, h)
	h = dense("encoder/dense2", h, 5, 12)
	h.Name = "code"
	b.Output(h)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := compiler.Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 16})
	if err != nil {
		t.Fatal(err)
	}
	min, max := make([]float64, 20), make([]float64, 20)
	for i := range max[:15] { // the last five are always 0
		max[i] = 1
	}
	net, err := engine.NewNet(g, p, params, engine.Record{Seed: 7, Columns: map[string]engine.Range{"x": {Min: min, Max: max}}})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// rows are pictures whose last five pixels are always 0, with a label.
func rows(n int) dataset.Source {
	return dataset.From(make([]int, n), func() func(int, dataset.Row) {
		r := rand.New(rand.NewPCG(5, 6))
		return func(_ int, row dataset.Row) {
			x := make([]float32, 20)
			for i := range x[:15] {
				x[i] = float32(r.Float64())
			}
			row.F32("x", x...)
			row.I64("y", int64(r.IntN(10)))
		}
	}())
}

func write(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "encoder")
	if _, err := bundle.Write(t.Context(), dir, encoder(t), rows(100), orttest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func only(t *testing.T, parent string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %v, want %v", filepath.Base(parent), got, want)
	}
}

func TestWriteAndVerify(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := filepath.Join(t.TempDir(), "encoder")
	rep, err := bundle.Write(t.Context(), dir, encoder(t), rows(100), rt)
	if err != nil {
		t.Fatal(err)
	}
	only(t, filepath.Dir(dir), "encoder")
	want := []string{"bounds.npz", "data.json", "drift.json", "layers.npz", "model.onnx", "test_data_set_0/data.json", "test_data_set_0/input_0.pb", "test_data_set_0/output_0.pb",
		"test_data_set_1/data.json", "test_data_set_1/input_0.pb", "test_data_set_1/output_0.pb", "training.json", "verification.json"}
	if strings.Join(rep.Files, " ") != strings.Join(want, " ") {
		t.Errorf("files %v", rep.Files)
	}
	if rep.Rows != 64 || rep.Dir != dir || rep.Verification.Rows != 96 || rep.Tolerance <= 0 {
		t.Errorf("report %+v", rep)
	}
	v, err := bundle.Verify(t.Context(), dir, rt)
	if err != nil || v.Status != bundle.Holds || len(v.Sets) != 2 || v.WorstAbs > v.Tolerance || v.Tolerance <= 0 || v.HardRows < 20 {
		t.Errorf("verdict %+v, %v", v, err)
	}
	if spoke(v.Runtimes) != "lamina onnxruntime" || spoke(rep.Verification.Runtimes) != "lamina onnxruntime" || rep.Verification.Trained == nil {
		t.Errorf("runtimes %+v, of the export %+v", v.Runtimes, rep.Verification)
	}
	var ver struct {
		Trained  verify.RuntimeInfo
		Runtimes []verify.RuntimeInfo
	}
	b, err := os.ReadFile(filepath.Join(dir, "verification.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ver); err != nil || ver.Trained.Name != "training engine" || spoke(ver.Runtimes) != "lamina onnxruntime" {
		t.Errorf("verification.json names %+v, %v", ver, err)
	}
	host, _ := os.Hostname()
	for _, f := range rep.Files {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"someone", filepath.Dir(dir), host} {
			if len(secret) > 3 && bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s tells %q", f, secret)
			}
		}
	}
	// Every input has a part in the second set.
	p := tensor(t, filepath.Join(dir, "test_data_set_1/input_0.pb"))
	for i := range len(p.RawData) / 4 {
		if bytes.Equal(p.RawData[4*i:4*i+4], make([]byte, 4)) {
			t.Fatalf("element %d of the spanned rows is 0", i)
		}
	}
}

// spoke returns the names of runtimes.
func spoke(list []verify.RuntimeInfo) string {
	var names []string
	for _, rt := range list {
		names = append(names, rt.Name)
	}
	return strings.Join(names, " ")
}

func tensor(t testing.TB, path string) *onnxpb.TensorProto {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &onnxpb.TensorProto{}
	if err := p.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSameFilesTwice(t *testing.T) {
	a, b := write(t), write(t)
	err := filepath.WalkDir(a, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(a, path)
		x, _ := os.ReadFile(path)
		y, err := os.ReadFile(filepath.Join(b, rel))
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplaces(t *testing.T) {
	dir := write(t)
	stray := filepath.Join(dir, "stray")
	if err := os.WriteFile(stray, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), dir, encoder(t), rows(3), orttest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stray); err == nil {
		t.Error("the old folder was written into")
	}
	only(t, filepath.Dir(dir), "encoder")
	other := filepath.Join(t.TempDir(), "letters")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "a.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), other, encoder(t), rows(3), orttest.Runtime(t)); err == nil || !strings.Contains(err.Error(), "is not a bundle") {
		t.Errorf("a folder of the user's is replaced: %v", err)
	}
	only(t, other, "a.txt")
}

func TestUnverified(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "encoder")
	rep, err := bundle.Write(t.Context(), dir, encoder(t), rows(3))
	if !errors.Is(err, bundle.ErrUnverified) || rep.Dir != dir+".unverified" {
		t.Errorf("%+v, %v", rep, err)
	}
	only(t, filepath.Dir(dir), "encoder.unverified")
	for _, rt := range []verify.Runtime{absent{}, native.Runtime()} { // Lamina's own is no second opinion
		rep, err = bundle.Write(t.Context(), dir, encoder(t), rows(3), rt)
		if !errors.Is(err, bundle.ErrUnverified) || !errors.Is(err, verify.ErrUnavailable) || rep == nil ||
			rep.Verification.Status != "unverified" || spoke(rep.Verification.Runtimes) != "lamina" {
			t.Errorf("%s: %+v, %v", rt.Name(), rep, err)
		}
	}
	only(t, filepath.Dir(dir), "encoder.unverified")
	v, err := bundle.Verify(t.Context(), dir+".unverified", absent{})
	if err != nil || v.Status != bundle.Holds || spoke(v.Runtimes) != "lamina" || len(v.Missing) != 1 {
		t.Errorf("verify without another runtime: %+v, %v", v, err)
	}
}

// TestVerifyWithoutAnother finds faults by Lamina's own runtime alone.
func TestVerifyWithoutAnother(t *testing.T) {
	for name, f := range map[string]func(m *onnxpb.ModelProto){
		"weight": weight,
		"relu":   func(m *onnxpb.ModelProto) { m.Graph.Node[1].OpType = "Tanh" },
	} {
		dir := filepath.Join(t.TempDir(), "encoder")
		if _, err := bundle.Write(t.Context(), dir, encoder(t), rows(9)); !errors.Is(err, bundle.ErrUnverified) {
			t.Fatal(err)
		}
		dir += bundle.Unverified
		editModel(t, dir, f)
		for _, numbers := range []bool{false, true} {
			v, err := bundle.VerifyWith(t.Context(), dir, bundle.VerifyOptions{NumbersOnly: numbers}, absent{})
			if err != nil || v.Status != bundle.Differs || spoke(v.Runtimes) != "lamina" || v.Layer == "" || strings.Contains(v.Reason, "is not the file") == numbers {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		}
	}
}

type absent struct{}

func (absent) Name() string                        { return "absent" }
func (absent) Version() (string, error)            { return "", verify.ErrUnavailable }
func (absent) Open([]byte) (verify.Session, error) { return nil, verify.ErrUnavailable }

// liar adds to one layer's weights before it runs the model.
type liar struct{ verify.Runtime }

func (l liar) Open(model []byte) (verify.Session, error) {
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(model); err != nil {
		return nil, err
	}
	for _, p := range m.Graph.Initializer {
		if p.Name == "encoder/dense1/b" {
			p.RawData[2] ^= 0x40
		}
	}
	b, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return l.Runtime.Open(b)
}

func TestMismatchWritesNothing(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := filepath.Join(t.TempDir(), "encoder")
	_, err := bundle.Write(t.Context(), dir, encoder(t), rows(3), liar{rt})
	var e *verify.MismatchError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), `"encoder/dense1" (example.com/digits/main.go:10)`) {
		t.Errorf("error %v", err)
	}
	only(t, filepath.Dir(dir))
}

func TestWriteErrors(t *testing.T) {
	rt := orttest.Runtime(t)
	net := encoder(t)
	wide := dataset.From(make([]int, 3), func(_ int, row dataset.Row) { row.F32("x", make([]float32, 7)...) })
	none := dataset.From(make([]int, 3), func(_ int, row dataset.Row) { row.F32("z", 1) })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir  string
		net  *engine.Net
		rows dataset.Source
		want string
	}{
		"net":    {"", engine.ErrNet(errors.New("no training")), rows(3), "no training"},
		"width":  {"", net, wide, "the column of that name is x f32[7]"},
		"column": {"", net, none, `no column for input "x" (f32[N 20]); they have z f32[]`},
		"no row": {"", net, nil, "no rows"},
		"file":   {file, net, rows(3), "is a file"},
		"below":  {filepath.Join(file, "x"), net, rows(3), "not a directory"},
		"root":   {string(filepath.Separator), net, rows(3), "name a folder in it"},
	} {
		parent := t.TempDir()
		if c.dir == "" {
			c.dir = filepath.Join(parent, "b")
		}
		if _, err := bundle.Write(t.Context(), c.dir, c.net, c.rows, rt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		only(t, parent)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bundle.Write(ctx, filepath.Join(t.TempDir(), "b"), net, rows(3), rt); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// rehash writes the hashes of the files as they are now, as a careful forger would.
func rehash(t *testing.T, dir string, sums func(name string) string) {
	t.Helper()
	path := filepath.Join(dir, "verification.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for name := range m["files"].(map[string]any) {
		m["files"].(map[string]any)[name] = sums(name)
	}
	b, _ = json.Marshal(m)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func editModel(t *testing.T, dir string, f func(m *onnxpb.ModelProto)) {
	t.Helper()
	path := filepath.Join(dir, "model.onnx")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	f(m)
	if b, err = m.Marshal(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
