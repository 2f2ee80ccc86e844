package ops

import (
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// boundConv bounds the sums of products of a convolution, or of a transposed one, whose places
// are x, plus the bias.
func (g *conv) boundConv(c *ir.Call, shape []int, transposed bool) ([]ir.Estimate, error) {
	x, w := c.In[0], c.In[1]
	e := ir.Estimate{Value: ir.NewTensor(ir.F64, shape...)}
	e.Var = make([]float64, e.Value.Len())
	sums := make([]chain, len(e.Var))
	anything := make([]bool, len(e.Var)) // a term is open
	taps := g.taps(g.in, g.out)
	term := func(i, j, y int) {
		a, b, va, vb := x.Value.F64[i], w.Value.F64[j], x.At(i), w.At(j)
		sums[y].add(a * b)
		anything[y] = anything[y] || open(va) || open(vb)
		e.Var[y] += b*b*va + (a*a+va)*vb
	}
	g.shared(shape[0], func(lo, hi int) {
		g.runs(lo, hi, taps, func(i, j, y int, list []tap) {
			if transposed {
				for _, t := range list {
					term(y, j+t.at, i+t.x)
				}
				return
			}
			for _, t := range list {
				term(i+t.x, j+t.at, y)
			}
		})
	})
	u, f := c.Rounding()
	for i := range sums {
		e.Value.F64[i] = sums[i].sum
		switch {
		case anything[i], sums[i].overflows(c.DType()):
			e.Var[i] = math.Inf(1)
		case !finite(sums[i].sum):
			e.Var[i] = 0
		default:
			e.Var[i] += sums[i].rounding(u) + f*f
		}
	}
	if len(c.In) == 3 {
		inner := ir.Elems(shape[2:])
		for i := range e.Var {
			p := i / inner % shape[1]
			e.Value.F64[i] += c.In[2].Value.F64[p]
			if y, s := e.Value.F64[i], c.In[2].At(p); open(s) {
				e.Open(i)
			} else if finite(y) {
				e.Var[i] += s + u*u*y*y
			}
		}
	}
	return []ir.Estimate{e}, nil
}

// Bound adds the variances of the products and the roundings of their sums.
func (op Conv) Bound(c *ir.Call) ([]ir.Estimate, error) {
	x := c.In[0].Value
	g, err := op.geometry(valueTypes(c))
	if err != nil {
		return nil, err
	}
	e, err := g.boundConv(c, append([]int{x.Shape[0], g.o}, g.out...), false)
	if err == nil {
		g.openPads(&e[0], c.In[1].Value)
	}
	return e, err
}

// openPads says that a result may be anything where a filter that is not finite reaches
// over the edge: a runtime may multiply it by the zeros there.
func (g *conv) openPads(e *ir.Estimate, w *ir.Tensor) {
	if !slices.ContainsFunc(w.F64, infinite) {
		return
	}
	each := w.Len() / g.o
	taps := g.taps(g.in, g.out)
	for at := range e.Var {
		o := at / len(taps) % g.o
		if len(taps[at%len(taps)]) < ir.Elems(g.kernel) && slices.ContainsFunc(w.F64[o*each:(o+1)*each], infinite) {
			e.Open(at)
		}
	}
}

// Bound adds the variances of the products and the roundings of their sums.
func (op ConvTranspose) Bound(c *ir.Call) ([]ir.Estimate, error) {
	x := c.In[0].Value
	g, err := op.geometry(valueTypes(c))
	if err != nil {
		return nil, err
	}
	e, err := g.boundConv(c, append([]int{x.Shape[0], g.c}, g.in...), true)
	if err == nil {
		g.openEdges(&e[0], c.In[1].Value)
	}
	return e, err
}

// openEdges says that a result may be anything where a filter that is not finite would be
// reached from a place beyond the edge: a runtime that makes a convolution of it may multiply
// the filter by a zero there.
func (g *conv) openEdges(e *ir.Estimate, w *ir.Tensor) {
	if !slices.ContainsFunc(w.F64, infinite) {
		return
	}
	size, at := ir.Elems(g.in), make([]int, len(g.in))
	beyond := make([]bool, size)
	for p := range beyond {
		unravel(at, p, g.in)
		for a, q := range at {
			for k := range g.kernel[a] {
				place := q + g.before[a] - k*g.dilation[a]
				beyond[p] = beyond[p] || place%g.stride[a] == 0 && (place < 0 || place/g.stride[a] >= g.out[a])
			}
		}
	}
	for i := range e.Var {
		if beyond[i%size] {
			e.Open(i)
		}
	}
}

// valueTypes is the types of a call's operands with the lengths that they have.
func valueTypes(c *ir.Call) []ir.Type {
	in := make([]*ir.Tensor, len(c.In))
	for i := range in {
		in[i] = c.In[i].Value
	}
	return typesOf(in)
}

func infinite(x float64) bool { return !finite(x) }
