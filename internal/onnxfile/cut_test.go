package onnxfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func node(op, out string, in ...string) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: op, Input: in, Output: []string{out}}
}

func infos(names ...string) (list []*onnxpb.ValueInfoProto) {
	for _, n := range names {
		list = append(list, &onnxpb.ValueInfoProto{Name: n})
	}
	return list
}

func names(list []*onnxpb.ValueInfoProto) (out []string) {
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

func TestCut(t *testing.T) {
	branch := &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{node("Add", "i", "captured", "x")}, Output: infos("passed")}
	iff := node("If", "c", "x")
	iff.Attribute = []*onnxpb.AttributeProto{{Name: "then_branch", G: branch}}
	g := &onnxpb.GraphProto{
		Input:       infos("x", "y", "w"),
		Initializer: []*onnxpb.TensorProto{{Name: "w"}, {Name: "v"}},
		ValueInfo:   infos("h", "captured"),
		Node: []*onnxpb.NodeProto{node("Mul", "h", "x", "w"), node("Relu", "a", "h"), node("Draw", "b", "y", "v"),
			node("Neg", "captured", "y"), node("Abs", "passed", "x"), iff},
		Output: infos("a", "b", "c"),
	}
	for _, c := range []struct{ outputs, nodes, inputs, initializers, known string }{
		{"a", "h a", "x w", "w", "h"},
		{"b", "b", "y", "v", ""},
		{"c", "captured passed c", "x y", "", "captured"},
		{"c a", "h a captured passed c", "x y w", "w", "h captured"},
	} {
		got, err := Cut(g, strings.Fields(c.outputs))
		if err != nil {
			t.Fatal(err)
		}
		var nodes, inits []string
		for _, n := range got.Node {
			nodes = append(nodes, n.Output[0])
		}
		for _, w := range got.Initializer {
			inits = append(inits, w.Name)
		}
		for _, x := range []struct {
			what string
			got  []string
			want string
		}{{"nodes", nodes, c.nodes}, {"inputs", names(got.Input), c.inputs}, {"initializers", inits, c.initializers}, {"types", names(got.ValueInfo), c.known}} {
			if !slices.Equal(x.got, strings.Fields(x.want)) {
				t.Errorf("for %s the %s are %q, want %q", c.outputs, x.what, x.got, x.want)
			}
		}
		if len(got.Output) != len(strings.Fields(c.outputs)) {
			t.Errorf("for %s the outputs are %q", c.outputs, names(got.Output))
		}
	}
	if got, err := Cut(g, []string{"c", "b", "a"}); err != nil || got != g {
		t.Errorf("all outputs gave another graph, %v", err)
	}
	if _, err := Cut(g, []string{"z"}); err == nil || !strings.Contains(err.Error(), `no output "z"; it has "a", "b", "c"`) {
		t.Error(err)
	}
	if len(g.Node) != 6 || len(g.Output) != 3 {
		t.Error("the graph itself was changed")
	}
	// A cycle is no trouble here.
	loop := &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{node("Add", "p", "q"), node("Add", "q", "p")}, Output: infos("q", "r")}
	if _, err := Cut(loop, []string{"q"}); err != nil {
		t.Error(err)
	}
}
