package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Derivation describes how a buffer of kind Derived follows the parameter it is made from.
type Derivation struct {
	Step     int      // that makes it whole
	From     int      // its operand: the parameter, or another such buffer
	Param    int      // the parameter's buffer
	Axis     int      // of the operand, that the rows of the parameter are along
	Mirrored bool     // … in the reverse order
	Track    ir.Track // of that axis through the step's op
}

// Derivations returns how each buffer of kind Derived follows its parameter. The plan
// must verify.
func (p *Plan) Derivations() map[int]Derivation {
	all := map[int]Derivation{}
	for id := range p.Steps {
		if b := p.Steps[id].Out[0]; p.Buffers[b].Kind == Derived {
			all[b], _ = p.derivation(id, all)
		}
	}
	return all
}

// derivation returns how the result of a step follows a parameter, given how its operand
// does.
func (p *Plan) derivation(id int, before map[int]Derivation) (Derivation, error) {
	s := &p.Steps[id]
	if s.Op == nil || len(s.In) != 1 || len(s.Out) != 1 {
		return Derivation{}, fmt.Errorf("what is derived is the one result of an op of one operand")
	}
	in, out := &p.Buffers[s.In[0]], &p.Buffers[s.Out[0]]
	d := Derivation{Step: id, From: s.In[0], Param: s.In[0]}
	switch from, ok := before[s.In[0]]; {
	case ok && !from.Track.Slices():
		return d, fmt.Errorf("%s is derived from %s, in which the rows of a parameter are not a slice", out.Name, in.Name)
	case ok:
		d.Param, d.Axis, d.Mirrored = from.Param, from.Track.Axis, from.Mirrored != from.Track.Mirrored
	case in.Kind != Param || in.Alias >= 0:
		return d, fmt.Errorf("%s is derived from %s, which is neither a parameter nor derived from one", out.Name, in.Name)
	}
	var ok bool
	if d.Track, ok = ir.Follow(s.Op, []ir.Type{in.Type}, []ir.Type{out.Type}, d.Axis); !ok {
		return d, fmt.Errorf("%s does not say how axis %d of %s moves into %s", s.Op.Name(), d.Axis, in.Name, out.Name)
	}
	return d, nil
}

// derived checks what is derived from parameters: that each follows one, by its op, and
// that the update of the parameter makes it again, and nobody else.
func (c *checker) derived() error {
	all := map[int]Derivation{}
	err := c.each(func(at spot, id int, s *Step) error {
		for i, b := range s.Out {
			if c.p.Buffers[b].Kind != Derived {
				continue
			}
			if !at.once || i > 0 {
				return fmt.Errorf("%s is derived but not made once", c.p.Buffers[b].Name)
			}
			d, err := c.p.derivation(id, all)
			if err != nil {
				return err
			}
			all[b] = d
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.disjoint(all); err != nil {
		return err
	}
	for _, o := range c.p.Outputs {
		if c.p.Buffers[c.p.Root(o.Buffer)].Kind == Derived {
			return fmt.Errorf("output %s is derived, so an update would change what the run has shown", o.Name)
		}
	}
	by := map[int]int{} // update that makes a buffer again
	err = c.each(func(at spot, id int, s *Step) error {
		for i, b := range s.Derived {
			if err := c.again(at, s, s.Derived[:i], b, all); err != nil {
				return err
			}
			if _, ok := by[b]; ok {
				return fmt.Errorf("%s is made again twice", c.p.Buffers[b].Name)
			}
			by[b] = id
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.each(func(_ spot, id int, s *Step) error {
		if s.Op != nil {
			return nil
		}
		for b, d := range all {
			if _, ok := by[b]; !ok && slices.Contains(s.Out, d.Param) {
				return fmt.Errorf("%s is derived from %s and not made again with it", c.p.Buffers[b].Name, c.p.Buffers[d.Param].Name)
			}
		}
		return nil
	})
}

// disjoint checks that no two buffers that are derived share a byte.
func (c *checker) disjoint(all map[int]Derivation) error {
	bs := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(bs, func(a, b int) int { return cmp.Compare(c.p.Buffers[a].Offset, c.p.Buffers[b].Offset) })
	end, last := 0, -1
	for _, b := range bs {
		n := c.bytes[b][0]
		if n == 0 {
			continue
		}
		if c.p.Buffers[b].Offset < end {
			return fmt.Errorf("buffers %s and %s share bytes of what is derived", c.p.Buffers[last].Name, c.p.Buffers[b].Name)
		}
		end, last = c.p.Buffers[b].Offset+n, b
	}
	return nil
}

// again checks that the update s may make buffer b again behind others: it is derived
// from what the update changes, each task from its own rows, and nothing reads it any
// more. A task writes the elements that its rows decide, and no index decides those of
// another.
func (c *checker) again(at spot, s *Step, before []int, b int, all map[int]Derivation) error {
	if s.Op != nil {
		return fmt.Errorf("only an update makes again what is derived")
	}
	if b < 0 || b >= len(c.p.Buffers) || c.p.Buffers[b].Kind != Derived {
		return fmt.Errorf("buffer %d is not derived", b)
	}
	d, name := all[b], c.p.Buffers[b].Name
	if !slices.Contains(s.Out, d.Param) {
		return fmt.Errorf("%s is derived from no parameter that is updated here", name)
	}
	if d.From != d.Param && !slices.Contains(before, d.From) {
		return fmt.Errorf("%s is made again before %s, from which it is derived", name, c.p.Buffers[d.From].Name)
	}
	for _, r := range c.reads[b] {
		if !r.at.once && !r.at.before(at) {
			return fmt.Errorf("%s changes while step %d still reads it", name, r.step)
		}
	}
	return nil
}
