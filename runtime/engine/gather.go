package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// gathered is an input that the engine fetches itself, from rows that lie apart.
type gathered struct {
	buffer int
	width  *int      // elements of a row
	mem    []float32 // of the plan's capacity
	fill   func(lo, hi int, dst []float32)
	early  bool // fetched by the caller of Run before the first phase
}

// Gather makes the engine fetch an input instead of taking it from the feed of
// Run: fill must set dst, [hi-lo width], to the rows [lo,hi) of the run. Each row
// is asked for once in a run, by the task that reads it first, so fill is called
// by several workers at once, on rows of their own.
//
// Errors: no such input; one that is not float32 with the batch as its first axis.
func (e *Engine) Gather(input string, fill func(lo, hi int, dst []float32)) error {
	for _, port := range e.p.Inputs {
		if port.Name != input {
			continue
		}
		t := e.p.Buffers[port.Buffer].Type
		if t.DType != ir.F32 || !t.Shape.RowWise() {
			return fmt.Errorf("engine: plan %q: input %q is %v; only rows of float32 are gathered", e.p.Name, input, t)
		}
		if g := e.gathers(port.Buffer); g != nil {
			g.fill = fill
			return nil
		}
		g := &gathered{buffer: port.Buffer, width: e.sizes.elems(inner(t)), mem: aligned(t.Shape.ElemsAt(e.p.Capacity)), fill: fill}
		if e.sizes.at.Rows() > 0 {
			e.sizes.set(e.sizes.at)
		}
		e.gathered = append(e.gathered, g)
		if at := e.firstReader(port.Buffer); at != nil {
			at.gather = append(at.gather, g)
		} else {
			g.early = true
		}
		return nil
	}
	return fmt.Errorf("engine: plan %q has no input %q", e.p.Name, input)
}

// gathers returns how an input is fetched, or nil.
func (e *Engine) gathers(buffer int) *gathered {
	for _, g := range e.gathered {
		if g.buffer == buffer {
			return g
		}
	}
	return nil
}

// show makes the rows of a run the input, fetched or not yet.
func (g *gathered) show(e *Engine, rows int) {
	m := g.mem[:rows**g.width]
	e.views[g.buffer] = view{f32: m}
	if g.early {
		g.fill(0, rows, m)
	}
}

// take fetches rows [lo,hi).
func (g *gathered) take(lo, hi int) { g.fill(lo, hi, g.mem[lo**g.width:hi**g.width]) }

// firstReader returns the group whose tasks read each row of an input before any
// other step does, or nil if there is none.
func (e *Engine) firstReader(input int) *boundGroup {
	for i := range e.apartAt { // what is run for one shard after the other finds the rows there
		ph := &e.p.Phases[i]
		var found *boundGroup
		for j := range ph.Groups {
			g := &ph.Groups[j]
			reads, rowwise := e.reads(g.Steps, input)
			switch {
			case !reads:
			case found != nil, !rowwise, ph.Once, g.Length != ir.Rows(), g.Whole():
				return nil
			default:
				found = &e.phases[i].groups[j]
			}
		}
		if found != nil {
			return found
		}
		if reads, _ := e.reads(ph.Tail, input); reads {
			return nil
		}
	}
	return nil
}

// onRows reports whether slices of rows are slices of a value.
func onRows(shape ir.Shape) bool {
	unit, _ := shape[0].Unit()
	return unit == ir.Rows()
}

// reads reports whether steps read an input, and whether they all need no rows of
// it but those they make.
func (e *Engine) reads(steps []int, input int) (reads, rowwise bool) {
	rowwise = true
	for _, id := range steps {
		s := &e.p.Steps[id]
		if ir.ShapeOnly(s.Op) {
			continue
		}
		for k, b := range s.In {
			if e.p.Buffers[b].Kind != plan.Input || e.p.Root(b) != input {
				continue
			}
			reads = true
			shape := e.p.Buffers[b].Type.Shape
			rowwise = rowwise && s.Access[k] == ir.Axis0 && len(shape) > 0 && onRows(shape)
		}
	}
	return reads, rowwise
}
