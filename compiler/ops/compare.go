package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// comparison is embedded by ops from two operands to bool.
type comparison struct{}

// WhyNoGradient gives the reason.
func (comparison) WhyNoGradient() string { return "the result is bool" }

// MixesRows states that rows stay apart.
func (comparison) MixesRows([]ir.Type) bool { return false }

// Split is that of an elementwise op.
func (comparison) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitBroadcast(in, out)
}

// InPlace states that it works element by element; the result has a type of its own.
func (comparison) InPlace([]ir.Type) (operand int, elementwise bool) { return -1, true }

// Bound leaves a comparison of two that are nearer than their errors open.
func (comparison) Bound(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		if p.near() && !p.same {
			return math.Inf(1), false
		}
		return 0, false
	})
}

// Cost counts one comparison for each element.
func (comparison) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(in, out, at)
}

func inferComparison(in []ir.Type, bools bool) ([]ir.Type, error) {
	if err := operands(in, "a", "b"); err != nil {
		return nil, err
	}
	if err := sameDType(in, "a", "b"); err != nil {
		return nil, err
	}
	if in[0].DType == ir.Bool && !bools {
		return nil, fmt.Errorf("bool has no order %s", describe(in, []string{"a", "b"}))
	}
	s, err := broadcast(in, "a", "b")
	if err != nil {
		return nil, err
	}
	return result(ir.Bool, s)
}

func compare(in []*ir.Tensor, f func(a, b float64) bool, i func(a, b int64) bool) ([]*ir.Tensor, error) {
	shape := broadcastLengths(in)
	out := ir.NewTensor(ir.Bool, shape...)
	ia, ib := broadcastIndex(in[0].Shape, shape), broadcastIndex(in[1].Shape, shape)
	for k := range out.Bool {
		if in[0].DType.Integer() {
			out.Bool[k] = i(rankOf(in[0], ia[k]), rankOf(in[1], ib[k]))
		} else {
			out.Bool[k] = f(in[0].At(ia[k]), in[1].At(ib[k]))
		}
	}
	return one(out)
}

// Greater is a > b, false if either is NaN.
type Greater struct{ comparison }

// Name returns Greater.
func (Greater) Name() string { return "Greater" }

// ONNX returns Greater.
func (Greater) ONNX() ir.ONNX { return ir.ONNX{Type: "Greater", Since: 13} }

// Infer returns bool of the broadcast shape; a and b are numbers of one dtype.
func (Greater) Infer(in []ir.Type) ([]ir.Type, error) { return inferComparison(in, false) }

// Eval is the reference meaning.
func (Greater) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return compare(in, func(a, b float64) bool { return a > b }, func(a, b int64) bool { return a > b })
}

// Less is a < b, false if either is NaN.
type Less struct{ comparison }

// Name returns Less.
func (Less) Name() string { return "Less" }

// ONNX returns Less.
func (Less) ONNX() ir.ONNX { return ir.ONNX{Type: "Less", Since: 13} }

// Infer returns bool of the broadcast shape; a and b are numbers of one dtype.
func (Less) Infer(in []ir.Type) ([]ir.Type, error) { return inferComparison(in, false) }

// Eval is the reference meaning.
func (Less) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return compare(in, func(a, b float64) bool { return a < b }, func(a, b int64) bool { return a < b })
}

// Equal is a == b, false if either is NaN.
type Equal struct{ comparison }

// Name returns Equal.
func (Equal) Name() string { return "Equal" }

// Commutes states that the order of the operands is free.
func (Equal) Commutes() bool { return true }

// ONNX returns Equal.
func (Equal) ONNX() ir.ONNX { return ir.ONNX{Type: "Equal", Since: 13} }

// Infer returns bool of the broadcast shape; a and b have any one dtype.
func (Equal) Infer(in []ir.Type) ([]ir.Type, error) { return inferComparison(in, true) }

// Eval is the reference meaning.
func (Equal) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return compare(in, func(a, b float64) bool { return a == b }, func(a, b int64) bool { return a == b })
}

// Bound is that of a comparison, but for x and its own maximum, as in the gradient of
// ReduceMax: an element that is the greatest by more than its error is equal to that.
func (Equal) Bound(c *ir.Call) ([]ir.Estimate, error) {
	for k, top := range c.Node.In {
		if x := c.Node.In[1-k]; maximumOf(top) == x {
			return boundGreatest(c, c.In[1-k], c.In[k])
		}
	}
	return comparison{}.Bound(c)
}

// MayLack returns the inputs of g whose numbers may be missing, as NaN: g asks where they
// are, by the Equal of an input with itself, which only NaN makes false.
func MayLack(g *ir.Graph) map[*ir.Value]bool {
	asked := map[*ir.Value]bool{}
	for _, n := range g.Nodes {
		if n.Op == (Equal{}) && len(n.In) == 2 && n.In[0] == n.In[1] && n.In[0].Kind == ir.InputValue && n.In[0].Type.DType.Float() {
			asked[n.In[0]] = true
		}
	}
	return asked
}

