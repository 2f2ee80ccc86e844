package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// MatMul is the matrix product of x and w over the last axis of x and the last
// but one of w; further axes broadcast. An operand of one axis is a row on the
// left and a column on the right, and the result lacks that axis.
type MatMul struct{}

// Name returns MatMul.
func (MatMul) Name() string { return "MatMul" }

// ONNX returns MatMul.
func (MatMul) ONNX() ir.ONNX { return ir.ONNX{Type: "MatMul", Since: 13} }

// mismatch states that two contracted lengths differ.
func mismatch(in []ir.Type, ax, aw int) error {
	x, w := in[0], in[1]
	return fmt.Errorf("x's %s axis is %v but w's %s axis is %v %s", axisWord(ax, x.Rank()), x.Shape[ax],
		axisWord(aw, w.Rank()), w.Shape[aw], describe(in, []string{"x", "w"}))
}

// Infer returns the shape of the product: [.. m k] by [.. k n] is [.. m n].
func (MatMul) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x", "w"); err != nil {
		return nil, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) == 0 || len(w) == 0 {
		return nil, fmt.Errorf("an operand is a scalar %s", describe(in, []string{"x", "w"}))
	}
	ax, aw := len(x)-1, max(len(w)-2, 0)
	if x[ax] != w[aw] {
		return nil, mismatch(in, ax, aw)
	}
	var out ir.Shape
	if len(x) > 2 || len(w) > 2 {
		lead := []ir.Type{{Shape: x[:max(len(x)-2, 0)]}, {Shape: w[:max(len(w)-2, 0)]}}
		s, err := broadcast(lead, "x", "w")
		if err != nil {
			return nil, fmt.Errorf("the axes before the matrices do not broadcast %s", describe(in, []string{"x", "w"}))
		}
		out = s
	}
	if len(x) > 1 {
		out = append(out, x[len(x)-2])
	}
	if len(w) > 1 {
		out = append(out, w[len(w)-1])
	}
	return result(in[0].DType, append(ir.Shape{}, out...))
}

// Eval is the reference meaning.
func (MatMul) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x, w := in[0].Shape, in[1].Shape
	out := []int{}
	if len(x) == 1 {
		x = []int{1, x[0]}
	} else {
		out = append(out, x[len(x)-2])
	}
	if len(w) == 1 {
		w = []int{w[0], 1}
	} else {
		out = append(out, w[len(w)-1])
	}
	m, k, n := x[len(x)-2], x[len(x)-1], w[len(w)-1]
	xl, wl := x[:len(x)-2], w[:len(w)-2]
	lead := broadcastLengths([]*ir.Tensor{{Shape: xl}, {Shape: wl}})
	y := ir.NewTensor(ir.F64, append(append([]int{}, lead...), out...)...)
	ix, iw := broadcastIndex(xl, lead), broadcastIndex(wl, lead)
	for i := range ix {
		multiply(y.F64[i*m*n:(i+1)*m*n], in[0].F64[ix[i]*m*k:], in[1].F64[iw[i]*k*n:], m, n, k, k, 1, n, 1)
	}
	return one(y)
}

// Bound adds the variances of the products and the roundings of the chains.
func (MatMul) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundMatMul(c) }

// multiply adds to y[m n] the product of x and w with the strides given.
func multiply(y, x, w []float64, m, n, k, xi, xk, wk, wj int) {
	for i := range m {
		row := y[i*n : (i+1)*n]
		for p := range k {
			a := x[i*xi+p*xk]
			for j := range row {
				row[j] += a * w[p*wk+j*wj]
			}
		}
	}
}

// VJP gives dy·wᵀ and xᵀ·dy.
func (MatMul) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, w, dy := n.In[0], n.In[1], dout[0]
	xt, wt := x.Type, w.Type
	s := dy.Type.Shape.Clone()
	if xt.Rank() == 1 {
		x = reshapeTo(b, x, ir.Shape{ir.Fixed(1), xt.Shape[0]})
		at := len(s)
		if wt.Rank() > 1 {
			at--
		}
		s = append(s[:at:at], append(ir.Shape{ir.Fixed(1)}, s[at:]...)...)
	}
	if wt.Rank() == 1 {
		w = reshapeTo(b, w, ir.Shape{wt.Shape[0], ir.Fixed(1)})
		s = append(s, ir.Fixed(1))
	}
	dy = reshapeTo(b, dy, s)
	dx := b.Op(MatMul{}, dy, swapLast(b, w))
	// A matrix on the right takes one product over all rows of x, if they can be
	// counted.
	if m, ok := x.Type.Shape[:x.Type.Rank()-1].Elems(); ok && x.Type.Rank() > 2 && w.Type.Rank() == 2 {
		k, c := w.Type.Shape[0], w.Type.Shape[1]
		x, dy = reshapeTo(b, x, ir.Shape{m, k}), reshapeTo(b, dy, ir.Shape{m, c})
	}
	dw := b.Op(MatMul{}, swapLast(b, x), dy)
	return []*ir.Value{shapeLike(b, dx, xt), shapeLike(b, dw, wt)}
}

// shapeLike sums over broadcast axes before the matrix, then drops the axis that
// a vector was given.
func shapeLike(b *ir.Builder, dv *ir.Value, t ir.Type) *ir.Value {
	if dv.Type.DType == ir.Invalid {
		return dv
	}
	if t.Rank() == 1 {
		matrix := dv.Type.Shape[dv.Type.Rank()-2:]
		return reshapeTo(b, sumTo(b, dv, ir.Type{DType: t.DType, Shape: matrix}), t.Shape)
	}
	return sumTo(b, dv, t)
}

// SumsRows states that it is a sum over the rows of both if these are multiplied.
func (MatMul) SumsRows(in []ir.Type) bool {
	return along([]int{in[0].Rank() - 1}, in[0]) && along([]int{max(in[1].Rank()-2, 0)}, in[1])
}

// MixesRows states that rows stay apart otherwise.
func (op MatMul) MixesRows(in []ir.Type) bool { return op.SumsRows(in) }

// Linear states that it is in either operand.
func (MatMul) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

// Vanishes states that a factor of 0 is enough.
func (MatMul) Vanishes(zero []bool) bool { return zero[0] || zero[1] }

// Split states that the rows of x stay apart, and so do the matrices of a batch.
func (MatMul) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	x, w := in[0], in[1]
	switch {
	case out.Rank() == 0:
		return nil, false
	case x.Rank() == 1 && w.Rank() == 2:
		return []ir.Access{ir.Whole, ir.Axis1}, true
	case w.Rank() <= 2:
		return []ir.Access{ir.Axis0, ir.Whole}, true
	}
	access := make([]ir.Access, 2)
	lead := max(x.Rank(), w.Rank())
	for i, t := range in {
		if t.Rank() == lead && t.Shape[0] == out.Shape[0] {
			access[i] = ir.Axis0
		}
	}
	return access, true
}

// Cost counts a multiplication and an addition for each term.
func (MatMul) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	k := in[0].Shape[in[0].Rank()-1].At(at)
	return 2 * count(out, at) * int64(k), traffic(in, out, at)
}
