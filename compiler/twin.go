package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// twins returns a copy of g in which products read few parameters transposed:
// kernels want the right operand's rows contiguous, so each other parameter gets
// one transposed twin, made once per update. Results keep their bits, as each of
// their elements is the same chain.
func twins(g *ir.Graph, at ir.Binding, train bool) *ir.Graph {
	h, _ := g.Clone()
	keep := untwinned(h, at, train)
	names, id := map[string]bool{}, 0
	for _, v := range h.Values() {
		names[v.Name] = true
	}
	for _, n := range h.Nodes {
		id = max(id, n.ID)
	}
	made := map[*ir.Value]*ir.Value{}
	var nodes []*ir.Node
	for _, n := range h.Nodes {
		if op, ok := straight(n); ok && n.In[1].Kind == ir.ParamValue && !keep[n.In[1]] {
			w := n.In[1]
			if made[w] == nil {
				id++
				name := w.Name + ".T"
				for names[name] {
					name += "T"
				}
				names[name] = true
				s := w.Type.Shape
				t := &ir.Value{Name: name, Type: ir.T(w.Type.DType, s[1], s[0])}
				t.Def = &ir.Node{ID: id, Op: ops.Transpose{Perm: ir.MakeAxes(1, 0)}, In: []*ir.Value{w}, Out: []*ir.Value{t}, Layer: n.Layer, Pos: n.Pos}
				nodes = append(nodes, t.Def)
				made[w] = t
			}
			n.Op, n.In[1] = op, made[w]
		}
		nodes = append(nodes, n)
	}
	h.Nodes = nodes
	return h
}

// straight returns the product that takes its right operand as it is, for one
// that takes it transposed.
func straight(n *ir.Node) (ir.Op, bool) {
	p, ok := n.Op.(ir.Multiplier)
	if !ok || len(n.In) < 2 || n.In[1].Type.Rank() != 2 {
		return nil, false
	}
	a, b := p.Transposed()
	return p.WithTransposed(a, false), b
}

// untwinned returns the parameters that an update changes and that are larger than
// the rows of all products that read them transposed. For these a kernel turns the
// rows: a twin would be written at each update, by workers in whose caches it is
// not.
func untwinned(g *ir.Graph, at ir.Binding, train bool) map[*ir.Value]bool {
	keep := map[*ir.Value]bool{}
	if !train {
		return keep
	}
	moved := map[*ir.Value]int{}
	for _, n := range g.Nodes {
		if op, ok := straight(n); ok {
			w := n.In[1]
			moved[w] += n.In[0].Type.Shape.ElemsAt(at) + n.Out[0].Type.Shape.ElemsAt(at)
			if takesColumns(op) {
				moved[w] += w.Type.Shape.ElemsAt(at)
			}
		}
	}
	trained := map[string]bool{}
	for _, out := range g.Outputs {
		trained[out.Name] = true
	}
	for w, n := range moved {
		keep[w] = w.Kind == ir.ParamValue && trained[gradPrefix+w.Name] && n <= w.Type.Shape.ElemsAt(at)
	}
	return keep
}

// takesColumns reports whether a product takes its left operand transposed, whose
// rows no kernel turns.
func takesColumns(op ir.Op) bool {
	p, ok := op.(ir.Multiplier)
	if !ok {
		return false
	}
	a, _ := p.Transposed()
	return a
}
