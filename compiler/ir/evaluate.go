package ir

import (
	"fmt"
	"slices"
)

// EvalOp returns what op means for these operands: by its reference meaning, or
// by that of the ops it decomposes into. Float operands must be F64. types are
// those of the operands as values.
func EvalOp(env *Env, op Op, types []Type, in []*Tensor) ([]*Tensor, error) {
	switch o := op.(type) {
	case Evaluator:
		own := *env
		own.Types = types
		return o.Eval(&own, in)
	case Decomposer:
		b := NewBuilder(op.Name())
		args := make([]*Value, len(types))
		feed := make(map[string]*Tensor, len(types))
		for i, t := range types {
			args[i] = b.Input(fmt.Sprintf("in%d", i), t)
			feed[args[i].Name] = in[i]
		}
		outs := o.Decompose(b, args)
		if err := b.Err(); err != nil {
			return nil, err
		}
		vals, err := Evaluate(b.Graph, env, feed)
		if err != nil {
			return nil, err
		}
		res := make([]*Tensor, len(outs))
		for i, v := range outs {
			res[i] = vals[v]
		}
		return res, nil
	}
	if pass := ReplacedBy(op); pass != "" {
		return nil, fmt.Errorf("%s: means nothing until the compiler's pass %s has put ops in its place; see compiler.Plain", op.Name(), pass)
	}
	return nil, fmt.Errorf("%s: has neither a reference meaning nor a decomposition", op.Name())
}

// Evaluate runs the graph by the ops' reference meanings, floats in float64 and
// unrounded: the oracle of everything faster. in holds inputs, parameters and
// state by name; floats of any dtype are converted. It returns every value.
//
// Errors: a missing or wrongly shaped tensor, a length that is not bound, an op
// without meaning.
func Evaluate(g *Graph, env *Env, in map[string]*Tensor) (map[*Value]*Tensor, error) {
	if err := CheckBinding(env.Binding, g.Dims()...); err != nil {
		return nil, fmt.Errorf("%s: %w", g.Name, err)
	}
	vals := make(map[*Value]*Tensor)
	take := func(v *Value) error {
		t, ok := in[v.Name]
		if !ok {
			return fmt.Errorf("%s: no tensor for %q (%s)", g.Name, v.Name, v.Type)
		}
		if err := t.Check(); err != nil {
			return fmt.Errorf("%s: %q: %w", g.Name, v.Name, err)
		}
		if want := env.Bind(v.Type.Shape); !slices.Equal(want, t.Shape) {
			return fmt.Errorf("%s: %q: shape must be %v (%s), got %v", g.Name, v.Name, want, v.Type, t.Shape)
		}
		vals[v] = t.Widen()
		return nil
	}
	for _, v := range g.Inputs {
		if err := take(v); err != nil {
			return nil, err
		}
	}
	for _, v := range g.Params {
		if err := take(v); err != nil {
			return nil, err
		}
	}
	for _, s := range g.State {
		if err := take(s.In); err != nil {
			return nil, err
		}
	}
	for v, t := range g.Data {
		vals[v] = t.Widen()
	}
	for _, n := range g.Nodes {
		args := make([]*Tensor, len(n.In))
		types := make([]Type, len(n.In))
		for i, v := range n.In {
			if args[i] = vals[v]; args[i] == nil {
				return nil, fmt.Errorf("%s: %s reads %q before it is made", g.Name, n.Op.Name(), v.Name)
			}
			types[i] = v.Type
		}
		out, err := EvalOp(env, n.Op, types, args)
		if err != nil {
			return nil, &Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(), Rule: err.Error()}
		}
		if len(out) != len(n.Out) {
			return nil, fmt.Errorf("%s: %s gave %d results for %d values", g.Name, n.Op.Name(), len(out), len(n.Out))
		}
		for i, v := range n.Out {
			if want := env.Bind(v.Type.Shape); !slices.Equal(want, out[i].Shape) {
				return nil, fmt.Errorf("%s: %s gave shape %v for %q, which is %s", g.Name, n.Op.Name(), out[i].Shape, v.Name, v.Type)
			}
			vals[v] = out[i]
		}
	}
	return vals, nil
}
