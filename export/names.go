package onnxexport

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// keptName returns the name of a constant if someone gave it, and not the
// builder.
func keptName(s string) string {
	if strings.HasPrefix(s, "v") {
		if _, err := strconv.ParseFloat(s[1:], 64); err == nil {
			return ""
		}
	}
	return s
}

type nameSet map[string]bool

// free returns s, or s with the first number from 2 that makes it unused.
func (n nameSet) free(s string) string {
	t := s
	for i := 2; n[t]; i++ {
		t = s + "_" + strconv.Itoa(i)
	}
	n[t] = true
	return t
}

// nameAll gives nodes and values their names. Inputs, outputs and parameters
// keep theirs; a layer's only node is named by the layer, several by layer and
// op; an inner value is named by its node.
func (w *writer) nameAll(outs []string) error {
	values, nodes := nameSet{}, nameSet{}
	fix := func(kind, tmp, name string) error {
		if name == "" {
			return fmt.Errorf("export: an %s has no name", kind)
		}
		if values[name] {
			return fmt.Errorf("export: %s %q has the name of another input, output or parameter", kind, name)
		}
		values[name] = true
		w.names[tmp] = name
		return nil
	}
	for _, v := range w.p.graph.Inputs {
		if err := fix("input", w.ref[v], v.Name); err != nil {
			return err
		}
	}
	for i, s := range outs {
		if err := fix("output", s, w.p.outputs[i].name); err != nil {
			return err
		}
	}
	for _, in := range w.inits {
		if in.want != "" {
			w.names[in.tensor.Name] = values.free(in.want)
		}
	}
	count := map[string]int{}
	for _, e := range w.nodes {
		count[layerOf(e.from)]++
	}
	for i := range w.nodes {
		e := &w.nodes[i]
		base := layerOf(e.from)
		switch {
		case base == "":
			base = e.proto.OpType
		case count[base] > 1:
			base += "/" + e.proto.OpType
		}
		e.proto.Name = nodes.free(base)
		e.proto.DocString = doc(e.from)
		for k, s := range e.proto.Output {
			if w.names[s] == "" {
				name := e.proto.Name
				if k > 0 {
					name += ":" + strconv.Itoa(k)
				}
				w.names[s] = values.free(name)
			}
		}
	}
	for _, in := range w.inits {
		if in.want == "" {
			// A constant is made just before the node that reads it.
			owner := w.nodes[min(in.node, len(w.nodes)-1)].proto.Name
			w.names[in.tensor.Name] = values.free(owner + "/" + in.role)
		}
	}
	return nil
}

// taps returns the user's values that are in the file, by final name.
func (w *writer) taps() []Tap {
	at := map[string]*ir.Value{}
	for v, s := range w.ref {
		if v.Kind == ir.NodeOutput && w.p.origin[v] != nil {
			at[w.names[s]] = w.p.origin[v]
		}
	}
	var out []Tap
	for _, e := range w.nodes {
		for _, s := range e.proto.Output { // renamed by now
			if v := at[s]; v != nil && e.from != nil {
				out = append(out, Tap{Layer: e.from.Layer, Pos: e.from.Pos.Portable(), Value: s, IR: v})
			}
		}
	}
	return out
}

func layerOf(n *ir.Node) string {
	if n == nil {
		return ""
	}
	return n.Layer
}

const (
	docLayer = "layer: "
	docAt    = "at: "
)

// doc returns the doc_string of a node: its layer and where the user wrote it.
func doc(n *ir.Node) string {
	if n == nil {
		return ""
	}
	var lines []string
	if n.Layer != "" {
		lines = append(lines, docLayer+n.Layer)
	}
	if s := n.Pos.Portable(); s != "" {
		lines = append(lines, docAt+s)
	}
	return strings.Join(lines, "\n")
}

// Layers returns the results of the last node of each layer that a file's nodes name in
// their doc_string, in the order of those nodes. It fails if the file is not an ONNX model.
func Layers(file []byte) ([]Tap, error) {
	m, err := onnxpb.UnmarshalModel(file)
	if err != nil {
		return nil, err
	}
	g := m.GetGraph()
	if g == nil {
		return nil, nil
	}
	last := map[string]int{}
	taps := make([]Tap, len(g.Node))
	for i, n := range g.Node {
		for line := range strings.SplitSeq(n.GetDocString(), "\n") {
			if s, ok := strings.CutPrefix(line, docLayer); ok {
				taps[i].Layer = s
			}
			if s, ok := strings.CutPrefix(line, docAt); ok {
				taps[i].Pos = s
			}
		}
		if taps[i].Layer != "" && len(n.GetOutput()) > 0 {
			last[taps[i].Layer] = i
		}
	}
	var out []Tap
	for i, t := range taps {
		if j, ok := last[t.Layer]; !ok || j != i {
			continue
		}
		for _, t.Value = range g.Node[i].Output {
			if t.Value != "" {
				out = append(out, t)
			}
		}
	}
	return out, nil
}
