package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// chains finds for each stored gradient the node where its sum over rows begins,
// if it is one chain: a Gemm, or Gemms that start where the one before ended, or
// a sum of rows. That node starts from the stored gradient, so that an update in
// parts adds the same terms in the same order as one in one go.
func (l *lowering) chains() {
	uses := l.g.Uses()
	for _, v := range l.g.Outputs {
		uses[v] = append(uses[v], nil)
	}
	for _, p := range l.g.Params {
		for _, v := range l.g.Outputs {
			if v.Name != gradPrefix+p.Name {
				continue
			}
			if n := chainStart(v, uses); n != nil && l.starts[n] == nil {
				l.starts[n] = p
				l.continued[p] = true
			}
		}
	}
}

// chainStart returns the first node of the chain that ends in v, or nil.
func chainStart(v *ir.Value, uses map[*ir.Value][]*ir.Node) *ir.Node {
	for v.Def != nil && len(uses[v]) == 1 {
		op, ok := v.Def.Op.(ir.Chained)
		if !ok {
			return nil
		}
		start, open := op.Chain(ir.TypesOf(v.Def.In))
		if open {
			return v.Def
		}
		if start < 0 || start >= len(v.Def.In) || !v.Def.In[start].Type.Equal(v.Type) {
			return nil
		}
		v = v.Def.In[start]
	}
	return nil
}

// begin makes the first step of a chain start from the stored gradient, as one more
// operand. A sum of rows, which takes none, becomes the plan's own op for that.
func (l *lowering) begin(s *plan.Step, p *ir.Value) {
	if _, ok := s.Op.(ops.ReduceSum); ok {
		s.Op = plan.ContinueSum{}
	}
	s.In = append(s.In, l.gradOf(p))
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
