package onnxexport_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/spec"
)

func zeros(params []*ir.Value) map[string][]float32 {
	p := map[string][]float32{}
	for _, v := range params {
		p[v.Name] = make([]float32, v.Type.Shape.Count())
	}
	return p
}

// statedTypes compares the types that a file states of its values, which no runtime
// needs and onnxruntime takes lightly, with those that the importer works out from the
// operators alone; the importer calls the first open length N. It returns how many it
// compared: none of a file whose pads are computed, which the importer does not take.
func statedTypes(t *testing.T, what, first string, file []byte) (compared int) {
	t.Helper()
	m, err := onnximport.Decode(t.Context(), file, onnximport.Limits{})
	if err != nil && strings.Contains(err.Error(), "pads is not a constant") {
		return 0
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	made := map[string]ir.Type{}
	for _, n := range m.Graph.Nodes {
		for _, v := range n.Out {
			made[v.Name] = v.Type
		}
	}
	p, err := onnxpb.UnmarshalModel(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]*onnxpb.ValueInfoProto{p.Graph.ValueInfo, p.Graph.Output} {
		for _, v := range list {
			want, ok := made[v.Name]
			if !ok { // lengths and constants, which the importer knows without a node
				continue
			}
			compared++
			var stated, lengths []string
			for _, d := range v.Type.GetTensorType().Shape.Dim {
				if s := d.GetDimParam(); s != "" {
					stated = append(stated, s)
				} else {
					stated = append(stated, fmt.Sprint(d.GetDimValue()))
				}
			}
			for _, d := range want.Shape {
				lengths = append(lengths, strings.ReplaceAll(d.String(), "N", first))
			}
			if elem := v.Type.GetTensorType().ElemType; !slices.Equal(stated, lengths) || elem != elemOf[want.DType] {
				t.Errorf("%s: %q is stated as %v of element type %d, its node makes %v", what, v.Name, stated, elem, want)
			}
		}
	}
	return compared
}

var elemOf = map[ir.DType]int32{ir.F32: 1, ir.U8: 2, ir.I64: 7, ir.Bool: 9, ir.F64: 11}

// TestStatedTypes: what a file states of its values is what they are, for random
// declared models and random graphs with open lengths, at every opset.
func TestStatedTypes(t *testing.T) {
	compared := 0
	for seed := range uint64(66) {
		m := randmodel.New(seed)
		g, _, err := spec.GraphOf(m.Name(), m.Outputs...)
		if err != nil {
			t.Fatal(err)
		}
		opset := 13 + int(seed%11)
		file, err := onnxexport.Export(g, zeros(g.Params), onnxexport.Options{Opset: opset})
		if err != nil {
			t.Fatalf("model %d: %v", seed, err)
		}
		compared += statedTypes(t, fmt.Sprintf("model %d, opset %d", seed, opset), "N", file)

		g, at := randgraph.New(seed, randgraph.Options{Open: seed%2 == 1})
		if g, err = compiler.Front(g, true); err != nil {
			t.Fatal(err)
		}
		for first, batch := range map[string]int{"N": 0, "T": at.Rows()} {
			file, err := onnxexport.Export(g, zeros(g.Params), onnxexport.Options{Opset: opset, Batch: batch})
			var refused *ir.Error
			if errors.As(err, &refused) && strings.Contains(refused.Rule, "no input of the file has an axis that gives it") {
				continue
			}
			if err != nil {
				t.Fatalf("graph %d: %v", seed, err)
			}
			compared += statedTypes(t, fmt.Sprintf("graph %d, opset %d, batch %d", seed, opset, batch), first, file)
		}
	}
	if t.Logf("%d types", compared); compared < 1000 {
		t.Errorf("only %d types were compared", compared)
	}
}

// TestRuntimesFind: what Check leaves to those who execute a file is found by the
// importer before it runs it, and by onnxruntime but for the lengths of an output.
func TestRuntimesFind(t *testing.T) {
	g, err := ir.Parse(`g (f32[N 4] x) => (y) <f32[3 4] w, f32[3] b> {
		f32[4 3] wt = Transpose<perm = [1 0]>(w)
		f32[N 3] p = MatMul(x, wt)
		f32[N 3] h = Add(p, b)
		f32[N 3] y = Relu(h)
	}`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	file, err := onnxexport.Export(g, zeros(g.Params), onnxexport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ort := orttest.Runtime(t)
	for name, edit := range map[string]func(*onnxpb.GraphProto){
		"transposed":    func(g *onnxpb.GraphProto) { g.Node[0].Attribute = nil },
		"unknown op":    func(g *onnxpb.GraphProto) { g.Node[1].OpType = "Relu6" },
		"operands":      func(g *onnxpb.GraphProto) { g.Node[1].Input = append(g.Node[1].Input, "x") },
		"output type":   func(g *onnxpb.GraphProto) { g.Output[0].Type.GetTensorType().ElemType = 11 },
		"output length": func(g *onnxpb.GraphProto) { g.Output[0].Type.GetTensorType().Shape.Dim[1] = length(5) },
	} {
		m, err := onnxpb.UnmarshalModel(file)
		if err != nil {
			t.Fatal(err)
		}
		edit(m.Graph)
		broken, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := onnxexport.Check(broken); err != nil {
			t.Errorf("%s: Check finds it: %v", name, err)
		}
		if _, err := native.Runtime().Open(broken); err == nil {
			t.Errorf("%s: the importer takes it", name)
		}
		if _, err := ort.Open(broken); err == nil && name != "output length" {
			t.Errorf("%s: onnxruntime takes it", name)
		}
	}
}

func length(n int64) *onnxpb.TensorShapeProto_Dimension {
	return &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}}
}
