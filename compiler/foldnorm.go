package compiler

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// FoldNorms folds every BatchNorm of a graph that ships into the product or convolution
// before it, or else the one after it, whose weights and bias change in params: results are
// the same up to rounding. A BatchNorm stays if the weights are also read elsewhere, as tied
// ones are, or if something else reads the value between the two; and before a convolution
// that pads, whose zeros it does not reach, or one that is transposed. g is changed.
func FoldNorms(g *ir.Graph, params map[string][]float32) error {
	f := &normFold{g: g, params: params, reads: map[*ir.Value]int{}, reader: map[*ir.Value]*ir.Node{}}
	for _, v := range g.Outputs {
		f.reads[v] += 2
	}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			f.reads[v]++
			f.reader[v] = n
		}
	}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		op, ok := n.Op.(ops.BatchNorm)
		if !ok || n.In[0].Type.DType != ir.F32 {
			return nil
		}
		factor, addend := f.affine(n, op.Epsilon)
		if factor == nil {
			return nil
		}
		if last := op.Axis == n.In[0].Type.Rank()-1; last {
			if y := f.front(b, n, factor, addend); y != nil {
				return []*ir.Value{y}
			}
			if f.behind(n, factor, addend) {
				return n.In[:1]
			}
		}
		if op.Axis == 1 && (f.frontConv(b, n, factor, addend) || f.behindConv(b, n, factor, addend)) {
			return n.In[:1]
		}
		return nil
	})
	if err != nil {
		return err
	}
	return deadcode(g, &state{inference: true})
}

// normFold is one call of FoldNorms.
type normFold struct {
	g      *ir.Graph
	params map[string][]float32
	reads  map[*ir.Value]int // an output is read by more than the graph
	reader map[*ir.Value]*ir.Node
}

// elements returns those of a parameter or a constant, nil for another value.
func (f *normFold) elements(v *ir.Value) []float32 {
	if v.Kind == ir.ParamValue {
		return f.params[v.Name]
	}
	if t := f.g.Data[v]; t != nil {
		return t.To(ir.F32).F32
	}
	return nil
}

// affine returns by what each channel is multiplied and what is added then, nil if its
// statistics are not known.
func (f *normFold) affine(n *ir.Node, epsilon float64) (factor, addend []float64) {
	var of [4][]float32
	channels := n.In[1].Type.Shape[0].Length()
	for i := range of {
		if of[i] = f.elements(n.In[1+i]); len(of[i]) != channels {
			return nil, nil
		}
	}
	for c := range channels {
		a := float64(of[0][c]) / math.Sqrt(float64(of[3][c])+epsilon)
		factor, addend = append(factor, a), append(addend, float64(of[1][c])-float64(of[2][c])*a)
	}
	return factor, addend
}

// own reports whether v is a parameter of that rank that only one node reads.
func (f *normFold) own(v *ir.Value, rank int) bool {
	return v.Kind == ir.ParamValue && v.Type.Rank() == rank && f.reads[v] == 1 && len(f.params[v.Name]) == v.Type.Shape.Count()
}

// product returns the weights of the product that makes v, if they are its own, and its
// bias, nil without.
func (f *normFold) product(v *ir.Value) (weights, bias *ir.Value) {
	if f.reads[v] != 1 || v.Def == nil {
		return nil, nil
	}
	if v.Def.Op == (ops.Add{}) {
		x, c := v.Def.In[0], v.Def.In[1]
		if !f.own(c, 1) {
			x, c = c, x
		}
		if !f.own(c, 1) || !c.Type.Shape.Equal(v.Type.Shape[v.Type.Rank()-1:]) || !x.Type.Equal(v.Type) || f.reads[x] != 1 || x.Def == nil {
			return nil, nil
		}
		v, bias = x, c
	}
	if v.Def.Op != (ops.MatMul{}) || !f.own(v.Def.In[1], 2) {
		return nil, nil
	}
	return v.Def.In[1], bias
}

// front changes the product that makes the operand of n, and returns what takes the place
// of its result, nil if there is none.
func (f *normFold) front(b *ir.Builder, n *ir.Node, factor, addend []float64) *ir.Value {
	w, bias := f.product(n.In[0])
	if w == nil {
		return nil
	}
	weights := make([]float32, len(f.params[w.Name]))
	for i, x := range f.params[w.Name] {
		weights[i] = float32(float64(x) * factor[i%len(factor)])
	}
	f.params[w.Name] = weights
	sum := make([]float32, len(addend))
	for c, x := range addend {
		if bias != nil {
			x += float64(f.params[bias.Name][c]) * factor[c]
		}
		sum[c] = float32(x)
	}
	if bias != nil {
		f.params[bias.Name] = sum
		return n.In[0]
	}
	return b.Op(ops.Add{}, n.In[0], f.bias(b, n, sum))
}

// bias returns a bias with these elements, in the place of that of n if it has one.
func (f *normFold) bias(b *ir.Builder, n *ir.Node, elements []float32) *ir.Value {
	v := n.In[2]
	if !f.own(v, 1) || len(elements) != len(f.params[v.Name]) {
		v = &ir.Value{Name: b.Unique(n.Layer + "/bias"), Type: ir.T(ir.F32, ir.Fixed(len(elements))), Kind: ir.ParamValue}
		f.g.Params = append(f.g.Params, v)
	}
	f.params[v.Name] = elements
	return v
}

// behind changes the product that alone reads the result of n, and its bias.
func (f *normFold) behind(n *ir.Node, factor, addend []float64) bool {
	y := n.Out[0]
	m := f.reader[y]
	if f.reads[y] != 1 || m.Op != (ops.MatMul{}) || m.In[0] != y {
		return false
	}
	sum := f.reader[m.Out[0]]
	if sum == nil || len(sum.Out) != 1 || f.reads[m.Out[0]] != 1 || sum.Op != (ops.Add{}) || !f.own(m.In[1], 2) {
		return false
	}
	bias := sum.In[1]
	if bias == m.Out[0] {
		bias = sum.In[0]
	}
	cols := m.In[1].Type.Shape[1]
	if !f.own(bias, 1) || bias.Type.Shape[0] != cols {
		return false
	}
	w, units := f.params[m.In[1].Name], cols.Length()
	weights, biases := make([]float32, len(w)), make([]float32, units)
	for j := range units {
		s := float64(f.params[bias.Name][j])
		for i, c := range addend {
			s += c * float64(w[i*units+j])
		}
		biases[j] = float32(s)
	}
	for i, x := range w {
		weights[i] = float32(float64(x) * factor[i/units])
	}
	f.params[m.In[1].Name], f.params[bias.Name] = weights, biases
	return true
}
