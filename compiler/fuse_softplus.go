package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// fuseSoftplus joins the sigmoid of a value and the row sums of its softplus, as
// every free energy and its gradient have them: the logarithm of a product of what
// the sigmoid gives takes the place of one for each element.
func fuseSoftplus(g *ir.Graph) error {
	uses, kept := g.Uses(), outputSet(g)
	sigmoid := map[*ir.Value]*ir.Node{}
	for _, n := range g.Nodes {
		if n.Op == (ops.Sigmoid{}) && sigmoid[n.In[0]] == nil {
			sigmoid[n.In[0]] = n
		}
	}
	gone := map[*ir.Node]bool{}
	var made []*ir.Node
	for _, n := range g.Nodes {
		if len(n.In) != 1 || n.In[0].Def == nil || n.In[0].Def.Op != (ops.Softplus{}) || kept[n.In[0]] || len(uses[n.In[0]]) != 1 {
			continue
		}
		soft := n.In[0].Def
		x := soft.In[0]
		h := sigmoid[x]
		if h == nil || x.Type.Rank() < 2 || n.Op != (ops.ReduceSum{Axes: ops.InnerAxes(x.Type)}) {
			continue
		}
		delete(sigmoid, x)
		gone[n], gone[soft], gone[h] = true, true, true
		f := &ir.Node{ID: h.ID, Op: ops.SoftplusSum{}, In: []*ir.Value{x}, Out: []*ir.Value{h.Out[0], n.Out[0]}, Layer: h.Layer, Pos: h.Pos}
		h.Out[0].Def, n.Out[0].Def = f, f
		made = append(made, f)
	}
	return replaceNodes(g, made, gone)
}
