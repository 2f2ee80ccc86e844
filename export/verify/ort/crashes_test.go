//go:build cgo && !windows

package ort_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// withNodes is a model of x f32[2 3] and y, with weights v f32[3], w f32[3 3] and a
// truth value.
func withNodes(nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	return &onnxpb.GraphProto{
		Input:  []*onnxpb.ValueInfoProto{port("x", onnxpb.TensorProto_FLOAT, 2, 3)},
		Output: []*onnxpb.ValueInfoProto{unranked("y", onnxpb.TensorProto_FLOAT)},
		Initializer: []*onnxpb.TensorProto{floats("v", []int64{3}, 1, 1, 1), floats("s", nil, 0.5),
			floats("w", []int64{3, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9),
			{Name: "cond", DataType: int32(onnxpb.TensorProto_BOOL), RawData: []byte{1}}},
		Node: nodes,
	}
}

func withAttribute(n *onnxpb.NodeProto, a ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	n.Attribute = append(n.Attribute, a...)
	return n
}

// throughFunction is x and y through a function of the model's own that leaves its
// second input out.
func throughFunction(t *testing.T, nested bool) []byte {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(encode(t, withNodes(&onnxpb.NodeProto{OpType: "Norm", Domain: "mine", Input: []string{"x", "v"}, Output: []string{"y"}}))); err != nil {
		t.Fatal(err)
	}
	opsets := []*onnxpb.OperatorSetIdProto{{Version: 17}, {Domain: "mine", Version: 1}}
	m.OpsetImport = opsets
	inner := node("LayerNormalization", []string{"a", "b", "c"}, []string{"d"})
	m.Functions = []*onnxpb.FunctionProto{{Name: "Norm", Domain: "mine", Input: []string{"a", "b", "c"}, Output: []string{"d"},
		Node: []*onnxpb.NodeProto{inner}, OpsetImport: opsets}}
	if nested {
		outer := *m.Functions[0]
		outer.Name, outer.Node = "Outer", []*onnxpb.NodeProto{{OpType: "Norm", Domain: "mine", Input: []string{"a", "b", "c"}, Output: []string{"d"}}}
		m.Functions = append(m.Functions, &outer)
		m.Graph.Node[0].OpType = "Outer"
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKnownCrashes opens, in a process of its own, models that are known to end the
// process, and wants to be told.
func TestKnownCrashes(t *testing.T) {
	rt := orttest.Runtime(t)
	if os.Getenv(childEnv) != "crashes" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKnownCrashes$", "-test.v")
		cmd.Env = append(os.Environ(), childEnv+"=crashes")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	xy := func(op string, in ...string) *onnxpb.NodeProto { return node(op, in, []string{"y"}) }
	branch := func(n *onnxpb.NodeProto) *onnxpb.GraphProto {
		return &onnxpb.GraphProto{Name: "b", Output: []*onnxpb.ValueInfoProto{unranked("y", onnxpb.TensorProto_FLOAT)}, Node: []*onnxpb.NodeProto{n}}
	}
	body := func(name string, n *onnxpb.NodeProto) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_GRAPH, G: branch(n)}
	}
	equation := &onnxpb.AttributeProto{Name: "equation", Type: onnxpb.AttributeProto_STRING, S: []byte("ij,jk->ik")}
	norm := xy("LayerNormalization", "x", "v", "")
	for name, model := range map[string][]byte{
		"LayerNormalization": encode(t, withNodes(norm)),
		"with statistics":    encode(t, withNodes(node("LayerNormalization", []string{"x", "v", ""}, []string{"y", "m", "i"}))),
		"Sum":                encode(t, withNodes(xy("Sum", "x", ""))),
		"Max":                encode(t, withNodes(xy("Max", "x", "", "x"))),
		"Min":                encode(t, withNodes(xy("Min", "x", "x", ""))),
		"Mean":               encode(t, withNodes(xy("Mean", "x", ""))),
		"Einsum":             encode(t, withNodes(withAttribute(xy("Einsum", "x", ""), equation))),
		"branch":             encode(t, withNodes(withAttribute(node("If", []string{"cond"}, []string{"y"}), body("then_branch", norm), body("else_branch", xy("Relu", "x"))))),
		"function":           throughFunction(t, false),
		"nested function":    throughFunction(t, true),
	} {
		s, err := rt.Open(model)
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range []string{"the model is not passed to onnxruntime", "is left out by an empty name", `the node of "`} {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
	// What leaves inputs out without harm is run.
	for name, model := range map[string][]byte{
		"no bias":     encode(t, withNodes(xy("LayerNormalization", "x", "v"))),
		"bias":        encode(t, withNodes(xy("LayerNormalization", "x", "v", "v"))),
		"Gemm":        encode(t, withNodes(xy("Gemm", "x", "w", ""))),
		"Clip":        encode(t, withNodes(xy("Clip", "x", "", "s"))),
		"Sum":         encode(t, withNodes(xy("Sum", "x", "x", "v"))),
		"no variance": encode(t, withNodes(node("LayerNormalization", []string{"x", "v", "v"}, []string{"y", "", ""}))),
	} {
		s, err := rt.Open(model)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := s.Run(t.Context(), tensors{"x": f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}
