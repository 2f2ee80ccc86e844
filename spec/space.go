package spec

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// space is everything that is connected: the values, layers and mistakes that
// may come to stand in one graph. Two spaces become one when a value or a layer
// joins them; the older comes first. It is a union-find forest, so that values
// need not be told.
type space struct {
	parent *space

	top      []*placement
	used     map[string]*state // names at the top
	nodes    []*ir.Node        // in topological order
	made     map[*ir.Node]*placement
	follows  map[*ir.Node]*ir.Node // a random op to one that draws the same numbers
	inputs   []*input
	params   []*param
	states   []*stateVar
	data     map[*ir.Value]*ir.Tensor
	arrays   map[*ir.Tensor]*ir.Value // those of Data and Const
	owned    map[*ir.Value]bool
	lacks    map[*ir.Value]*ir.Value // values whose numbers may be missing, to the input where they are
	taps     []*tap
	mistakes []*mistake
}

type input struct {
	v        *ir.Value
	name     string
	at       site
	limit    int   // integers are below it; 0 for none
	cards    []int // those of each column are below these; nil if limit is for all
	optional bool  // a row may have none, which is -1, or NaN in floats
	read     site  // where a layer read it first, nil if none did

	free   string // name of the length after the batch, "" if that is known
	most   int    // its capacity
	freeAt site
}

type tap struct {
	name string
	v    *ir.Value
	in   *Value
	at   site
}

// param is one weight; Name is its path, known when the names are resolved.
type param struct {
	v    *ir.Value
	st   *state
	name string
	init Init

	like   *param // whose first elements it starts with,
	turned bool   // transposed
}

func newSpace() *space {
	return &space{
		used:    map[string]*state{},
		made:    map[*ir.Node]*placement{},
		follows: map[*ir.Node]*ir.Node{},
		data:    map[*ir.Value]*ir.Tensor{},
		arrays:  map[*ir.Tensor]*ir.Value{},
		owned:   map[*ir.Value]bool{},
		lacks:   map[*ir.Value]*ir.Value{},
	}
}

func (s *space) find() *space {
	for s.parent != nil {
		if s.parent.parent != nil {
			s.parent = s.parent.parent
		}
		s = s.parent
	}
	return s
}

// union makes one space of two and returns it. Nil stands for no space.
func union(a, b *space) *space {
	if a == nil {
		a = b
	}
	if b == nil {
		b = a
	}
	if a == nil {
		return newSpace()
	}
	a, b = a.find(), b.find()
	if a == b {
		return a
	}
	a.top = append(a.top, b.top...)
	a.nodes = append(a.nodes, b.nodes...)
	a.inputs = append(a.inputs, b.inputs...)
	a.params = append(a.params, b.params...)
	a.states = append(a.states, b.states...)
	a.taps = append(a.taps, b.taps...)
	a.mistakes = append(a.mistakes, b.mistakes...)
	a.agree()
	for n, p := range b.made {
		a.made[n] = p
	}
	for n, m := range b.follows {
		a.follows[n] = m
	}
	for v, t := range b.data {
		a.data[v] = t
	}
	for t, v := range b.arrays {
		a.arrays[t] = v
	}
	for v := range b.owned {
		a.owned[v] = true
	}
	for v, of := range b.lacks {
		a.lacks[v] = of
	}
	for name, st := range b.used {
		if old, ok := a.used[name]; ok && old != st {
			// Both were named before they met, so both names are final.
			a.duplicate(st, old)
			continue
		}
		a.used[name] = st
	}
	*b = space{parent: a}
	return a
}

func (s *space) fail(m *mistake) {
	s = s.find()
	s.mistakes = append(s.mistakes, m)
}

func (s *space) own(v *ir.Value) *ir.Value {
	s.owned[v] = true
	return v
}

// constant returns a scalar.
func (s *space) constant(d ir.DType, x float64) *ir.Value {
	s = s.find()
	v := &ir.Value{Type: ir.T(d), Kind: ir.DataValue}
	s.data[v] = ir.Scalar(x)
	return s.own(v)
}

// array returns the constant of a tensor, which is never changed.
func (s *space) array(typ ir.Type, t *ir.Tensor) *ir.Value {
	s = s.find()
	if v := s.arrays[t]; v != nil {
		return v
	}
	v := &ir.Value{Type: typ, Kind: ir.DataValue}
	s.data[v], s.arrays[t] = t, v
	return s.own(v)
}

// reaches reports whether any of the targets is in the ancestry of the values.
func reaches(from []*ir.Value, targets []*ir.Value) bool {
	above := ir.Above(from...)
	return slices.ContainsFunc(targets, func(v *ir.Value) bool { return above[v] })
}

func bad() *ir.Value { return &ir.Value{} }

func isBad(v *ir.Value) bool { return v == nil || v.Type.DType == ir.Invalid }
