package engine

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Maker returns the kernel of an op of another module for operands and results of
// these types, or nil for what it does not do.
type Maker func(op ir.Op, in, out []ir.Type) *Kernel

// Kernel is the fast form of an op that is not Lamina's own.
type Kernel struct {
	Name string // that Explain and Engine.Kernel give
	// Run makes a slice of the results. Several workers call it at the same time, with
	// slices that do not overlap; it keeps nothing of s and allocates nothing.
	//
	// Which slices there are depends on the number of workers, so an element must get
	// the same bits whatever the slice: it is one chain of operations whose order
	// depends on the shapes of the whole alone, never on Lo, Hi or the rows beside it.
	// spectest.Kernel looks whether that is so, and whether the results are those of
	// the op's reference.
	Run func(s *Slice)
	// Follow makes again what the indices [Lo,Hi) of axis Axis of the operand decide of
	// the result, of an op that says by [ir.Follower] where they go: an update calls it
	// for each tile of a parameter that it changes. Tensors are whole; it writes those
	// elements and no others. Where they are a slice of axis 0 of the result Run makes
	// them. Without it the result is made again as a whole, once per update.
	Follow func(s *Slice)
	// Scratch returns the floats that Run takes of Slice.Scratch at these lengths; nil
	// takes none.
	Scratch func(at ir.Binding) int
}

// Slice is the part of a step that one call of a kernel makes: [Lo,Hi) along axis 0 of
// its results. Tensors have the elements of that part and no others, as many as their
// shapes say, in row-major order.
type Slice struct {
	Lo, Hi int
	Axis   int // of the operand, for Follow
	// In are the operands, which must not be changed. Of one that the op's Split says
	// is needed by the slice of axis 0 there is that slice; of all others the whole, in
	// which Lo and Hi stand for columns where Split says Axis1. Of an op that is
	// ShapeOnly they have shapes and no elements.
	In []*ir.Tensor
	// Out are the results, to be written whole. The first may be the memory of the
	// operand that the op's InPlace names.
	Out     []*ir.Tensor
	Scratch []float32 // that belongs to the worker; what it holds is not defined
	Env     *ir.Env   // of the run, with the types of the whole operands and First = Lo
}

// slice is a Slice with what it is made of, of one worker and step.
type slice struct {
	Slice
	env     ir.Env
	tensors []ir.Tensor
}

// asked returns the kernel that one of the options' makers makes, or nil, and the floats
// of scratch that it takes.
func (b *binding) asked() (k *Kernel, scratch int) {
	op := b.s.Op
	for _, mk := range b.e.makers {
		if mk == nil {
			b.err = fmt.Errorf("engine: Options.Kernels holds nil")
			return nil, 0
		}
		if k = mk(op, slices.Clone(b.inT), slices.Clone(b.outT)); k != nil {
			break
		}
	}
	if k == nil {
		return nil, 0
	}
	if k.Run == nil || k.Name == "" || k.Name == reference {
		b.err = fmt.Errorf("engine: the kernel %q that is given for %s needs a function Run and a name that is not %q", k.Name, op.Name(), reference)
		return nil, 0
	}
	if k.Scratch != nil {
		scratch = k.Scratch(b.p.Capacity)
		if scratch < 0 {
			b.err = fmt.Errorf("engine: the kernel %q that is given for %s takes %d floats of scratch", k.Name, op.Name(), scratch)
			return nil, 0
		}
		b.needs(scratch)
	}
	if !slices.Contains(b.e.given, k.Name) {
		b.e.given = append(b.e.given, k.Name)
	}
	return k, scratch
}

// given returns the kernel that one of the options' makers makes.
func (b *binding) given() (kernel, string) {
	k, scratch := b.asked()
	if k == nil {
		return nil, ""
	}
	own := b.slices()
	units := b.e.sizes.dim(ir.Fixed(1))
	if t := b.outT[0]; t.Rank() > 0 {
		units = b.e.sizes.dim(t.Shape[0])
	}
	blank, run := ir.ShapeOnly(b.s.Op), k.Run
	return func(c *ctx, lo, hi int) {
		s := &own[c.id]
		part := lo > 0 || hi < *units
		s.Lo, s.Hi, s.Scratch = lo, hi, c.scratch(scratch)
		s.env = c.e.env
		s.env.Types, s.env.First = b.inT, lo
		for i, t := range s.In {
			b.show(t, b.in[i], b.inT[i], part && b.s.Access[i] == ir.Axis0, lo, hi, blank)
		}
		for i, t := range s.Out {
			b.show(t, b.out[i], b.outT[i], part, lo, hi, false)
		}
		run(&s.Slice)
	}, k.Name
}

// givenFollow returns the follow of the kernel that one of the options' makers makes.
func (b *binding) givenFollow(axis int) (follow, error) {
	k, scratch := b.asked()
	if k == nil || k.Follow == nil {
		return nil, b.err
	}
	own, run := b.slices(), k.Follow
	return func(c *ctx, lo, hi int) {
		s := &own[c.id]
		s.Lo, s.Hi, s.Axis, s.Scratch = lo, hi, axis, c.scratch(scratch)
		s.env = c.e.env
		s.env.Types, s.env.First = b.inT, 0
		b.show(s.In[0], b.in[0], b.inT[0], false, lo, hi, false)
		b.show(s.Out[0], b.out[0], b.outT[0], false, lo, hi, false)
		run(&s.Slice)
	}, nil
}

// slices returns a slice for each worker.
func (b *binding) slices() []slice {
	own := make([]slice, max(b.e.workers, 1))
	for i := range own {
		b.prepare(&own[i])
	}
	return own
}

// prepare makes the tensors of a slice.
func (b *binding) prepare(s *slice) {
	types := append(slices.Clone(b.inT), b.outT...)
	s.tensors = make([]ir.Tensor, len(types))
	for i, t := range types {
		s.tensors[i] = ir.Tensor{DType: t.DType, Shape: make([]int, t.Rank())}
		if i < len(b.inT) {
			s.In = append(s.In, &s.tensors[i])
		} else {
			s.Out = append(s.Out, &s.tensors[i])
		}
	}
	s.Env = &s.env
}

// show makes t the elements of a buffer, or of its slice [lo,hi) of axis 0.
func (b *binding) show(t *ir.Tensor, v *view, typ ir.Type, part bool, lo, hi int, blank bool) {
	n, from := 1, 0
	for i, d := range typ.Shape {
		t.Shape[i] = d.At(b.e.sizes.at)
		if i > 0 {
			n *= t.Shape[i]
		}
	}
	if part {
		t.Shape[0], from = hi-lo, lo*n
	}
	if typ.Rank() > 0 {
		n *= t.Shape[0]
	}
	if blank {
		return
	}
	end := from + n
	switch typ.DType {
	case ir.F32:
		t.F32 = v.f32[from:end:end]
	case ir.F64:
		t.F64 = v.f64[from:end:end]
	case ir.I64:
		t.I64 = v.i64[from:end:end]
	case ir.Bool:
		t.Bool = v.b[from:end:end]
	}
}

// Given returns the names of the kernels that [Options.Kernels] made for the plan, in
// the order of its steps.
func (e *Engine) Given() []string { return slices.Clone(e.given) }
