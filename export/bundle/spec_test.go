package bundle_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// declared returns the function of the values with initial weights.
func declared(t *testing.T, values ...*spec.Value) *engine.Net {
	t.Helper()
	g, ps, err := spec.GraphOf("model", values...)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Front(g, true); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 32})
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	for _, x := range ps {
		params[x.Name] = x.Initial(random.New(3))
	}
	net, err := engine.NewNet(g, p, params, engine.Record{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// TestDeclaredModels ships models of the DSL: several inputs and outputs, an
// output that is an input, shared and tied layers, everything that a layer's
// kind can do to the file.
func TestDeclaredModels(t *testing.T) {
	rt := orttest.Runtime(t)
	enc := spec.Sequential("encoder", spec.Dense(12), spec.Dropout(0.3), spec.ReLU(), spec.Dense(4))
	ae := spec.Autoencoder("digits", spec.Input("x", 10), enc, spec.Mirror("decoder", enc).Tied())
	a, z := spec.Input("a", 6), spec.Input("z", 6)
	head := spec.Dense(5).Named("head")
	both := spec.Concat(0, a.Then(head, spec.GELU()), z.Then(head, spec.Tanh()))
	deep := spec.Input("d", 2, 4, 3)
	models := map[string][]*spec.Value{
		"encoder":  {ae.Tap("code")},
		"all":      {ae.Tap("code"), ae.Tap("reconstruction")},
		"branches": {both.Then(spec.Softmax(0)).Named("p"), both.Then(spec.L2Normalize()).Named("unit"), a.Named("again")},
		"deep":     {deep.Then(spec.Dense(7), spec.SELU(), spec.Flatten(), spec.Residual("r", spec.Dense(56), spec.Sigmoid())).Named("flat")},
	}
	for name, values := range models {
		t.Run(name, func(t *testing.T) {
			net := declared(t, values...)
			rows := dataset.From(make([]int, 70), func(_ int, row dataset.Row) {
				for _, v := range net.Graph().Inputs {
					x := make([]float32, v.Type.Shape[1:].Count())
					for i := range x {
						x[i] = float32(i%5) / 4
					}
					row.F32(v.Name, x...)
				}
			}, columns(net)...)
			dir := filepath.Join(t.TempDir(), "b")
			rep, err := bundle.Write(t.Context(), dir, net, rows, rt)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := bundle.Verify(t.Context(), dir, rt); err != nil || v.Status != bundle.Holds {
				t.Errorf("%+v, %v", v, err)
			}
			b, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			m := &onnxpb.ModelProto{}
			if err := m.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			matrices := 0
			for _, p := range m.Graph.Initializer {
				if len(p.Dims) == 2 {
					matrices++
				}
			}
			want := map[string]int{"encoder": 2, "all": 2, "branches": 1, "deep": 2}[name]
			if matrices != want {
				t.Errorf("%d matrices, want %d", matrices, want)
			}
			outs := ""
			for _, o := range m.Graph.Output {
				outs += o.Name + "; "
			}
			if want := map[string]string{"encoder": "code; ", "all": "code; reconstruction; ", "branches": "p; unit; again; ", "deep": "flat; "}[name]; outs != want {
				t.Errorf("outputs %s", outs)
			}
			t.Logf("tolerance %.3g of largest, worst %.3g, %d files", rep.Verification.Relative, rep.Verification.WorstAbs, len(rep.Files))
		})
	}
}

func columns(net *engine.Net) []dataset.Column {
	var out []dataset.Column
	for _, v := range net.Graph().Inputs {
		c := dataset.Column{Name: v.Name, DType: dataset.F32}
		for _, d := range v.Type.Shape[1:] {
			c.Shape = append(c.Shape, d.Length())
		}
		out = append(out, c)
	}
	return out
}
