package onnxexport

import (
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// maxNodes and maxRank bound what Check looks at.
const (
	maxNodes = 1 << 22
	maxRank  = 64
)

// Check returns the first structural rule that a file breaks. It looks only at the file:
// names are unique, and each is made once, before it is read; every initializer is read
// and is as long as its dims say; every node is of the default domain and makes something
// that is read and whose type the file states. What a node computes is left to runtimes.
//
// Check is for files that this package wrote: other producers follow fewer rules.
func Check(file []byte) error {
	m, err := onnxpb.UnmarshalModel(file)
	if err != nil {
		return err
	}
	return check(m)
}

func check(m *onnxpb.ModelProto) error {
	c := &checker{made: map[string]string{}, read: map[string]bool{}}
	return c.model(m)
}

// checkLength wants a number, or a symbol or an expression of symbols, as 4*N.
func checkLength(d *onnxpb.TensorShapeProto_Dimension) error {
	switch v := d.GetValue().(type) {
	case *onnxpb.TensorShapeProto_Dimension_DimValue:
		if v.DimValue < 0 {
			return fmt.Errorf("length %d is negative", v.DimValue)
		}
		return nil
	case *onnxpb.TensorShapeProto_Dimension_DimParam:
		if d, ok := ir.ParseDim(v.DimParam); ok && d.Symbolic() {
			return nil
		} else if v.DimParam != "" {
			return fmt.Errorf("symbol %q is malformed", v.DimParam)
		}
	}
	return errors.New("a length is open: neither number nor symbol")
}

type checker struct {
	made map[string]string // name to what made it
	read map[string]bool
}

func (c *checker) model(m *onnxpb.ModelProto) error {
	g := m.GetGraph()
	switch {
	case g == nil:
		return errors.New("the model has no graph")
	case m.IrVersion < 3:
		return fmt.Errorf("IR version %d is too old", m.IrVersion)
	case len(m.OpsetImport) != 1 || m.OpsetImport[0].GetDomain() != "":
		return errors.New("the model must import the default domain and no other")
	case len(g.Node) > maxNodes:
		return fmt.Errorf("%d nodes are above %d", len(g.Node), maxNodes)
	case len(g.Output) == 0:
		return errors.New("the graph has no outputs")
	case g.Name == "":
		return errors.New("the graph has no name")
	}
	keys := map[string]bool{}
	for _, p := range m.MetadataProps {
		if keys[p.Key] {
			return fmt.Errorf("metadata key %q is there twice", p.Key)
		}
		keys[p.Key] = true
	}
	for _, v := range g.Input {
		if err := declared(v); err != nil {
			return err
		}
		if err := c.define(v.Name, "input"); err != nil {
			return err
		}
	}
	for _, t := range g.Initializer {
		if err := c.initializer(t); err != nil {
			return err
		}
	}
	stated := map[string]bool{}
	for _, v := range append(append([]*onnxpb.ValueInfoProto{}, g.ValueInfo...), g.Output...) {
		if stated[v.Name] {
			return fmt.Errorf("the type of %q is stated twice", v.Name)
		}
		if err := declared(v); err != nil {
			return err
		}
		stated[v.Name] = true
	}
	names := map[string]bool{}
	for i, n := range g.Node {
		if n == nil || n.Name == "" {
			return fmt.Errorf("node %d has no name", i)
		}
		if names[n.Name] {
			return fmt.Errorf("two nodes are named %q", n.Name)
		}
		names[n.Name] = true
		if err := c.node(n, stated); err != nil {
			return fmt.Errorf("node %q (%s): %w", n.Name, n.OpType, err)
		}
	}
	for _, v := range g.Output {
		if what := c.made[v.Name]; what != "node" {
			return fmt.Errorf("output %q is not made by a node", v.Name)
		}
		c.read[v.Name] = true
	}
	for name := range stated {
		if c.made[name] != "node" {
			return fmt.Errorf("the type of %q is stated but no node makes it", name)
		}
	}
	for _, t := range g.Initializer {
		if !c.read[t.Name] {
			return fmt.Errorf("initializer %q is not read", t.Name)
		}
	}
	for _, n := range g.Node {
		used := false
		for _, s := range n.Output {
			used = used || c.read[s]
		}
		if !used {
			return fmt.Errorf("node %q makes nothing that is read", n.Name)
		}
	}
	return nil
}

func (c *checker) define(name, what string) error {
	if name == "" {
		return fmt.Errorf("an %s has no name", what)
	}
	if by := c.made[name]; by != "" {
		return fmt.Errorf("%q is made twice: by an %s and by an %s", name, by, what)
	}
	c.made[name] = what
	return nil
}

func declared(v *onnxpb.ValueInfoProto) error {
	tt, ok := v.GetType().GetValue().(*onnxpb.TypeProto_TensorType)
	if !ok || tt.TensorType == nil || tt.TensorType.Shape == nil {
		return fmt.Errorf("%q has no tensor type with a shape", v.GetName())
	}
	if len(tt.TensorType.Shape.Dim) > maxRank {
		return fmt.Errorf("%q has %d axes", v.Name, len(tt.TensorType.Shape.Dim))
	}
	for _, d := range tt.TensorType.Shape.Dim {
		if err := checkLength(d); err != nil {
			return fmt.Errorf("%q: %w", v.Name, err)
		}
	}
	if elem := tt.TensorType.ElemType; dtypeOf(elem) == ir.Invalid {
		return fmt.Errorf("%q has element type %d", v.Name, elem)
	}
	return nil
}

func (c *checker) initializer(p *onnxpb.TensorProto) error {
	n := int64(1)
	for _, d := range p.GetDims() {
		if d < 0 || d > 0 && n > MaxBytes/d {
			return fmt.Errorf("initializer %q: shape %v is out of range", p.Name, p.Dims)
		}
		n *= d
	}
	size := int64(dtypeOf(p.GetDataType()).Size())
	if size == 0 {
		return fmt.Errorf("initializer %q has element type %d", p.Name, p.GetDataType())
	}
	raw := int64(len(p.RawData)) == n*size && len(p.Int64Data) == 0
	typed := p.GetDataType() == int32(onnxpb.TensorProto_INT64) && int64(len(p.Int64Data)) == n && len(p.RawData) == 0
	if !raw && !typed {
		return fmt.Errorf("initializer %q: shape %v needs %d bytes, it has %d", p.Name, p.Dims, n*size, len(p.RawData))
	}
	return c.define(p.Name, "initializer")
}

func (c *checker) node(n *onnxpb.NodeProto, stated map[string]bool) error {
	if n.Domain != "" {
		return fmt.Errorf("domain %q is not the default one", n.Domain)
	}
	if len(n.Output) == 0 {
		return errors.New("makes nothing")
	}
	for _, s := range n.Input {
		if c.made[s] == "" {
			return fmt.Errorf("reads %q, which nothing has made yet", s)
		}
		c.read[s] = true
	}
	attrs := map[string]bool{}
	for _, a := range n.Attribute {
		if a.Name == "" || a.Type == onnxpb.AttributeProto_UNDEFINED {
			return fmt.Errorf("attribute %q has no type", a.Name)
		}
		if attrs[a.Name] {
			return fmt.Errorf("attribute %q is there twice", a.Name)
		}
		attrs[a.Name] = true
	}
	for _, s := range n.Output {
		if !stated[s] {
			return fmt.Errorf("the type of %q is not stated", s)
		}
		if err := c.define(s, "node"); err != nil {
			return err
		}
	}
	return nil
}
