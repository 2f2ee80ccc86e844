package compiler

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// frontConv changes the convolution that makes the operand of n, if its weights and its
// bias are its own, and reports whether it did.
func (f *normFold) frontConv(b *ir.Builder, n *ir.Node, factor, addend []float64) bool {
	y := n.In[0]
	if f.reads[y] != 1 || y.Def == nil {
		return false
	}
	conv, ok := y.Def.Op.(ir.Filterer)
	if !ok || !f.filters(y.Def) {
		return false
	}
	w := y.Def.In[1]
	weights, shape := slices.Clone(f.params[w.Name]), w.Type.Shape.Lengths()
	for i := range weights {
		weights[i] = float32(float64(weights[i]) * factor[conv.MakesChannel(shape, i)])
	}
	sums := slices.Clone(addend)
	if len(y.Def.In) > 2 {
		for c, x := range f.params[y.Def.In[2].Name] {
			sums[c] += float64(x) * factor[c]
		}
	}
	f.params[w.Name] = weights
	f.setBias(b, n, y.Def, sums)
	return true
}

// behindConv changes the convolution that alone reads the result of n, if it sees no zeros
// beside it, and reports whether it did.
func (f *normFold) behindConv(b *ir.Builder, n *ir.Node, factor, addend []float64) bool {
	y := n.Out[0]
	m := f.reader[y]
	if f.reads[y] != 1 || m.In[0] != y {
		return false
	}
	conv, ok := m.Op.(ops.Conv)
	if !ok || slices.Max(append(conv.Pads.Slice(), 0)) > 0 || !f.filters(m) {
		return false
	}
	w := m.In[1]
	weights, shape := slices.Clone(f.params[w.Name]), w.Type.Shape.Lengths()
	size := ir.Elems(shape[2:])
	perGroup := shape[0] / conv.Group
	sums := make([]float64, shape[0])
	if len(m.In) > 2 {
		for c, x := range f.params[m.In[2].Name] {
			sums[c] = float64(x)
		}
	}
	for i, x := range weights {
		to := i / size / shape[1]
		from := to/perGroup*shape[1] + i/size%shape[1]
		sums[to] += float64(x) * addend[from]
		weights[i] = float32(float64(x) * factor[from])
	}
	f.params[w.Name] = weights
	f.setBias(b, n, m, sums)
	return true
}

// filters reports whether the weights and the bias of a convolution are its own.
func (f *normFold) filters(conv *ir.Node) bool {
	return f.own(conv.In[1], conv.In[1].Type.Rank()) && (len(conv.In) < 3 || f.own(conv.In[2], 1))
}

// setBias gives a convolution this bias, in the place of its own or of that of n.
func (f *normFold) setBias(b *ir.Builder, n, conv *ir.Node, sums []float64) {
	elements := make([]float32, len(sums))
	for c, x := range sums {
		elements[c] = float32(x)
	}
	if len(conv.In) > 2 {
		f.params[conv.In[2].Name] = elements
		return
	}
	conv.In = append(slices.Clone(conv.In), f.bias(b, n, elements))
}
