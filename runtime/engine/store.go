package engine

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/plan"
)

// Store holds what outlives a run: parameters, their gradients, the optimizer's
// slots and the state variables, each one contiguous []float32 in the fixed
// order of the segments. Every plan of a model shares one store. A store is not
// safe for concurrent writing.
type Store struct {
	segs    []plan.Segment
	states  []plan.Segment
	index   map[string]int
	stateAt map[string]int
	names   []string
	params  []float32
	grads   []float32
	state   []float32
	slots   [][]float32 // made when they are first needed, as grads are
	slotAt  []int       // where a segment's part of each slot begins, -1 for none
	version atomic.Uint64
	kept    *kept // of a store whose parameters never change again, else nil
}

// NewStore returns a store of zeros. slots names the values that the optimizer
// keeps for each weight; states are the plan's state variables.
func NewStore(segments []plan.Segment, slots []string, states ...plan.Segment) *Store {
	s := &Store{segs: append([]plan.Segment{}, segments...), states: append([]plan.Segment{}, states...),
		index: map[string]int{}, stateAt: map[string]int{}, names: append([]string{}, slots...)}
	s.params = aligned(plan.Layout(s.segs))
	s.state = aligned(plan.Layout(s.states))
	for i := range s.segs {
		s.index[s.segs[i].Name] = i
		s.slotAt = append(s.slotAt, s.segs[i].Offset)
	}
	for i := range s.states {
		s.stateAt[s.states[i].Name] = i
	}
	s.version.Store(1)
	return s
}

// NoSlots says that these parameters are never updated, so that no slots are kept for
// them. It must be called before the first call of Slot and the first engine.
func (s *Store) NoSlots(params map[string]bool) {
	var kept []plan.Segment
	for _, seg := range s.segs {
		if !params[seg.Name] {
			kept = append(kept, seg)
		}
	}
	plan.Layout(kept)
	for i := range s.slotAt {
		s.slotAt[i] = -1
	}
	for _, seg := range kept {
		s.slotAt[s.index[seg.Name]] = seg.Offset
	}
}

// room makes the slots.
func (s *Store) room() {
	n := 0
	for i, at := range s.slotAt {
		if at >= 0 {
			n = max(n, at+s.segs[i].Len())
		}
	}
	for len(s.slots) < len(s.names) {
		s.slots = append(s.slots, aligned(n))
	}
}

// slack is the number of elements kept after every region, so that vector loads
// of the last elements stay inside.
const slack = 64

// aligned returns n zeros at an address divisible by plan.Align, of the system's large pages
// where those are of use.
func aligned(n int) []float32 {
	to, size := plan.Align, n+slack
	if large := largePages(4 * n); large > 0 {
		to, size = large, (4*size+large-1)/large*large/4
	}
	m := make([]float32, size+to/4)
	off := 0
	if r := int(uintptr(unsafe.Pointer(&m[0])) % uintptr(to)); r != 0 {
		off = (to - r) / 4
	}
	if to > plan.Align {
		askLarge(m[off : off+size])
	}
	return m[off : off+n : off+n]
}

// Names returns the parameters in store order.
func (s *Store) Names() []string {
	out := make([]string, len(s.segs))
	for i := range s.segs {
		out[i] = s.segs[i].Name
	}
	return out
}

// Segments returns the table of the parameters. It must not be changed.
func (s *Store) Segments() []plan.Segment { return s.segs }

// States returns the table of the state variables. It must not be changed.
func (s *Store) States() []plan.Segment { return s.states }

// Param returns the elements of a parameter, in the shape of its segment, or nil.
// They may be written before the next run; to write later call Touch again.
func (s *Store) Param(name string) []float32 {
	s.Touch()
	return s.part(s.params, name)
}

// Grad returns the stored gradient of a parameter, or nil; there is none before an
// engine is made for a plan that stores gradients.
func (s *Store) Grad(name string) []float32 {
	if s.grads == nil {
		return nil
	}
	return s.part(s.grads, name)
}

// Slot returns one of the optimizer's values for each weight of a parameter, or
// nil.
func (s *Store) Slot(slot, name string) []float32 {
	j, ok := s.index[name]
	if !ok || s.slotAt[j] < 0 {
		return nil
	}
	s.room()
	for i, n := range s.names {
		if n == slot {
			return s.slots[i][s.slotAt[j]:][:s.segs[j].Len()]
		}
	}
	return nil
}

// SlotNames returns the optimizer's slots in order.
func (s *Store) SlotNames() []string { return append([]string{}, s.names...) }

// State returns the elements of a state variable, or nil.
func (s *Store) State(name string) []float32 {
	i, ok := s.stateAt[name]
	if !ok {
		return nil
	}
	seg := &s.states[i]
	return s.state[seg.Offset : seg.Offset+seg.Len()]
}

// All returns every parameter as one flat slice, in store order, with zeros
// between segments. It may be written like the result of Param.
func (s *Store) All() []float32 {
	s.Touch()
	return s.params
}

// Touch says that parameters were changed outside Run, so that values that depend only
// on them are computed again.
func (s *Store) Touch() { s.version.Add(1) }

func (s *Store) part(region []float32, name string) []float32 {
	i, ok := s.index[name]
	if !ok {
		return nil
	}
	seg := &s.segs[i]
	return region[seg.Offset : seg.Offset+seg.Len()]
}

// fits returns an error unless the plan's tables are the store's.
func (s *Store) fits(p *plan.Plan) error {
	same := func(what string, have, want []plan.Segment, index map[string]int) error {
		for i := range want {
			j, ok := index[want[i].Name]
			if !ok {
				return fmt.Errorf("engine: plan %q needs the %s %q, which the store does not have", p.Name, what, want[i].Name)
			}
			if have[j].Len() != want[i].Len() {
				return fmt.Errorf("engine: the %s %q has shape %v in plan %q, %v in the store", what, want[i].Name, want[i].Shape, p.Name, have[j].Shape)
			}
		}
		return nil
	}
	if err := same("parameter", s.segs, p.Segments, s.index); err != nil {
		return err
	}
	for i := range p.Steps {
		if first := p.Steps[i].Param; first >= 0 {
			for _, seg := range p.Segments[first : first+len(p.Steps[i].Out)] {
				if s.slotAt[s.index[seg.Name]] < 0 {
					return fmt.Errorf("engine: plan %q updates the parameter %q, for which the store keeps no slots", p.Name, seg.Name)
				}
			}
		}
	}
	return same("state", s.states, p.States, s.stateAt)
}
