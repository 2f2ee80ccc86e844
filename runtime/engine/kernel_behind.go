package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// A step that the plan puts behind a product takes the columns of its rows as soon as they
// are made, while they are in the first cache. The results are those of the two steps one
// after the other, to the bit. A lone worker runs them one after the other: what it wrote is
// in its own cache, and the tables of RATIONALE.md say what it would lose.

// mostLanes is the most columns of which 16 lanes hold the sum.
const mostLanes = 4096

// columnMaker makes the rows [lo,hi) of a step's result, and tells c.columns.done of them.
type columnMaker func(c *ctx, lo, hi int)

// columnTaker takes the columns [from,to) of the rows [lo,hi), in ascending order, with
// lanes of float32 for each row, and ends when all are taken; lanes are 0 before and after.
type columnTaker struct {
	lanes int
	part  func(lanes []float32, lo, hi, from, to int)
	end   func(lanes []float32, lo, hi int)
}

// behind lets the step first of a group do the work of second too, which takes its
// columns, if their kernels can do so.
func (e *Engine) behind(first, second *boundStep, g *plan.Group) {
	made := e.binding(&e.p.Steps[first.id], first.id, g).makeColumns()
	take := e.binding(&e.p.Steps[second.id], second.id, g).takeColumns()
	if made == nil || take == nil {
		return
	}
	out := e.p.Buffers[e.p.Steps[first.id].Out[0]].Type
	rows := out.Shape[0].At(e.p.Capacity)
	if times, ok := g.Times(out); ok {
		rows = min(rows, finer(g, e.p.Capacity, e.workers)*times.At(e.p.Capacity))
	}
	e.lanes = max(e.lanes, rows*take.lanes)
	second.run, second.name = func(*ctx, int, int) {}, second.name+"_columns"
	first.run = func(c *ctx, lo, hi int) {
		c.columns.take, c.columns.lo = take, lo
		made(c, lo, hi)
		take.end(c.columns.lanes[:(hi-lo)*take.lanes], lo, hi)
	}
}

// columnar is what a worker knows of the columns that are made and taken.
type columnar struct {
	take  *columnTaker
	lo    int // the first row
	first int // the first column of the product under way
	lanes []float32
	done  func(row, rows, from, to int) // told of in an Epilogue
}

func (c *columnar) tell(row, rows, from, to int) {
	lo := c.lo + row
	c.take.part(c.lanes[row*c.take.lanes:], lo, lo+rows, c.first+from, c.first+to)
}

// makeColumns returns how a product with a row bias or without makes columns, or nil.
func (b *binding) makeColumns() columnMaker {
	if !b.all(ir.F32) {
		return nil
	}
	x, w, y, last, relu := b.in[0], b.in[1], b.out[0], 2, false
	n, known := fixedWidth(b.outT[0])
	width := n // of a panel of w
	switch op := b.s.Op.(type) {
	case ops.Gemm:
		known = known && !op.TransA && !op.TransB
	case ops.GemmRelu:
		known, relu = known && !op.TransA && !op.TransB, true
	case ops.GemmPanels:
		mask, c, _ := op.Parts(b.inT)
		known, relu, width = known && mask < 0, op.Relu, b.inT[1].Shape[2].Length()
		if c >= 0 {
			last = c
		}
	default:
		return nil
	}
	var bias *view
	if len(b.in) > 2 {
		bias, known = b.in[last], known && b.inT[last].Rank() == 1
	}
	if !known {
		return nil
	}
	kAt := b.e.sizes.dim(b.inT[0].Shape[1])
	return func(c *ctx, lo, hi int) {
		k := *kAt
		for j := 0; j < n && lo < hi; j += width {
			ep := simd.Epilogue{Relu: relu, Done: c.columns.done}
			if bias != nil {
				ep.Bias = bias.f32[j:n]
			}
			c.columns.first = j
			simd.Gemm(hi-lo, min(width, n-j), k, x.f32[lo*k:hi*k], k, 1, w.f32[j*k:], width, y.f32[lo*n+j:hi*n], n, false, ep)
		}
	}
}

// takeColumns returns how a squared error takes columns: each row's sum is one of 16 lanes,
// in the order of SquaredError.
func (b *binding) takeColumns() *columnTaker {
	n, known := fixedWidth(b.inT[0])
	if !known || n == 0 || n > mostLanes {
		return nil
	}
	for i, t := range b.inT {
		if t.DType != ir.F32 && i != 3 {
			return nil
		}
	}
	p, t, s, grad, mean := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	var keep *view
	switch b.s.Op.(type) {
	case ops.SquaredError:
	case ops.WeightedSquaredError:
		keep = b.in[3]
	default:
		return nil
	}
	part := func(lanes []float32, lo, hi, from, to int, scale float32) {
		at := lo*n + from
		simd.SquaredErrorLanes(lanes, hi-lo, to-from, grad.f32[at:], n, p.f32[at:], n, t.f32[at:], n, scale)
	}
	return &columnTaker{lanes: 16,
		part: func(lanes []float32, lo, hi, from, to int) {
			if keep == nil {
				part(lanes, lo, hi, from, to, s.f32[0])
				return
			}
			for u := lo; u < hi; u++ {
				if keep.b[u] {
					part(lanes[16*(u-lo):], u, u+1, from, to, s.f32[u])
				} else {
					clear(grad.f32[u*n+from : u*n+to])
				}
			}
		},
		end: func(lanes []float32, lo, hi int) {
			simd.FoldLanes(mean.f32[lo:hi], lanes)
			for u := lo; u < hi; u++ {
				mean.f32[u] = float32(float64(mean.f32[u]) / float64(n))
			}
		},
	}
}
