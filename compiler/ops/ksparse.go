package ops

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// KSparse is v where x is one of the K greatest elements of its line along the last
// axis (the first ones if equal), and 0 elsewhere; NaN counts as the greatest. If both
// operands are the same value it is a k-sparse code (Makhzani and Frey 2013); with a
// gradient as v it is the gradient of such a code.
type KSparse struct {
	K int `attr:"k"`
}

// Name returns KSparse.
func (KSparse) Name() string { return "KSparse" }

// ONNX says what is written.
func (KSparse) ONNX() ir.ONNX {
	return ir.ONNX{Why: "ONNX has no operator for it: TopK, TopK of its result, which gives ranks, and Where are written"}
}

// Infer returns the type of x and v, which is floating point with at least K elements
// along the last axis.
func (op KSparse) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "v"}
	if err := floats(in, names...); err != nil {
		return nil, err
	}
	x := in[0]
	if !x.Equal(in[1]) || x.Rank() == 0 {
		return nil, fmt.Errorf("x and v must have one shape, with an axis %s", describe(in, names))
	}
	n, known := x.Shape[x.Rank()-1].Known()
	if !known {
		return nil, fmt.Errorf("the last axis has no length before a run (x is %v)", x)
	}
	if op.K < 1 || op.K > n {
		return nil, fmt.Errorf("k is %d, it must be from 1 to %d, the length of the last axis (x is %v)", op.K, n, x)
	}
	return result(x.DType, x.Shape.Clone())
}

// Eval is the reference meaning.
func (op KSparse) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x, v := in[0], in[1]
	out := ir.NewTensor(ir.F64, x.Shape...)
	n := x.Shape[len(x.Shape)-1]
	order := make([]int, n)
	for first := 0; first < x.Len(); first += n {
		for k := range order {
			order[k] = first + k
		}
		slices.SortStableFunc(order, func(a, b int) int { return -compareElems(x, a, b) })
		for _, i := range order[:op.K] {
			out.F64[i] = v.F64[i]
		}
	}
	return one(out)
}

// Decompose is the meaning in ops that ONNX has: the order of a line, put in order once
// more, is the rank of each element. The border lies between two ranks, so that no
// rounding of a rank comes near it.
func (op KSparse) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x, v := in[0], in[1]
	if x.Type.DType == ir.Invalid {
		return []*ir.Value{x}
	}
	last := x.Type.Rank() - 1
	n := x.Type.Last()
	order := b.Op(TopK{K: n, Axis: last, Largest: true}, x)
	rank := b.Op(Cast{To: ir.F32}, b.Op(TopK{K: n, Axis: last}, order))
	kept := b.Op(Less{}, rank, b.Const(ir.F32, float64(op.K)-0.5))
	return []*ir.Value{b.Op(Where{}, kept, v, b.Const(v.Type.DType, 0))}
}

// VJP gives v dy where x was kept; x only chooses.
func (op KSparse) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{nil, b.Op(op, n.In[0], dout[0])}
}

// MixesRows states that rows stay apart: the last axis has a known length.
func (KSparse) MixesRows([]ir.Type) bool { return false }

// Vanishes states that what is kept of zeros is 0.
func (KSparse) Vanishes(zero []bool) bool { return zero[1] }

// Linear states that it is in v.
func (KSparse) Linear(vary []bool) bool { return !vary[0] }

// Split states that rows stay apart.
func (KSparse) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, in[0].Rank() > 1) }

// InPlace states that the result may overwrite v.
func (KSparse) InPlace([]ir.Type) (operand int, elementwise bool) { return 1, false }

// Cost counts eight operations for each element.
func (KSparse) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 8 * count(out, at), traffic(in, out, at)
}
