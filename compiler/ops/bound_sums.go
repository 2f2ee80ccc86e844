package ops

import (
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// chain is a sum as it grows. Its rounding variance is u² times the squares of
// all partial sums: of the ascending order, or of the mean over all orders if
// that is more, since a runtime may add in any order; and of the products, which
// are rounded too where there is no fused multiply-add.
type chain struct {
	n              float64
	sum, parts, sq float64
}

func (c *chain) add(p float64) {
	c.n++
	c.sum += p
	c.parts += c.sum * c.sum
	c.sq += p * p
}

func (c *chain) rounding(u float64) float64 {
	k := c.n
	if k == 0 {
		return 0
	}
	mean := c.sum * c.sum * (k + 1) * (2*k + 1) / (6 * k)
	spread := max(c.sq/k-c.sum*c.sum/(k*k), 0) * k * (k + 1) / 6
	return u * u * (max(c.parts, mean+spread) + c.sq)
}

// overflows reports whether a partial sum may have passed the dtype's range.
func (c *chain) overflows(d ir.DType) bool {
	return d == ir.F32 && c.parts > math.MaxFloat32*math.MaxFloat32/4 && finite(c.sum)
}

// repeats says for each of k rows, and of its variances, how often it stands there without
// a break, itself included: rows of a batch that are equal have equal errors, which a sum
// over them adds up instead of evening out. Elsewhere no two errors are the same.
func repeats(rows bool, k, n int, b, sb []float64) []float64 {
	out := make([]float64, k)
	for p := range out {
		out[p] = 1
		if rows && p > 0 && slices.Equal(b[p*n:(p+1)*n], b[(p-1)*n:p*n]) && (sb == nil || slices.Equal(sb[p*n:(p+1)*n], sb[(p-1)*n:p*n])) {
			out[p] = out[p-1] + 1
		}
	}
	return out
}

// alike is the weight of the variance of a term that is the same error for the nth time:
// of all n together it makes n².
func alike(n float64) float64 { return 2*n - 1 }

// boundProduct bounds c[m,n] = a[m,k] b[k,n], with variances that may be nil, its rows
// spread over the processors. Rows says that the sums are over the rows of a batch.
func boundProduct(d ir.DType, rows bool, m, k, n int, a, sa, b, sb, out, s []float64) {
	equal := repeats(rows, k, n, b, sb)
	workers := min(goruntime.GOMAXPROCS(0), m)
	if m*k*n < 1<<16 {
		workers = 1
	}
	if workers <= 1 {
		boundProductRows(d, 0, m, k, n, a, sa, b, sb, equal, out, s)
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { boundProductRows(d, m*w/workers, m*(w+1)/workers, k, n, a, sa, b, sb, equal, out, s) })
	}
	wg.Wait()
}

func boundProductRows(d ir.DType, lo, hi, k, n int, a, sa, b, sb, equal, out, s []float64) {
	u, f := d.Unit(), d.LeastNormal()
	sums := make([]chain, n)
	vars := make([]float64, n)
	anything := make([]bool, n) // a term is open
	for i := lo; i < hi; i++ {
		clear(sums)
		clear(vars)
		clear(anything)
		again, anyX := 0.0, false
		for p := range k {
			x, v := a[i*k+p], 0.0
			if sa != nil {
				v = sa[i*k+p]
			}
			if again++; p == 0 || equal[p] == 1 || x != a[i*k+p-1] || sa != nil && v != sa[i*k+p-1] {
				again = 1
			}
			w := alike(again)
			row := b[p*n : (p+1)*n]
			for j, y := range row {
				sums[j].add(x * y)
			}
			anyX = anyX || open(v)
			if v != 0 {
				for j, y := range row {
					vars[j] += w * y * y * v
				}
			}
			if sb != nil {
				for j, s := range sb[p*n : (p+1)*n] {
					vars[j] += w * (x*x + v) * s
					anything[j] = anything[j] || open(s)
				}
			}
		}
		for j := range sums {
			at := i*n + j
			out[at] = sums[j].sum
			switch {
			case anyX, anything[j], sums[j].overflows(d):
				s[at] = math.Inf(1)
			case !finite(out[at]):
				s[at] = 0
			default:
				s[at] = vars[j] + sums[j].rounding(u) + f*f
			}
		}
	}
}

func turned(x []float64, rows, cols int) []float64 {
	if x == nil {
		return nil
	}
	out := make([]float64, len(x))
	for i := range rows {
		for j := range cols {
			out[j*rows+i] = x[i*cols+j]
		}
	}
	return out
}

