package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// ReduceSum is the sum of the elements of x along Axes, or along all axes if none is
// given. Keep leaves the axes with length 1.
type ReduceSum struct {
	Axes ir.Axes `attr:"axes"`
	Keep bool    `attr:"keepdims"`
}

// Name returns ReduceSum.
func (ReduceSum) Name() string { return "ReduceSum" }

// ONNX returns ReduceSum, whose axes are an operand there.
func (ReduceSum) ONNX() ir.ONNX { return ir.ONNX{Type: "ReduceSum", Since: 13} }

// Infer returns x's shape without the axes.
func (op ReduceSum) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferReduce(in, op.Axes, op.Keep, true)
}

// Eval is the reference meaning; the sum over no elements is 0.
func (op ReduceSum) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return reduce(in, op.Axes, op.Keep, 0, func(acc, x float64) float64 { return acc + x })
}

// Bound adds the variances and the roundings of the chain.
func (op ReduceSum) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundSum(c, op.Axes, false) }

// VJP gives dy repeated along the axes.
func (op ReduceSum) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{spread(b, dout[0], n.In[0].Type, op.Axes)}
}

// SumsRows states that it is a sum over the rows if it is along them.
func (op ReduceSum) SumsRows(in []ir.Type) bool {
	return along(allAxes(op.Axes, in[0].Rank()), in[0])
}

// MixesRows states that rows stay apart otherwise.
func (op ReduceSum) MixesRows(in []ir.Type) bool { return op.SumsRows(in) }

// Linear states that it is.
func (ReduceSum) Linear([]bool) bool { return true }

// Total states that it is a sum of everything if no axis is left.
func (op ReduceSum) Total(in []ir.Type) (mean, ok bool) {
	return false, !op.Keep && len(allAxes(op.Axes, in[0].Rank())) == in[0].Rank()
}

// Chain states that the sums of a matrix's columns are chains over rows.
func (op ReduceSum) Chain(in []ir.Type) (start int, open bool) {
	return -1, op.Axes == ir.MakeAxes(0) && !op.Keep && in[0].Rank() == 2
}

// Split states that rows stay apart unless they are added, and that the columns
// of a matrix do when its rows are.
func (op ReduceSum) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitReduce(in, out, op.Axes, op.Keep)
}

// Cost counts one addition for each element.
func (ReduceSum) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}

// ReduceMean is the mean of the elements of x along Axes, or along all axes if none is
// given. If the batch is among them, the mean is over the rows of the run, while its
// gradient divides by the rows of the whole update. Keep leaves the axes with length 1.
type ReduceMean struct {
	Axes ir.Axes `attr:"axes"`
	Keep bool    `attr:"keepdims"`
}

// Name returns ReduceMean.
func (ReduceMean) Name() string { return "ReduceMean" }

// ONNX returns ReduceMean, whose axes are an attribute up to opset 17 and an
// operand from 18.
func (ReduceMean) ONNX() ir.ONNX { return ir.ONNX{Type: "ReduceMean", Since: 13} }

// Infer returns x's shape without the axes, none of which may be of length 0.
func (op ReduceMean) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferReduce(in, op.Axes, op.Keep, false)
}

// Eval is the reference meaning.
func (op ReduceMean) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out, err := reduce(in, op.Axes, op.Keep, 0, func(acc, x float64) float64 { return acc + x })
	if err != nil {
		return nil, err
	}
	n := 1
	for _, a := range allAxes(op.Axes, len(in[0].Shape)) {
		n *= in[0].Shape[a]
	}
	for i := range out[0].F64 {
		out[0].F64[i] /= float64(n)
	}
	return out, nil
}

// Bound is that of the sum over n².
func (op ReduceMean) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundSum(c, op.Axes, true) }

// VJP gives dy divided by Extent and repeated along the axes.
func (op ReduceMean) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x := n.In[0].Type
	var of ir.Shape
	for _, a := range allAxes(op.Axes, x.Rank()) {
		of = append(of, x.Shape[a])
	}
	extent := b.Op(Extent{Of: ir.MakeDims(of), To: x.DType})
	return []*ir.Value{spread(b, b.Op(Div{}, dout[0], extent), x, op.Axes)}
}

