package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// spot is where something happens: a phase, a list of steps in it, a position.
type spot struct {
	phase, list, pos int // list is a group's index, or that of the tail
	tail             bool
	group            *Group
	once             bool
}

func (a spot) sameList(b spot) bool { return a.phase == b.phase && a.list == b.list }

// sequential reports whether the list is run by one worker.
func (a spot) sequential() bool { return a.tail || a.group.Whole() }

// before reports whether everything at a is finished when b begins, whatever the
// slices.
func (a spot) before(b spot) bool {
	switch {
	case a.phase != b.phase:
		return a.phase < b.phase
	case a.list == b.list:
		return a.sequential() && a.pos < b.pos
	}
	return b.tail
}

// checker recomputes from the steps alone what the planner must have respected.
type checker struct {
	p     *Plan
	at    []ir.Binding // the capacity, then bindings below it
	size  []ir.Dim     // bytes of each buffer
	bytes [][]int      // the same at each of these bindings
	made  map[int]spot // root buffer to where it is written
	maker map[int]int  // and to the step that does
	reads map[int][]reader
	apart int // the first moment that is run for one shard after the other, 0 for none
}

type reader struct {
	at     spot
	step   int
	access ir.Access
	typ    ir.Type // of the operand
}

// Verify checks a plan and returns its first mistake: operands that are not
// there yet, types that do not follow from the op, slices that need other tasks'
// slices, parameters updated while they are read or before the loss is known,
// and buffers that share bytes at the same time.
func Verify(p *Plan) error {
	c := &checker{p: p, made: map[int]spot{}, maker: map[int]int{}, reads: map[int][]reader{}}
	if err := c.structure(); err != nil {
		return err
	}
	if err := c.walk(); err != nil {
		return err
	}
	if err := c.joins(); err != nil {
		return err
	}
	if err := c.updates(); err != nil {
		return err
	}
	if err := c.derived(); err != nil {
		return err
	}
	return c.overlaps()
}

func (c *checker) structure() error {
	p := c.p
	if p.Shards != 0 && !ir.PowerOfTwo(p.Shards) || p.Shards > ir.MaxShards {
		return fmt.Errorf("%d shards are not a power of two up to %d", p.Shards, ir.MaxShards)
	}
	if p.Shards > 1 && !p.StoreGrads {
		return fmt.Errorf("gradients are made in %d shards and not stored", p.Shards)
	}
	if err := c.sizes(); err != nil {
		return err
	}
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Type.DType.Size() == 0 {
			return fmt.Errorf("buffer %s has no dtype", b.Name)
		}
		if b.Alias >= i || b.Alias < -1 {
			return fmt.Errorf("buffer %s is an alias of %d", b.Name, b.Alias)
		}
		if b.Alias >= 0 {
			r := &p.Buffers[b.Alias]
			if r.Kind != b.Kind || r.Offset != b.Offset || r.Type.DType != b.Type.DType || !c.samePitch(b.Alias, i) {
				return fmt.Errorf("buffer %s does not fit %s, whose elements it shows", b.Name, r.Name)
			}
		}
		if b.Kind.InArena() && (b.Offset < 0 || b.Offset%Align != 0 || b.Offset+c.bytes[i][0] > p.ArenaBytes) {
			return fmt.Errorf("buffer %s at %d leaves the arena of %d bytes or is not aligned", b.Name, b.Offset, p.ArenaBytes)
		}
		if b.Kind == Derived && (b.Offset < 0 || b.Offset%Align != 0 || b.Type.Shape.Symbolic() || b.Offset+c.bytes[i][0] > p.DerivedBytes) {
			return fmt.Errorf("buffer %s at %d leaves the %d bytes of what is derived, is not aligned or of no known length", b.Name, b.Offset, p.DerivedBytes)
		}
		if b.Kind == Const && (b.Data == nil || b.Data.Check() != nil || b.Type.Shape.Symbolic() || b.Data.Len() != b.Type.Shape.Count()) {
			return fmt.Errorf("constant %s does not hold %v", b.Name, b.Type)
		}
	}
	for _, o := range append(append([]Port{}, p.Inputs...), p.Outputs...) {
		if o.Buffer < 0 || o.Buffer >= len(p.Buffers) {
			return fmt.Errorf("port %s has no buffer", o.Name)
		}
	}
	if p.Loss >= len(p.Buffers) || p.Loss >= 0 && (p.Buffers[p.Loss].Type.Rank() != 0 || !p.Buffers[p.Loss].Type.DType.Float()) {
		return fmt.Errorf("the loss is not a float scalar")
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		for _, id := range ph.Steps() {
			if id < 0 || id >= len(p.Steps) {
				continue // told by each
			}
			if ph.After && (!p.StoreGrads || ph.Once) || p.Steps[id].After && p.StoreGrads != ph.After || ph.After && !p.Steps[id].After {
				return fmt.Errorf("phase %d, step %d (%s): what follows an update is in phases of its own if gradients are stored, else in no such phase", i, id, stepName(&p.Steps[id]))
			}
		}
		if i > 0 && p.Phases[i-1].After && !ph.After {
			return fmt.Errorf("phase %d follows one that no run has", i)
		}
	}
	return segments(p)
}

