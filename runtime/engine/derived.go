package engine

import (
	"slices"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// follow makes again what the indices [lo,hi) of an axis of the operand of a step decide
// of its result.
type follow func(c *ctx, lo, hi int)

// follower is a follow of a parameter that an update changes.
type follower struct {
	run      follow
	mirrored bool // the rows [lo,hi) of the parameter are [n-hi,n-lo) of the operand
	n        int
}

// followers are those of each parameter of an update, in order.
type followers [][]follower

// run makes again what follows from rows of parameter i of the step.
func (f followers) run(c *ctx, i, lo, hi int) {
	for k := range f[i] {
		if x := &f[i][k]; x.mirrored {
			x.run(c, x.n-hi, x.n-lo)
		} else {
			x.run(c, lo, hi)
		}
	}
}

// followers returns what an update makes again tile by tile: what is derived from its
// parameters and has a kernel for that.
func (b *binding) followers() followers {
	f := make(followers, len(b.s.Out))
	for _, id := range b.s.Derived {
		x := b.e.follows[id]
		if x == nil {
			continue
		}
		d := b.e.derivations[id]
		i := slices.Index(b.s.Out, d.Param)
		f[i] = append(f[i], follower{x, d.Mirrored, b.outT[i].Shape[0].Length()})
	}
	return f
}

// findDerived finds how each buffer that is derived follows its parameter, and whether
// updates leave nothing that is made once to be made again.
func (e *Engine) findDerived() error {
	p := e.p
	e.derivations, e.follows, e.lasting = p.Derivations(), map[int]follow{}, true
	changes := map[int]bool{} // by updates, other than what follows them
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Op != nil {
			continue
		}
		for _, b := range s.Out {
			changes[b] = true
		}
		for _, id := range s.Derived {
			d := e.derivations[id]
			if d.From != d.Param && e.follows[d.From] == nil {
				continue
			}
			x, err := e.follower(d)
			if err != nil {
				return err
			}
			if x != nil {
				e.follows[id] = x
			}
		}
	}
	for i := range p.Phases {
		if !p.Phases[i].Once {
			continue
		}
		for _, id := range p.Phases[i].Steps() {
			s := &p.Steps[id]
			if e.follows[s.Out[0]] != nil {
				continue
			}
			for _, b := range s.In {
				if r := p.Root(b); changes[r] || e.follows[r] != nil {
					changes[s.Out[0]] = true
				}
			}
			e.lasting = e.lasting && !changes[s.Out[0]]
		}
	}
	return nil
}

// follower returns how a step follows its operand, or nil if only the whole of it is made
// again: by its own kernel where a slice is one of axis 0 of the result, which is how a
// kernel makes it, else by one for tiles.
func (e *Engine) follower(d plan.Derivation) (follow, error) {
	b := e.binding(&e.p.Steps[d.Step], d.Step, nil)
	if d.Track.Axis == 0 && d.Track.Slices() {
		sp, ok := b.s.Op.(ir.Splitter)
		if ok {
			_, ok = sp.Split(b.inT, b.outT[0])
		}
		run, name := b.kernel()
		if b.err != nil || !ok || run == nil || name == reference {
			return nil, b.err
		}
		if n := b.inT[0].Shape[d.Axis].Length(); d.Track.Mirrored {
			return func(c *ctx, lo, hi int) { run(c, n-hi, n-lo) }, nil
		}
		return follow(run), nil
	}
	switch op := b.s.Op.(type) {
	case ops.Transpose:
		return b.followTranspose(d.Axis), nil
	case ops.Panels:
		return b.followPanels(op, d.Axis), nil
	case ops.Tiles:
		return b.followTiles(op, d.Axis), nil
	case ops.Cast:
		return b.followCast(d.Axis), nil
	case ops.Flip:
		return b.followFlip(op, d.Axis), nil
	case ops.Interleave:
		return b.followInterleave(op, d.Axis), nil
	}
	return b.givenFollow(d.Axis)
}

// isKept reports whether the result of a step is derived and stays what it is until
// somebody else changes the parameters: updates of this plan do not change it, or make it
// again.
func (e *Engine) isKept(s *plan.Step) bool {
	if len(s.Out) != 1 || e.p.Buffers[s.Out[0]].Kind != plan.Derived {
		return false
	}
	if e.follows[s.Out[0]] != nil {
		return true
	}
	param := e.derivations[s.Out[0]].Param
	return !slices.ContainsFunc(e.p.Steps, func(u plan.Step) bool { return u.Op == nil && slices.Contains(u.Out, param) })
}

// kept is what the engines of a store whose parameters never change again share: what
// their plans derive from these, made by the first engine of each.
type kept struct {
	mu sync.Mutex
	of map[*plan.Plan][]float32
}

// freeze says that the parameters will not change again.
func (s *Store) freeze() { s.kept = &kept{of: map[*plan.Plan][]float32{}} }

// makeKept makes what is derived from parameters that never change again.
func (e *Engine) makeKept() error {
	make := func(steps []boundStep) {
		for i := range steps {
			if s := &steps[i]; s.kept {
				s.run(e.ctxs[0], 0, *s.units)
			}
		}
	}
	func() {
		defer e.recover()
		for i := range e.phases {
			for j := range e.phases[i].groups {
				make(e.phases[i].groups[j].steps)
			}
			make(e.phases[i].tail)
		}
	}()
	if err := e.err.Load(); err != nil {
		return *err
	}
	e.keptAt = e.s.version.Load()
	return nil
}