// boundGemm bounds a b + c of rank 2.
func boundGemm(c *ir.Call, ta, tb bool) ([]ir.Estimate, error) {
	a, b := c.In[0], c.In[1]
	if len(a.Value.Shape) != 2 || len(b.Value.Shape) != 2 {
		return nil, fmt.Errorf("operands have shapes %v and %v", a.Value.Shape, b.Value.Shape)
	}
	m, k := a.Value.Shape[0], a.Value.Shape[1]
	n := b.Value.Shape[1]
	rows := c.Node.In[0].Type.Shape[1].Has(ir.Batch)
	xa, sa, xb, sb := a.Value.F64, a.Var, b.Value.F64, b.Var
	if ta {
		xa, sa = turned(xa, m, k), turned(sa, m, k)
		m, k = k, m
		rows = c.Node.In[0].Type.Shape[0].Has(ir.Batch)
	}
	if tb {
		var cols int
		n, cols = b.Value.Shape[0], b.Value.Shape[1]
		xb, sb = turned(xb, n, cols), turned(sb, n, cols)
	}
	if len(xb) != k*n {
		return nil, fmt.Errorf("operands have shapes %v and %v", a.Value.Shape, b.Value.Shape)
	}
	e := ir.Estimate{Value: ir.NewTensor(ir.F64, m, n), Var: make([]float64, m*n)}
	boundProduct(c.DType(), rows, m, k, n, xa, sa, xb, sb, e.Value.F64, e.Var)
	if len(c.In) > 2 {
		u := c.DType().Unit()
		w := broadcastIndex(c.In[2].Value.Shape, e.Value.Shape)
		for i := range e.Var {
			p := w[i]
			e.Value.F64[i] += c.In[2].Value.F64[p]
			y := e.Value.F64[i]
			if s := c.In[2].At(p); open(s) {
				e.Open(i)
			} else if finite(y) {
				e.Var[i] += s + u*u*y*y
			}
		}
	}
	return []ir.Estimate{e}, nil
}

// boundMatMul bounds numpy's matmul: matrices in the last two axes, the others
// broadcast, a vector taken as a row or a column.
func boundMatMul(c *ir.Call) ([]ir.Estimate, error) {
	a, b := c.In[0], c.In[1]
	da, db := a.Value.Shape, b.Value.Shape
	if len(da) == 1 {
		da = []int{1, da[0]}
	}
	if len(db) == 1 {
		db = []int{db[0], 1}
	}
	if len(da) < 2 || len(db) < 2 || da[len(da)-1] != db[len(db)-2] {
		return nil, fmt.Errorf("operands have shapes %v and %v", a.Value.Shape, b.Value.Shape)
	}
	m, k, n := da[len(da)-2], da[len(da)-1], db[len(db)-1]
	shape := c.Env.Bind(c.Node.Out[0].Type.Shape)
	e := ir.Estimate{Value: ir.NewTensor(ir.F64, shape...)}
	e.Var = make([]float64, e.Value.Len())
	t := c.Node.In[0].Type
	rows := t.Shape[t.Rank()-1].Has(ir.Batch)
	batch := []int{1}
	if lead := max(len(da), len(db)) - 2; lead > 0 {
		batch = shape[:lead]
	}
	wa, wb := broadcastIndex(da[:len(da)-2], batch), broadcastIndex(db[:len(db)-2], batch)
	part := func(x []float64, i, size int) []float64 {
		if x == nil {
			return nil
		}
		return x[i*size : (i+1)*size]
	}
	for i := range ir.Elems(batch) {
		p, q := wa[i], wb[i]
		boundProduct(c.DType(), rows, m, k, n, part(a.Value.F64, p, m*k), part(a.Var, p, m*k),
			part(b.Value.F64, q, k*n), part(b.Var, q, k*n), part(e.Value.F64, i, m*n), part(e.Var, i, m*n))
	}
	return []ir.Estimate{e}, nil
}

// boundSum bounds a sum, or a mean, over some axes.
func boundSum(c *ir.Call, axes ir.Axes, mean bool) ([]ir.Estimate, error) {
	x := c.In[0]
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	gone := make([]bool, len(x.Value.Shape))
	for _, a := range axes.Slice() {
		if a < 0 {
			a += len(gone)
		}
		gone[a] = true
	}
	if axes.Len == 0 {
		for i := range gone {
			gone[i] = true
		}
	}
	// The result has length 1 along the axes summed, whether kept or not.
	kept := append([]int{}, x.Value.Shape...)
	for i := range kept {
		if gone[i] {
			kept[i] = 1
		}
	}
	sums := make([]chain, v.Len())
	anything := make([]bool, v.Len()) // a term is open
	e := ir.Estimate{Value: v, Var: make([]float64, v.Len())}
	w := broadcastIndex(kept, x.Value.Shape)
	k, width := 1, x.Value.Len()
	if along(allAxes(axes, len(gone)), c.Node.In[0].Type) && c.Node.In[0].Type.Shape[0].Has(ir.Batch) {
		k = max(x.Value.Shape[0], 1)
		width /= k
	}
	equal := repeats(k > 1, k, width, x.Value.F64, x.Var)
	for i, y := range x.Value.F64 {
		o := w[i]
		sums[o].add(y)
		e.Var[o] += alike(equal[i/max(width, 1)]) * x.At(i)
		anything[o] = anything[o] || open(x.At(i))
	}
	d := c.DType()
	u, f := d.Unit(), d.LeastNormal()
	for o := range sums {
		e.Var[o] += sums[o].rounding(u)
		if sums[o].overflows(d) {
			e.Var[o] = math.Inf(1)
		}
		if mean && sums[o].n > 0 {
			e.Var[o] = e.Var[o]/(sums[o].n*sums[o].n) + u*u*v.F64[o]*v.F64[o]
		}
		e.Var[o] += f * f
		switch {
		case anything[o]:
			e.Open(o)
		case !finite(v.F64[o]):
			e.Var[o] = 0
		}
	}
	return []ir.Estimate{e}, nil
}