func segments(p *Plan) error {
	for _, list := range [][]Segment{p.Segments, p.States} {
		end := 0
		for i := range list {
			s := &list[i]
			if s.Offset < end || s.Offset%(Align/4) != 0 {
				return fmt.Errorf("segment %s at %d overlaps its neighbour or is not aligned", s.Name, s.Offset)
			}
			end = s.Offset + s.Len()
		}
	}
	return nil
}

// each calls f for every step in order of execution.
func (c *checker) each(f func(at spot, id int, s *Step) error) error {
	seen := make([]bool, len(c.p.Steps))
	run := func(at spot, ids []int) error {
		for pos, id := range ids {
			if id < 0 || id >= len(seen) || seen[id] {
				return fmt.Errorf("step %d is listed twice or does not exist", id)
			}
			seen[id], at.pos = true, pos
			if err := f(at, id, &c.p.Steps[id]); err != nil {
				return fmt.Errorf("step %d (%s, %s): %w", id, stepName(&c.p.Steps[id]), c.p.Steps[id].Layer, err)
			}
		}
		return nil
	}
	for i := range c.p.Phases {
		ph := &c.p.Phases[i]
		for j := range ph.Groups {
			g := &ph.Groups[j]
			if unit, _ := g.Length.Unit(); g.Grain < 1 || unit != g.Length || g.Length.Least() < 1 {
				return fmt.Errorf("phase %d, group %d: length %v, grain %d", i, j, g.Length, g.Grain)
			}
			if err := run(spot{phase: i, list: j, group: g, once: ph.Once}, g.Steps); err != nil {
				return err
			}
		}
		if err := run(spot{phase: i, list: len(ph.Groups), tail: true, once: ph.Once}, ph.Tail); err != nil {
			return err
		}
	}
	for id, ok := range seen {
		if !ok {
			return fmt.Errorf("step %d is in no phase", id)
		}
	}
	return nil
}

// walk checks every step's operands and results.
func (c *checker) walk() error {
	err := c.each(func(at spot, id int, s *Step) error {
		if len(s.Out) == 0 || len(s.Access) != len(s.In) {
			return fmt.Errorf("%d operands, %d accesses, %d results", len(s.In), len(s.Access), len(s.Out))
		}
		for _, b := range append(append([]int{}, s.In...), s.Out...) {
			if b < 0 || b >= len(c.p.Buffers) {
				return fmt.Errorf("buffer %d does not exist", b)
			}
		}
		if err := c.types(s); err != nil {
			return err
		}
		if err := c.behind(at, s); err != nil {
			return err
		}
		if at.once && c.differs(s) {
			return fmt.Errorf("it differs from run to run but is in a phase that is run once")
		}
		for i, b := range s.In {
			if ir.ShapeOnly(s.Op) {
				break
			}
			if err := c.operand(at, s, i, b); err != nil {
				return err
			}
			root := c.p.Root(b)
			c.reads[root] = append(c.reads[root], reader{at: at, step: id, access: s.Access[i], typ: c.p.Buffers[b].Type})
		}
		return c.results(at, id, s)
	})
	if err != nil {
		return err
	}
	for _, o := range c.p.Outputs {
		r := c.p.Root(o.Buffer)
		if k := c.p.Buffers[r].Kind; k == Arena {
			return fmt.Errorf("output %s is not kept", o.Name)
		} else if _, ok := c.made[r]; k == Kept && !ok {
			return fmt.Errorf("output %s is never made", o.Name)
		}
	}
	return nil
}

