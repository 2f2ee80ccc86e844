package onnximport

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// call is one node being lowered. It is sticky: after a mistake its methods
// return harmless values, and the node's error is the first mistake.
type call struct {
	im    *importer
	n     *onnxpb.NodeProto
	in    []*value // nil for an operand left out
	attrs map[string]*onnxpb.AttributeProto
	asked map[string]bool
	err   error
}

// errLost is the error of a node that reads what another could not make.
var errLost = errors.New("an operand could not be made")

// call gathers the operands and attributes of a node.
func (im *importer) call(n *onnxpb.NodeProto, s step) (*call, row, error) {
	r := table()[n.OpType]
	c := &call{im: im, n: n, attrs: map[string]*onnxpb.AttributeProto{}, asked: map[string]bool{}}
	for _, a := range n.Attribute {
		switch {
		case c.attrs[a.Name] != nil:
			return nil, r, fmt.Errorf("attribute %s is given twice", quote(a.Name))
		case a.RefAttrName != "":
			return nil, r, fmt.Errorf("attribute %s refers to one of a function, outside a function", quote(a.Name))
		case !single(a):
			return nil, r, fmt.Errorf("attribute %s of type %v holds something else", quote(a.Name), a.Type)
		}
		c.attrs[a.Name] = a
	}
	names := s.in
	for r.max >= 0 && len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	if len(names) < r.min || r.max >= 0 && len(names) > r.max {
		return nil, r, fmt.Errorf("has %d inputs, %s", len(names), r.arity())
	}
	lost := false
	for i, name := range names {
		if name == "" {
			if i < r.min || r.max < 0 {
				return nil, r, fmt.Errorf("input %d is left out", i+1)
			}
			c.in = append(c.in, nil)
			continue
		}
		v := im.values[name]
		if v == nil {
			return nil, r, fmt.Errorf("internal error: %s is read before it is made", quote(name))
		}
		lost = lost || v.lost
		c.in = append(c.in, v)
	}
	if lost {
		return nil, r, errLost
	}
	return c, r, nil
}

// single reports whether an attribute holds nothing but a value of its type.
func single(a *onnxpb.AttributeProto) bool {
	for t, set := range map[onnxpb.AttributeProto_AttributeType]bool{
		onnxpb.AttributeProto_FLOAT:          a.F != 0,
		onnxpb.AttributeProto_INT:            a.I != 0,
		onnxpb.AttributeProto_STRING:         len(a.S) > 0,
		onnxpb.AttributeProto_TENSOR:         a.T != nil,
		onnxpb.AttributeProto_GRAPH:          a.G != nil,
		onnxpb.AttributeProto_SPARSE_TENSOR:  a.SparseTensor != nil,
		onnxpb.AttributeProto_TYPE_PROTO:     a.Tp != nil,
		onnxpb.AttributeProto_FLOATS:         len(a.Floats) > 0,
		onnxpb.AttributeProto_INTS:           len(a.Ints) > 0,
		onnxpb.AttributeProto_STRINGS:        len(a.Strings) > 0,
		onnxpb.AttributeProto_TENSORS:        len(a.Tensors) > 0,
		onnxpb.AttributeProto_GRAPHS:         len(a.Graphs) > 0,
		onnxpb.AttributeProto_SPARSE_TENSORS: len(a.SparseTensors) > 0,
		onnxpb.AttributeProto_TYPE_PROTOS:    len(a.TypeProtos) > 0,
	} {
		if set && t != a.Type {
			return false
		}
	}
	return true
}

// use returns a value as one of the graph.
func (im *importer) use(r *value) (*ir.Value, error) {
	switch {
	case r == nil || r.lost:
		return nil, errLost
	case r.v != nil:
		return r.v, nil
	case r.t == nil:
		return nil, unsupported("an open length, or a count up to one, is used as a value")
	}
	if r.name == "" {
		r.name = im.b.Unique("")
	}
	r.v = &ir.Value{Name: r.name, Type: r.t.Type()}
	if r.param != "" && r.t.DType == ir.F32 && len(r.t.Shape) > 0 {
		r.v.Kind = ir.ParamValue
		im.b.Graph.Params = append(im.b.Graph.Params, r.v)
		im.params[r.name] = r.t
		return r.v, nil
	}
	r.v.Kind = ir.DataValue
	im.b.Graph.Data[r.v] = r.t
	return r.v, nil
}

func (c *call) fail(err error) *value {
	if c.err == nil {
		c.err = err
	}
	return &value{lost: true}
}

func (c *call) failf(format string, a ...any) *value { return c.fail(fmt.Errorf(format, a...)) }

// cannot fails with a form that is not supported.
func (c *call) cannot(format string, a ...any) *value { return c.fail(unsupported(format, a...)) }

// one returns the single result of a node.
func (c *call) one(v *value) []*value { return []*value{v} }

// has reports whether operand i is given.
func (c *call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// x returns operand i.
func (c *call) x(i int) *value {
	if !c.has(i) {
		return c.failf("input %d is left out", i+1)
	}
	return c.in[i]
}

// typ returns the type of a value.
func typ(v *value) ir.Type {
	switch {
	case v.v != nil:
		return v.v.Type
	case v.t != nil:
		return v.t.Type()
	case v.count != (ir.Dim{}):
		return ir.Type{DType: ir.I64, Shape: v.shape}
	case v.dims != nil && v.rank0:
		return ir.Type{DType: cmp.Or(v.whole, ir.I64), Shape: ir.Shape{}}
	case v.dims != nil:
		return ir.Type{DType: cmp.Or(v.whole, ir.I64), Shape: ir.ShapeOf(len(v.dims))}
	}
	return ir.Type{}
}

// op applies an op. Integers and bools that are known stay known, so that a
// shape computed from constants is one.
func (c *call) op(op ir.Op, in ...*value) *value {
	types := make([]ir.Type, len(in))
	known := len(in) > 0
	for i, v := range in {
		if c.err != nil || v.lost {
			return c.fail(errLost)
		}
		types[i] = typ(v)
		known = known && v.t != nil
	}
	out, err := op.Infer(types)
	if err != nil {
		return c.fail(err)
	}
	if len(out) != 1 {
		return c.failf("internal error: %s has %d results", op.Name(), len(out))
	}
	n := int64(1)
	for _, d := range out[0].Shape {
		least := int64(d.Least())
		if least > 0 && n > c.im.limits.Elements/least {
			return c.failf("the result %v has more than %d elements a row", out[0], c.im.limits.Elements)
		}
		n *= least
	}
	if known && !out[0].DType.Float() && !out[0].Shape.Symbolic() && c.cheap(in, n) {
		return c.fold(op, types, in)
	}
	args := make([]*ir.Value, len(in))
	for i, v := range in {
		if args[i], err = c.im.use(v); err != nil {
			return c.fail(err)
		}
	}
	v := c.im.b.Op(op, args...)
	if v.Type.DType == ir.Invalid {
		return c.fail(c.im.b.Err())
	}
	return &value{v: v}
}

// maxFold is the greatest number of elements that one op is evaluated on while
// reading; what is larger becomes a node.
const maxFold = 1 << 16

// cheap reports whether an op with a result of n elements is evaluated while
// reading, and counts it.
func (c *call) cheap(in []*value, n int64) bool {
	for _, v := range in {
		n += int64(v.t.Len())
	}
	if n > maxFold || n > int64(c.im.limits.Folded-c.im.folded) {
		return false
	}
	c.im.folded += int(n)
	return true
}

// fold evaluates an op on known operands.
func (c *call) fold(op ir.Op, types []ir.Type, in []*value) *value {
	args := make([]*ir.Tensor, len(in))
	for i, v := range in {
		args[i] = v.t.Widen()
	}
	out, err := ir.EvalOp(&ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, op, types, args)
	if err != nil {
		return c.fail(err)
	}
	return &value{t: out[0]}
}

// spend takes n elements from those that may be computed while reading.
func (c *call) spend(n int64) bool {
	if n > int64(c.im.limits.Folded-c.im.folded) {
		c.failf("more than %d elements of integers would be computed while reading", c.im.limits.Folded)
		return false
	}
	c.im.folded += int(n)
	return true
}

// scalar returns a constant of dtype d.
func (c *call) scalar(d ir.DType, x float64) *value {
	switch {
	case d == ir.Invalid:
		return c.fail(errLost)
	case d.Float(): // what a file of that type can hold
		return &value{v: c.im.b.Const(d, ir.Scalar(x).To(d).At(0))}
	}
	return &value{t: ir.Scalar(x).To(d)}
}

// like returns a scalar of v's dtype.
func (c *call) like(v *value, x float64) *value { return c.scalar(typ(v).DType, x) }

// floats returns operand i, which must be floating point.
func (c *call) floats(i int) *value {
	v := c.x(i)
	if d := typ(v).DType; c.err == nil && !d.Float() {
		return c.cannot("elements are %v", d)
	}
	return v
}

// numbers returns operand i, which must not be bool.
func (c *call) numbers(i int) *value {
	v := c.x(i)
	if d := typ(v).DType; c.err == nil && d == ir.Bool {
		return c.cannot("elements are %v", d)
	}
	return v
}

// ints returns the integers of operand i, which must be known and of rank 0
// or 1.
func (c *call) ints(i int, what string) []int64 {
	v := c.x(i)
	switch {
	case c.err != nil:
	case v.t == nil:
		c.cannot("%s is not a constant", what)
	case !v.t.DType.Integer():
		c.failf("%s is %v, must be integers", what, v.t.DType)
	case len(v.t.Shape) > 1:
		c.failf("%s has %d axes, must have one", what, len(v.t.Shape))
	default:
		return v.t.To(ir.I64).I64
	}
	return nil
}

// lengthsOf returns operand i as lengths, which may be open.
func (c *call) lengthsOf(i int, what string) []ir.Dim {
	if v := c.x(i); v.dims != nil {
		return v.dims
	}
	list := c.ints(i, what)
	if len(list) > ir.MaxRank {
		c.failf("%s has %d lengths, at most %d are possible", what, len(list), ir.MaxRank)
		return nil
	}
	out := make([]ir.Dim, len(list))
	for k, n := range list {
		if n < -1 || n > c.im.limits.Elements {
			c.failf("%s holds the length %d", what, n)
			return nil
		}
		out[k] = ir.Fixed(int(n))
	}
	return out
}

// known returns the one element of operand i.
func (c *call) known(i int, what string) float64 {
	v := c.x(i)
	switch {
	case c.err != nil:
	case v.t == nil:
		c.cannot("%s is not a constant", what)
	case v.t.Len() != 1:
		c.failf("%s has %d elements, must have one", what, v.t.Len())
	default:
		return v.t.At(0)
	}
	return 0
}

// axis returns an axis counted from 0, which must be below rank.
func (c *call) axis(a int64, rank int) int {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		c.failf("axis %d does not exist: there are %d axes", a, rank)
		return 0
	}
	return int(a)
}

