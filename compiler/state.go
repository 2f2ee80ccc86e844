package compiler

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// ofRun returns the nodes that a run makes: those that an output depends on, or state
// that takes a value of the run. The others are made after the update only.
func (l *lowering) ofRun() map[*ir.Node]bool {
	of := map[*ir.Node]bool{}
	for _, n := range l.g.Nodes {
		of[n] = true
	}
	var after []*ir.Value
	run := append([]*ir.Value{}, l.g.Outputs...)
	for _, s := range l.g.State {
		if s.When == ir.AfterUpdate {
			after = append(after, s.Out)
		} else {
			run = append(run, s.Out)
		}
	}
	needed, later := ir.Above(run...), ir.Above(after...)
	for _, n := range l.g.Nodes {
		if n.Makes(later) {
			of[n] = n.Makes(needed)
		}
	}
	return of
}

// changes gives state its next values, once an update: what a run made, or what
// follows from the parameters as the update leaves them. All of it reads the state as
// it was. Where gradients are stored this is in phases of its own, which come with
// their application.
func (l *lowering) changes() error {
	next := make([]int, len(l.g.State)) // buffer of the next value, -1 for none
	for i, s := range l.g.State {
		next[i] = -1
		if s.Out == s.In || s.When == ir.AfterUpdate {
			continue // as in an evaluation
		}
		next[i] = l.value(s.Out)
	}
	l.after, l.from = true, l.afterLoss()
	if l.o.storeGrads {
		l.from = max(l.from, l.last-l.last%2+2)
	}
	moved, err := l.afterUpdate(next)
	if err != nil {
		return err
	}
	for i, s := range l.g.State {
		if next[i] >= 0 && !moved[s.In] {
			l.assign(l.buf[s.In], next[i])
		}
	}
	l.after, l.from = false, 0
	return nil
}

// value returns the buffer of a value of the run that stays what it is until the
// state takes it: a copy of a parameter or of other state.
func (l *lowering) value(v *ir.Value) int {
	b := l.buf[v]
	r := l.p.Root(b)
	switch buf := &l.p.Buffers[r]; buf.Kind {
	case plan.Param, plan.State:
		out := l.add(v.Name+".copy", v.Type, plan.Arena, -1)
		l.place1(plan.Step{Op: ops.Identity{}, In: []int{b}, Out: []int{out}, Param: -1}, false)
		b, r = out, out
	}
	if buf := &l.p.Buffers[r]; l.o.storeGrads && buf.Kind.InArena() {
		buf.Kind = plan.Kept
		if v.Def != nil && ir.ByParts(v.Def.Op) {
			buf.Kind = plan.Held
		}
	}
	return b
}

// afterUpdate makes what follows from the parameters after the update, sets the
// buffers of next, and returns the state that is changed where it is.
func (l *lowering) afterUpdate(next []int) (moved map[*ir.Value]bool, err error) {
	var outs []*ir.Value
	for _, s := range l.g.State {
		if s.When == ir.AfterUpdate && s.Out != s.In {
			outs = append(outs, s.Out)
		}
	}
	above, of := ir.Above(outs...), map[*ir.Node]bool{}
	for _, n := range l.g.Nodes {
		of[n] = n.Makes(above)
	}
	run := l.buf
	l.buf = make(map[*ir.Value]int, len(run))
	for v, b := range run {
		l.buf[v] = b
	}
	defer func() {
		for _, s := range l.g.State {
			run[s.In] = l.buf[s.In]
		}
		l.buf = run
	}()
	moved = l.inPlace(of)
	for _, n := range l.g.Nodes {
		if !of[n] {
			continue
		}
		for _, v := range append(append([]*ir.Value{}, n.In...), n.Out...) {
			if v.Kind == ir.InputValue || v.Type.Shape.Symbolic() {
				return nil, nodeError(n, "state that changes after the update must follow from parameters and state alone, but this depends on the rows of a batch (%s)", v.Type)
			}
		}
		for _, s := range l.g.State {
			if moved[s.In] && s.Out == n.Out[0] {
				l.buf[s.Out] = l.buf[s.In]
			}
		}
		if err := l.node(n, false); err != nil {
			return nil, err
		}
	}
	for i, s := range l.g.State {
		if s.When != ir.AfterUpdate || s.Out == s.In {
			continue
		}
		if s.Out.Kind == ir.InputValue {
			return nil, fmt.Errorf("state %q changes after the update, so it cannot become the input %q", s.In.Name, s.Out.Name)
		}
		next[i] = l.buf[s.Out]
		if r := l.p.Root(next[i]); l.p.Buffers[r].Kind == plan.State && !moved[s.In] {
			next[i] = l.value(s.Out)
		}
	}
	return moved, nil
}

// inPlace returns the state variables whose next value may be made where they are:
// nothing else that follows the update reads them or it.
func (l *lowering) inPlace(of map[*ir.Node]bool) map[*ir.Value]bool {
	reads := map[*ir.Value]int{}
	for n := range of {
		for _, v := range n.In {
			reads[v]++
		}
	}
	for _, s := range l.g.State {
		reads[s.Out]++
	}
	moved := map[*ir.Value]bool{}
	for _, s := range l.g.State {
		n := s.Out.Def
		if n == nil || !of[n] || s.When != ir.AfterUpdate || len(n.Out) != 1 || reads[s.Out] != 1 || reads[s.In] != 1 || s.In.Type.Rank() == 0 {
			continue
		}
		types := ir.TypesOf(n.In)
		p, ok := n.Op.(ir.InPlacer)
		if !ok || ir.IsView(n.Op, types, ir.TypesOf(n.Out)) {
			continue
		}
		sp, ok := n.Op.(ir.Splitter)
		if !ok {
			continue
		}
		access, ok := sp.Split(types, s.In.Type)
		i, _ := p.InPlace(types)
		moved[s.In] = ok && i >= 0 && i < len(access) && s.In.Type.Shape[0].Least() > 0 && s.In.Type.Shape[0] != ir.Fixed(1) && n.In[i] == s.In && access[i] == ir.Axis0
	}
	return moved
}

// result returns the buffer of a result: its own, or that of the state which it
// changes in place.
func (l *lowering) result(v *ir.Value) int {
	if b, ok := l.buf[v]; ok && l.after && l.p.Buffers[b].Kind == plan.State {
		return b
	}
	return l.buffer(v, plan.Arena)
}

// unchanged returns the first parallel part in which a step may change the state that
// it changes in place, if it does.
func (l *lowering) unchanged(s plan.Step, length ir.Dim) slot {
	if b := s.Out[0]; l.p.Buffers[b].Kind == plan.State {
		return l.unread(b, length)
	}
	return 0
}

// assign gives a state variable its next value: a small one in a tail, a large one by
// all workers.
func (l *lowering) assign(state, next int) {
	t := l.p.Buffers[state].Type
	s := plan.Step{Op: plan.Assign{}, In: []int{next}, Out: []int{state}, Access: []ir.Access{ir.Whole}, Param: -1, After: true}
	pend := pending{step: s, at: max(l.last, l.from) | 1, length: ir.Fixed(1)}
	if n := t.Shape.Count(); t.Rank() > 0 && t.Shape[0] != ir.Fixed(1) && 2*n > tailWork {
		pend.step.Access[0], pend.length = ir.Axis0, t.Shape[0]
		pend.at = l.earliest(pend.step, pend.length, max(l.from, l.unread(state, pend.length)), false)
	}
	l.put(pend, false)
	l.place[state] = place{at: before}
}
