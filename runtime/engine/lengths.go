package engine

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// given says from which axis of an input a named length is taken.
type given struct {
	symbol      ir.Dim
	input, axis int
	of          ir.Dim // the length of that axis, of which all other names are known
}

// lengthsOf finds for each named length of a plan an axis that gives it: one whose
// length grows evenly with it. Those taken first may be factors of later ones.
//
// Errors: a length that no input gives.
func lengthsOf(inputs []*ir.Value, capacity ir.Binding) ([]given, error) {
	names := capacity.Free()
	for _, v := range inputs {
		if v.Type.Shape.Has(ir.Batch) {
			names = append([]string{ir.Batch}, names...)
			break
		}
	}
	var out []given
	known := map[string]bool{}
	for len(out) < len(names) {
		found := false
		for _, name := range names {
			if known[name] {
				continue
			}
			if g, ok := givenBy(inputs, name, names, known); ok {
				out, known[name], found = append(out, g), true, true
				break
			}
		}
		if !found {
			for _, name := range names {
				if !known[name] {
					return nil, fmt.Errorf("the length %s follows from no input", name)
				}
			}
		}
	}
	return out, nil
}

func givenBy(inputs []*ir.Value, name string, names []string, known map[string]bool) (g given, ok bool) {
	for i, v := range inputs {
		for axis, d := range v.Type.Shape {
			if !d.Has(name) || !even(d, name, names) {
				continue
			}
			other := false
			for _, s := range names {
				other = other || s != name && d.Has(s) && !known[s]
			}
			if plain := d == ir.Of(name); !other && (!ok || plain && g.of != g.symbol) {
				g, ok = given{ir.Of(name), i, axis, d}, true
			}
		}
	}
	return g, ok
}

// even reports whether a length grows by the same number with each step of the
// named one.
func even(d ir.Dim, name string, names []string) bool {
	at := ir.RowsOf(1)
	for _, s := range names {
		at = at.With(s, 1)
	}
	step := d.At(at.With(name, 2)) - d.At(at.With(name, 1))
	for n := 2; n < 64; n++ {
		if d.At(at.With(name, n+1))-d.At(at.With(name, n)) != step {
			return false
		}
	}
	return step > 0
}

// Lengths returns the values that the inputs give to g's named lengths: a tensor of shape
// [2 100 64] makes N 2 and T 100 in an input f32[N T 64].
//
// Errors: an input that is missing or of another type; lengths that do not agree, with
// both inputs; a length that follows from no input.
func Lengths(g *ir.Graph, in map[string]*ir.Tensor) (ir.Binding, error) {
	n := &Net{g: g, inputs: g.Inputs}
	var all ir.Binding
	for _, name := range g.Symbols() {
		if name != ir.Batch {
			all = all.With(name, 1)
		}
	}
	var err error
	if n.given, err = lengthsOf(g.Inputs, all); err != nil {
		return all, fmt.Errorf("engine: %w", err)
	}
	return n.lengths(in)
}

// Lengths is [Lengths] of the function's inputs; it does not check them against the
// capacity.
func (n *Net) Lengths(in map[string]*ir.Tensor) (ir.Binding, error) {
	if err := n.Err(); err != nil {
		return ir.Binding{}, err
	}
	return n.lengths(in)
}

// lengths returns the lengths of a call.
//
// Errors: an input that is absent or of another type, lengths that do not agree.
func (n *Net) lengths(in map[string]*ir.Tensor) (ir.Binding, error) {
	at := ir.RowsOf(1)
	for _, v := range n.inputs {
		t := in[v.Name]
		if t == nil {
			return at, fmt.Errorf("engine: no input %q, which is %v", v.Name, v.Type)
		}
		if err := t.Check(); err != nil {
			return at, fmt.Errorf("engine: input %q: %w", v.Name, err)
		}
		if t.DType != v.Type.DType || len(t.Shape) != len(v.Type.Shape) {
			return at, fmt.Errorf("engine: input %q must be %v, got %v%v", v.Name, v.Type, t.DType, t.Shape)
		}
	}
	if !slices.ContainsFunc(n.given, func(g given) bool { return g.symbol == ir.Rows() }) {
		at = at.WithRows(n.unread(in))
	}
	for i := range n.given {
		g := &n.given[i]
		have := in[n.inputs[g.input].Name].Shape[g.axis]
		at = at.WithDim(g.symbol, 1)
		least := g.of.At(at)
		at = at.WithDim(g.symbol, 2)
		step := g.of.At(at) - least
		if step == 0 || (have-least)%step != 0 {
			v := n.inputs[g.input]
			return at, fmt.Errorf("engine: input %q is %v, got length %d on axis %d", v.Name, v.Type, have, g.axis)
		}
		at = at.WithDim(g.symbol, 1+(have-least)/step)
	}
	for _, v := range n.inputs {
		t := in[v.Name]
		for axis, d := range v.Type.Shape {
			want, ok := d.TryAt(at)
			if ok && want == t.Shape[axis] {
				continue
			}
			if !d.Symbolic() {
				return at, fmt.Errorf("engine: input %q must be %v, got %v%v", v.Name, v.Type, t.DType, t.Shape)
			}
			for i := range n.given {
				if g := &n.given[i]; d == g.symbol {
					first := n.inputs[g.input].Name
					return at, fmt.Errorf("engine: input %q is %v%v, so %v is %d, but input %q has %d", v.Name, t.DType, t.Shape, d, t.Shape[axis], first, want)
				}
			}
			return at, fmt.Errorf("engine: input %q is %v%v, but %v is %d with %v", v.Name, t.DType, t.Shape, d, want, at)
		}
	}
	return at, nil
}
