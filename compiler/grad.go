package compiler

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// maxGradNodes bounds the graph that gradients make, since gradients of gradients grow
// with a power of their number.
const maxGradNodes = 1 << 15

// grad puts in the place of each Grad the ops that its gradient is made of, an inner one
// before the outer ones that it is part of. It runs before any other pass may change
// what stands between score and x, or make one value of x and another. In inference the
// gradient is that of the function that ships: what exists in training only is its
// operand, and what means something else for inference is that.
func grad(g *ir.Graph, s *state) error {
	if s.inference && slices.ContainsFunc(g.Nodes, func(n *ir.Node) bool { return n.Op == (ops.Grad{}) }) {
		if err := ship(g, false); err != nil {
			return err
		}
	}
	for {
		if err := sortNodes(g); err != nil {
			return err
		}
		i := slices.IndexFunc(g.Nodes, func(n *ir.Node) bool { return n.Op == (ops.Grad{}) })
		if i < 0 {
			return nil
		}
		n := g.Nodes[i]
		if err := s.gradient(g, n); err != nil {
			return err
		}
		if len(g.Nodes) > maxGradNodes {
			return nodeError(n, "with it the graph has %d nodes, at most %d may gradients make of it: each gradient of a gradient has several times as many as that one", len(g.Nodes), maxGradNodes)
		}
	}
}

// gradient puts ops in the place of n, the first Grad of g.
func (s *state) gradient(g *ir.Graph, n *ir.Node) error {
	if err := s.takeApart(g, n); err != nil {
		return err
	}
	score, x := n.In[0], n.In[1]
	on, active := between(g, score, x)
	if score != x && len(on) == 0 {
		return nodeError(n, "the score, %q, does not depend on x, %q, so it has no gradient along it (score is %s, x is %s)", score.Name, x.Name, score.Type, x.Type)
	}
	d := &reverse{b: ir.Extend(g), active: active, parts: map[*ir.Value][]*ir.Value{}, what: fmt.Sprintf("the score of %q", n.Layer), within: n.Layer, ships: s.inference}
	forward := slices.Clone(g.Nodes)
	d.at(n)
	d.parts[score] = []*ir.Value{ones(d.b, score.Type)}
	for _, m := range slices.Backward(forward) {
		if !on[m] {
			continue
		}
		if err := d.visit(m); err != nil {
			return err
		}
	}
	grad := d.total(x, n)
	if err := d.b.Err(); err != nil {
		return err
	}
	if grad == nil {
		return noSlope(n, forward, on)
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(m *ir.Node) bool { return m == n })
	d.at(n)
	if x.Type.Shape.Symbolic() && !readsLengths(grad) {
		// The slope of what is linear in x is the same for every x, and has as many rows.
		grad = d.b.Op(ops.Where{}, d.b.Op(ops.Equal{}, x, x), grad, grad)
	}
	v, kept := n.Out[0], outputSet(g)
	if kept[v] {
		grad = keepName(d.b, v, grad, kept)
	} else if grad.Def != nil && !slices.Contains(forward, grad.Def) {
		grad.Name = v.Name // a layer's value keeps the layer's name
	}
	g.Replace(v, grad)
	if err := sortNodes(g); err != nil {
		return err
	}
	renumber(g)
	return d.b.Err()
}

// ones returns what the sum of all elements of a value hands back to each of them.
func ones(b *ir.Builder, t ir.Type) *ir.Value {
	one := b.Const(t.DType, 1)
	if t.Rank() == 0 {
		return one
	}
	return b.Op(ops.Expand{Shape: ir.MakeDims(t.Shape)}, one)
}

// readsLengths reports whether a value depends on an input whose lengths are open, from
// which a run takes them.
func readsLengths(v *ir.Value) bool {
	seen := map[*ir.Value]bool{}
	var visit func(v *ir.Value) bool
	visit = func(v *ir.Value) bool {
		if seen[v] {
			return false
		}
		seen[v] = true
		if v.Def == nil {
			return v.Kind == ir.InputValue && v.Type.Shape.Symbolic()
		}
		return slices.ContainsFunc(v.Def.In, visit)
	}
	return visit(v)
}

// between returns the nodes over which score depends on x, as far as gradients go or
// not, and the floats that depend on x.
func between(g *ir.Graph, score, x *ir.Value) (on map[*ir.Node]bool, active map[*ir.Value]bool) {
	active = activeValues(g, map[*ir.Value]bool{x: true})
	after := map[*ir.Value]bool{x: true}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			after[v] = after[v] || anyOf(n.In, after)
		}
	}
	on, needed := map[*ir.Node]bool{}, map[*ir.Value]bool{score: true}
	for _, n := range slices.Backward(g.Nodes) {
		if anyOf(n.Out, needed) && anyOf(n.In, after) {
			on[n] = true
			for _, v := range n.In {
				needed[v] = true
			}
		}
	}
	return on, active
}

// takeApart decomposes what stands between the operands of n and has a gradient by
// its parts alone.
func (s *state) takeApart(g *ir.Graph, n *ir.Node) error {
	for range expandLimit {
		on, _ := between(g, n.In[0], n.In[1])
		changed, err := rewrite(g, func(b *ir.Builder, m *ir.Node) []*ir.Value {
			d, ok := m.Op.(ir.Decomposer)
			if !ok || !on[m] || whole(m.Op, true) || s.inference && ir.TrainingOnly(m.Op) {
				return nil
			}
			return d.Decompose(b, m.In)
		})
		if err != nil || !changed {
			return err
		}
	}
	return nodeError(n, "what stands between score and x still decomposes after %d rounds", expandLimit)
}

// noSlope says why the gradient of a score that depends on x is 0 everywhere: with the
// first op that lets none through.
func noSlope(n *ir.Node, forward []*ir.Node, on map[*ir.Node]bool) error {
	score, x := n.In[0], n.In[1]
	why := "it is the same for every x, or goes by steps"
	for _, m := range forward {
		if on[m] && m.Op != (ops.Equal{}) && (ir.StopsGradient(m.Op) || !m.Out[0].Type.DType.Float()) {
			why = fmt.Sprintf("%s of layer %q lets none through: %s", m.Op.Name(), m.Layer, whyNoGradient(m.Op))
			break
		}
	}
	return nodeError(n, "the gradient of the score, %q, along x, %q, is 0 wherever it exists: %s (score is %s, x is %s)", score.Name, x.Name, why, score.Type, x.Type)
}
