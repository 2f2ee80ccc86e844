package ops

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// TopK is the indices along Axis of the K greatest elements of x, or of the least
// if Largest is false, in order, the first of equal ones first; NaN counts as the
// greatest.
type TopK struct {
	K       int  `attr:"k"`
	Axis    int  `attr:"axis"`
	Largest bool `attr:"largest"`
}

// Name returns TopK.
func (TopK) Name() string { return "TopK" }

// ONNX returns TopK, whose K is an operand there and whose first result, the
// elements themselves, is left unused.
func (TopK) ONNX() ir.ONNX { return ir.ONNX{Type: "TopK", Since: 11} }

// Infer returns i64 of x's shape with K along Axis; x are numbers and has at
// least K there.
func (op TopK) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if in[0].DType == ir.Bool {
		return nil, fmt.Errorf("x must be numbers (x is %v)", in[0])
	}
	if err := axisIn(op.Axis, in[0], "x"); err != nil {
		return nil, err
	}
	n, known := in[0].Shape[op.Axis].Known()
	if !known {
		return nil, fmt.Errorf("axis %d has no length before a run (x is %v)", op.Axis, in[0])
	}
	if op.K < 1 || op.K > n {
		return nil, fmt.Errorf("k is %d, it must be from 1 to %d, the length of axis %d (x is %v)", op.K, n, op.Axis, in[0])
	}
	s := in[0].Shape.Clone()
	s[op.Axis] = ir.Fixed(op.K)
	return result(ir.I64, s)
}

// Eval is the reference meaning.
func (op TopK) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	s, x := in[0].Shape, in[0]
	inner, n := ir.Elems(s[op.Axis+1:]), s[op.Axis]
	shape := slices.Clone(s)
	shape[op.Axis] = op.K
	out := ir.NewTensor(ir.I64, shape...)
	order := make([]int, n)
	for o := range ir.Elems(s[:op.Axis]) {
		for i := range inner {
			for k := range order {
				order[k] = k
			}
			slices.SortStableFunc(order, func(a, b int) int {
				c := compareElems(x, o*n*inner+a*inner+i, o*n*inner+b*inner+i)
				if op.Largest {
					return -c
				}
				return c
			})
			for k := range op.K {
				out.I64[(o*op.K+k)*inner+i] = int64(order[k])
			}
		}
	}
	return one(out)
}

// compareElems orders two elements, NaN above all others.
func compareElems(x *ir.Tensor, i, j int) int {
	if x.DType.Integer() {
		return cmp.Compare(rankOf(x, i), rankOf(x, j))
	}
	a, b := x.F64[i], x.F64[j]
	switch {
	case a == b || a != a && b != b:
		return 0
	case a != a || a > b:
		return 1
	}
	return -1
}

// WhyNoGradient gives the reason.
func (TopK) WhyNoGradient() string { return "the result is indices" }

// MixesRows states that rows stay apart unless Axis is theirs.
func (op TopK) MixesRows(in []ir.Type) bool { return along([]int{op.Axis}, in[0]) }

// Split states that rows stay apart unless Axis is theirs.
func (op TopK) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, op.Axis != 0) }

// Cost counts ten comparisons for each element.
func (TopK) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 10 * count(in, at), traffic(in, out, at)
}
