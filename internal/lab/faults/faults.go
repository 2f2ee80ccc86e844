// Package faults puts faults into ONNX files, such as a mistake in an exporter would
// cause, to test what verification finds.
package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Fault says what was done to a file.
type Fault struct {
	Kind  string
	What  string // the change, by names of the file
	Layer string // of the node that was changed, or of the first that reads the changed tensor
}

// kind is a way to break a file. put reports false if the file has no place for
// it, and then has changed nothing.
type kind struct {
	name string
	put  func(f *file) (Fault, bool)
}

func kinds() []kind {
	return []kind{
		{"operands swapped", (*file).swapOperands},
		{"transpose lost", (*file).loseTranspose},
		{"wrong axis or permutation", (*file).turnAxis},
		{"bias off by one row", (*file).shiftBias},
		{"activation exchanged", (*file).exchangeActivation},
		{"wrong epsilon or alpha", (*file).scaleConstant},
		{"weight perturbed", (*file).perturbWeight},
		{"node dropped", (*file).dropNode},
		{"node doubled", (*file).doubleNode},
		{"output taken elsewhere", (*file).moveOutput},
		{"opset changed", (*file).changeOpset},
		{"batch fixed", (*file).fixBatch},
		{"stale weights", (*file).staleWeights},
		{"rows of a weight permuted", (*file).permuteRows},
	}
}

// Kinds returns the names of the kinds that any file may have; see [ImageKinds].
func Kinds() []string { return names(kinds()) }

func names(list []kind) []string {
	var out []string
	for _, k := range list {
		out = append(out, k.name)
	}
	return out
}

// Put puts one fault of a kind into m, the same for the same key. It reports false
// and changes nothing if m has no place for the kind.
func Put(m *onnxpb.ModelProto, name string, key random.Key) (Fault, bool) {
	for _, k := range append(kinds(), imageKinds()...) {
		if k.name != name {
			continue
		}
		f, ok := k.put(&file{m: m, g: m.Graph, key: key})
		f.Kind = name
		return f, ok
	}
	return Fault{}, false
}

// file is a model with a stream of choices.
type file struct {
	m   *onnxpb.ModelProto
	g   *onnxpb.GraphProto
	key random.Key
	at  uint64
}

func (f *file) below(n int) int {
	f.at++
	return int(f.key.Uint64N(f.at, uint64(n)))
}

// one returns one of the list, which must not be empty.
func one[T any](f *file, list []T) T { return list[f.below(len(list))] }

// layer returns the layer that a node's doc_string names.
func layer(n *onnxpb.NodeProto) string {
	first, _, _ := strings.Cut(n.GetDocString(), "\n")
	s, _ := strings.CutPrefix(first, "layer: ")
	return s
}

// in makes a fault of a node.
func in(n *onnxpb.NodeProto, format string, a ...any) (Fault, bool) {
	return Fault{What: fmt.Sprintf("%s %q: ", n.OpType, n.Name) + fmt.Sprintf(format, a...), Layer: layer(n)}, true
}

// of makes a fault of a tensor.
func (f *file) of(t *onnxpb.TensorProto, format string, a ...any) (Fault, bool) {
	fault := Fault{What: fmt.Sprintf("%q: ", t.Name) + fmt.Sprintf(format, a...)}
	for _, n := range f.g.Node {
		if slices.Contains(n.Input, t.Name) {
			fault.Layer = layer(n)
			break
		}
	}
	return fault, true
}

// nodes returns those for which is holds.
func (f *file) nodes(is func(n *onnxpb.NodeProto) bool) []*onnxpb.NodeProto {
	var out []*onnxpb.NodeProto
	for _, n := range f.g.Node {
		if is(n) {
			out = append(out, n)
		}
	}
	return out
}

// floats returns the initializers of float32 for which is holds.
func (f *file) floats(is func(t *onnxpb.TensorProto) bool) []*onnxpb.TensorProto {
	var out []*onnxpb.TensorProto
	for _, t := range f.g.Initializer {
		if t.DataType == int32(onnxpb.TensorProto_FLOAT) && len(t.RawData) >= 4 && is(t) {
			out = append(out, t)
		}
	}
	return out
}

func (f *file) initializer(name string) *onnxpb.TensorProto {
	for _, t := range f.g.Initializer {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// isOutput reports whether the graph gives the value out.
func (f *file) isOutput(name string) bool {
	return slices.ContainsFunc(f.g.Output, func(v *onnxpb.ValueInfoProto) bool { return v.Name == name })
}

// rename gives every use of a value another name, those of except excluded.
func (f *file) rename(from, to string, except *onnxpb.NodeProto) {
	for _, n := range f.g.Node {
		for i, s := range n.Input {
			if s == from && n != except {
				n.Input[i] = to
			}
		}
	}
}

func attribute(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Reorder turns the order of the initializers around: the same function.
func Reorder(m *onnxpb.ModelProto) { slices.Reverse(m.Graph.Initializer) }

// Identities puts an Identity behind every node whose result is not an output:
// the same function.
func Identities(m *onnxpb.ModelProto) {
	f := &file{m: m, g: m.Graph}
	var nodes []*onnxpb.NodeProto
	for _, n := range m.Graph.Node {
		nodes = append(nodes, n)
		if out := n.Output[0]; !f.isOutput(out) {
			same := &onnxpb.NodeProto{Name: n.Name + "/same", OpType: "Identity", Input: []string{out}, Output: []string{out + "/same"}}
			f.rename(out, out+"/same", same)
			nodes = append(nodes, same)
		}
	}
	m.Graph.Node = nodes
}
