package onnximport

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// inputs makes the graph's inputs. An input that is also an initializer has a
// value and is none.
func (im *importer) inputs() ([]Port, error) {
	var ports []Port
	im.lengths.look(im.g.Input, func(name string) bool { return im.values[name] == nil && im.need.Names[name] }, im.proto.ProducerName == ownProducer)
	for _, p := range im.g.Input {
		if im.values[p.Name] != nil || !im.need.Names[p.Name] {
			continue
		}
		port, elem, err := portOf(p)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", quote(p.Name), err)
		}
		d, err := dtype(elem)
		if err != nil {
			im.bad.add(&onnxpb.NodeProto{OpType: "input", Name: p.Name}, err.Error())
			im.values[p.Name] = &value{lost: true}
			continue
		}
		if _, _, err := lengths(bound(port.Dims), im.limits.Elements); err != nil {
			return nil, fmt.Errorf("input %s %w", quote(p.Name), err)
		}
		t := ir.Type{DType: d, Shape: ir.Shape{}}
		for axis, n := range port.Dims {
			if n >= 0 {
				t.Shape = append(t.Shape, ir.Fixed(int(n)))
				continue
			}
			length, err := im.lengths.of(p.Name, axis, port.Syms[axis])
			if err != nil {
				return nil, fmt.Errorf("input %s: %w", quote(p.Name), err)
			}
			t.Shape = append(t.Shape, length)
		}
		v := &ir.Value{Name: p.Name, Type: t, Kind: ir.InputValue}
		im.b.Graph.Inputs = append(im.b.Graph.Inputs, v)
		im.values[p.Name] = &value{v: v, name: p.Name}
		ports = append(ports, port)
	}
	return ports, nil
}

// portOf reads a declaration.
func portOf(p *onnxpb.ValueInfoProto) (Port, int32, error) {
	port := Port{Name: p.Name}
	if p.Type == nil || p.Type.Value == nil {
		return port, 0, fmt.Errorf("no type is declared")
	}
	t, ok := p.Type.Value.(*onnxpb.TypeProto_TensorType)
	if !ok || t.TensorType == nil {
		return port, 0, fmt.Errorf("is not a tensor")
	}
	port.Elem = elemName(t.TensorType.ElemType)
	if t.TensorType.Shape == nil {
		return port, 0, fmt.Errorf("no shape is declared")
	}
	if n := len(t.TensorType.Shape.Dim); n > ir.MaxRank {
		return port, 0, fmt.Errorf("has %d axes, at most %d are possible", n, ir.MaxRank)
	}
	for _, d := range t.TensorType.Shape.Dim {
		n, sym := int64(-1), ""
		switch d := d.Value.(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			if n = d.DimValue; n < 0 {
				return port, 0, fmt.Errorf("has an axis of the negative length %d", n)
			}
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			sym = d.DimParam
		}
		port.Dims, port.Syms = append(port.Dims, n), append(port.Syms, sym)
	}
	return port, t.TensorType.ElemType, nil
}

// bound returns dims with 1 for the open ones.
func bound(dims []int64) []int64 {
	out := make([]int64, len(dims))
	for i, d := range dims {
		if out[i] = d; d < 0 {
			out[i] = 1
		}
	}
	return out
}

// declared checks what the file says of an output against what its nodes give.
func (im *importer) declared(p *onnxpb.ValueInfoProto, t ir.Type) (Port, error) {
	port := Port{Name: p.Name, Elem: t.DType.String()}
	for _, d := range t.Shape {
		n, known := d.Known()
		if known {
			port.Dims, port.Syms = append(port.Dims, int64(n)), append(port.Syms, "")
		} else {
			port.Dims, port.Syms = append(port.Dims, -1), append(port.Syms, im.lengths.name(d))
		}
	}
	if p.Type == nil {
		return port, nil
	}
	said, elem, err := portOf(p)
	if err != nil && (elem != 0 || p.Type.GetTensorType().GetShape() != nil || p.Type.GetTensorType() == nil) {
		return port, err
	}
	if elem == 0 {
		elem = p.Type.GetTensorType().GetElemType()
	}
	d, err := dtype(elem)
	if err != nil {
		return port, err
	}
	if d != t.DType {
		return port, fmt.Errorf("is declared as %s, its node makes %v", elemName(elem), t)
	}
	port.Elem = elemName(elem)
	if p.Type.GetTensorType().GetShape() == nil {
		return port, nil
	}
	fits := len(said.Dims) == len(t.Shape)
	for i := 0; fits && i < len(t.Shape); i++ {
		fits = said.Dims[i] < 0 || t.Shape[i] == ir.Fixed(int(said.Dims[i]))
	}
	if !fits {
		return port, fmt.Errorf("is declared with the lengths %d, its node makes %v (-1 is an open length)", said.Dims, t)
	}
	return port, nil
}

// describe returns the model with everything the file says about itself.
func (im *importer) describe(inputs, outputs []Port) *Model {
	p := im.proto
	im.lengths.bound(im.b.Graph, p.MetadataProps, im.limits.Lengths)
	m := &Model{Graph: im.b.Graph, Params: im.params, Inputs: inputs, Outputs: outputs, Opset: im.opset, IR: p.IrVersion,
		Name: im.g.Name, Domain: p.Domain, Version: p.ModelVersion, Producer: p.ProducerName, ProducerVersion: p.ProducerVersion,
		Doc: p.DocString, Docs: map[string]string{}, Metadata: map[string]string{}}
	for _, e := range p.MetadataProps {
		m.Metadata[e.Key] = e.Value
	}
	for _, n := range im.g.Node {
		if n.DocString != "" {
			m.Docs[n.Output[0]] = n.DocString
		}
	}
	for _, vs := range [][]*onnxpb.ValueInfoProto{im.g.Input, im.g.Output} {
		for _, v := range vs {
			if v.DocString != "" {
				m.Docs[v.Name] = v.DocString
			}
		}
	}
	return m
}
