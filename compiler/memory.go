package compiler

import (
	"math"
	"sort"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// phases turns the moments of steps into the plan's phases and groups.
func (l *lowering) phases() {
	sort.SliceStable(l.steps, func(i, j int) bool {
		a, b := &l.steps[i], &l.steps[j]
		if a.once != b.once {
			return a.once
		}
		return a.at < b.at
	})
	type key struct {
		once  bool
		phase slot
	}
	var at key
	work := map[*plan.Group]int{}
	groups := map[ir.Dim]int{}
	for i := range l.steps {
		s := &l.steps[i]
		k := key{s.once, (s.at+2)/2 - 1} // -1 is before phase 0
		if len(l.p.Phases) == 0 || k != at {
			if l.apart > 0 && l.p.Apart == 0 && !s.once && s.at >= l.apart {
				l.p.Apart = len(l.p.Phases)
			}
			l.p.Phases = append(l.p.Phases, plan.Phase{Once: s.once, After: s.step.After && l.p.StoreGrads})
			groups, at = map[ir.Dim]int{}, k
		}
		id := len(l.p.Steps)
		l.p.Steps = append(l.p.Steps, s.step)
		if s.once {
			for _, b := range s.step.Out {
				if buf := &l.p.Buffers[b]; buf.Kind != plan.Derived {
					buf.Kind = plan.Kept
				}
			}
		}
		ph := &l.p.Phases[len(l.p.Phases)-1]
		if s.at%2 != 0 {
			ph.Tail = append(ph.Tail, id)
			continue
		}
		j, ok := groups[s.length]
		if !ok {
			j = len(ph.Groups)
			groups[s.length] = j
			ph.Groups = append(ph.Groups, plan.Group{Length: s.length})
		}
		ph.Groups[j].Steps = append(ph.Groups[j].Steps, id)
	}
	for i := range l.p.Phases {
		all, tasks := 0, 0
		for j := range l.p.Phases[i].Groups {
			g := &l.p.Phases[i].Groups[j]
			work[g] = l.work(g)
			g.Grain = grain(g.Length, l.o.capacity, work[g])
			if each := l.widest(g); g.Length.Symbolic() && each > imageBytes {
				g.Grain = min(g.Grain, max(1, stepBytes/each))
			} else if l.shared(g) > cachedBytes {
				half := (g.Length.At(l.o.capacity) + 1) / 2 // for two workers
				g.Grain = max(g.Grain, min(streamRows, (half+taskUnit-1)/taskUnit*taskUnit))
			}
			all, tasks = all+work[g], tasks+g.Tasks(l.o.capacity)
		}
		l.p.Phases[i].Alone = !l.o.spread && tasks > 1 && all <= aloneWork
	}
}

// shared returns the bytes that every task of a group reads.
func (l *lowering) shared(g *plan.Group) int {
	n, seen := 0, map[int]bool{}
	for _, id := range g.Steps {
		s := &l.p.Steps[id]
		for i, b := range s.In {
			if r := l.p.Root(b); s.Access[i] == ir.Whole && !seen[r] && !ir.ShapeOnly(s.Op) {
				seen[r] = true
				n += l.p.Buffers[r].Bytes(l.o.capacity)
			}
		}
	}
	return n
}

// widest returns the bytes that a unit of a group has in the step that reads and writes most.
func (l *lowering) widest(g *plan.Group) int {
	one := l.o.capacity.WithRows(1)
	most := 0
	for _, id := range g.Steps {
		s, n := &l.p.Steps[id], 0
		for i, b := range s.In {
			if s.Access[i] == ir.Axis0 {
				n += l.p.Buffers[b].Bytes(one)
			}
		}
		for _, b := range s.Out {
			n += l.p.Buffers[b].Bytes(one)
		}
		most = max(most, n)
	}
	return most
}

// work estimates a group's floating-point operations at capacity.
func (l *lowering) work(g *plan.Group) int {
	n := 0
	for _, id := range g.Steps {
		s := &l.p.Steps[id]
		out := l.p.Buffers[s.Out[0]].Type
		c, ok := s.Op.(ir.Coster)
		if !ok {
			n += updateWork * out.Shape.ElemsAt(l.o.capacity)
			continue
		}
		in := make([]ir.Type, len(s.In))
		for i, b := range s.In {
			in[i] = l.p.Buffers[b].Type
		}
		flops, _ := c.Cost(in, []ir.Type{out}, l.o.capacity)
		n += int(flops) + out.Shape.ElemsAt(l.o.capacity)
	}
	return n
}

const (
	taskCount  = 8       // tasks a group is cut in, if its work is worth it
	taskWork   = 1 << 17 // least operations of a task
	aloneWork  = 1 << 18 // most operations of a phase that one worker does alone
	updateWork = 8       // operations of an update of one weight
	taskRows   = 64      // least units of a task, but for half of all: with fewer, tiles cut short weigh
	tileUnit   = 48      // grains of long tiles are multiples of it, which is one of every kernel's rows and columns
	taskUnit   = 8       // grains are multiples of it, so that kernels meet few edges

	imageBytes = 32 << 10  // of a unit: then tasks are cut so that what a step makes is near for the next
	stepBytes  = 448 << 10 // what a step of such a task reads and writes at most, so that the second cache holds it

	cachedBytes = 4 << 20 // operands of all tasks that a task finds near
	streamRows  = 128     // least units of a task that brings more than that from afar, but for half of all
)

// grain returns the units of length a task takes. Results do not depend on it.
func grain(length ir.Dim, capacity ir.Binding, work int) int {
	n := length.At(capacity)
	tasks := min(taskCount, max(1, work/taskWork))
	g := (n + tasks - 1) / tasks
	if !length.Symbolic() && tasks > 1 && n >= 4*tileUnit {
		return max(g/tileUnit, 1) * tileUnit
	}
	g = max(g, min(taskRows, (n+1)/2))
	return max((g+taskUnit-1)/taskUnit*taskUnit, 1)
}

// unit is something that takes one place in the arena: a buffer, a bin of
// buffers that live one after the other inside a group, the last of them perhaps
// beyond it, or gradients that are neighbours as their parameters are.
type unit struct {
	buffers  []int
	at       []int // of each buffer in the unit, nil for the beginning
	size     int
	from, to slot
	offset   int
}

// home is where a root buffer is made and last used.
type home struct {
	made     bool
	from, to slot
	context  int    // group or tail that makes it
	end      int    // position in the context
	local    bool   // all of its readers are in the context, each slice's in the task that makes it
	sliced   bool   // it may take the place of another in the context
	pitch    ir.Dim // bytes a unit of the group's length, a function of the lengths
}

// memory gives every buffer of the arena its offset.
func (l *lowering) memory() error {
	homes := l.homes()
	units, placed := l.neighbours(homes)
	l.contexts(func(context int, _ slot, g *plan.Group, steps []int) {
		var bins []*unit
		var pitches []ir.Dim
		var ends []int
		for pos, id := range steps {
			s := &l.p.Steps[id]
			for _, b := range s.Out {
				h := &homes[b]
				if !l.p.Buffers[b].Kind.InArena() || !h.made || placed[b] {
					continue
				}
				bin := -1
				for i := range bins {
					if h.local && pitches[i] == h.pitch && ends[i] < pos {
						bin = i
					}
				}
				if i := l.p.InPlace(s); i >= 0 && b == s.Out[0] && h.sliced {
					over := l.p.Root(s.In[i])
					for j := range bins {
						last := bins[j].buffers[len(bins[j].buffers)-1]
						if last == over && ends[j] == pos && pitches[j] == h.pitch {
							bin = j
						}
					}
				}
				switch {
				case bin < 0 && !h.local:
					units = append(units, l.unit(b, h))
					continue
				case bin < 0:
					bins = append(bins, l.unit(b, h))
					pitches = append(pitches, h.pitch)
					ends = append(ends, h.end)
					continue
				}
				u := bins[bin]
				u.buffers = append(u.buffers, b)
				u.size = max(u.size, l.p.Buffers[b].Bytes(l.o.capacity))
				u.to = max(u.to, h.to)
				if ends[bin] = h.end; !h.local {
					ends[bin] = math.MaxInt // what others read is the last in its place
				}
			}
		}
		units = append(units, bins...)
	})
	l.pack(units)
	for i := range l.p.Buffers {
		if b := &l.p.Buffers[i]; b.Kind == plan.Derived && b.Alias < 0 {
			b.Offset = l.p.DerivedBytes
			l.p.DerivedBytes += (b.Bytes(l.o.capacity) + plan.Align - 1) / plan.Align * plan.Align
		}
	}
	for i := range l.p.Buffers {
		b := &l.p.Buffers[i]
		if b.Alias >= 0 {
			root := &l.p.Buffers[l.p.Root(i)]
			b.Kind, b.Offset = root.Kind, root.Offset
		}
	}
	return nil
}

// neighbours returns a unit for each update of several parameters: their
// gradients, as far from each other as the parameters are in the store. placed
// holds the buffers in them.
func (l *lowering) neighbours(homes []home) (units []*unit, placed map[int]bool) {
	placed = map[int]bool{}
	for i := range l.p.Steps {
		s := &l.p.Steps[i]
		if !s.Update() || len(s.In) < 2 {
			continue
		}
		u := &unit{from: homes[s.In[0]].from}
		for j, b := range s.In {
			at := 4 * (l.p.Segments[s.Param+j].Offset - l.p.Segments[s.Param].Offset)
			u.buffers, u.at = append(u.buffers, b), append(u.at, at)
			u.size = at + l.p.Buffers[b].Bytes(l.o.capacity)
			u.from, u.to = min(u.from, homes[b].from), max(u.to, homes[b].to)
			placed[b] = true
		}
		units = append(units, u)
	}
	return units, placed
}

func (l *lowering) unit(b int, h *home) *unit {
	return &unit{buffers: []int{b}, size: l.p.Buffers[b].Bytes(l.o.capacity), from: h.from, to: h.to}
}

// contexts calls f for each list of steps that run in order: groups and tails.
func (l *lowering) contexts(f func(context int, at slot, g *plan.Group, steps []int)) {
	n := 0
	for i := range l.p.Phases {
		ph := &l.p.Phases[i]
		for j := range ph.Groups {
			f(n, slot(2*i), &ph.Groups[j], ph.Groups[j].Steps)
			n++
		}
		f(n, slot(2*i+1), nil, ph.Tail)
		n++
	}
}

// homes computes lifetimes of root buffers.
func (l *lowering) homes() []home {
	end := slot(2 * len(l.p.Phases))
	homes := make([]home, len(l.p.Buffers))
	l.contexts(func(context int, at slot, g *plan.Group, steps []int) {
		one := g == nil || g.Whole()
		for pos, id := range steps {
			s := &l.p.Steps[id]
			for i, b := range s.In {
				if ir.ShapeOnly(s.Op) {
					break
				}
				h := &homes[l.p.Root(b)]
				h.to = max(h.to, at)
				h.end = pos
				if pos+1 < len(steps) && l.p.Steps[steps[pos+1]].Behind {
					h.end++
				}
				t := l.p.Buffers[b].Type
				inside := h.context == context
				if inside && !one {
					_, whole := g.Times(t)
					inside = s.Access[i] == ir.Axis0 && whole
				}
				h.local = h.local && inside
			}
			for _, b := range s.Out {
				h := home{made: true, from: at, to: at, context: context, end: pos}
				h.local = l.p.Buffers[b].Kind == plan.Arena
				h.pitch = ir.Fixed(l.p.Buffers[b].Bytes(l.o.capacity))
				if h.local && !one {
					h.pitch, h.local = pitch(l.p.Buffers[b].Type, g.Length)
				}
				h.sliced = h.local
				switch l.p.Buffers[b].Kind {
				case plan.Kept:
					h.to = end
				case plan.Held:
					h.from, h.to = 0, end
				}
				homes[b] = h
			}
		}
	})
	// What is made once is read in later runs too: nothing may share its place.
	for _, ph := range l.p.Phases {
		if ph.Once {
			for _, id := range ph.Steps() {
				for _, b := range l.p.Steps[id].Out {
					homes[b].from, homes[b].to = 0, end
				}
			}
		}
	}
	// What is made before shards are run one after the other is there for all of them.
	if apart := slot(2 * l.p.Apart); apart > 0 {
		for i := range homes {
			if h := &homes[i]; h.made && h.from < apart && h.to >= apart {
				h.to = end
			}
		}
	}
	return homes
}

// pitch returns the bytes of a value for a unit of a length. Places may be taken in
// turn where pitches are equal as functions: those that are equal at capacity only
// are apart in a run of fewer rows.
func pitch(t ir.Type, unit ir.Dim) (d ir.Dim, ok bool) {
	n, ok := t.Shape.Elems()
	if ok {
		n, ok = ir.Div(n, unit)
	}
	if ok {
		n, ok = ir.Mul(n, ir.Fixed(t.DType.Size()))
	}
	return n, ok
}

// pack places the largest units first, each at the lowest offset that is free
// for as long as it lives.
func (l *lowering) pack(units []*unit) {
	sort.SliceStable(units, func(i, j int) bool { return units[i].size > units[j].size })
	var placed []*unit
	for _, u := range units {
		size := (u.size + plan.Align - 1) / plan.Align * plan.Align
		var busy []*unit
		for _, q := range placed {
			if q.from <= u.to && u.from <= q.to {
				busy = append(busy, q)
			}
		}
		sort.Slice(busy, func(i, j int) bool { return busy[i].offset < busy[j].offset })
		for _, q := range busy {
			if u.offset+size <= q.offset {
				break
			}
			u.offset = max(u.offset, (q.offset+q.size+plan.Align-1)/plan.Align*plan.Align)
		}
		placed = append(placed, u)
		for i, b := range u.buffers {
			l.p.Buffers[b].Offset = u.offset
			if u.at != nil {
				l.p.Buffers[b].Offset += u.at[i]
			}
		}
		l.p.ArenaBytes = max(l.p.ArenaBytes, u.offset+size)
	}
}
