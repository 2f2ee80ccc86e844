package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// alongAxis is embedded by float ops that keep the shape and mix the elements of
// one axis.
type alongAxis struct{}

// InPlace states that the result may overwrite x.
func (alongAxis) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Cost counts five operations for each element: maximum, difference,
// exponential, sum and quotient.
func (alongAxis) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 5 * count(out, at), traffic(in, out, at)
}

func inferAlongAxis(in []ir.Type, axis int) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if err := axisIn(axis, in[0], "x"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// Softmax is exp(x) divided by its sum along Axis.
type Softmax struct {
	alongAxis
	Axis int `attr:"axis"`
}

// Name returns Softmax.
func (Softmax) Name() string { return "Softmax" }

// ONNX returns Softmax.
func (Softmax) ONNX() ir.ONNX { return ir.ONNX{Type: "Softmax", Since: 13} }

// Infer returns x's type.
func (op Softmax) Infer(in []ir.Type) ([]ir.Type, error) { return inferAlongAxis(in, op.Axis) }

// Eval is the reference meaning. A line holding NaN or +Inf, or only -Inf, is
// NaN.
func (op Softmax) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lines(in[0], op.Axis, func(x []float64) {
		top, sum := maximum(x), 0.0
		for i := range x {
			x[i] = math.Exp(x[i] - top)
			sum += x[i]
		}
		for i := range x {
			x[i] /= sum
		}
	})
}

// Bound is by the Jacobian.
func (op Softmax) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundSoftmax(c, op.Axis, false) }

// VJP gives y*(dy - sum(dy*y)).
func (op Softmax) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	y, dy := n.Out[0], dout[0]
	sum := b.Op(ReduceSum{Axes: ir.MakeAxes(op.Axis), Keep: true}, b.Op(Mul{}, dy, y))
	return []*ir.Value{b.Op(Mul{}, y, b.Op(Sub{}, dy, sum))}
}

// MixesRows states that rows stay apart unless Axis is theirs.
func (op Softmax) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Split states that rows stay apart unless Axis is theirs.
func (op Softmax) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }

// LogSoftmax is the logarithm of Softmax, x - log(sum(exp(x))), along Axis.
type LogSoftmax struct {
	alongAxis
	Axis int `attr:"axis"`
}

// Name returns LogSoftmax.
func (LogSoftmax) Name() string { return "LogSoftmax" }

// ONNX returns LogSoftmax.
func (LogSoftmax) ONNX() ir.ONNX { return ir.ONNX{Type: "LogSoftmax", Since: 13} }

// Infer returns x's type.
func (op LogSoftmax) Infer(in []ir.Type) ([]ir.Type, error) { return inferAlongAxis(in, op.Axis) }

// Eval is the reference meaning. A line holding NaN or +Inf, or only -Inf, is
// NaN.
func (op LogSoftmax) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return lines(in[0], op.Axis, func(x []float64) {
		top, sum := maximum(x), 0.0
		for _, v := range x {
			sum += math.Exp(v - top)
		}
		log := math.Log(sum)
		for i := range x {
			x[i] = x[i] - top - log
		}
	})
}

// Bound is by the Jacobian.
func (op LogSoftmax) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundSoftmax(c, op.Axis, true) }

// VJP gives dy - exp(y)*sum(dy).
func (op LogSoftmax) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	dy := dout[0]
	sum := b.Op(ReduceSum{Axes: ir.MakeAxes(op.Axis), Keep: true}, dy)
	return []*ir.Value{b.Op(Sub{}, dy, b.Op(Mul{}, b.Op(Exp{}, n.Out[0]), sum))}
}

// MixesRows states that rows stay apart unless Axis is theirs.
func (op LogSoftmax) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Split states that rows stay apart unless Axis is theirs.
func (op LogSoftmax) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return rows0(in, op.Axis != 0)
}

func maximum(x []float64) float64 {
	top := negInf
	for _, v := range x {
		top = max(top, v)
	}
	return top
}

// lines applies f to a copy of each line of x along an axis.
func lines(x *ir.Tensor, axis int, f func(line []float64)) ([]*ir.Tensor, error) {
	out := x.Clone()
	inner, n := ir.Elems(x.Shape[axis+1:]), x.Shape[axis]
	line := make([]float64, n)
	for o := range ir.Elems(x.Shape[:axis]) {
		for i := range inner {
			base := o*n*inner + i
			for k := range line {
				line[k] = out.F64[base+k*inner]
			}
			f(line)
			for k := range line {
				out.F64[base+k*inner] = line[k]
			}
		}
	}
	return one(out)
}
