package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// Fault is the first result of a run that is not finite.
type Fault struct {
	Layer string
	Pos   ir.Pos
	Op    string
	Value string  // name of the value
	Found float64 // its first element that is not finite
}

// The ops of a Fault that no step made.
const (
	FaultInput = "Input"
	FaultParam = "Param"
)

// String returns the layer, its position, the op and the value; of an input or a
// parameter its name and the layer that reads it first.
func (f *Fault) String() string {
	layer := fmt.Sprintf("layer %q", f.Layer)
	if !f.Pos.IsZero() {
		layer += fmt.Sprintf(" (%v)", f.Pos)
	}
	switch f.Op {
	case FaultInput:
		return fmt.Sprintf("input %q, which %s reads, holds %v", f.Value, layer, f.Found)
	case FaultParam:
		return fmt.Sprintf("parameter %q, which %s reads, holds %v", f.Value, layer, f.Found)
	}
	return fmt.Sprintf("%s: %s gave %v", layer, f.Op, f.Found)
}

// FirstNonFinite runs a plan once more with every value kept and returns the
// first step, in the order of execution, with a result that is not finite, or
// nil. An input or a parameter that is not finite comes before all steps, with
// the op FaultInput or FaultParam and the layer that reads it first. A NaN in an input of
// which the plan asks where it is one, and what is made of it directly, is a number that is
// missing, and no fault. Nothing in the store changes. kernels are those of [Options].
func FirstNonFinite(p *plan.Plan, s *Store, in Feed, at ir.Binding, u *Update, kernels ...Maker) (*Fault, error) {
	e, err := newEngine(p, s, Options{Workers: 1, Kernels: kernels}, true)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if u != nil {
		e.random = *u // streams and extents as in the run, but no update
		e.random.Opt = nil
	}
	if err := e.RunAt(in, at, nil); err != nil {
		return nil, err
	}
	if e.Joins() {
		if err := e.RunShard(0, at.Rows()); err != nil {
			return nil, err
		}
	}
	seen, missing := make([]bool, len(p.Buffers)), e.missing()
	for i := range p.Phases {
		for _, id := range p.Phases[i].Steps() {
			st := &p.Steps[id]
			for _, b := range st.In {
				buf := &p.Buffers[b]
				if seen[b] || buf.Kind != plan.Input && buf.Kind != plan.Param {
					continue
				}
				seen[b] = true
				if x, ok := e.bad(b, missing[p.Root(b)]); ok {
					kind := FaultInput
					if buf.Kind == plan.Param {
						kind = FaultParam
					}
					return &Fault{st.Layer, st.Pos, kind, buf.Name, x}, nil
				}
			}
			if e.changesStore(id) {
				continue
			}
			lacks := false
			for _, b := range st.In {
				lacks = lacks || missing[p.Root(b)]
			}
			for _, b := range st.Out {
				if _, wrong := e.bad(b, false); wrong && lacks {
					missing[p.Root(b)] = true
				}
				if x, ok := e.bad(b, lacks); ok {
					return &Fault{st.Layer, st.Pos, st.Op.Name(), p.Buffers[b].Name, x}, nil
				}
			}
		}
	}
	return nil, nil
}

// FirstNonFinite runs the function once more, with every value kept, and returns
// the first step with a result that is not finite, as the FirstNonFinite of a plan
// does, or nil. in is that of Run.
//
// Errors: those of Run.
func (n *Net) FirstNonFinite(in map[string]*ir.Tensor) (*Fault, error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	in, err := n.converted(in)
	if err != nil {
		return nil, err
	}
	at, err := n.lengths(in)
	if err != nil {
		return nil, err
	}
	rows, most := at.Rows(), n.p.Capacity.Rows()
	for lo := 0; lo < rows; lo += most {
		hi := min(rows, lo+most)
		fed, now := Feed{}, at.WithRows(hi-lo)
		for _, v := range n.inputs {
			t := in[v.Name]
			w := rowsOf(v, t, at, lo, hi)
			fed[v.Name] = &ir.Tensor{DType: t.DType, Shape: v.Type.Shape.At(now), F32: w.f32, F64: w.f64, I64: w.i64, Bool: w.b, Raw: w.raw}
		}
		if f, err := FirstNonFinite(n.p, n.s, fed, now, nil, n.kernels...); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

func (e *Engine) changesStore(id int) bool {
	if e.p.Steps[id].After {
		return true
	}
	switch e.p.Steps[id].Op.(type) {
	case nil, plan.StoreGrad, plan.Assign:
		return true
	}
	return false
}

// missing returns the inputs of which the plan asks where they are NaN (see ops.MayLack).
func (e *Engine) missing() map[int]bool {
	asked := map[int]bool{}
	for i := range e.p.Steps {
		s := &e.p.Steps[i]
		if s.Op == (ops.Equal{}) && len(s.In) == 2 && s.In[0] == s.In[1] && e.p.Buffers[e.p.Root(s.In[0])].Kind == plan.Input {
			asked[e.p.Root(s.In[0])] = true
		}
	}
	return asked
}

// bad returns the first element of a float buffer that is not finite; with missing set, the
// first one that is infinite.
func (e *Engine) bad(b int, missing bool) (float64, bool) {
	n := *e.elems[b]
	v := &e.views[b]
	for _, x := range v.f32[:min(n, len(v.f32))] {
		if x-x != 0 && !(missing && x != x) {
			return float64(x), true
		}
	}
	for _, x := range v.f64[:min(n, len(v.f64))] {
		if x-x != 0 && !(missing && x != x) {
			return x, true
		}
	}
	return 0, false
}