// maximumOf returns what v is the maximum of, over some axes and in another shape or not.
func maximumOf(v *ir.Value) *ir.Value {
	for v.Def != nil {
		switch v.Def.Op.(type) {
		case Reshape:
			v = v.Def.In[0]
			continue
		case ReduceMax:
			return v.Def.In[0]
		}
		break
	}
	return nil
}

// boundGreatest bounds the comparison of x with top, the maximum over some of its axes:
// open where several elements may be it.
func boundGreatest(c *ir.Call, x, top ir.Estimate) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := ir.Estimate{Value: v}
	near := make([]int, top.Value.Len()) // elements that may be the greatest
	at := make([]int, x.Value.Len())
	may := func(i int) bool {
		p := pair{x: x.Value.At(i), y: top.Value.At(at[i]), sx: x.At(i), sy: top.At(at[i])}
		return p.x == p.y || p.near()
	}
	for i, p := range broadcastIndex(top.Value.Shape, x.Value.Shape) {
		if at[i] = p; may(i) {
			near[p]++
		}
	}
	for i := range at {
		if near[at[i]] > 1 && may(i) && x.At(i)+top.At(at[i]) > 0 {
			e.Open(i)
		}
	}
	return []ir.Estimate{e}, nil
}

// Where is a where cond holds and b elsewhere.
type Where struct{}

// Name returns Where.
func (Where) Name() string { return "Where" }

// ONNX returns Where.
func (Where) ONNX() ir.ONNX { return ir.ONNX{Type: "Where", Since: 16} }

// Infer returns the broadcast shape of cond, a and b in the dtype of a and b.
func (Where) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"cond", "a", "b"}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	if in[0].DType != ir.Bool {
		return nil, fmt.Errorf("cond must be bool %s", describe(in, names))
	}
	if err := sameDType(in[1:], "a", "b"); err != nil {
		return nil, err
	}
	s, err := broadcast(in, names...)
	if err != nil {
		return nil, err
	}
	return result(in[1].DType, s)
}

// Eval is the reference meaning.
func (Where) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	shape := broadcastLengths(in)
	out := ir.NewTensor(in[1].DType, shape...)
	ic, ia, ib := broadcastIndex(in[0].Shape, shape), broadcastIndex(in[1].Shape, shape), broadcastIndex(in[2].Shape, shape)
	for i := range ic {
		if in[0].Bool[ic[i]] {
			put(out, i, in[1], ia[i])
		} else {
			put(out, i, in[2], ib[i])
		}
	}
	return one(out)
}

// VJP gives dy to the operand chosen.
func (Where) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	zero := b.Const(dout[0].Type.DType, 0)
	return []*ir.Value{
		nil,
		sumTo(b, b.Op(Where{}, n.In[0], dout[0], zero), n.In[1].Type),
		sumTo(b, b.Op(Where{}, n.In[0], zero, dout[0]), n.In[2].Type),
	}
}

// MixesRows states that rows stay apart.
func (Where) MixesRows([]ir.Type) bool { return false }

// Linear states that it is in a and b.
func (Where) Linear(vary []bool) bool { return !vary[0] }

// Split is that of an elementwise op.
func (Where) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitBroadcast(in, out) }

// InPlace states that the result may overwrite a if it has its type.
func (Where) InPlace([]ir.Type) (operand int, elementwise bool) { return 1, true }

// Cost counts one choice for each element.
func (Where) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(in, out, at)
}

// Bound takes the variance of the operand that is chosen. Where the condition is open
// either may be.
func (Where) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	k, a, b := c.In[0], c.In[1], c.In[2]
	ik, ia, ib := broadcastIndex(k.Value.Shape, v.Shape), broadcastIndex(a.Value.Shape, v.Shape), broadcastIndex(b.Value.Shape, v.Shape)
	e := ir.Estimate{Value: v, Var: make([]float64, v.Len())}
	// What is open in one row may change together, and errors of a sum by
	// Cauchy-Schwarz no more than √m times the root of their squares.
	together := make([]int, 1)
	row := v.Len()
	if t := c.Node.Out[0].Type; t.Rank() > 0 && t.Shape[0].Symbolic() && v.Shape[0] > 0 {
		row = v.Len() / v.Shape[0]
		together = make([]int, v.Shape[0])
	}
	apart := make([]float64, v.Len()) // how far the two are from each other where either may be taken, else 0
	for i := range e.Var {
		j, p, q := ik[i], ia[i], ib[i]
		switch {
		case k.At(j) > 0:
			e.Var[i] = max(a.At(p), b.At(q))
			if apart[i] = math.Abs(a.Value.At(p) - b.Value.At(q)); apart[i] != 0 {
				together[i/row]++
			}
		case k.Value.At(j) != 0:
			e.Var[i] = a.At(p)
		default:
			e.Var[i] = b.At(q)
		}
	}
	for i, d := range apart {
		switch {
		case d == 0:
		case !c.DType().Float():
			e.Var[i] = math.Inf(1)
		default: // so that Tolerance is √m·d and that of the wider one
			s := d*math.Sqrt(float64(together[i/row]))/(ir.Sigmas*math.Sqrt2) + math.Sqrt(e.Var[i])
			e.Var[i] = s * s
		}
	}
	return []ir.Estimate{e}, nil
}
