package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// eachLine calls f for each line of elements along one axis: first, first+step, …, n
// of them.
func eachLine(shape []int, axis int, f func(first, step, n int)) {
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

// boundSoftmax bounds exp(x)/sum(exp(x)), or its logarithm, along an axis. With y the
// probabilities, d softmax_i/d x_j = y_i(δij-y_j) and d log_i/d x_j = δij-y_j.
func boundSoftmax(c *ir.Call, axis int, log bool) ([]ir.Estimate, error) {
	x := c.In[0]
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := ir.Estimate{Value: v, Var: make([]float64, v.Len())}
	u, f := c.Rounding()
	eachLine(v.Shape, axis, func(first, step, n int) {
		top := math.Inf(-1)
		for j := range n {
			top = max(top, x.Value.F64[first+j*step])
		}
		var total, shared, shift float64
		anything := false
		prob := func(j int) float64 {
			if log {
				return math.Exp(v.F64[first+j*step])
			}
			return v.F64[first+j*step]
		}
		for j := range n {
			at := first + j*step
			p, d := prob(j), x.Value.F64[at]-top
			anything = anything || open(x.At(at))
			shared += p * p * x.At(at)
			if p > 0 {
				shift += p * p * d * d // x-top is rounded before exp
			}
			total += p
		}
		common := 16 + float64(n)/3 + shift
		for j := range n {
			at := first + j*step
			p, d, s := prob(j), x.Value.F64[at]-top, x.At(at)
			rest := max(shared-p*p*s, 0) + (1-p)*(1-p)*s
			switch y := v.F64[at]; {
			case anything:
				e.Open(at)
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
	return []ir.Estimate{e}, nil
}