// SumsRows states that it is a mean over the rows if it is along them.
func (op ReduceMean) SumsRows(in []ir.Type) bool {
	return along(allAxes(op.Axes, in[0].Rank()), in[0])
}

// MixesRows states that rows stay apart otherwise.
func (op ReduceMean) MixesRows(in []ir.Type) bool { return op.SumsRows(in) }

// Linear states that it is.
func (ReduceMean) Linear([]bool) bool { return true }

// Total states that it is a mean of everything if no axis is left.
func (op ReduceMean) Total(in []ir.Type) (mean, ok bool) {
	return true, !op.Keep && len(allAxes(op.Axes, in[0].Rank())) == in[0].Rank()
}

// Split states that rows stay apart unless the mean is over them, and that the
// columns of a matrix do when it is.
func (op ReduceMean) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitReduce(in, out, op.Axes, op.Keep)
}

// Cost counts one addition for each element.
func (ReduceMean) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}

// ReduceMax is the greatest element of x along Axes, or along all axes if none is given,
// and NaN if any element is. Keep leaves the axes with length 1.
type ReduceMax struct {
	Axes ir.Axes `attr:"axes"`
	Keep bool    `attr:"keepdims"`
}

// Name returns ReduceMax.
func (ReduceMax) Name() string { return "ReduceMax" }

// ONNX returns ReduceMax, whose axes are an attribute up to opset 17 and an
// operand from 18.
func (ReduceMax) ONNX() ir.ONNX { return ir.ONNX{Type: "ReduceMax", Since: 13} }

// Infer returns x's shape without the axes, none of which may be of length 0.
func (op ReduceMax) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferReduce(in, op.Axes, op.Keep, false)
}

// Eval is the reference meaning.
func (op ReduceMax) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return reduce(in, op.Axes, op.Keep, negInf, func(acc, x float64) float64 { return max(acc, x) })
}

// Bound leaves the maximum over a NaN open: runtimes disagree on it.
func (ReduceMax) Bound(c *ir.Call) ([]ir.Estimate, error) {
	out, err := c.Moved()
	if err != nil {
		return nil, err
	}
	for i, y := range out[0].Value.F64 {
		if math.IsNaN(y) {
			out[0].Open(i)
		}
	}
	return out, nil
}

// VJP gives dy to the greatest element, in equal parts to several.
func (op ReduceMax) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, d := n.In[0], n.In[0].Type.DType
	axes := allAxes(op.Axes, x.Type.Rank())
	kept := reduced(x.Type.Shape, axes, true)
	top := b.Op(Equal{}, x, reshapeTo(b, n.Out[0], kept))
	mask := b.Op(Where{}, top, b.Const(d, 1), b.Const(d, 0))
	ties := b.Op(ReduceSum{Axes: op.Axes, Keep: true}, mask)
	return []*ir.Value{b.Op(Mul{}, mask, b.Op(Div{}, reshapeTo(b, dout[0], kept), ties))}
}

// Vanishes states that the greatest of zeros is 0.
func (ReduceMax) Vanishes(zero []bool) bool { return zero[0] }

// MixesRows states that rows stay apart unless the maximum is over them.
func (op ReduceMax) MixesRows(in []ir.Type) bool {
	return along(allAxes(op.Axes, in[0].Rank()), in[0])
}

// Split states that rows stay apart unless the maximum is over them, and that
// the columns of a matrix do when it is.
func (op ReduceMax) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitReduce(in, out, op.Axes, op.Keep)
}

// Cost counts one comparison for each element.
func (ReduceMax) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}

// ArgMax is the index along Axis of the greatest element of x, the first one if several
// are equal; NaN counts as the greatest. Keep leaves the axis with length 1.
type ArgMax struct {
	Axis int  `attr:"axis"`
	Keep bool `attr:"keepdims"`
}

// Name returns ArgMax.
func (ArgMax) Name() string { return "ArgMax" }

// ONNX returns ArgMax.
func (ArgMax) ONNX() ir.ONNX { return ir.ONNX{Type: "ArgMax", Since: 13} }

// Infer returns i64 of x's shape without Axis, which may not be of length 0.
func (op ArgMax) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if err := axisIn(op.Axis, in[0], "x"); err != nil {
		return nil, err
	}
	if empty(in[0].Shape[op.Axis : op.Axis+1]) {
		return nil, fmt.Errorf("axis %d is empty (x is %v)", op.Axis, in[0])
	}
	return result(ir.I64, reduced(in[0].Shape, []int{op.Axis}, op.Keep))
}

