package compiler

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// smallModel is the number of weights up to which all are updated together: one
// call costs less than it saves by ending each gradient with its own.
const smallModel = 4096

// updates ends the gradients, which are buffers by the parameter's name.
func (l *lowering) updates(grads map[string]int) error {
	l.sources(grads)
	var run []*ir.Value // neighbours in the store, updated together
	small := !l.o.storeGrads && !l.o.spread && l.weights() <= smallModel
	flush := func() {
		if len(run) > 0 {
			l.updateTogether(run, grads)
		}
		run = nil
	}
	for _, v := range l.g.Params {
		b, ok := grads[v.Name]
		if !ok {
			continue
		}
		if !l.p.Buffers[b].Type.Equal(v.Type) {
			return fmt.Errorf("the gradient of %q is %v, the parameter %v", v.Name, l.p.Buffers[b].Type, v.Type)
		}
		if buf := &l.p.Buffers[b]; !small || buf.Alias >= 0 || buf.Kind != plan.Arena {
			l.update(v, b)
			continue
		}
		if len(run) > 0 && l.params[v] != l.params[run[len(run)-1]]+1 {
			flush()
		}
		run = append(run, v)
	}
	flush()
	return nil
}

// weights returns the number of elements of all parameters.
func (l *lowering) weights() int {
	n := 0
	for i := range l.p.Segments {
		n += l.p.Segments[i].Len()
	}
	return n
}

// update ends a parameter's gradient with its update, in the same tasks if
// nothing else still reads the parameter and the loss is known.
func (l *lowering) update(v *ir.Value, grad int) {
	b := l.buf[v]
	length := ir.Fixed(1)
	if v.Type.Rank() > 0 {
		length = v.Type.Shape[0]
	}
	s := plan.Step{In: []int{grad}, Out: []int{b}, Access: []ir.Access{ir.Axis0}, Param: l.params[v]}
	if length == ir.Fixed(1) {
		s.Access[0] = ir.Whole
	}
	var from slot
	if l.o.storeGrads {
		s.Op = plan.StoreGrad{Continued: l.continued[v]}
		s.Out = []int{l.gradOf(v)}
	} else {
		s.Derived = append(s.Derived, l.derived[b]...)
		from = max(l.afterLoss(), l.unread(b, length))
		for _, t := range s.Derived {
			from = max(from, l.unread(t, ir.Dim{}))
		}
	}
	s.Layer, s.Pos = l.origin(grad)
	at := l.earliest(s, length, max(from, l.apart), false)
	l.steps = append(l.steps, pending{step: s, at: at, length: length})
	if !l.o.storeGrads {
		l.place[b] = place{at: at, length: length, sliced: s.Access[0] == ir.Axis0} // for what reads it as it is then
	}
	l.last = max(l.last, at)
}

// updateTogether ends the gradients of parameters that are neighbours in the
// store with one update, by one worker.
func (l *lowering) updateTogether(vs []*ir.Value, grads map[string]int) {
	s := plan.Step{Param: l.params[vs[0]]}
	at := slot(1)
	for _, v := range vs {
		b := l.buf[v]
		s.In, s.Out, s.Access = append(s.In, grads[v.Name]), append(s.Out, b), append(s.Access, ir.Whole)
		s.Derived = append(s.Derived, l.derived[b]...)
		for _, what := range append([]int{b}, l.derived[b]...) {
			at = max(at, (l.unread(what, ir.Dim{})-2)|1)
		}
	}
	s.Layer, s.Pos = l.origin(s.In[0])
	at = max(at, l.tail(s, false), l.afterLoss()|1)
	l.steps = append(l.steps, pending{step: s, at: at, length: ir.Fixed(1)})
	for _, b := range s.Out {
		l.place[b] = place{at: at, length: ir.Fixed(1)}
	}
	l.last = max(l.last, at)
}

// afterLoss returns the first parallel part that begins when the loss is known.
func (l *lowering) afterLoss() slot {
	if l.p.Loss < 0 {
		return 0
	}
	at := l.available(l.p.Loss, false).at
	if at < 0 {
		return 0
	}
	return at - at%2 + 2
}

// unread returns the first parallel part in which a buffer may change: after all
// reads but those of its own slice, in tasks that cut the same length.
func (l *lowering) unread(b int, length ir.Dim) slot {
	var from slot
	for _, r := range l.reads[b] {
		switch {
		case r.at < 0:
		case r.length == length && r.access == ir.Axis0 && r.at%2 == 0:
			from = max(from, r.at)
		default:
			from = max(from, r.at-r.at%2+2)
		}
	}
	return from
}

// sources finds what is derived from parameters: the results of steps that are run once
// whose ops say where the rows of the parameter go, by parameter, and the step that makes
// each buffer. What an output shows, the update reads or state takes is left out: it
// stays what it was in the run.
func (l *lowering) sources(grads map[string]int) {
	l.derived, l.maker = map[int][]int{}, map[int]int{}
	stays := map[int]bool{}
	for _, o := range l.p.Outputs {
		stays[l.p.Root(o.Buffer)] = true
	}
	for _, b := range grads {
		stays[l.p.Root(b)] = true
	}
	for _, s := range l.g.State {
		if b, ok := l.buf[s.Out]; ok {
			stays[l.p.Root(b)] = true
		}
	}
	type origin struct{ param, axis int } // the rows of a parameter are along that axis
	from := map[int]origin{}
	for _, b := range l.buf {
		if buf := &l.p.Buffers[b]; buf.Kind == plan.Param && buf.Alias < 0 {
			from[b] = origin{b, 0}
		}
	}
	for i := range l.steps {
		q := &l.steps[i]
		out := q.step.Out[0]
		l.maker[out] = i
		if !q.once || len(q.step.In) != 1 || len(q.step.Out) != 1 || stays[out] {
			continue
		}
		in := q.step.In[0]
		o, ok := from[in]
		if !ok {
			continue
		}
		t, ok := ir.Follow(q.step.Op, []ir.Type{l.p.Buffers[in].Type}, []ir.Type{l.p.Buffers[out].Type}, o.axis)
		if !ok {
			continue
		}
		if t.Slices() { // else its rows are a slice of no axis
			from[out] = origin{o.param, t.Axis}
		}
		l.derived[o.param] = append(l.derived[o.param], out)
		l.p.Buffers[out].Kind = plan.Derived
	}
}

// origin returns the layer and line of the step that makes a buffer.
func (l *lowering) origin(b int) (string, ir.Pos) {
	if i, ok := l.maker[b]; ok {
		return l.steps[i].step.Layer, l.steps[i].step.Pos
	}
	return "", ir.Pos{}
}
