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

// Check returns the first rule of ONNX that a file breaks. It reads nothing but
// the file: names are unique and each is made once, before it is read; every
// initializer is read and is as long as its dims say; every node is of an op this
// package writes, and the types it infers are those the file states.
//
// It is for files this package wrote: a valid file of another producer may use
// ops it does not know.
func Check(file []byte) error {
	m, err := onnxpb.UnmarshalModel(file)
	if err != nil {
		return err
	}
	return check(m, nil)
}

// check is Check that takes the word of the file for the results of the nodes that own
// names: those of ops from another module, whose rules are not known here.
func check(m *onnxpb.ModelProto, own map[*onnxpb.NodeProto]bool) error {
	c := &checker{own: own, types: map[string]vtype{}, ints: map[string][]int64{}, made: map[string]string{}, read: map[string]bool{}}
	return c.model(m)
}

// length is a number or what a symbol's name says, as 4*N.
type length = ir.Dim

// fixed is the length of that many.
func fixed(n int64) length { return ir.Fixed(int(n)) }

type vtype struct {
	elem int32
	dims []length
}

func (t vtype) equal(u vtype) bool {
	if t.elem != u.elem || len(t.dims) != len(u.dims) {
		return false
	}
	for i := range t.dims {
		if t.dims[i] != u.dims[i] {
			return false
		}
	}
	return true
}

func (t vtype) String() string {
	s := onnxpb.TensorProto_DataType(t.elem).String() + "["
	for i, d := range t.dims {
		if i > 0 {
			s += " "
		}
		s += d.String()
	}
	return s + "]"
}

// parseLength reads a length as it is written.
func parseLength(d *onnxpb.TensorShapeProto_Dimension) (length, error) {
	switch v := d.GetValue().(type) {
	case *onnxpb.TensorShapeProto_Dimension_DimValue:
		if v.DimValue < 0 {
			return length{}, fmt.Errorf("length %d is negative", v.DimValue)
		}
		return fixed(v.DimValue), nil
	case *onnxpb.TensorShapeProto_Dimension_DimParam:
		if d, ok := ir.ParseDim(v.DimParam); ok && d.Symbolic() {
			return d, nil
		} else if v.DimParam != "" {
			return length{}, fmt.Errorf("symbol %q is malformed", v.DimParam)
		}
	}
	return length{}, errors.New("a length is open: neither number nor symbol")
}

