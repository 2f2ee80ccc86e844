package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Cast converts x to the dtype To: to a float by rounding to the nearest, floats
// to integers by dropping the fraction, integers to integers by their low bits, to
// bool by x != 0, bool to 0 and 1.
type Cast struct {
	To ir.DType `attr:"to"`
}

// Name returns Cast.
func (Cast) Name() string { return "Cast" }

// ONNX returns Cast.
func (Cast) ONNX() ir.ONNX { return ir.ONNX{Type: "Cast", Since: 13} }

// Infer returns x's shape in To.
func (op Cast) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if op.To.Size() == 0 {
		return nil, fmt.Errorf("to must be an element type (x is %v)", in[0])
	}
	return result(op.To, in[0].Shape.Clone())
}

// Eval is the reference meaning. To f32 and f64 it does not round, to the shorter
// floats, whose purpose that is, it does. What becomes of a float that is no number
// of an integer type [ir.Tensor.To] states; ONNX leaves it open.
func (op Cast) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[0]
	if op.To == ir.F16 || op.To == ir.BF16 {
		x = x.To(op.To)
	}
	if x = x.To(op.To.Reference()); x == in[0] {
		x = x.Clone()
	}
	return one(x)
}

// VJP gives dy in x's dtype, and nothing where x or y is no float.
func (op Cast) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	from := n.In[0].Type.DType
	if !from.Float() || !op.To.Float() {
		return []*ir.Value{nil}
	}
	return []*ir.Value{b.Op(Cast{To: from}, dout[0])}
}

// MixesRows states that rows stay apart.
func (Cast) MixesRows([]ir.Type) bool { return false }

// Linear states that it is from one floating point to another.
func (op Cast) Linear([]bool) bool { return op.To.Float() }

// Split is that of an elementwise op.
func (Cast) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitBroadcast(in, out) }

// Follow states that every slice stays in its place.
func (Cast) Follow(_ []ir.Type, axis int) (ir.Track, bool) { return ir.Track{Axis: axis}, true }

// Cost counts one conversion for each element.
func (Cast) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(in, out, at)
}

// OneHot adds a last axis of length Depth that is 1 at the index x and 0 elsewhere. As in
// ONNX an index below 0 counts from the end, and one outside [-Depth, Depth) gives zeros.
type OneHot struct {
	Depth int `attr:"depth"`
}

// Name returns OneHot.
func (OneHot) Name() string { return "OneHot" }

// ONNX returns OneHot, whose depth and values are operands there.
func (OneHot) ONNX() ir.ONNX { return ir.ONNX{Type: "OneHot", Since: 11} }

// Infer returns f32 of x's shape with an axis of length Depth added; x is an
// integer.
func (op OneHot) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if !in[0].DType.Integer() {
		return nil, fmt.Errorf("x must be an integer (x is %v)", in[0])
	}
	if op.Depth < 1 {
		return nil, fmt.Errorf("depth is %d, it must be 1 or more (x is %v)", op.Depth, in[0])
	}
	return result(ir.F32, append(in[0].Shape.Clone(), ir.Fixed(op.Depth)))
}

// Eval is the reference meaning.
func (op OneHot) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := ir.NewTensor(ir.F64, append(append([]int{}, in[0].Shape...), op.Depth)...)
	depth := int64(op.Depth)
	for i := range in[0].Len() {
		k := in[0].Int(i)
		if k < 0 && in[0].DType != ir.U64 {
			k += depth
		}
		if 0 <= k && k < depth {
			out.F64[i*op.Depth+int(k)] = 1
		}
	}
	return one(out)
}

// WhyNoGradient gives the reason.
func (OneHot) WhyNoGradient() string { return "the operand is an index" }

// MixesRows states that rows stay apart.
func (OneHot) MixesRows([]ir.Type) bool { return false }

// Split states that rows stay apart.
func (OneHot) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, in[0].Rank() > 0) }

// Cost counts no arithmetic.
func (OneHot) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 0, traffic(in, out, at)
}

// Bound leaves a row open if its index is.
func (op OneHot) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := ir.Estimate{Value: v}
	for i := range c.In[0].Value.Len() {
		if c.In[0].At(i) > 0 {
			for j := range op.Depth {
				e.Open(i*op.Depth + j)
			}
		}
	}
	return []ir.Estimate{e}, nil
}

// Bound adds the rounding to a narrower float; an integer or a truth value is open if x
// may be on either side of a border.
func (op Cast) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	x := c.In[0]
	e := ir.Estimate{Value: v, Var: append([]float64(nil), x.Var...)}
	switch {
	case op.To.Float():
		u, from := op.To.Unit(), c.Node.In[0].Type.DType
		_, most := from.Range()
		if from.Float() && u > from.Unit() || float64(most)*u > 1 { // else it is exact
			if e.Var == nil {
				e.Var = make([]float64, v.Len())
			}
			for i, y := range v.F64 {
				if open(e.Var[i]) || !from.Float() && math.Abs(y)*u <= 1 { // small whole numbers are exact
					continue
				}
				y = max(math.Abs(y), op.To.LeastNormal())
				e.Var[i] += u * u * y * y
			}
		}
	case x.Var != nil:
		for i := range e.Var {
			s := ir.Sigmas * math.Sqrt(x.Var[i])
			y := x.Value.At(i)
			lo, hi := math.Trunc(y-s), math.Trunc(y+s)
			if op.To == ir.Bool {
				lo, hi = y-s, y+s
				if lo > 0 || hi < 0 {
					lo = hi
				}
			}
			e.Var[i] = 0
			if lo != hi {
				e.Var[i] = math.Inf(1)
			}
		}
	}
	return []ir.Estimate{e}, nil
}
