package plan

import "github.com/lamina-ml/lamina/compiler/ir"

// Kind says where a buffer's elements live.
type Kind uint8

// The kinds of buffers.
const (
	Arena   Kind = iota // scratch, shared with buffers of other times
	Kept                // in the arena, holds its value after the run
	Input               // the caller's, bound at each run
	Param               // in the store
	Grad                // in the store's gradients
	State               // in the store's state
	Const               // in the plan
	Held                // in the arena, made by the parts of an update one after the other
	Derived             // beside the arena, a function of one parameter that follows its changes
)

var kindNames = [...]string{"arena", "kept", "input", "param", "grad", "state", "const", "held", "derived"}

// String returns the name used in the text form.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// InArena reports whether the buffer is a part of the arena.
func (k Kind) InArena() bool { return k == Arena || k == Kept || k == Held }

// Align is the alignment, in bytes, of every buffer of the arena and of every
// segment of the store.
const Align = 64

// Buffer is the place of one value. Elements are in row-major order without
// padding.
type Buffer struct {
	Name   string
	Type   ir.Type
	Kind   Kind
	Offset int        // bytes in the arena or among what is derived, elements in the store, 0 otherwise
	Alias  int        // the buffer whose elements these are, under another shape; -1 for none
	Data   *ir.Tensor // of a Const
}

// Bytes returns the size at these lengths.
func (b *Buffer) Bytes(at ir.Binding) int { return b.Type.Shape.ElemsAt(at) * b.Type.DType.Size() }

// Step is one op on buffers, or the update of parameters: then Op is nil, In
// holds the gradients, Out the parameters, and Param is the first one's segment;
// the others' follow it.
type Step struct {
	Op     ir.Op
	In     []int
	Out    []int
	Access []ir.Access // which part of each operand a slice needs
	Param  int         // -1 unless the step is an update or stores a gradient
	// Derived are the buffers of kind Derived that an update recomputes, tile by tile, each
	// from a parameter or from an earlier one of them.
	Derived []int
	// Behind says that the step goes over the columns of its first operand, which the step
	// before it in the group makes, as soon as some are made: what either of them reads must
	// last until both are done.
	Behind bool
	After  bool // belongs to the update: reads parameters as it leaves them, and is run by nothing else
	Layer  string
	Pos    ir.Pos
}

// Update reports whether the step updates a parameter.
func (s *Step) Update() bool { return s.Op == nil }

// Group is a list of steps whose outputs are made in slices along axis 0. Its unit
// is one of a symbol, as a row of N, or an index of a known length. A step makes as
// many indices of axis 0 for each as its result has for one: the slice [lo,hi) of N
// is [16*lo,16*hi) of a result [16*N 64]. A group of length 1 is one task.
type Group struct {
	Length ir.Dim // a symbol, or a known length
	Grain  int    // units of Length a task
	Steps  []int
}

// Whole reports whether the group is a single task that makes whole outputs.
func (g *Group) Whole() bool { return g.Length == ir.Fixed(1) }

// Tasks returns the number of tasks at these lengths.
func (g *Group) Tasks(at ir.Binding) int {
	n := g.Length.At(at)
	return (n + g.Grain - 1) / g.Grain
}

// Times returns the indices of axis 0 that a value of this type has for a unit of
// the group; ok is false if that is no number of them.
func (g *Group) Times(t ir.Type) (times ir.Dim, ok bool) {
	if t.Rank() == 0 {
		return ir.Dim{}, false
	}
	unit, times := t.Shape[0].Unit()
	return times, unit == g.Length
}

// Phase is a set of independent groups, a barrier, and what one worker does after it. A
// phase marked Once depends only on parameters, constants and the rows of an update, and is
// run once per change of them. One marked After ends an update whose gradients are stored:
// it is not part of a run, but of applying the gradients. One marked Alone has too little
// work to be shared: the worker that does the tail does all of it.
type Phase struct {
	Once   bool
	After  bool
	Alone  bool
	Groups []Group
	Tail   []int
}

// Steps returns the steps of a phase, those of its groups in their order and then its tail.
func (ph *Phase) Steps() []int {
	var all []int
	for i := range ph.Groups {
		all = append(all, ph.Groups[i].Steps...)
	}
	return append(all, ph.Tail...)
}

// LastJoin returns the last phase with a step whose results combine all rows of an update,
// or -1 if there is none. With several shards Apart comes after it.
func (p *Plan) LastJoin() int {
	for i := len(p.Phases) - 1; i >= 0; i-- {
		for _, id := range p.Phases[i].Steps() {
			if op := p.Steps[id].Op; op != nil && ir.Joins(op) {
				return i
			}
		}
	}
	return -1
}

// Port is a named input or output.
type Port struct {
	Name   string
	Buffer int
}

// Segment is the place of one parameter in the store's flat arrays.
type Segment struct {
	Name   string
	Layer  string
	Shape  []int
	Offset int  // in elements
	Decay  bool // whether weight decay applies
}

// Len returns the number of elements.
func (s *Segment) Len() int { return ir.Elems(s.Shape) }

// Plan is an executable program for lengths up to its capacity.
type Plan struct {
	Name       string
	Capacity   ir.Binding // the most rows, and the most of each other named length
	StoreGrads bool       // gradients are stored and updates are a call of their own
	Shards     int        // of the sums over an update's rows, a power of two: each a run, or several that follow each other; 0 is 1
	Apart      int        // phase from which on shards that meet before are run one after the other, 0 for none
	Loss       int        // the scalar that must be finite before updates begin, -1 for none
	Inputs     []Port
	Outputs    []Port
	Segments   []Segment // parameters, in store order
	States     []Segment
	Buffers    []Buffer
	Steps      []Step
	Phases     []Phase
	ArenaBytes int

	DerivedBytes int // of what is derived from parameters, which stays from run to run
}

// Bytes returns the memory of a run besides the store: the arena and derived buffers.
func (p *Plan) Bytes() int { return p.ArenaBytes + p.DerivedBytes }

// Output returns the buffer of that output, or -1.
func (p *Plan) Output(name string) int {
	for _, o := range p.Outputs {
		if o.Name == name {
			return o.Buffer
		}
	}
	return -1
}

// Root returns the buffer that owns the elements of buffer i.
func (p *Plan) Root(i int) int {
	for p.Buffers[i].Alias >= 0 {
		i = p.Buffers[i].Alias
	}
	return i
}

// Layout sets the offsets of segments, each aligned, and returns the elements
// of the whole region.
func Layout(segs []Segment) int {
	n := 0
	for i := range segs {
		segs[i].Offset = n
		n += roundUp(segs[i].Len(), Align/4)
	}
	return n
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }
