package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Transpose permutes the axes: axis i of the result is axis Perm[i] of x.
type Transpose struct {
	moving
	Perm ir.Axes `attr:"perm"`
}

// moving is embedded by ops that move elements and compute nothing.
type moving struct{}

// MixesRows states that rows stay apart.
func (moving) MixesRows([]ir.Type) bool { return false }

// Bound moves the variances as the elements.
func (moving) Bound(c *ir.Call) ([]ir.Estimate, error) { return c.Moved() }

// Linear states that it is.
func (moving) Linear([]bool) bool { return true }

// Cost counts no arithmetic.
func (moving) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}

// Name returns Transpose.
func (Transpose) Name() string { return "Transpose" }

// ONNX returns Transpose.
func (Transpose) ONNX() ir.ONNX { return ir.ONNX{Type: "Transpose", Since: 13} }

// Infer returns the permuted shape; Perm names each axis of x once.
func (op Transpose) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	x := in[0]
	if op.Perm.Len != x.Rank() {
		return nil, fmt.Errorf("perm has %d axes but x has %d (x is %v)", op.Perm.Len, x.Rank(), x)
	}
	perm, out := op.Perm.Slice(), ir.Shape{}
	for i, a := range perm {
		if err := axisIn(a, x, "x"); err != nil {
			return nil, err
		}
		if slices.Contains(perm[:i], a) {
			return nil, fmt.Errorf("perm %v names axis %d twice (x is %v)", perm, a, x)
		}
		out = append(out, x.Shape[a])
	}
	return result(x.DType, out)
}

// Eval is the reference meaning.
func (op Transpose) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	own := strides(in[0].Shape)
	var shape, st []int
	for _, a := range op.Perm.Slice() {
		shape, st = append(shape, in[0].Shape[a]), append(st, own[a])
	}
	return one(gather(in[0], shape, walk(shape, st)))
}

// VJP gives dy under the inverse permutation.
func (op Transpose) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	inverse := ir.Axes{Len: op.Perm.Len}
	for i, a := range op.Perm.Slice() {
		inverse.At[a] = i
	}
	return []*ir.Value{b.Op(Transpose{Perm: inverse}, dout[0])}
}

// Turns states that it transposes a matrix if it swaps its two axes.
func (op Transpose) Turns() bool { return op.Perm == ir.MakeAxes(1, 0) }

// Split states that a matrix is transposed by columns, and that rows stay apart
// where axis 0 stays.
func (op Transpose) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	switch {
	case out.Rank() > 0 && op.Perm.At[0] == 0:
		return []ir.Access{ir.Axis0}, true
	case out.Rank() == 2:
		return []ir.Access{ir.Axis1}, true
	}
	return nil, false
}

// Follow states that an axis becomes another one.
func (op Transpose) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	to := slices.Index(op.Perm.Slice(), axis)
	return ir.Track{Axis: to}, to >= 0
}

// Reshape gives the elements of x, in row-major order, the shape Shape.
type Reshape struct {
	moving
	Shape ir.Dims `attr:"shape"`
}

// Name returns Reshape.
func (Reshape) Name() string { return "Reshape" }

// ONNX returns Reshape, whose shape is an operand there.
func (Reshape) ONNX() ir.ONNX { return ir.ONNX{Type: "Reshape", Since: 14} }

// Infer returns Shape, which must hold as many elements as x whatever the symbols stand for.
func (op Reshape) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	s, err := dimsIn(op.Shape, "shape")
	if err != nil {
		return nil, err
	}
	n, _ := in[0].Shape.Elems()
	if m, _ := s.Elems(); n != m {
		return nil, fmt.Errorf("x does not have the elements of shape %v (x is %v)", s, in[0])
	}
	return result(in[0].DType, s)
}

// Eval is the reference meaning.
func (op Reshape) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape := env.Bind(op.Shape.Shape())
	if ir.Elems(shape) != in[0].Len() {
		return nil, fmt.Errorf("x of shape %v does not have the elements of shape %v", in[0].Shape, shape)
	}
	return one(reshaped(in[0], shape))
}

// VJP gives dy in x's shape.
func (Reshape) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{reshapeTo(b, dout[0], n.In[0].Type.Shape)}
}

