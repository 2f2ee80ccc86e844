package verify

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// lines calls f for each line of elements along one axis: first, first+step, …, n
// of them.
func lines(shape []int, axis int, f func(first, step, n int)) {
	if axis < 0 {
		axis += len(shape)
	}
	step := ir.Elems(shape[axis+1:])
	n := shape[axis]
	for o := range ir.Elems(shape[:axis]) {
		for i := range step {
			f(o*n*step+i, step, n)
		}
	}
}

// softmax bounds exp(x)/sum(exp(x)), or its logarithm, along an axis. With y the
// probabilities, d softmax_i/d x_j = y_i(δij-y_j) and d log_i/d x_j = δij-y_j.
func (c *call) softmax(axis int, log bool) (Estimate, error) {
	x := c.in[0]
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{v, make([]float64, v.Len())}
	u, f := unit(c.dtype()), floor(c.dtype())
	lines(v.Shape, axis, func(first, step, n int) {
		top := math.Inf(-1)
		for j := range n {
			top = max(top, x.Value.F64[first+j*step])
		}
		var total, shared, shift float64
		prob := func(j int) float64 {
			if log {
				return math.Exp(v.F64[first+j*step])
			}
			return v.F64[first+j*step]
		}
		for j := range n {
			at := first + j*step
			p, d := prob(j), x.Value.F64[at]-top
			shared += p * p * x.at(at)
			if p > 0 {
				shift += p * p * d * d // x-top is rounded before exp
			}
			total += p
		}
		common := 16 + float64(n)/3 + shift
		for j := range n {
			at := first + j*step
			p, d, s := prob(j), x.Value.F64[at]-top, x.at(at)
			rest := max(shared-p*p*s, 0) + (1-p)*(1-p)*s
			switch y := v.F64[at]; {
			case math.IsNaN(total) || !finite(y):
			case log:
				e.Var[at] = rest + u*u*(common+d*d+y*y) + f*f
			default:
				if math.IsInf(d, -1) {
					d = 0
				}
				e.Var[at] = y*y*(rest+u*u*(common+d*d)) + f*f
			}
		}
	})
	return e, nil
}

// reduceMax leaves the maximum over a NaN open: runtimes disagree on it.
func (c *call) reduceMax() (Estimate, error) {
	e, err := c.moved()
	if err != nil {
		return e, err
	}
	for i, y := range e.Value.F64 {
		if math.IsNaN(y) {
			e.unknown(i)
		}
	}
	return e, nil
}

// argMax leaves an index open if another element may be the greatest, or is NaN.
func (c *call) argMax(axis int) (Estimate, error) {
	x := c.in[0]
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{Value: v}
	i := 0
	lines(x.Value.Shape, axis, func(first, step, n int) {
		best := first + int(v.At(i))*step
		for j := range n {
			at := first + j*step
			if math.IsNaN(x.Value.F64[at]) {
				e.unknown(i)
			}
			s := x.at(at) + x.at(best)
			if at != best && s > 0 && x.Value.F64[best]-x.Value.F64[at] <= Sigmas*math.Sqrt(s) {
				e.unknown(i)
			}
		}
		i++
	})
	return e, nil
}

// topK leaves the places open that elements nearer than their errors could swap.
// Of integers, which are such places themselves when ranks are computed, the
// inverse is known up to the length of the run that is open: its variance is such
// that a comparison with a rank outside the run holds.
func (c *call) topK(op ops.TopK) (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e, x := Estimate{Value: v}, c.in[0]
	if x.Var == nil {
		return e, nil
	}
	all := op
	all.K = x.Value.Shape[op.Axis]
	order, err := ir.EvalOp(c.env, all, []ir.Type{c.node.In[0].Type}, []*ir.Tensor{x.Value})
	if err != nil {
		return Estimate{}, err
	}
	inner := ir.Elems(x.Value.Shape[op.Axis+1:])
	i := 0
	lines(x.Value.Shape, op.Axis, func(first, step, n int) {
		at := func(k int) int { return first + int(order[0].At(first+k*step))*step }
		base := i/inner*inner*op.K + i%inner
		out := func(k int) int { return base + k*inner }
		i++
		if x.Value.DType != ir.F64 {
			c.inverse(&e, x, op.K, first, step, n, out)
			return
		}
		for k := range min(op.K, n-1) {
			p, q := at(k), at(k+1)
			s := x.at(p) + x.at(q)
			d := math.Abs(x.Value.F64[p] - x.Value.F64[q])
			if s > 0 && !(d > Sigmas*math.Sqrt(s)) {
				e.unknown(out(k))
				if k+1 < op.K {
					e.unknown(out(k + 1))
				}
			}
		}
	})
	return e, nil
}

// inverse bounds the order of a line of integers some of which are open.
func (c *call) inverse(e *Estimate, x Estimate, keep, first, step, n int, out func(int) int) {
	if keep != n {
		for k := range keep {
			e.unknown(out(k))
		}
		return
	}
	for lo := 0; lo < n; lo++ {
		if x.at(first+lo*step) == 0 {
			continue
		}
		hi := lo
		for hi+1 < n && x.at(first+(hi+1)*step) > 0 {
			hi++
		}
		for k := lo; k <= hi; k++ {
			j := int(x.Value.At(first + k*step))
			if j < 0 || j >= n {
				continue
			}
			e.unknown(out(j))
			r := float64(hi-lo) / Sigmas
			e.Var[out(j)] = r * r
		}
		lo = hi
	}
}

// oneHot leaves a row open if its index is.
func (c *call) oneHot(depth int) (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{Value: v}
	for i := range c.in[0].Value.Len() {
		if c.in[0].at(i) > 0 {
			for j := range depth {
				e.unknown(i*depth + j)
			}
		}
	}
	return e, nil
}