type checker struct {
	own   map[*onnxpb.NodeProto]bool
	opset int64
	types map[string]vtype   // of values made so far
	ints  map[string][]int64 // elements of int64 initializers
	made  map[string]string  // name to what made it
	read  map[string]bool
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
	c.opset = m.OpsetImport[0].Version
	keys := map[string]bool{}
	for _, p := range m.MetadataProps {
		if keys[p.Key] {
			return fmt.Errorf("metadata key %q is there twice", p.Key)
		}
		keys[p.Key] = true
	}
	for _, v := range g.Input {
		t, err := declared(v)
		if err != nil {
			return err
		}
		if err := c.define(v.Name, "input", t); err != nil {
			return err
		}
	}
	for _, t := range g.Initializer {
		if err := c.initializer(t); err != nil {
			return err
		}
	}
	stated := map[string]vtype{}
	for _, v := range append(append([]*onnxpb.ValueInfoProto{}, g.ValueInfo...), g.Output...) {
		if _, twice := stated[v.Name]; twice {
			return fmt.Errorf("the type of %q is stated twice", v.Name)
		}
		t, err := declared(v)
		if err != nil {
			return err
		}
		stated[v.Name] = t
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

func (c *checker) define(name, what string, t vtype) error {
	if name == "" {
		return fmt.Errorf("an %s has no name", what)
	}
	if by := c.made[name]; by != "" {
		return fmt.Errorf("%q is made twice: by an %s and by an %s", name, by, what)
	}
	c.made[name], c.types[name] = what, t
	return nil
}

func declared(v *onnxpb.ValueInfoProto) (vtype, error) {
	tt, ok := v.GetType().GetValue().(*onnxpb.TypeProto_TensorType)
	if !ok || tt.TensorType == nil || tt.TensorType.Shape == nil {
		return vtype{}, fmt.Errorf("%q has no tensor type with a shape", v.GetName())
	}
	t := vtype{elem: tt.TensorType.ElemType}
	if len(tt.TensorType.Shape.Dim) > maxRank {
		return vtype{}, fmt.Errorf("%q has %d axes", v.Name, len(tt.TensorType.Shape.Dim))
	}
	for _, d := range tt.TensorType.Shape.Dim {
		l, err := parseLength(d)
		if err != nil {
			return vtype{}, fmt.Errorf("%q: %w", v.Name, err)
		}
		t.dims = append(t.dims, l)
	}
	if dtypeOf(t.elem) == ir.Invalid {
		return vtype{}, fmt.Errorf("%q has element type %d", v.Name, t.elem)
	}
	return t, nil
}

func (c *checker) initializer(p *onnxpb.TensorProto) error {
	t, err := tensorType(p)
	if err != nil {
		return fmt.Errorf("initializer %q: %w", p.Name, err)
	}
	if t.elem == int32(onnxpb.TensorProto_INT64) && len(p.RawData) == 0 {
		c.ints[p.Name] = p.Int64Data
	}
	return c.define(p.Name, "initializer", t)
}

// tensorType returns the type of a tensor that holds all its elements.
func tensorType(p *onnxpb.TensorProto) (vtype, error) {
	t := vtype{elem: p.GetDataType()}
	n := int64(1)
	for _, d := range p.GetDims() {
		if d < 0 || d > 0 && n > MaxBytes/d {
			return t, fmt.Errorf("shape %v is out of range", p.Dims)
		}
		n *= d
		t.dims = append(t.dims, fixed(d))
	}
	size := int64(dtypeOf(t.elem).Size())
	if size == 0 {
		return t, fmt.Errorf("the element type is %d", t.elem)
	}
	raw := int64(len(p.RawData)) == n*size && len(p.Int64Data) == 0
	typed := size == 8 && t.elem == int32(onnxpb.TensorProto_INT64) && int64(len(p.Int64Data)) == n && len(p.RawData) == 0
	if !raw && !typed {
		return t, fmt.Errorf("shape %v needs %d bytes, it has %d", p.Dims, n*size, len(p.RawData))
	}
	return t, nil
}

func (c *checker) node(n *onnxpb.NodeProto, stated map[string]vtype) error {
	if n.Domain != "" {
		return fmt.Errorf("domain %q is not the default one", n.Domain)
	}
	if len(n.Output) == 0 {
		return errors.New("makes nothing")
	}
	in := make([]vtype, len(n.Input))
	for i, s := range n.Input {
		t, ok := c.types[s]
		if !ok {
			return fmt.Errorf("reads %q, which nothing has made yet", s)
		}
		in[i] = t
		c.read[s] = true
	}
	attrs := map[string]*onnxpb.AttributeProto{}
	for _, a := range n.Attribute {
		if a.Name == "" || a.Type == onnxpb.AttributeProto_UNDEFINED {
			return fmt.Errorf("attribute %q has no type", a.Name)
		}
		if attrs[a.Name] != nil {
			return fmt.Errorf("attribute %q is there twice", a.Name)
		}
		attrs[a.Name] = a
	}
	for _, s := range n.Output {
		if _, ok := stated[s]; !ok {
			return fmt.Errorf("the type of %q is not stated", s)
		}
	}
	t, err := c.infer(&call{c: c, n: n, in: in, attrs: attrs, stated: stated[n.Output[0]]})
	if errors.Is(err, errNotWritten) && c.own[n] {
		for _, s := range n.Output {
			if err := c.define(s, "node", stated[s]); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	if u := stated[n.Output[0]]; !t.equal(u) {
		return fmt.Errorf("makes %s, the file states %s", t, u)
	}
	for _, s := range n.Output[1:] { // only TopK has a second result
		u := vtype{int32(onnxpb.TensorProto_INT64), t.dims}
		if !u.equal(stated[s]) {
			return fmt.Errorf("makes %s, the file states %s", u, stated[s])
		}
		if err := c.define(s, "node", u); err != nil {
			return err
		}
	}
	return c.define(n.Output[0], "node", t)
}
