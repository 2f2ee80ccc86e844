package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Gemm is x·w, plus c if given, for matrices; TransA and TransB transpose x and w. c is a
// row [n], added to every row, or a matrix [m n].
type Gemm struct {
	TransA bool `attr:"transA"`
	TransB bool `attr:"transB"`
}

// Name returns Gemm.
func (Gemm) Name() string { return "Gemm" }

// ONNX returns Gemm, with alpha and beta 1.
func (Gemm) ONNX() ir.ONNX { return ir.ONNX{Type: "Gemm", Since: 13} }

// Infer returns [m n].
func (op Gemm) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "w", "c"}
	if len(in) == 2 {
		names = names[:2]
	}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x, w := in[0], in[1]
	if x.Rank() != 2 || w.Rank() != 2 {
		return nil, fmt.Errorf("x and w must be matrices %s", describe(in, names))
	}
	ax, aw := 1, 0
	if op.TransA {
		ax = 0
	}
	if op.TransB {
		aw = 1
	}
	if x.Shape[ax] != w.Shape[aw] {
		return nil, mismatch(in, ax, aw)
	}
	out := ir.Shape{x.Shape[1-ax], w.Shape[1-aw]}
	if len(in) == 3 && !in[2].Shape.Equal(out) && !in[2].Shape.Equal(out[1:]) {
		return nil, fmt.Errorf("c must be of shape %v or %v %s", out[1:], out, describe(in, names))
	}
	return result(x.DType, out)
}

// Eval is the reference meaning.
func (op Gemm) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x, w := in[0], in[1]
	m, k, xi, xk := x.Shape[0], x.Shape[1], x.Shape[1], 1
	if op.TransA {
		m, k, xi, xk = k, m, 1, xi
	}
	n, wk, wj := w.Shape[1], w.Shape[1], 1
	if op.TransB {
		n, wk, wj = w.Shape[0], 1, n
	}
	y := ir.NewTensor(ir.F64, m, n)
	multiply(y.F64, x.F64, w.F64, m, n, k, xi, xk, wk, wj)
	if len(in) == 3 {
		for i, j := range broadcastIndex(in[2].Shape, y.Shape) {
			y.F64[i] += in[2].F64[j]
		}
	}
	return one(y)
}

// Bound adds the variances of the products and the roundings of the chains.
func (op Gemm) Bound(c *ir.Call) ([]ir.Estimate, error) { return boundGemm(c, op.TransA, op.TransB) }

// VJP gives the products of dy with w and x, each in the orientation of its
// operand, and to c the sum of dy.
func (op Gemm) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, w, dy := n.In[0], n.In[1], dout[0]
	din := make([]*ir.Value, len(n.In))
	if op.TransA {
		din[0] = b.Op(Gemm{TransA: op.TransB, TransB: true}, w, dy)
	} else {
		din[0] = b.Op(Gemm{TransB: !op.TransB}, dy, w)
	}
	if op.TransB {
		din[1] = b.Op(Gemm{TransA: true, TransB: op.TransA}, dy, x)
	} else {
		din[1] = b.Op(Gemm{TransA: !op.TransA}, x, dy)
	}
	if len(n.In) == 3 {
		din[2] = sumTo(b, dy, n.In[2].Type)
	}
	return din
}

// SumsRows states that it is a sum over the rows of both operands if these are
// multiplied and nothing is added.
func (op Gemm) SumsRows(in []ir.Type) bool { return len(in) == 2 && op.overRows(in) }

// MixesRows states that rows stay apart unless they are multiplied.
func (op Gemm) MixesRows(in []ir.Type) bool { return op.overRows(in) }

// Linear states that it is in either operand of the product, and in what is added.
func (Gemm) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

func (op Gemm) overRows(in []ir.Type) bool {
	ax := 1
	if op.TransA {
		ax = 0
	}
	return along([]int{ax}, in[0])
}

// Transposed states which operands are.
func (op Gemm) Transposed() (a, b bool) { return op.TransA, op.TransB }

// MakesColumns states that columns of the result need those of w, and of c, alone.
func (op Gemm) MakesColumns([]ir.Type) bool { return !op.TransA }

// WithTransposed returns the product that takes them so.
func (Gemm) WithTransposed(a, b bool) ir.Op { return Gemm{TransA: a, TransB: b} }

// InPlace states that the result may overwrite a matrix c, where its chains start.
func (op Gemm) InPlace(in []ir.Type) (operand int, elementwise bool) {
	if len(in) == 3 && in[2].Rank() == 2 {
		return 2, false
	}
	return -1, false
}

// Chain states that the chains start from a matrix c, and, if there is no c, that they
// are over the rows of both operands if x is taken transposed.
func (op Gemm) Chain(in []ir.Type) (start int, open bool) {
	if len(in) == 3 && in[2].Rank() == 2 {
		return 2, false
	}
	return -1, len(in) == 2 && op.TransA
}

// Split states that rows of the result need those of x, its columns if it is
// taken transposed.
func (op Gemm) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitGemm(in, op.TransA) }

func splitGemm(in []ir.Type, transA bool) ([]ir.Access, bool) {
	access := []ir.Access{ir.Axis0, ir.Whole, ir.Whole}[:len(in)]
	if transA {
		access[0] = ir.Axis1
	}
	if len(in) == 3 && in[2].Rank() == 2 {
		access[2] = ir.Axis0
	}
	return access, true
}

// Cost counts a multiplication and an addition for each term.
func (op Gemm) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return costGemm(in, out, at, op.TransA)
}

func costGemm(in, out []ir.Type, at ir.Binding, transA bool) (flops, bytes int64) {
	k := in[0].Shape[1]
	if transA {
		k = in[0].Shape[0]
	}
	flops = 2 * count(out, at) * int64(k.At(at))
	if len(in) == 3 {
		flops += count(out, at)
	}
	return flops, traffic(in, out, at)
}

// GemmRelu is Relu of Gemm with c: one kernel for a dense layer.
type GemmRelu struct {
	TransA bool `attr:"transA"`
	TransB bool `attr:"transB"`
}

// Name returns GemmRelu.
func (GemmRelu) Name() string { return "GemmRelu" }

// ONNX says why there is no counterpart.
func (GemmRelu) ONNX() ir.ONNX {
	return ir.ONNX{Why: "it is made by fusion, after the point where export takes the graph"}
}

// Infer returns Gemm's type; c must be given.
func (op GemmRelu) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x", "w", "c"); err != nil {
		return nil, err
	}
	return Gemm(op).Infer(in)
}

// Decompose is the meaning.
func (op GemmRelu) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Relu{}, b.Op(Gemm(op), in...))}
}

// Transposed states which operands are.
func (op GemmRelu) Transposed() (a, b bool) { return op.TransA, op.TransB }

// MakesColumns is Gemm's.
func (op GemmRelu) MakesColumns([]ir.Type) bool { return !op.TransA }

// WithTransposed returns the product that takes them so.
func (GemmRelu) WithTransposed(a, b bool) ir.Op { return GemmRelu{TransA: a, TransB: b} }

// Split is Gemm's.
func (op GemmRelu) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	return splitGemm(in, op.TransA)
}

// Cost is Gemm's and one comparison for each element.
func (op GemmRelu) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops, bytes = costGemm(in, out, at, op.TransA)
	return flops + count(out, at), bytes
}
