package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// chains finds for each stored gradient the node where its sum over rows begins,
// if it is one chain: a Gemm, or Gemms that start where the one before ended, or
// a sum of rows. That node starts from the stored gradient, so that an update in
// parts adds the same terms in the same order as one in one go. A node of several
// results does so if all of them are chains of stored gradients.
func (l *lowering) chains() {
	of := map[*ir.Node][]*ir.Value{} // the parameter of each result
	uses := l.g.Uses()
	for _, v := range l.g.Outputs {
		uses[v] = append(uses[v], nil)
	}
	for _, p := range l.g.Params {
		for _, v := range l.g.Outputs {
			if v.Name != gradPrefix+p.Name {
				continue
			}
			end, order := v, ops.Interleave{}
			if v.Def != nil && len(uses[v]) == 1 {
				if op, ok := v.Def.Op.(ops.Interleave); ok { // moves the sums, and no term of them
					end, order = v.Def.In[0], op
				}
			}
			if start := chainStart(end, uses); start != nil {
				n := start.Def
				if order.Groups > 0 {
					order.Groups = p.Type.Shape[order.Axis].Length() / order.Groups
					l.orders[p] = order
				}
				if of[n] == nil {
					of[n] = make([]*ir.Value, len(n.Out))
				}
				if i := slices.Index(n.Out, start); of[n][i] == nil {
					of[n][i] = p
				}
			}
		}
	}
	for n, ps := range of {
		if slices.Contains(ps, nil) {
			continue
		}
		l.starts[n] = ps
		for _, p := range ps {
			l.continued[p] = true
		}
	}
}

// chainStart returns what the first node of the chain that ends in v makes of it, or nil.
func chainStart(v *ir.Value, uses map[*ir.Value][]*ir.Node) *ir.Value {
	for v.Def != nil && len(uses[v]) == 1 {
		op, ok := v.Def.Op.(ir.Chained)
		if !ok {
			return nil
		}
		start, open := op.Chain(ir.TypesOf(v.Def.In))
		if open {
			return v
		}
		if start < 0 || start >= len(v.Def.In) || !v.Def.In[start].Type.Equal(v.Type) {
			return nil
		}
		v = v.Def.In[start]
	}
	return nil
}

// begin makes the first step of chains start from the stored gradients, one more
// operand each. A sum of rows, which takes none, becomes the plan's own op for that.
func (l *lowering) begin(s *plan.Step, ps []*ir.Value) {
	if _, ok := s.Op.(ops.ReduceSum); ok {
		s.Op = plan.ContinueSum{}
	}
	for _, p := range ps {
		b := l.gradOf(p)
		if op, ok := l.orders[p]; ok {
			from := b
			b = l.add(gradPrefix+p.Name+".ordered", p.Type, plan.Arena, -1)
			l.place1(plan.Step{Op: op, In: []int{from}, Out: []int{b}, Param: -1, Layer: s.Layer, Pos: s.Pos}, false)
		}
		s.In = append(s.In, b)
	}
}

// gradOf returns the buffer of a parameter's stored gradient.
func (l *lowering) gradOf(p *ir.Value) int {
	if b, ok := l.grads[p]; ok {
		return b
	}
	b := l.add(gradPrefix+p.Name+".stored", p.Type, plan.Grad, -1)
	l.p.Buffers[b].Offset = l.p.Segments[l.params[p]].Offset
	l.grads[p] = b
	return b
}
