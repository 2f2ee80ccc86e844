package compiler

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// autodiff appends the gradient of the loss with respect to every parameter that
// is not frozen, as outputs grad/NAME in the order of Params. It is reverse mode over the graph:
// each node's VJP is asked once, when the gradients of all its readers are
// known, and a value read several times sums its gradients in graph order.
func autodiff(g *ir.Graph, s *state) error {
	if err := sortNodes(g); err != nil {
		return err
	}
	loss, err := lossOutput(g, s.loss)
	if err != nil {
		return err
	}
	of, _ := ir.Parts(g)
	trained := map[*ir.Value]bool{}
	for _, p := range g.Params {
		trained[p] = !s.opt.Frozen[p.Name]
	}
	d := &reverse{b: ir.Extend(g), active: activeValues(g, trained), of: of, parts: map[*ir.Value][]*ir.Value{}, what: "the loss"}
	forward := append([]*ir.Node{}, g.Nodes...)
	d.parts[loss] = []*ir.Value{d.b.Const(loss.Type.DType, 1)}
	hasRows := slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return v.Type.Shape.Symbolic() })
	if of[loss] == ir.OfParams && hasRows {
		d.parts[loss][0] = d.share(loss.Type.DType)
	}
	for i := len(forward) - 1; i >= 0; i-- {
		if err := d.visit(forward[i]); err != nil {
			return err
		}
	}
	uses := map[*ir.Value]*ir.Node{}
	for i := len(forward) - 1; i >= 0; i-- {
		for _, v := range forward[i].In {
			uses[v] = forward[i]
		}
	}
	kept := outputSet(g)
	frozen := 0
	for _, p := range g.Params {
		if s.opt.Frozen[p.Name] {
			frozen++
			continue
		}
		if !p.Type.DType.Float() {
			return fmt.Errorf("parameter %q is %s: only floats can be trained", p.Name, p.Type)
		}
		first := uses[p]
		grad := d.total(p, first)
		if err := d.b.Err(); err != nil {
			return err
		}
		if grad == nil {
			return unreached(p, first, s.loss)
		}
		named := &ir.Value{Name: d.b.Unique(gradPrefix + p.Name), Type: p.Type}
		if named.Name != gradPrefix+p.Name {
			return fmt.Errorf("the name %q is taken, so the gradient of %q has none", gradPrefix+p.Name, p.Name)
		}
		grad = keepName(d.b, named, grad, kept)
		d.b.Output(grad)
	}
	if frozen > 0 {
		s.note("%d of %d parameters are frozen", frozen, len(g.Params))
	}
	s.differentiated = true
	return d.b.Err()
}

// lossOutput returns the output of that name, which must be a float scalar.
func lossOutput(g *ir.Graph, name string) (*ir.Value, error) {
	for _, v := range g.Outputs {
		if v.Name != name {
			continue
		}
		if v.Type.Rank() != 0 || !v.Type.DType.Float() {
			return nil, fmt.Errorf("loss %q must be a float scalar, got %s", name, v.Type)
		}
		return v, nil
	}
	return nil, fmt.Errorf("graph %q has no output named %q to take the gradient of", g.Name, name)
}

// activeValues returns the floats that depend on a value of the set, which are those of
// it too.
func activeValues(g *ir.Graph, set map[*ir.Value]bool) map[*ir.Value]bool {
	active := maps.Clone(set)
	for _, n := range g.Nodes {
		if ir.StopsGradient(n.Op) || !anyOf(n.In, active) {
			continue
		}
		for _, v := range n.Out {
			active[v] = v.Type.DType.Float()
		}
	}
	return active
}

func anyOf(vs []*ir.Value, set map[*ir.Value]bool) bool {
	for _, v := range vs {
		if set[v] {
			return true
		}
	}
	return false
}

// reverse is the state of one backward walk.
type reverse struct {
	b      *ir.Builder
	active map[*ir.Value]bool
	of     map[*ir.Value]ir.Part
	parts  map[*ir.Value][]*ir.Value // gradients by use, the last use first
	what   string                    // whose gradient it is, for errors
	within string                    // path before the layers of the nodes it makes
	ships  bool                      // what exists in training only is its operand
}

