package onnxexport

import (
	"fmt"
	"strconv"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// writer lowers a prepared graph node by node. Values have numbers until every
// node is there, because a node's name depends on how many its layer has.
type writer struct {
	p      *prepared
	params map[string][]float32
	o      Options

	ref      map[*ir.Value]string // temporary names
	absorbed map[*ir.Node]bool    // nodes written only when something reads them
	producer map[*ir.Value]*ir.Node
	nodes    []emitted
	inits    []initializer
	isInit   map[string]bool
	types    map[string]ir.Type // of temporary names
	lengths  map[ir.Dim]string  // that are computed, by temporary name
	next     int
	names    map[string]string // temporary to final
}

type emitted struct {
	proto *onnxpb.NodeProto
	from  *ir.Node
}

type initializer struct {
	tensor *onnxpb.TensorProto // named by its temporary name
	want   string              // the name it should have; empty: role of node
	role   string
	node   int // index of the node it was made for
}

func newWriter(p *prepared, params map[string][]float32, o Options) *writer {
	w := &writer{p: p, params: params, o: o,
		ref: map[*ir.Value]string{}, absorbed: map[*ir.Node]bool{}, producer: map[*ir.Value]*ir.Node{},
		lengths: map[ir.Dim]string{}, isInit: map[string]bool{}, types: map[string]ir.Type{}, names: map[string]string{}}
	for _, n := range p.graph.Nodes {
		for _, v := range n.Out {
			w.producer[v] = n
		}
	}
	return w
}

// fresh returns a temporary name of a value of type t.
func (w *writer) fresh(t ir.Type) string {
	w.next++
	s := "\x00" + strconv.Itoa(w.next)
	w.types[s] = t
	return s
}

// use returns the temporary name of v, writing what makes it if that waits for
// a reader.
func (w *writer) use(v *ir.Value) (string, error) {
	if s, ok := w.ref[v]; ok {
		return s, nil
	}
	switch v.Kind {
	case ir.NodeOutput:
		n := w.producer[v]
		if n == nil || !w.absorbed[n] {
			return "", fmt.Errorf("export: %q is read before it is made", v.Name)
		}
		if err := w.lower(n); err != nil {
			return "", err
		}
		return w.ref[v], nil
	case ir.ParamValue, ir.StateValue:
		return w.param(v)
	case ir.DataValue:
		t := w.p.graph.Data[v]
		tp, err := dataTensor(v.Type, t)
		if err != nil {
			return "", fmt.Errorf("export: constant %q: %w", v.Name, err)
		}
		if v.Type.DType == ir.F32 && v.Type.Rank() > 0 { // to a reader an initializer would be a weight, to be trained
			w.ref[v] = w.add(nil, "Constant", v.Type, []*onnxpb.AttributeProto{{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: tp}})
			return w.ref[v], nil
		}
		s := w.addInit(tp, v.Type, keptName(v.Name), "const")
		w.ref[v] = s
		return s, nil
	}
	return "", fmt.Errorf("export: input %q is not an input of the graph", v.Name)
}

func (w *writer) param(v *ir.Value) (string, error) {
	x, ok := w.params[v.Name]
	if !ok {
		return "", fmt.Errorf("export: no elements were given for parameter %q (%s)", v.Name, v.Type)
	}
	if v.Type.Shape.Symbolic() {
		return "", fmt.Errorf("export: parameter %q has no known lengths (%s)", v.Name, v.Type)
	}
	if n := v.Type.Shape.Count(); n != len(x) {
		return "", fmt.Errorf("export: parameter %q is %s, %d elements, got %d", v.Name, v.Type, n, len(x))
	}
	shape := v.Type.Shape.Lengths()
	tp, err := dataTensor(v.Type, &ir.Tensor{DType: ir.F32, Shape: shape, F32: x})
	if err != nil {
		return "", fmt.Errorf("export: parameter %q: %w", v.Name, err)
	}
	s := w.addInit(tp, v.Type, v.Name, "")
	w.ref[v] = s
	return s, nil
}

func (w *writer) addInit(tp *onnxpb.TensorProto, t ir.Type, want, role string) string {
	s := w.fresh(t)
	tp.Name = s
	w.isInit[s] = true
	w.inits = append(w.inits, initializer{tensor: tp, want: want, role: role, node: len(w.nodes)})
	return s
}

// ints adds a constant of int64 elements, a list of them or a scalar.
func (w *writer) ints(role string, x ...int64) string {
	return w.addInit(&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(x))}, Int64Data: x},
		ir.T(ir.I64, ir.Fixed(len(x))), "", role)
}

