package verify

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Sigmas is how many standard deviations of accumulated rounding two correct
// executions may differ by.
const Sigmas = 6

// Estimate is a value in float64 with the variance that rounding gives each of
// its elements in the value's own dtype.
type Estimate struct {
	Value *ir.Tensor // floats are F64
	Var   []float64  // nil if exact; +Inf where the result may be anything
}

func (e Estimate) at(i int) float64 {
	if e.Var == nil {
		return 0
	}
	return e.Var[i]
}

// Tolerance returns how far element i of two correct executions may be apart:
// each has the variance, so their difference has twice that.
func (e Estimate) Tolerance(i int) float64 { return Sigmas * math.Sqrt(2*e.at(i)) }

// Bound evaluates g in float64 and carries along the variance that rounding each
// result to its dtype causes, as a sum of squares: rounding errors of different
// operations are taken as independent. in holds inputs, parameters and state by
// name, as for ir.Evaluate.
//
// Errors: those of ir.Evaluate.
func Bound(g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor) (map[*ir.Value]Estimate, error) {
	vals := make(map[*ir.Value]Estimate)
	take := func(v *ir.Value) error {
		t := in[v.Name]
		if t == nil {
			return fmt.Errorf("verify: no tensor for %q (%s)", v.Name, v.Type)
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("verify: %q: %w", v.Name, err)
		}
		if want := env.Bind(v.Type.Shape); !slices.Equal(want, t.Shape) {
			return fmt.Errorf("verify: %q must have shape %v (%s), got %v", v.Name, want, v.Type, t.Shape)
		}
		vals[v] = Estimate{Value: t.Widen()}
		return nil
	}
	leaves := append(append([]*ir.Value{}, g.Inputs...), g.Params...)
	for _, s := range g.State {
		leaves = append(leaves, s.In)
	}
	for _, v := range leaves {
		if err := take(v); err != nil {
			return nil, err
		}
	}
	for v, t := range g.Data {
		x := t.Widen()
		if v.Type.DType.Float() { // the file holds the constant rounded
			x = x.To(v.Type.DType).Widen()
		}
		vals[v] = Estimate{Value: x}
	}
	return vals, walk(g, env, vals)
}

// walk bounds every node of g given its leaves.
func walk(g *ir.Graph, env *ir.Env, vals map[*ir.Value]Estimate) error {
	for _, n := range g.Nodes {
		c := &call{env: env, node: n, in: make([]Estimate, len(n.In))}
		for i, v := range n.In {
			e, ok := vals[v]
			if !ok {
				return fmt.Errorf("verify: %s reads %q before it is made", n.Op.Name(), v.Name)
			}
			c.in[i] = e
		}
		out, err := c.run()
		if err != nil {
			return &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: err.Error()}
		}
		if len(out) != len(n.Out) {
			return fmt.Errorf("verify: %s gave %d results for %d values", n.Op.Name(), len(out), len(n.Out))
		}
		for i, v := range n.Out {
			settle(v.Type.DType, &out[i])
			vals[v] = out[i]
		}
	}
	return nil
}

// settle does to a result what its dtype does beyond rounding: what is above the
// greatest finite number becomes infinite, and near it nothing is known.
func settle(d ir.DType, e *Estimate) {
	if most := greatest(d); most > 0 && d != ir.F64 && e.Value.DType == ir.F64 {
		for i, x := range e.Value.F64 {
			if math.Abs(x) <= most/2 || math.IsInf(x, 0) {
				continue
			}
			margin := Sigmas*math.Sqrt(e.at(i)) + most*unit(d)
			switch {
			case math.Abs(x)-margin > most:
				e.Value.F64[i] = math.Inf(int(math.Copysign(1, x)))
			case math.Abs(x)+margin > most:
				e.unknown(i)
			}
		}
	}
	for i, s := range e.Var {
		if math.IsNaN(s) {
			e.Var[i] = math.Inf(1)
		}
	}
}

func (e *Estimate) unknown(i int) {
	if e.Var == nil {
		e.Var = make([]float64, e.Value.Len())
	}
	e.Var[i] = math.Inf(1)
}