// at gives the nodes made from now on the layer and the position of n.
func (d *reverse) at(n *ir.Node) {
	d.b.Layer, d.b.Pos = n.Layer, n.Pos
	if d.within != "" && n.Layer != d.within {
		d.b.Layer = path.Join(d.within, n.Layer)
	}
}

// visit hands the gradient of n's results on to its operands.
func (d *reverse) visit(n *ir.Node) error {
	if ir.StopsGradient(n.Op) || !anyOf(n.In, d.active) {
		return nil
	}
	d.at(n)
	douts := make([]*ir.Value, len(n.Out))
	reached := false
	for i, v := range n.Out {
		if d.active[v] {
			douts[i] = d.total(v, n)
			reached = reached || douts[i] != nil
		}
	}
	if !reached {
		return d.b.Err()
	}
	d.at(n)
	var din []*ir.Value
	if op, ok := n.Op.(ir.Differentiable); d.ships && ir.TrainingOnly(n.Op) {
		din = make([]*ir.Value, len(n.In))
		din[0] = douts[0]
	} else if ok {
		din = op.VJP(d.b, n, douts)
	} else {
		return nodeError(n, "%s cannot be traced back through it: %s", d.what, whyNoGradient(n.Op))
	}
	if err := d.b.Err(); err != nil {
		return err
	}
	if len(din) != len(n.In) {
		return nodeError(n, "VJP gave %d gradients for %d operands", len(din), len(n.In))
	}
	joined := slices.ContainsFunc(n.In, func(v *ir.Value) bool { return d.of[v] == ir.OfSums }) && d.of[n.Out[0]] == ir.OfSums
	for i := len(din) - 1; i >= 0; i-- {
		v := n.In[i]
		if din[i] == nil || !d.active[v] {
			continue
		}
		if !din[i].Type.Equal(v.Type) {
			return nodeError(n, "VJP gave %s as the gradient of operand %d, which is %s", din[i].Type, i+1, v.Type)
		}
		if joined && d.of[v] == ir.OfParams {
			din[i] = d.b.Op(ops.Mul{}, din[i], d.share(v.Type.DType))
		}
		d.parts[v] = append(d.parts[v], din[i])
	}
	return nil
}

func whyNoGradient(op ir.Op) string {
	if w, ok := op.(ir.NotDifferentiable); ok {
		return w.WhyNoGradient()
	}
	return "it has no gradient"
}

// share returns the part of the update's rows that a run has, a scalar. A term of
// the loss that depends on parameters alone is one for the whole update: each run
// adds that part of its gradient, as it does of means over rows.
func (d *reverse) share(t ir.DType) *ir.Value {
	rows := ir.MakeDims(ir.Shape{ir.Rows()})
	here := d.b.Op(ops.ReduceSum{}, d.b.Op(ops.Expand{Shape: rows}, d.b.Const(t, 1)))
	return d.b.Op(ops.Div{}, here, d.b.Op(ops.Extent{Of: rows, To: t}))
}

// total sums the gradients of v's uses in graph order, nil if it has none. The
// sums belong to the layer of n.
func (d *reverse) total(v *ir.Value, n *ir.Node) *ir.Value {
	if n != nil {
		d.at(n)
	}
	parts := d.parts[v]
	if len(parts) == 0 {
		return nil
	}
	sum := parts[len(parts)-1]
	for i := len(parts) - 2; i >= 0; i-- {
		sum = d.b.Op(ops.Add{}, sum, parts[i])
	}
	return sum
}

// unreached says that a parameter would never change.
func unreached(p *ir.Value, first *ir.Node, loss string) error {
	e := &ir.Error{
		Layer: path.Dir(p.Name),
		Rule:  fmt.Sprintf("its parameter %q (%s) is never reached by the loss %q", p.Name, p.Type, loss),
		Hint:  "connect the layer to the loss, or leave it out of the model",
	}
	if first != nil {
		e.Layer, e.Made, e.From = first.Layer, first.Pos.Made, first.Pos.From
	}
	return e
}
