package compiler

import (
	"fmt"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// lowerOptions says what a plan is for.
type lowerOptions struct {
	capacity   ir.Binding     // of every length
	segments   []plan.Segment // parameters with layer, decay and group; nil derives them from the graph
	train      bool           // outputs named "grad/"+parameter become updates
	storeGrads bool           // … or are stored
	shards     int            // of an update's rows
	loss       string         // output that must be finite before updates begin
	spread     bool           // even little work is cut into tasks
	panels     panelUse
}

// gradPrefix begins the name of an output that is a parameter's gradient.
const gradPrefix = "grad/"

// slot is a moment of a run: 2p is the parallel part of phase p, 2p+1 its tail.
type slot int

// before is the slot of what exists when a run begins.
const before slot = -1

// place says when and how a value comes to be.
type place struct {
	at     slot
	length ir.Dim // unit of the group that makes it in slices
	sliced bool   // made in slices along its axis 0
	once   bool
}

// lowering is the state of one call of lower.
type lowering struct {
	g         *ir.Graph
	o         lowerOptions
	p         *plan.Plan
	buf       map[*ir.Value]int
	place     map[int]place // by buffer
	steps     []pending
	reads     map[int][]read // of parameters, state and what is made once, by root buffer
	params    map[*ir.Value]int
	grads     map[*ir.Value]int            // stored gradients, by parameter
	starts    map[*ir.Node][]*ir.Value     // where the chains of parameters' gradients begin, one a result
	continued map[*ir.Value]bool           // parameters whose gradient is such a chain,
	orders    map[*ir.Value]ops.Interleave // made in that order of its features
	last      slot
	derived   map[int][]int // what follows a parameter, by its buffer, in order
	maker     map[int]int   // step that makes a buffer

	after bool // steps are given that belong to the update,
	from  slot // and none of them comes before this
	apart slot // the first part that is run for one shard after the other, 0 for none
}

type read struct {
	at     slot
	length ir.Dim
	access ir.Access
}

// pending is a step with the moment it was given.
type pending struct {
	step   plan.Step
	at     slot
	length ir.Dim
	once   bool
}

// lower turns a graph into a plan: it gives each node a phase and a group, and
// each value a place in memory. Outputs named "grad/"+parameter are consumed by
// updates when o.train is set.
func lower(g *ir.Graph, o lowerOptions) (*plan.Plan, error) {
	if o.capacity.Rows() < 1 {
		return nil, fmt.Errorf("capacity is %d rows, must be at least 1", o.capacity.Rows())
	}
	o.capacity = used(g, o.capacity)
	g = derive(g, o)
	l := &lowering{g: g, o: o, buf: map[*ir.Value]int{}, place: map[int]place{}, reads: map[int][]read{}, params: map[*ir.Value]int{},
		grads: map[*ir.Value]int{}, starts: map[*ir.Node][]*ir.Value{}, continued: map[*ir.Value]bool{}, orders: map[*ir.Value]ops.Interleave{}}
	l.p = &plan.Plan{Name: g.Name, Capacity: o.capacity, StoreGrads: o.train && o.storeGrads, Shards: o.shards, Loss: -1}
	if err := l.roots(); err != nil {
		return nil, err
	}
	if l.p.StoreGrads {
		l.chains()
	}
	fixed, run := l.paramsOnly(), l.ofRun()
	late, err := l.late()
	if err != nil {
		return nil, err
	}
	for _, waits := range []bool{false, true} {
		if late != nil && waits {
			l.apart = l.met()
			l.from = l.apart
		}
		for _, n := range g.Nodes {
			if !run[n] || late[n] != waits {
				continue // of the update alone, or of the other round
			}
			if err := l.node(n, fixed[n]); err != nil {
				return nil, err
			}
		}
	}
	l.from = 0
	if err := l.outputs(); err != nil {
		return nil, err
	}
	l.phases()
	l.order()
	l.behind()
	if err := l.memory(); err != nil {
		return nil, err
	}
	if err := plan.Verify(l.p); err != nil {
		return nil, fmt.Errorf("plan of %q: %w", g.Name, err)
	}
	return l.p, nil
}

// roots makes the buffers that exist before a run.
func (l *lowering) roots() error {
	for _, v := range l.g.Inputs {
		l.p.Inputs = append(l.p.Inputs, plan.Port{Name: v.Name, Buffer: l.buffer(v, plan.Input)})
	}
	known := map[string]plan.Segment{}
	for _, s := range l.o.segments {
		known[s.Name] = s
	}
	segs := append([]plan.Segment{}, l.o.segments...)
	if l.o.segments == nil {
		for _, v := range l.g.Params {
			shape, _ := v.Type.Shape.Fixed() // or it is refused below
			segs = append(segs, plan.Segment{Name: v.Name, Shape: shape, Decay: v.Type.Rank() > 1})
		}
	}
	plan.Layout(segs)
	l.p.Segments = segs
	index := map[string]int{}
	for i, s := range segs {
		index[s.Name] = i
	}
	for _, v := range l.g.Params {
		i, ok := index[v.Name]
		if !ok {
			return fmt.Errorf("parameter %q has no segment", v.Name)
		}
		if v.Type.DType != ir.F32 || v.Type.Shape.Symbolic() || !ir.ShapeOf(segs[i].Shape...).Equal(v.Type.Shape) {
			return fmt.Errorf("parameter %q is %v, its segment f32%v", v.Name, v.Type, segs[i].Shape)
		}
		b := l.buffer(v, plan.Param)
		l.p.Buffers[b].Offset = segs[i].Offset
		l.params[v] = i
	}
	for _, s := range l.g.State {
		shape, _ := s.In.Type.Shape.Fixed()
		l.p.States = append(l.p.States, plan.Segment{Name: s.In.Name, Shape: shape})
	}
	plan.Layout(l.p.States)
	for i, s := range l.g.State {
		if s.In.Type.DType != ir.F32 || s.In.Type.Shape.Symbolic() {
			return fmt.Errorf("state %q is %v, must be f32 of known lengths", s.In.Name, s.In.Type)
		}
		l.p.Buffers[l.buffer(s.In, plan.State)].Offset = l.p.States[i].Offset
	}
	for _, v := range l.g.DataValues() {
		b := l.buffer(v, plan.Const)
		l.p.Buffers[b].Data = l.g.Data[v]
	}
	return nil
}

func (l *lowering) buffer(v *ir.Value, k plan.Kind) int {
	i := l.add(v.Name, v.Type, k, -1)
	l.buf[v] = i
	return i
}

func (l *lowering) add(name string, t ir.Type, k plan.Kind, alias int) int {
	l.p.Buffers = append(l.p.Buffers, plan.Buffer{Name: name, Type: t, Kind: k, Alias: alias})
	i := len(l.p.Buffers) - 1
	l.place[i] = place{at: before}
	return i
}

// paramsOnly returns the nodes that depend on parameters, constants and the rows
// of an update alone.
func (l *lowering) paramsOnly() map[*ir.Node]bool {
	fixed := map[*ir.Node]bool{}
	for _, n := range l.g.Nodes {
		ok := !ir.Draws(n.Op) && ir.Sizes(n.Op).OfRows() // else it differs from run to run
		for _, v := range n.In {
			switch v.Kind {
			case ir.ParamValue, ir.DataValue:
			case ir.NodeOutput:
				ok = ok && fixed[v.Def]
			default:
				ok = false
			}
		}
		for _, v := range n.Out {
			ok = ok && !v.Type.Shape.Symbolic()
		}
		fixed[n] = ok
	}
	return fixed
}

// node gives a node its moment.
func (l *lowering) node(n *ir.Node, once bool) error {
	types := ir.TypesOf(n.In)
	if ir.IsView(n.Op, types, ir.TypesOf(n.Out)) {
		l.reshape(n)
		return nil
	}
	in := make([]int, len(n.In))
	for i, v := range n.In {
		b, ok := l.buf[v]
		if !ok {
			return fmt.Errorf("value %s is read before it is made", v.Name)
		}
		in[i] = b
	}
	if t, ok := n.Op.(ir.Totaler); ok && len(types) == 1 && n.Out[0].Type.Rank() == 0 && types[0].Rank() > 1 && types[0].DType == ir.F32 {
		if mean, ok := t.Total(types); ok {
			l.total(n, in[0], types[0], mean, once)
			return nil
		}
	}
	s := plan.Step{Op: n.Op, In: in, Param: -1, Layer: n.Layer, Pos: n.Pos}
	if ps := l.starts[n]; ps != nil && !l.after {
		l.begin(&s, ps)
	}
	for _, v := range n.Out {
		s.Out = append(s.Out, l.result(v))
	}
	l.place1(s, once)
	return nil
}

// reshape makes the result an alias. Where axis 0 has another unit, slices of the
// one are not slices of the other; [N 16 64] and [16*N 64] both have rows of N.
func (l *lowering) reshape(n *ir.Node) {
	from, v := l.buf[n.In[0]], n.Out[0]
	root := l.p.Root(from)
	b := l.add(v.Name, v.Type, l.p.Buffers[root].Kind, root)
	l.buf[v] = b
	l.p.Buffers[b].Offset, l.p.Buffers[b].Data = l.p.Buffers[root].Offset, l.p.Buffers[root].Data
	pl := l.place[from]
	pl.sliced = pl.sliced && v.Type.Rank() > 0 && unitOf(v.Type) == pl.length
	l.place[b] = pl
}

// total makes a sum over everything two steps: each row's sum, in the task of
// the row, and their sum in row order.
func (l *lowering) total(n *ir.Node, in int, t ir.Type, mean, once bool) {
	rows := ir.T(ir.F64, t.Shape[0])
	part := l.add(n.Out[0].Name+".rows", rows, plan.Arena, -1)
	l.place1(plan.Step{Op: plan.RowSum{}, In: []int{in}, Out: []int{part}, Param: -1, Layer: n.Layer, Pos: n.Pos}, once)
	out := l.buffer(n.Out[0], plan.Arena)
	row, _ := t.Shape[1:].Elems()
	op := plan.Total{Mean: mean, Row: row, To: n.Out[0].Type.DType}
	l.place1(plan.Step{Op: op, In: []int{part}, Out: []int{out}, Param: -1, Layer: n.Layer, Pos: n.Pos}, once)
}

// tailWork is the number of elements up to which one worker does a step alone
// rather than in a phase of its own.
const tailWork = 1 << 16

// place1 gives a step the earliest moment its operands allow.
func (l *lowering) place1(s plan.Step, once bool) {
	types := make([]ir.Type, len(s.In))
	for i, b := range s.In {
		types[i] = l.p.Buffers[b].Type
	}
	out := l.p.Buffers[s.Out[0]].Type
	work := out.Shape.ElemsAt(l.o.capacity)
	for _, t := range types {
		if !ir.ShapeOnly(s.Op) {
			work += t.Shape.ElemsAt(l.o.capacity)
		}
	}
	s.After = l.after
	sliced := false
	if sp, ok := s.Op.(ir.Splitter); ok && l.oneAxis(s.Out) && out.Shape[0] != ir.Fixed(1) && out.Shape[0].Least() > 0 {
		s.Access, sliced = sp.Split(types, out)
		sliced = sliced && len(s.Access) == len(s.In)
	}
	if !sliced {
		s.Access = make([]ir.Access, len(s.In))
	}
	pend := pending{step: s, once: once, length: ir.Fixed(1)}
	switch joins := ir.Joins(s.Op); {
	case joins && !sliced:
		pend.at = l.earliest(s, pend.length, l.from, once)
	case sliced:
		pend.length = unitOf(out)
		pend.at = l.earliest(s, pend.length, max(l.from, l.unchanged(s, pend.length)), once)
	case work <= tailWork:
		pend.at = l.tail(s, once)
	default:
		pend.at = l.earliest(s, pend.length, l.from, once)
	}
	l.put(pend, sliced)
}

// unitOf returns the unit in which slices of a value are made: the first symbol of
// its axis 0, or that axis if it is known.
func unitOf(t ir.Type) ir.Dim {
	unit, _ := t.Shape[0].Unit()
	return unit
}

// oneAxis reports whether all buffers have the same axis 0.
func (l *lowering) oneAxis(buffers []int) bool {
	first := l.p.Buffers[buffers[0]].Type
	for _, b := range buffers {
		if t := l.p.Buffers[b].Type; t.Rank() == 0 || t.Shape[0] != first.Shape[0] {
			return false
		}
	}
	return true
}

// put records a step and where its results are.
func (l *lowering) put(pend pending, sliced bool) {
	l.steps = append(l.steps, pend)
	for _, b := range pend.step.Out {
		l.place[b] = place{at: pend.at, length: pend.length, sliced: sliced, once: pend.once}
		if pend.step.Op != nil && ir.Joins(pend.step.Op) {
			l.place[b] = place{at: pend.at} // there when all tasks of the phase are done
		}
	}
	for i, b := range pend.step.In {
		if pend.once {
			break // before everything else
		}
		if r := l.p.Root(b); l.place[r].once || l.p.Buffers[r].Kind == plan.Param || l.p.Buffers[r].Kind == plan.State {
			l.reads[r] = append(l.reads[r], read{pend.at, pend.length, pend.step.Access[i]})
		}
	}
	if !pend.once {
		l.last = max(l.last, pend.at)
	}
}

// available returns the moment of an operand as seen by a step that is once or
// not: what was made once is there before the others begin.
func (l *lowering) available(b int, once bool) place {
	pl := l.place[b]
	if pl.once && !once {
		return place{at: before}
	}
	return pl
}

// earliest returns the first parallel part, from from on, in which a step of
// that length may run.
func (l *lowering) earliest(s plan.Step, length ir.Dim, from slot, once bool) slot {
	at := max(from, 0)
	if ir.ShapeOnly(s.Op) {
		return at
	}
	for i, b := range s.In {
		pl := l.available(b, once)
		switch {
		case pl.at < 0:
		case pl.at%2 == 1:
			at = max(at, pl.at+1)
		case pl.length == length && (length == ir.Fixed(1) || pl.sliced && s.Access[i] == ir.Axis0):
			at = max(at, pl.at)
		default:
			at = max(at, pl.at+2)
		}
	}
	return at
}

// tail returns the first tail in which a step may run.
func (l *lowering) tail(s plan.Step, once bool) slot {
	at := before
	if l.from > 0 {
		at = l.from | 1
	}
	if ir.ShapeOnly(s.Op) {
		return at
	}
	for _, b := range s.In {
		pl := l.available(b, once)
		if pl.at%2 == 0 {
			pl.at++
		}
		at = max(at, pl.at)
	}
	return at
}

// outputs makes ports, updates and state changes.
func (l *lowering) outputs() error {
	grads := map[string]int{}
	for _, v := range l.g.Outputs {
		b := l.buf[v]
		if name, ok := strings.CutPrefix(v.Name, gradPrefix); ok && l.o.train {
			grads[name] = b
			continue
		}
		l.p.Outputs = append(l.p.Outputs, plan.Port{Name: v.Name, Buffer: b})
		if r := &l.p.Buffers[l.p.Root(b)]; r.Kind == plan.Arena {
			r.Kind = plan.Kept
		}
		if v.Name == l.o.loss && l.o.loss != "" {
			if v.Type.Rank() != 0 {
				return fmt.Errorf("loss %q is %v, must be a scalar", v.Name, v.Type)
			}
			l.p.Loss = b
		}
	}
	if l.o.loss != "" && l.p.Loss < 0 {
		return fmt.Errorf("no output is named %q", l.o.loss)
	}
	if err := l.updates(grads); err != nil {
		return err
	}
	return l.changes()
}
