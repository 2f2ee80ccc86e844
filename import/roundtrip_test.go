package onnximport_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// exported is a random model with its parameters, and its file.
func exported(t testing.TB, seed uint64, opset int) (*ir.Graph, map[string][]float32, []byte) {
	t.Helper()
	return exportedAs(t, randmodel.New(seed), seed, opset)
}

// images is a random model of images without running statistics, which are no parameters.
func images(seed uint64) *randmodel.Model {
	for m := randmodel.Images(seed); ; m = randmodel.Images(seed) {
		if !m.Batch {
			return m
		}
		seed += 1000
	}
}

func exportedAs(t testing.TB, m *randmodel.Model, seed uint64, opset int) (*ir.Graph, map[string][]float32, []byte) {
	t.Helper()
	g, params, err := spec.GraphOf(m.Name(), m.Outputs...)
	if err != nil {
		t.Fatal(err)
	}
	key := random.New(seed)
	p := map[string][]float32{}
	for _, v := range params {
		shape := v.Type.Shape.Lengths()
		w := make([]float32, ir.Elems(shape))
		v.Init.Fill(key.DeriveString(v.Name), shape, w)
		for i := range w { // biases start at 0, which hides a lost one
			w[i] += float32(0.1 * key.DeriveString("more "+v.Name).Normal(uint64(i)))
		}
		p[v.Name] = w
	}
	data, err := onnxexport.Export(g, p, onnxexport.Options{Opset: opset, Metadata: map[string]string{"seed": fmt.Sprint(seed)}})
	if err != nil {
		t.Fatal(err)
	}
	return g, p, data
}

func inputsOf(g *ir.Graph, rows int, seed uint64) map[string]*ir.Tensor {
	in := map[string]*ir.Tensor{}
	for _, v := range g.Inputs {
		x := ir.NewTensor(v.Type.DType, v.Type.Shape.At(randmodel.Lengths(g, rows, seed))...)
		key := random.New(seed).DeriveString(v.Name)
		for i := range x.F32 {
			x.F32[i] = float32(2 * key.Normal(uint64(i)))
		}
		for i := range x.I64 {
			x.I64[i] = int64(key.Uint64N(uint64(i), 3))
		}
		in[v.Name] = x
	}
	return in
}

// TestRoundTrip holds export → import → engine against the engine on the graph
// that was exported, at every opset that is written.
func TestRoundTrip(t *testing.T) {
	opsets := []int{13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}
	for seed := range uint64(99) {
		opset, m := opsets[seed%uint64(len(opsets))], randmodel.New(seed)
		if seed >= 66 {
			m = images(seed)
		}
		t.Run(fmt.Sprintf("seed %d opset %d", seed, opset), func(t *testing.T) {
			g, p, data := exportedAs(t, m, seed, opset)
			s, err := native.Runtime().Open(data)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			plan, err := compiler.CompileGraph(g, compiler.Options{Rows: 8})
			if err != nil {
				t.Fatal(err)
			}
			net, err := engine.NewNet(g, plan, p, engine.Record{})
			if err != nil {
				t.Fatal(err)
			}
			for _, rows := range []int{1, 5, 300} {
				in := inputsOf(g, rows, seed)
				want, err := net.Run(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				// The file has the inputs that its outputs need.
				for name := range in {
					if !slices.ContainsFunc(s.(verify.Inspector).Inputs(), func(p verify.Port) bool { return p.Name == name }) {
						delete(in, name)
					}
				}
				got, err := s.Run(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(want) {
					t.Fatalf("%d outputs, want %d", len(got), len(want))
				}
				for name, w := range want {
					if err := close32(got[name], w); err != nil {
						t.Errorf("%d rows: output %q: %v", rows, name, err)
					}
				}
			}
		})
	}
}

// close32 is equality but for the rounding of a few operations done in another
// order.
func close32(got, want *ir.Tensor) error {
	if got == nil || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("got %v, want shape %v", got, want.Shape)
	}
	for i := range want.Len() {
		a, b := got.At(i), want.At(i)
		if !(math.Abs(a-b) <= 2e-6+2e-5*math.Abs(b)) {
			return fmt.Errorf("element %d is %v, want %v", i, a, b)
		}
	}
	return nil
}

// TestNames checks that a file says as much after import as the graph before
// export.
func TestNames(t *testing.T) {
	for seed := range uint64(20) {
		g, p, data := exported(t, seed, 17)
		m, err := onnximport.Decode(context.Background(), data, onnximport.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Opset != 17 || m.IR != 8 || m.Producer != "lamina" || m.Metadata["lamina.seed"] != fmt.Sprint(seed) {
			t.Errorf("seed %d: opset %d, IR %d, producer %q, metadata %v", seed, m.Opset, m.IR, m.Producer, m.Metadata)
		}
		for i, v := range g.Outputs {
			if w := m.Graph.Outputs[i]; w.Name != v.Name || !w.Type.Equal(v.Type) {
				t.Errorf("seed %d: output %d is %s %v, want %s %v", seed, i, w.Name, w.Type, v.Name, v.Type)
			}
		}
		front, err := compiler.Front(g, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range front.Params {
			x := m.Params[v.Name]
			if x == nil || !slices.Equal(x.F32, p[v.Name]) {
				t.Errorf("seed %d: parameter %s is %v", seed, v.Name, x)
			}
		}
		if len(m.Params) != len(front.Params) || len(m.Graph.Params) != len(front.Params) {
			t.Errorf("seed %d: %d parameters, want %d", seed, len(m.Params), len(front.Params))
		}
		layers := map[string]bool{}
		for _, n := range g.Nodes {
			layers[n.Layer] = true
		}
		for _, n := range m.Graph.Nodes {
			if !layers[n.Layer] || n.Pos.Made.Line == 0 {
				t.Errorf("seed %d: %s is of layer %q at %v", seed, n.Op.Name(), n.Layer, n.Pos)
			}
		}
	}
}