// differs reports whether a step gives other results in the next run, of the same
// parameters and for an update of as many rows.
func (c *checker) differs(s *Step) bool {
	for _, b := range s.In {
		if ir.ShapeOnly(s.Op) && c.p.Buffers[b].Type.Shape.Symbolic() {
			return true
		}
	}
	return ir.Draws(s.Op) || !ir.Sizes(s.Op).OfRows()
}

func (c *checker) types(s *Step) error {
	in := c.p.types(s.In)
	if s.Op == nil {
		if len(s.In) < 1 || len(s.Out) != len(s.In) || s.Param < 0 || s.Param+len(s.In) > len(c.p.Segments) {
			return fmt.Errorf("an update has one gradient for each parameter")
		}
		for i := range in {
			b, seg := &c.p.Buffers[s.Out[i]], &c.p.Segments[s.Param+i]
			if b.Kind != Param || b.Offset != seg.Offset || !b.Type.Equal(in[i]) || !b.Type.Shape.Equal(ir.ShapeOf(seg.Shape...)) {
				return fmt.Errorf("%s %v is updated by %v, segment %s%v", b.Name, b.Type, in[i], seg.Name, seg.Shape)
			}
		}
		return nil
	}
	out, err := s.Op.Infer(in)
	if err != nil {
		return err
	}
	if len(out) != len(s.Out) {
		return fmt.Errorf("%d results, the op makes %d", len(s.Out), len(out))
	}
	for i, b := range s.Out {
		if !c.p.Buffers[b].Type.Equal(out[i]) {
			return fmt.Errorf("result %s is %v, the op makes %v", c.p.Buffers[b].Name, c.p.Buffers[b].Type, out[i])
		}
	}
	return nil
}

// operand checks that the part of operand i that a slice needs is there.
func (c *checker) operand(at spot, s *Step, i, b int) error {
	buf := &c.p.Buffers[b]
	if !at.tail && !at.group.Whole() && c.p.Buffers[s.Out[0]].Type.Rank() > 0 {
		length := c.p.Buffers[s.Out[0]].Type.Shape[0]
		axis := -1
		switch s.Access[i] {
		case ir.Axis0:
			axis = 0
		case ir.Axis1:
			axis = 1
		}
		if axis >= 0 && (buf.Type.Rank() <= axis || buf.Type.Shape[axis] != length) {
			return fmt.Errorf("operand %s %v has no axis %d of length %v", buf.Name, buf.Type, axis, length)
		}
	}
	switch buf.Kind {
	case Param, Const, Grad:
		return nil
	case Input, State:
		if at.once {
			return fmt.Errorf("%s changes at each run but is read in a phase that is run once", buf.Name)
		}
		return nil
	}
	def, ok := c.made[c.p.Root(b)]
	if maker := c.maker[c.p.Root(b)]; ok && joins(&c.p.Steps[maker]) && def.phase == at.phase && !at.tail {
		return fmt.Errorf("operand %s is of all rows only when the tasks of phase %d are done", buf.Name, at.phase)
	}
	if !ok {
		return fmt.Errorf("operand %s is read before it is made", buf.Name)
	}
	if at.once && !def.once {
		return fmt.Errorf("operand %s is made at each run but read once", buf.Name)
	}
	if def.before(at) {
		return nil
	}
	sliced := def.sameList(at) && def.pos < at.pos && s.Access[i] == ir.Axis0
	if !sliced {
		return fmt.Errorf("operand %s needs slices that other tasks of phase %d make", buf.Name, at.phase)
	}
	return nil
}