// MixesRows states that rows stay apart while their elements stay together.
func (op Reshape) MixesRows(in []ir.Type) bool {
	return reshapesRows(in[0].Shape, op.Shape.Shape())
}

// Split states that rows stay apart where axis 0 keeps its length.
func (Reshape) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitReshape(in, out) }

// View states that it is one.
func (Reshape) View([]ir.Type) bool { return true }

// InPlace states that the result may overwrite x.
func (Reshape) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// reshapesRows reports whether elements of one row become elements of another: the
// elements before the axis of the rows are no longer as many.
func reshapesRows(from, to ir.Shape) bool {
	before := func(s ir.Shape) (ir.Dim, bool) {
		axis, _ := ir.BatchAxis(s)
		return ir.Product(s[:max(axis, 0)]...)
	}
	a, ok := before(from)
	b, fits := before(to)
	return !ok || !fits || a != b
}

func splitReshape(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return rows0(in, in[0].Rank() > 0 && out.Rank() > 0 && in[0].Shape[0] == out.Shape[0])
}

// Flatten makes x a matrix: the axes before Axis become the first, the others
// the second.
type Flatten struct {
	moving
	Axis int `attr:"axis"`
}

// Name returns Flatten.
func (Flatten) Name() string { return "Flatten" }

// ONNX returns Flatten.
func (Flatten) ONNX() ir.ONNX { return ir.ONNX{Type: "Flatten", Since: 13} }

// Infer returns the two products of lengths; Axis is from 0 to x's rank.
func (op Flatten) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	x := in[0]
	if op.Axis < 0 || op.Axis > x.Rank() {
		return nil, fmt.Errorf("axis %d is outside 0 to %d (x is %v)", op.Axis, x.Rank(), x)
	}
	rows, _ := x.Shape[:op.Axis].Elems()
	cols, _ := x.Shape[op.Axis:].Elems()
	return result(x.DType, ir.Shape{rows, cols})
}

// Eval is the reference meaning.
func (op Flatten) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	s := in[0].Shape
	return one(reshaped(in[0], []int{ir.Elems(s[:op.Axis]), ir.Elems(s[op.Axis:])}))
}

// VJP gives dy in x's shape.
func (Flatten) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{reshapeTo(b, dout[0], n.In[0].Type.Shape)}
}

// MixesRows states that rows stay apart while their elements stay together.
func (op Flatten) MixesRows(in []ir.Type) bool {
	out, err := op.Infer(in)
	return err != nil || reshapesRows(in[0].Shape, out[0].Shape)
}

// Split states that rows stay apart where axis 0 keeps its length.
func (Flatten) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitReshape(in, out) }

// View states that it is one.
func (Flatten) View([]ir.Type) bool { return true }

// InPlace states that the result may overwrite x.
func (Flatten) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Expand repeats x along axes of length 1, and along new leading axes, until it
// has the shape Shape.
type Expand struct {
	moving
	Shape ir.Dims `attr:"shape"`
}

// Name returns Expand.
func (Expand) Name() string { return "Expand" }

// ONNX returns Expand, whose shape is an operand there.
func (Expand) ONNX() ir.ONNX { return ir.ONNX{Type: "Expand", Since: 13} }

// Infer returns Shape, to which x must broadcast.
func (op Expand) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	s, err := dimsIn(op.Shape, "shape")
	if err != nil {
		return nil, err
	}
	lead := len(s) - in[0].Rank()
	fits := lead >= 0
	for i := 0; fits && i < in[0].Rank(); i++ {
		d := in[0].Shape[i]
		fits = d == s[lead+i] || d == ir.Fixed(1)
	}
	if !fits {
		return nil, fmt.Errorf("x does not broadcast to shape %v (x is %v)", s, in[0])
	}
	return result(in[0].DType, s)
}

// Eval is the reference meaning.
func (op Expand) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape := env.Bind(op.Shape.Shape())
	return one(gather(in[0], shape, broadcastIndex(in[0].Shape, shape)))
}

// VJP gives the sum of dy over the repetitions.
func (Expand) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{sumTo(b, dout[0], n.In[0].Type)}
}

// Split is that of an elementwise op.
func (Expand) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitBroadcast(in, out) }