// add appends a node with one result of type t and returns the result's name.
func (w *writer) add(from *ir.Node, opType string, t ir.Type, attrs []*onnxpb.AttributeProto, in ...string) string {
	out := w.fresh(t)
	w.nodes = append(w.nodes, emitted{&onnxpb.NodeProto{OpType: opType, Input: in, Output: []string{out}, Attribute: attrs}, from})
	return out
}

// graph lowers everything and gives names.
func (w *writer) graph() (*onnxpb.GraphProto, error) {
	g := w.p.graph
	for _, v := range g.Inputs {
		w.ref[v] = w.fresh(v.Type)
	}
	w.plan()
	for _, n := range g.Nodes {
		if w.absorbed[n] {
			continue
		}
		if err := w.lower(n); err != nil {
			return nil, err
		}
	}
	outs, err := w.bindOutputs()
	if err != nil {
		return nil, err
	}
	if err := w.nameAll(outs); err != nil {
		return nil, err
	}
	gp := &onnxpb.GraphProto{Name: w.o.Name}
	for _, v := range g.Inputs {
		gp.Input = append(gp.Input, w.valueInfo(w.names[w.ref[v]], v.Type))
	}
	shown := map[string]bool{}
	for i, s := range outs {
		shown[s] = true
		gp.Output = append(gp.Output, w.valueInfo(w.names[s], w.p.outputs[i].typ))
	}
	for _, in := range w.inits {
		in.tensor.Name = w.names[in.tensor.Name]
		gp.Initializer = append(gp.Initializer, in.tensor)
	}
	for _, e := range w.nodes {
		for _, s := range e.proto.Output {
			if !shown[s] {
				gp.ValueInfo = append(gp.ValueInfo, w.valueInfo(w.names[s], w.types[s]))
			}
		}
		w.rename(e.proto.Input)
		w.rename(e.proto.Output)
		gp.Node = append(gp.Node, e.proto)
	}
	return gp, nil
}

func (w *writer) rename(s []string) {
	for i, x := range s {
		if x != "" {
			s[i] = w.names[x]
		}
	}
}

// bindOutputs returns the temporary name of each output. What is an input, a
// weight or an output under another name already becomes a copy.
func (w *writer) bindOutputs() ([]string, error) {
	var outs []string
	taken := map[string]bool{}
	for _, o := range w.p.outputs {
		s, err := w.use(o.value)
		if err != nil {
			return nil, err
		}
		if o.value.Kind != ir.NodeOutput || taken[s] || w.isInit[s] {
			s = w.add(nil, "Identity", o.typ, nil, s)
		}
		taken[s] = true
		outs = append(outs, s)
	}
	return outs, nil
}

func (w *writer) valueInfo(name string, t ir.Type) *onnxpb.ValueInfoProto {
	sh := &onnxpb.TensorShapeProto{}
	for _, d := range t.Shape {
		x := &onnxpb.TensorShapeProto_Dimension{}
		if n, known := w.dim(d).Known(); known {
			x.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
		} else {
			x.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: w.dim(d).String()}
		}
		sh.Dim = append(sh.Dim, x)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: elemType(t.DType), Shape: sh}}}}
}