func (c *checker) results(at spot, id int, s *Step) error {
	for _, b := range s.Out {
		buf := &c.p.Buffers[b]
		if !at.tail && !at.group.Whole() {
			if _, ok := at.group.Times(buf.Type); !ok || buf.Type.Shape[0] != c.p.Buffers[s.Out[0]].Type.Shape[0] {
				return fmt.Errorf("result %s %v cannot be made in slices of %v", buf.Name, buf.Type, at.group.Length)
			}
		}
		if _, ok := c.made[b]; ok || buf.Alias >= 0 {
			return fmt.Errorf("result %s is made twice", buf.Name)
		}
		_, assign := s.Op.(Assign)
		assign = assign || c.moves(s, b)
		_, store := s.Op.(StoreGrad)
		switch buf.Kind {
		case Arena, Kept, Held, Derived:
		case Param:
			if s.Op != nil {
				return fmt.Errorf("parameter %s is written by an op", buf.Name)
			}
		case Grad:
			if !store {
				return fmt.Errorf("gradient %s is written by %s", buf.Name, s.Op.Name())
			}
		case State:
			if !assign {
				return fmt.Errorf("state %s is written by %s", buf.Name, s.Op.Name())
			}
		default:
			return fmt.Errorf("%s is written, but it is %v", buf.Name, buf.Kind)
		}
		if at.once && (buf.Kind != Kept && buf.Kind != Derived || s.After) {
			return fmt.Errorf("%s is made once but not kept", buf.Name)
		}
		c.made[b], c.maker[b] = at, id
	}
	return nil
}

// updates checks that what is in the store changes after all its reads, and a
// parameter after the loss.
func (c *checker) updates() error {
	return c.each(func(at spot, id int, s *Step) error {
		if k := c.p.Buffers[s.Out[0]].Kind; k != Param && k != State && k != Grad {
			return nil
		}
		for _, b := range s.Out {
			for _, r := range c.reads[b] {
				if r.step == id {
					continue // its own slices, as moves has seen
				}
				if s.Op == nil && c.p.Steps[r.step].After {
					if !at.before(r.at) && !(at.sameList(r.at) && at.pos < r.at.pos && r.access == ir.Axis0) {
						return fmt.Errorf("%s is read by step %d as the update leaves it, but not after it", c.p.Buffers[b].Name, r.step)
					}
					continue
				}
				inside := r.at.sameList(at) && r.at.pos < at.pos && r.access == ir.Axis0
				if !r.at.once && !r.at.before(at) && !inside {
					return fmt.Errorf("%s changes while step %d still reads it", c.p.Buffers[b].Name, r.step)
				}
			}
		}
		if k := c.p.Buffers[s.Out[0]].Kind; k != Grad && c.p.Loss >= 0 {
			def, ok := c.made[c.p.Root(c.p.Loss)]
			if ok && !def.once && !(def.phase < at.phase || s.Op != nil && def.before(at)) {
				return fmt.Errorf("%s is updated before the loss is known", c.p.Buffers[s.Out[0]].Name)
			}
		}
		return nil
	})
}

// moves reports whether the step is of an update and changes a state variable where
// it is, each slice from its own.
func (c *checker) moves(s *Step, b int) bool {
	i := c.p.InPlace(s)
	return s.After && i >= 0 && b == s.Out[0] && s.In[i] == b && s.Access[i] == ir.Axis0
}

func joins(s *Step) bool { return s.Op != nil && ir.Joins(s.Op) }

// joins checks that what is of all rows is made by tasks, and that with several shards no
// sum over rows of a single one is made before they have all met, nor a row behind that is
// not on the first axis, by which shards are cut.
func (c *checker) joins() error {
	last := c.p.LastJoin()
	if meets := last >= 0 && c.p.Shards > 1; meets != (c.p.Apart > 0) || meets && c.p.Apart <= last || c.p.Apart > len(c.p.Phases) {
		return fmt.Errorf("%d shards meet in phase %d and are apart from phase %d on", max(c.p.Shards, 1), last, c.p.Apart)
	}
	c.apart = 2 * c.p.Apart
	return c.each(func(at spot, _ int, s *Step) error {
		if joins(s) && at.tail {
			return fmt.Errorf("it is of all rows and in a tail")
		}
		if c.apart == 0 || joins(s) || s.After || s.Op != nil && ir.ShapeOnly(s.Op) {
			return nil
		}
		rows := false
		for _, b := range append(append([]int{}, s.In...), s.Out...) {
			axis, ok := ir.BatchAxis(c.p.Buffers[b].Type.Shape)
			if !ok || axis > 0 {
				return fmt.Errorf("the rows of %s are not on its first axis, where shards are cut", c.p.Buffers[b].Name)
			}
			rows = rows || axis == 0
		}
		_, store := s.Op.(StoreGrad)
		alone := store || s.Op != nil && ir.ByParts(s.Op)
		axis, _ := ir.BatchAxis(c.p.Buffers[s.Out[0]].Type.Shape)
		if moment(at) < c.apart && (alone || rows && axis < 0) {
			return fmt.Errorf("it is of a single shard and comes before all have met")
		}
		return nil
	})
}

