package compiler

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// maxElems is the greatest number of elements a value may have at capacity:
// offsets are computed in 64 bits with room to spare, and a file or a program
// that asks for more gets an error and not an allocation.
const maxElems = 1 << 40

// bind gives every length its bound: the batch runs up to the row capacity, each
// other name up to its own, and none may be left. Parameters and constants have
// known lengths.
func bind(g *ir.Graph, s *state) error {
	at := s.opt.capacity(g)
	if at.Rows() <= 0 {
		return fmt.Errorf("the row capacity must be positive, got %d", at.Rows())
	}
	check := func(v *ir.Value) error {
		if err := ir.CheckBinding(at, v.Type.Shape...); err != nil {
			return fmt.Errorf("%q is %s: %w; Options.Lengths has the capacities", v.Name, v.Type, err)
		}
		elems, ok := v.Type.Shape.Elems()
		n, fits := elems.TryAt(at)
		if !ok || !fits || n > maxElems {
			return fmt.Errorf("%q is %s: more than %d elements with %v", v.Name, v.Type, maxElems, at)
		}
		return nil
	}
	for _, n := range g.Nodes {
		b, ok := n.Op.(ir.Bounded)
		if !ok {
			continue
		}
		types := make([]ir.Type, len(n.In))
		for i, v := range n.In {
			types[i] = v.Type
		}
		if err := ir.CheckBinding(at, g.Dims()...); err == nil { // else below
			if err := b.Within(types, at); err != nil {
				return nodeError(n, "%v", err)
			}
		}
	}
	for _, v := range g.Values() {
		err := check(v)
		switch {
		case err != nil && v.Def != nil:
			return nodeError(v.Def, "%v", err)
		case err != nil:
			return err
		case v.Kind == ir.ParamValue && v.Type.Shape.Symbolic():
			return fmt.Errorf("parameter %q is %s: its lengths must be known", v.Name, v.Type)
		}
	}
	return nil
}

// updateRows returns the rows of a whole update.
func (o Options) updateRows() int {
	if o.UpdateRows > 0 {
		return o.UpdateRows
	}
	return o.Rows
}

// capacity returns the most that each length may be: what the options say, and
// else the graph.
func (o *Options) capacity(g *ir.Graph) ir.Binding {
	b := ir.RowsOf(o.Rows)
	for _, name := range g.Symbols() {
		n, ok := o.Lengths[name]
		if !ok {
			n, ok = g.Capacity.Of(name)
		}
		if ok && name != ir.Batch && b.Size() < ir.MaxFree {
			b = b.With(name, n)
		}
	}
	return b
}

// used returns the capacity of the lengths that a graph has.
func used(g *ir.Graph, at ir.Binding) ir.Binding {
	b := ir.RowsOf(at.Rows())
	for _, name := range g.Symbols() {
		if n, ok := at.Of(name); ok {
			b = b.With(name, n)
		}
	}
	return b
}
