package verify

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Estimate and Sigmas are those of package ir.
type Estimate = ir.Estimate

// Sigmas is the number of standard deviations of accumulated rounding by which two
// correct executions may differ.
const Sigmas = ir.Sigmas

// Bound evaluates g in float64. Along with each result it computes the variance caused by
// rounding results to their dtype, as a sum of squares: rounding errors of different
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
		c := &ir.Call{Env: env, Node: n, In: make([]Estimate, len(n.In))}
		for i, v := range n.In {
			e, ok := vals[v]
			if !ok {
				return fmt.Errorf("verify: %s reads %q before it is made", n.Op.Name(), v.Name)
			}
			c.In[i] = e
		}
		out, err := bound(c)
		if err == nil {
			err = complete(c, out)
		}
		if err != nil {
			return &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: err.Error()}
		}
		for i, v := range n.Out {
			settle(v.Type.DType, &out[i])
			vals[v] = out[i]
		}
	}
	return nil
}

// complete checks what an op says of its own results.
func complete(c *ir.Call, out []Estimate) error {
	if len(out) != len(c.Node.Out) {
		return fmt.Errorf("gave %d results for %d values", len(out), len(c.Node.Out))
	}
	for i, v := range c.Node.Out {
		t, d := out[i].Value, v.Type.DType
		if d.Float() {
			d = ir.F64
		}
		for _, e := range c.In {
			if e.Value == t { // which settle would change
				out[i].Value = t.Clone()
			}
		}
		out[i].Var = slices.Clone(out[i].Var)
		if t == nil || t.Check() != nil || t.DType != d || !slices.Equal(t.Shape, c.Env.Bind(v.Type.Shape)) {
			return fmt.Errorf("the bound of result %d is of another value than %s: it has the type of the reference's result", i+1, v.Type)
		}
		if s := out[i].Var; s != nil && len(s) != t.Len() {
			return fmt.Errorf("the bound of result %d has %d variances for %d elements", i+1, len(s), t.Len())
		}
	}
	return nil
}

// settle does to a result what its dtype does beyond rounding: what is above the
// greatest finite number becomes infinite, and near it nothing is known.
func settle(d ir.DType, e *Estimate) {
	if most := d.Greatest(); most > 0 && d != ir.F64 && e.Value.DType == ir.F64 {
		for i, x := range e.Value.F64 {
			off := Sigmas * math.Sqrt(e.At(i))
			if math.Abs(x)+off <= most/2 || math.IsInf(x, 0) {
				continue
			}
			margin := off + most*d.Unit()
			switch {
			case math.Abs(x)-margin > most:
				e.Value.F64[i] = math.Inf(int(math.Copysign(1, x)))
			case math.Abs(x)+margin > most:
				e.Open(i)
			}
		}
	}
	for i, s := range e.Var {
		if math.IsNaN(s) {
			e.Var[i] = math.Inf(1)
		}
	}
}

// bound applies the rule of the op; what has none is taken apart, or bounded by
// trial.
func bound(c *ir.Call) ([]Estimate, error) {
	if ir.TrainingOnly(c.Node.Op) {
		return c.Operand()
	}
	switch op := c.Node.Op.(type) {
	case ir.Bounder:
		return op.Bound(c)
	case ir.Decomposer:
		return decompose(c, op)
	}
	return trial(c)
}

// decompose bounds what the op means.
func decompose(c *ir.Call, op ir.Decomposer) ([]Estimate, error) {
	b := ir.NewBuilder(c.Node.Op.Name())
	args := make([]*ir.Value, len(c.In))
	vals := map[*ir.Value]Estimate{}
	for i, v := range c.Node.In {
		args[i] = b.Input(fmt.Sprintf("in%d", i), v.Type)
		vals[args[i]] = c.In[i]
	}
	res := op.Decompose(b, args)
	if err := b.Err(); err != nil {
		return nil, err
	}
	for v, t := range b.Graph.Data {
		vals[v] = Estimate{Value: t.Widen()}
	}
	if err := walk(b.Graph, c.Env, vals); err != nil {
		return nil, err
	}
	out := make([]Estimate, len(res))
	for i, v := range res {
		out[i] = vals[v]
	}
	return out, nil
}

// trial bounds an op of unknown kind: it moves the operands by one standard
// deviation in eight patterns of signs, takes the largest change, and adds a
// chain of roundings as long as the largest operand's row.
func trial(c *ir.Call) ([]Estimate, error) {
	values, err := c.Values()
	if err != nil {
		return nil, err
	}
	known := true // the operands are exact
	chain := 1.0
	for i, v := range c.Node.In {
		known = known && c.In[i].Var == nil
		if v.Type.Rank() > 0 {
			chain = max(chain, float64(v.Type.Shape[1:].ElemsAt(c.Env.Binding)))
		}
	}
	out := make([]Estimate, len(values))
	for k, v := range values {
		out[k] = Estimate{Value: v, Var: make([]float64, v.Len())}
		for i := range out[k].Var {
			if !c.Node.Out[k].Type.DType.Float() && !known {
				out[k].Var[i] = math.Inf(1)
			}
		}
	}
	for pattern := range uint64(8) {
		in := make([]*ir.Tensor, len(c.In))
		for k, x := range c.In {
			in[k] = x.Value
			if x.Var == nil || x.Value.DType != ir.F64 {
				continue
			}
			in[k] = x.Value.Clone()
			for i := range in[k].F64 {
				in[k].F64[i] += sign(pattern, uint64(i)) * math.Sqrt(x.Var[i])
			}
		}
		moved, err := c.Values(in...)
		if err != nil {
			return nil, err
		}
		for k, e := range out {
			if !c.Node.Out[k].Type.DType.Float() {
				continue
			}
			for i := range e.Var {
				d := moved[k].At(i) - e.Value.At(i)
				e.Var[i] = max(e.Var[i], 4*d*d)
			}
		}
	}
	for k, e := range out {
		d := c.Node.Out[k].Type.DType
		if !d.Float() {
			continue
		}
		u, f := d.Unit(), d.LeastNormal()
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