// span is the lifetime of a buffer of the arena.
type span struct {
	buf         int
	lo, hi      int // bytes of the arena
	first, last int // two moments a phase: its parallel part and its tail
	def         spot
	end         int  // position of the last use, if all are in the same list
	inside      bool // made and used in one list, slices staying with their task
	over        int  // buffer whose place it takes at its own step
}

func moment(at spot) int {
	if at.tail {
		return 2*at.phase + 1
	}
	return 2 * at.phase
}

func (c *checker) spans() []span {
	var out []span
	index := map[int]int{} // by buffer
	forever := 2 * len(c.p.Phases)
	for i := range c.p.Buffers {
		b := &c.p.Buffers[i]
		def, ok := c.made[i]
		if !ok || !b.Kind.InArena() {
			continue
		}
		s := span{buf: i, lo: b.Offset, hi: b.Offset + c.bytes[i][0], first: moment(def), last: moment(def), def: def, end: def.pos, inside: b.Kind == Arena, over: -1}
		for _, r := range c.reads[i] {
			s.last = max(s.last, moment(r.at))
			s.end = max(s.end, c.ends(r.at))
			stays := r.at.sameList(def)
			if stays && !def.sequential() {
				_, whole := def.group.Times(r.typ)
				stays = r.access == ir.Axis0 && whole
			}
			s.inside = s.inside && stays
		}
		if b.Kind == Kept || moment(def) < c.apart && s.last >= c.apart { // also read for the shards to come
			s.last = forever
		}
		if def.once || b.Kind == Held { // also read, or made, by runs to come
			s.first, s.last = 0, forever
		}
		index[i] = len(out)
		out = append(out, s)
	}
	c.each(func(at spot, _ int, st *Step) error {
		i := c.p.InPlace(st)
		if i < 0 {
			return nil
		}
		if j, ok := index[st.Out[0]]; ok {
			out[j].over = c.p.Root(st.In[i])
		}
		return nil
	})
	return out
}

// overlaps checks that buffers alive at the same time share no byte, or only as
// slices that one task uses one after the other.
func (c *checker) overlaps() error {
	spans := c.spans()
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	for i := range spans {
		a := &spans[i]
		for j := i + 1; j < len(spans) && spans[j].lo < a.hi; j++ {
			b := &spans[j]
			if a.last < b.first || b.last < a.first || b.lo == b.hi {
				continue
			}
			if !c.inTurn(a, b) && !c.inTurn(b, a) {
				return fmt.Errorf("buffers %s and %s share bytes while both are alive", c.p.Buffers[a.buf].Name, c.p.Buffers[b.buf].Name)
			}
		}
	}
	return nil
}

// inTurn reports whether b takes a's place within a task. Nobody else reads a; what
// others read of b they read behind a barrier, unless it belongs to other runs too.
func (c *checker) inTurn(a, b *span) bool {
	if !a.inside || b.def.once || c.p.Buffers[b.buf].Kind != Arena || !a.def.sameList(b.def) {
		return false
	}
	if !a.def.sequential() && (a.lo != b.lo || !c.samePitch(a.buf, b.buf)) {
		return false
	}
	if a.lo != b.lo && a.end == b.def.pos {
		return false
	}
	return a.end < b.def.pos || a.end == b.def.pos && b.over == a.buf
}
