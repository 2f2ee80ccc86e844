package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// taken is memory that an update writes and that other workers have read since the last one:
// a parameter, or its transpose. A worker takes the lines of its tile before it updates it,
// many at once. Left to the stores of the update, on a CPU whose cores have third caches of
// their own, they cost up to ten times the update itself.
type taken struct {
	v          *view
	rows, cols int  // of the matrix
	columns    bool // the tile is columns of it, not rows
}

// takes returns what a step writes of that kind, where there are several workers.
func (e *Engine) takes(s *plan.Step, g *plan.Group) []taken {
	if s.Op != nil || len(s.Out) != 1 || g == nil || g.Length.Symbolic() || e.workers == 1 {
		return nil
	}
	shape := e.p.Buffers[s.Out[0]].Type.Shape
	if len(shape) == 0 {
		return nil
	}
	n, _ := fixedWidth(e.p.Buffers[s.Out[0]].Type)
	all := []taken{{v: &e.views[s.Out[0]], rows: shape[0].Length(), cols: n}}
	for _, b := range s.Derived {
		d := e.derivations[b]
		if _, ok := e.p.Steps[d.Step].Op.(ops.Transpose); !ok || d.From != s.Out[0] || d.Mirrored {
			continue
		}
		if t := e.p.Buffers[b].Type; t.Rank() == 2 && t.DType == ir.F32 && t.Shape[1] == shape[0] {
			all = append(all, taken{&e.views[b], t.Shape[0].Length(), t.Shape[1].Length(), true})
		}
	}
	return all
}

// take takes the lines of the rows [lo,hi) of the parameter.
func (t *taken) take(lo, hi int) {
	if t.columns {
		simd.TakeLines(t.rows, hi-lo, t.v.f32[lo:], t.cols)
	} else {
		simd.TakeLines(1, (hi-lo)*t.cols, t.v.f32[lo*t.cols:hi*t.cols], 0)
	}
}