// Eval is the reference meaning.
func (op ArgMax) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	s, x := in[0].Shape, in[0].F64
	inner, n := ir.Elems(s[op.Axis+1:]), s[op.Axis]
	shape := append([]int{}, s[:op.Axis]...)
	if op.Keep {
		shape = append(shape, 1)
	}
	out := ir.NewTensor(ir.I64, append(shape, s[op.Axis+1:]...)...)
	for i := range out.I64 {
		base, best := i/inner*inner*n+i%inner, 0
		for k := 1; k < n; k++ {
			top, v := x[base+best*inner], x[base+k*inner]
			if v > top || v != v && top == top {
				best = k
			}
		}
		out.I64[i] = int64(best)
	}
	return one(out)
}

// WhyNoGradient gives the reason.
func (ArgMax) WhyNoGradient() string { return "the result is an index" }

// MixesRows states that rows stay apart unless Axis is theirs.
func (op ArgMax) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Split states that rows stay apart unless Axis is theirs.
func (op ArgMax) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }

// Cost counts one comparison for each element.
func (ArgMax) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(in, at), traffic(in, out, at)
}

func inferReduce(in []ir.Type, axes ir.Axes, keep, none bool) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	list, err := axesIn(axes, in[0], "x")
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if !none && empty(in[0].Shape[a:a+1]) {
			return nil, fmt.Errorf("axis %d is empty (x is %v)", a, in[0])
		}
	}
	return result(in[0].DType, reduced(in[0].Shape, list, keep))
}

// reduce folds the elements along the axes in row-major order.
func reduce(in []*ir.Tensor, axes ir.Axes, keep bool, start float64, f func(acc, x float64) float64) ([]*ir.Tensor, error) {
	s := in[0].Shape
	list := allAxes(axes, len(s))
	var shape, kept []int
	for i, n := range s {
		if slices.Contains(list, i) {
			kept = append(kept, 1)
			if keep {
				shape = append(shape, 1)
			}
			continue
		}
		kept, shape = append(kept, n), append(shape, n)
	}
	out := ir.NewTensor(ir.F64, shape...)
	for i := range out.F64 {
		out.F64[i] = start
	}
	for j, i := range broadcastIndex(kept, s) {
		out.F64[i] = f(out.F64[i], in[0].F64[j])
	}
	return one(out)
}

// spread repeats the gradient of a reduction along the axes.
func spread(b *ir.Builder, dy *ir.Value, x ir.Type, axes ir.Axes) *ir.Value {
	dy = reshapeTo(b, dy, reduced(x.Shape, allAxes(axes, x.Rank()), true))
	if dy.Type.Shape.Equal(x.Shape) {
		return dy
	}
	return b.Op(Expand{Shape: ir.MakeDims(x.Shape)}, dy)
}

func splitReduce(in []ir.Type, out ir.Type, axes ir.Axes, keep bool) ([]ir.Access, bool) {
	list := allAxes(axes, in[0].Rank())
	switch {
	case out.Rank() == 0:
		return nil, false
	case !slices.Contains(list, 0):
		return []ir.Access{ir.Axis0}, true
	case !keep && len(list) == 1 && in[0].Rank() == 2:
		return []ir.Access{ir.Axis1}, true
	}
	return nil, false
}

// Bound leaves an index open if another element may be the greatest, or is NaN.
func (op ArgMax) Bound(c *ir.Call) ([]ir.Estimate, error) {
	x := c.In[0]
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := ir.Estimate{Value: v}
	i := 0
	eachLine(x.Value.Shape, op.Axis, func(first, step, n int) {
		best := first + int(v.At(i))*step
		for j := range n {
			at := first + j*step
			if math.IsNaN(x.Value.F64[at]) {
				e.Open(i)
			}
			s := x.At(at) + x.At(best)
			if at != best && s > 0 && x.Value.F64[best]-x.Value.F64[at] <= ir.Sigmas*math.Sqrt(s) {
				e.Open(i)
			}
		}
		i++
	})
	return []ir.Estimate{e}, nil
}
