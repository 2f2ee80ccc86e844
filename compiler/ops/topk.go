package ops

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// TopK is the indices along Axis of the K greatest elements of x, or of the least if
// Largest is false, in order; equal elements are ordered by index, and NaN counts as the
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

// Bound leaves the places open that elements nearer than their errors could swap.
// Of integers, which are such places themselves when ranks are computed, the
// inverse is known up to the length of the run that is open: its variance is such
// that a comparison with a rank outside the run holds.
func (op TopK) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e, x := ir.Estimate{Value: v}, c.In[0]
	if x.Var == nil {
		return []ir.Estimate{e}, nil
	}
	all := op
	all.K = x.Value.Shape[op.Axis]
	order, err := ir.EvalOp(c.Env, all, []ir.Type{c.Node.In[0].Type}, []*ir.Tensor{x.Value})
	if err != nil {
		return nil, err
	}
	inner := ir.Elems(x.Value.Shape[op.Axis+1:])
	i := 0
	eachLine(x.Value.Shape, op.Axis, func(first, step, n int) {
		at := func(k int) int { return first + int(order[0].At(first+k*step))*step }
		base := i/inner*inner*op.K + i%inner
		out := func(k int) int { return base + k*inner }
		i++
		if x.Value.DType != ir.F64 {
			boundInverse(&e, x, op.K, first, step, n, out)
			return
		}
		for k := range min(op.K, n-1) {
			p, q := at(k), at(k+1)
			s := x.At(p) + x.At(q)
			d := math.Abs(x.Value.F64[p] - x.Value.F64[q])
			if s > 0 && !(d > ir.Sigmas*math.Sqrt(s)) {
				e.Open(out(k))
				if k+1 < op.K {
					e.Open(out(k + 1))
				}
			}
		}
	})
	return []ir.Estimate{e}, nil
}

// boundInverse bounds the order of a line of integers some of which are open.
func boundInverse(e *ir.Estimate, x ir.Estimate, keep, first, step, n int, out func(int) int) {
	if keep != n {
		for k := range keep {
			e.Open(out(k))
		}
		return
	}
	for lo := 0; lo < n; lo++ {
		if x.At(first+lo*step) == 0 {
			continue
		}
		hi := lo
		for hi+1 < n && x.At(first+(hi+1)*step) > 0 {
			hi++
		}
		for k := lo; k <= hi; k++ {
			j := int(x.Value.At(first + k*step))
			if j < 0 || j >= n {
				continue
			}
			e.Open(out(j))
			r := float64(hi-lo) / ir.Sigmas
			e.Var[out(j)] = r * r
		}
		lo = hi
	}
}