// unit is the relative error of one rounding to d.
func unit(d ir.DType) float64 {
	switch d {
	case ir.F32:
		return 0x1p-24
	case ir.F64:
		return 0x1p-53
	case ir.F16:
		return 0x1p-11
	case ir.BF16:
		return 0x1p-8
	}
	return 0
}

// greatest is the greatest finite number of a floating-point type, 0 for others.
func greatest(d ir.DType) float64 {
	switch d {
	case ir.F32:
		return math.MaxFloat32
	case ir.F64:
		return math.MaxFloat64
	case ir.F16:
		return 65504
	case ir.BF16:
		return 0x1.fep127
	}
	return 0
}

// floor is the least normal number of d: a runtime may take smaller results as 0.
func floor(d ir.DType) float64 {
	switch d {
	case ir.F32, ir.BF16:
		return 0x1p-126
	case ir.F16:
		return 0x1p-14
	case ir.F64:
		return 0x1p-1022
	}
	return 0
}

// call is one node with its operands.
type call struct {
	env  *ir.Env
	node *ir.Node
	in   []Estimate
}

func (c *call) dtype() ir.DType { return c.node.Out[0].Type.DType }

// value evaluates the op itself and returns its first result.
func (c *call) value(in ...*ir.Tensor) (*ir.Tensor, error) {
	out, err := c.values(in...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// values evaluates the op itself.
func (c *call) values(in ...*ir.Tensor) ([]*ir.Tensor, error) {
	if len(in) == 0 {
		for _, e := range c.in {
			in = append(in, e.Value)
		}
	}
	types := make([]ir.Type, len(c.node.In))
	for i, v := range c.node.In {
		types[i] = v.Type
	}
	out, err := ir.EvalOp(c.env, c.node.Op, types, in)
	if err != nil {
		return nil, err
	}
	if len(out) != len(c.node.Out) {
		return nil, fmt.Errorf("gave %d results for %d values", len(out), len(c.node.Out))
	}
	own := make([]*ir.Tensor, len(out))
	for i, v := range c.node.Out {
		if want := c.env.Bind(v.Type.Shape); !slices.Equal(want, out[i].Shape) {
			return nil, fmt.Errorf("gave shape %v for %s", out[i].Shape, v.Type)
		}
		own[i] = out[i].Clone() // it may share an operand's elements, which settle would change
	}
	return own, nil
}

// run applies the rule of the op; what has none is taken apart, or bounded by
// trial.
func (c *call) run() ([]Estimate, error) {
	one := func(e Estimate, err error) ([]Estimate, error) { return []Estimate{e}, err }
	if ops.TrainingOnly(c.node.Op) {
		return one(c.operand())
	}
	switch c.node.Op.(type) {
	case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Max, ops.Min, ops.Neg, ops.Abs, ops.Sign:
		if c.dtype().Integer() {
			return c.trial() // exact, or open if an operand is
		}
	}
	switch op := c.node.Op.(type) {
	case ops.Identity:
		return one(c.operand())
	case ops.Transpose, ops.Reshape, ops.Flatten, ops.Expand, ops.Concat, ops.Slice, ops.Pad:
		return one(c.moved())
	case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Pow, ops.Max, ops.Min, ops.Greater, ops.Less, ops.Equal:
		return one(c.binary())
	case ops.Where:
		return one(c.where())
	case ops.Neg, ops.Abs, ops.Sqrt, ops.Exp, ops.Log, ops.Erf, ops.Reciprocal, ops.Relu, ops.LeakyRelu, ops.Elu,
		ops.Selu, ops.Sigmoid, ops.Tanh, ops.Softplus:
		return one(c.unary())
	case ops.Sign:
		return one(c.sign())
	case ops.Cast:
		return one(c.cast(op))
	case ops.MatMul:
		return one(c.matMul())
	case ops.Gemm:
		return one(c.gemm(op.TransA, op.TransB))
	case ops.ReduceSum:
		return one(c.reduceSum(op.Axes, false))
	case ops.ReduceMean:
		return one(c.reduceSum(op.Axes, true))
	case ops.ReduceMax:
		return one(c.reduceMax())
	case ops.Softmax:
		return one(c.softmax(op.Axis, false))
	case ops.LogSoftmax:
		return one(c.softmax(op.Axis, true))
	case ops.ArgMax:
		return one(c.argMax(op.Axis))
	case ops.TopK:
		return one(c.topK(op))
	case ops.OneHot:
		return one(c.oneHot(op.Depth))
	case ops.Extent:
		v, err := c.value()
		return one(Estimate{Value: v}, err)
	case ir.Decomposer:
		return c.decompose(op)
	}
	return c.trial()
}

// operand is the first operand as it is.
func (c *call) operand() (Estimate, error) {
	return Estimate{c.in[0].Value.Clone(), append([]float64(nil), c.in[0].Var...)}, nil
}

// decompose bounds what the op means.
func (c *call) decompose(op ir.Decomposer) ([]Estimate, error) {
	b := ir.NewBuilder(c.node.Op.Name())
	args := make([]*ir.Value, len(c.in))
	vals := map[*ir.Value]Estimate{}
	for i, v := range c.node.In {
		args[i] = b.Input(fmt.Sprintf("in%d", i), v.Type)
		vals[args[i]] = c.in[i]
	}
	res := op.Decompose(b, args)
	if err := b.Err(); err != nil {
		return nil, err
	}
	for v, t := range b.Graph.Data {
		vals[v] = Estimate{Value: t.Widen()}
	}
	if err := walk(b.Graph, c.env, vals); err != nil {
		return nil, err
	}
	out := make([]Estimate, len(res))
	for i, v := range res {
		out[i] = vals[v]
	}
	return out, nil
}

// moved bounds ops that move elements or choose among them: the variances move
// as the elements do.
func (c *call) moved() (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	exact := true
	s := make([]*ir.Tensor, len(c.in))
	for i, e := range c.in {
		s[i] = &ir.Tensor{DType: ir.F64, Shape: e.Value.Shape, F64: e.Var}
		if e.Var == nil {
			s[i].F64 = make([]float64, e.Value.Len())
		}
		exact = exact && e.Var == nil
	}
	if exact {
		return Estimate{Value: v}, nil
	}
	t, err := c.value(s...)
	if err != nil {
		return Estimate{}, err
	}
	return Estimate{v, t.To(ir.F64).F64}, nil
}

// trial bounds an op of unknown kind: it moves the operands by one standard
// deviation in eight patterns of signs, takes the largest change, and adds a
// chain of roundings as long as the largest operand's row.
func (c *call) trial() ([]Estimate, error) {
	values, err := c.values()
	if err != nil {
		return nil, err
	}
	known := true // the operands are exact
	chain := 1.0
	for i, v := range c.node.In {
		known = known && c.in[i].Var == nil
		if v.Type.Rank() > 0 {
			chain = max(chain, float64(v.Type.Shape[1:].ElemsAt(c.env.Binding)))
		}
	}
	out := make([]Estimate, len(values))
	for k, v := range values {
		out[k] = Estimate{v, make([]float64, v.Len())}
		for i := range out[k].Var {
			if !c.node.Out[k].Type.DType.Float() && !known {
				out[k].Var[i] = math.Inf(1)
			}
		}
	}
	for pattern := range uint64(8) {
		in := make([]*ir.Tensor, len(c.in))
		for k, x := range c.in {
			in[k] = x.Value
			if x.Var == nil || x.Value.DType != ir.F64 {
				continue
			}
			in[k] = x.Value.Clone()
			for i := range in[k].F64 {
				in[k].F64[i] += sign(pattern, uint64(i)) * math.Sqrt(x.Var[i])
			}
		}
		moved, err := c.values(in...)
		if err != nil {
			return nil, err
		}
		for k, e := range out {
			if !c.node.Out[k].Type.DType.Float() {
				continue
			}
			for i := range e.Var {
				d := moved[k].At(i) - e.Value.At(i)
				e.Var[i] = max(e.Var[i], 4*d*d)
			}
		}
	}
	for k, e := range out {
		d := c.node.Out[k].Type.DType
		if !d.Float() {
			continue
		}
		u, f := unit(d), floor(d)
		for i := range e.Var {
			y := e.Value.At(i)
			e.Var[i] += 4*chain*u*u*y*y + f*f
		}
	}
	return out, nil
}

// sign returns ±1 by a hash of pattern and place.
func sign(pattern, i uint64) float64 {
	h := (i + 1) * (2*pattern + 0x9E3779B97F4A7C15)
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	if h>>63 == 0 {
		return 1
	}
	return -1
}
