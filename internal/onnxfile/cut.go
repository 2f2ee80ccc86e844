package onnxfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Need is what some outputs of a graph are made of.
type Need struct {
	Nodes []bool          // by place in the graph
	Names map[string]bool // the outputs, and every name that a node of these reads
}

// Needed returns what the named outputs are made of. The graph may be malformed:
// a name that nothing makes is only a name.
func Needed(g *onnxpb.GraphProto, outputs []string) Need {
	maker := map[string]int{}
	for i, n := range g.GetNode() {
		for _, o := range n.GetOutput() {
			maker[o] = i
		}
	}
	need := Need{Nodes: make([]bool, len(g.GetNode())), Names: map[string]bool{}}
	var todo []int
	read := func(name string) {
		if name == "" || need.Names[name] {
			return
		}
		need.Names[name] = true
		if i, ok := maker[name]; ok && !need.Nodes[i] {
			need.Nodes[i] = true
			todo = append(todo, i)
		}
	}
	for _, name := range outputs {
		read(name)
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		reads(g.Node[i], read)
	}
	return need
}

// reads calls f with every name that a node reads, those that its subgraphs take
// from around them among them.
func reads(n *onnxpb.NodeProto, f func(string)) {
	for _, name := range n.GetInput() {
		f(name)
	}
	for _, a := range n.GetAttribute() {
		for _, g := range append([]*onnxpb.GraphProto{a.GetG()}, a.GetGraphs()...) {
			for _, inner := range g.GetNode() {
				reads(inner, f)
			}
			for _, o := range g.GetOutput() { // it may be a value from around
				f(o.GetName())
			}
		}
	}
}

// Cut returns the graph without what the named outputs do not need, its inputs
// included; the graph itself if these are all of its outputs. It shares its parts
// with g.
//
// Errors: a name that is no output of g, with those that are.
func Cut(g *onnxpb.GraphProto, outputs []string) (*onnxpb.GraphProto, error) {
	if err := CheckOutputs(g, outputs); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(g.Output, func(o *onnxpb.ValueInfoProto) bool { return !slices.Contains(outputs, o.GetName()) }) {
		return g, nil
	}
	need := Needed(g, outputs)
	out := *g
	made := map[string]bool{}
	out.Node = nil
	for i, n := range g.Node {
		if need.Nodes[i] {
			out.Node = append(out.Node, n)
			for _, o := range n.GetOutput() {
				made[o] = true
			}
		}
	}
	info := func(list []*onnxpb.ValueInfoProto, keep func(string) bool) []*onnxpb.ValueInfoProto {
		return kept(list, func(v *onnxpb.ValueInfoProto) bool { return keep(v.GetName()) })
	}
	wanted := func(name string) bool { return need.Names[name] }
	out.Input = info(g.Input, wanted)
	out.Output = info(g.Output, func(name string) bool { return slices.Contains(outputs, name) })
	out.ValueInfo = info(g.ValueInfo, func(name string) bool { return made[name] })
	out.Initializer = kept(g.Initializer, func(t *onnxpb.TensorProto) bool { return wanted(t.GetName()) })
	out.SparseInitializer = kept(g.SparseInitializer, func(t *onnxpb.SparseTensorProto) bool { return wanted(t.GetValues().GetName()) })
	out.QuantizationAnnotation = kept(g.QuantizationAnnotation, func(a *onnxpb.TensorAnnotation) bool {
		return made[a.GetTensorName()] || wanted(a.GetTensorName())
	})
	return &out, nil
}

func kept[T any](list []T, keep func(T) bool) []T {
	var out []T
	for _, x := range list {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}

// CheckOutputs returns an error for a name that is no output of g.
func CheckOutputs(g *onnxpb.GraphProto, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(g.GetOutput(), func(o *onnxpb.ValueInfoProto) bool { return o.GetName() == name }) {
			return fmt.Errorf("the model has no output %s; it has %s", quote(name), list(g.GetOutput()))
		}
	}
	return nil
}

// list quotes the names of ports.
func list(ports []*onnxpb.ValueInfoProto) string {
	const most = 20
	var names []string
	for i, p := range ports {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(ports)-i))
			break
		}
		names = append(names, quote(p.GetName()))
	}
	return strings.Join(names, ", ")
}

// quote quotes what a file says, cut to what a message may hold.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}