// axes returns axes counted from 0, ascending, each once.
func (c *call) axes(list []int64, rank int) []int {
	if len(list) > rank {
		c.failf("%d axes are named, there are %d", len(list), rank)
		return nil
	}
	var out []int
	for _, a := range list {
		out = append(out, c.axis(a, rank))
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) {
		c.failf("axes %d name one twice", list)
	}
	return out
}

func (c *call) attr(name string, want onnxpb.AttributeProto_AttributeType) *onnxpb.AttributeProto {
	c.asked[name] = true
	a := c.attrs[name]
	if a != nil && a.Type != want {
		c.failf("attribute %s is of type %v, must be %v", quote(name), a.Type, want)
		return nil
	}
	return a
}

// given reports whether an attribute is there.
func (c *call) given(name string) bool { return c.attrs[name] != nil }

// int returns an attribute, or its default.
func (c *call) int(name string, otherwise int64) int64 {
	if a := c.attr(name, onnxpb.AttributeProto_INT); a != nil {
		return a.I
	}
	return otherwise
}

// flag returns an attribute that is 0 or 1.
func (c *call) flag(name string, otherwise bool) bool {
	n := int64(0)
	if otherwise {
		n = 1
	}
	if n = c.int(name, n); n != 0 && n != 1 {
		c.failf("attribute %s is %d, must be 0 or 1", quote(name), n)
	}
	return n == 1
}

// float returns an attribute, or its default.
func (c *call) float(name string, otherwise float64) float64 {
	if a := c.attr(name, onnxpb.AttributeProto_FLOAT); a != nil {
		return float64(a.F)
	}
	return float64(float32(otherwise))
}

// str returns an attribute, or its default.
func (c *call) str(name, otherwise string) string {
	if a := c.attr(name, onnxpb.AttributeProto_STRING); a != nil {
		return string(a.S)
	}
	return otherwise
}

// list returns an attribute, or nil.
func (c *call) list(name string) []int64 {
	if a := c.attr(name, onnxpb.AttributeProto_INTS); a != nil {
		return a.Ints
	}
	return nil
}

// leftovers returns an error if the row asked for less than the node has.
func (c *call) leftovers() error {
	for _, a := range c.n.Attribute {
		if !c.asked[a.Name] {
			return fmt.Errorf("attribute %s is not one of %s at opset %d", quote(a.Name), short(c.n.OpType), c.im.opset)
		}
	}
	return nil
}

// fixed returns the length of an axis, which must be known.
func (c *call) fixed(v *value, axis int) int {
	if c.err != nil {
		return 0
	}
	n, known := typ(v).Shape[axis].Known()
	if !known {
		c.cannot("works along axis %d of %v, whose length is open", axis, typ(v))
		return 0
	}
	return n
}

// rank returns the number of axes of a value.
func rank(v *value) int { return typ(v).Rank() }
