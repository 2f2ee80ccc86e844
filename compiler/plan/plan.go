package plan

import "github.com/lamina-ml/lamina/compiler/ir"

// Kind says where a buffer's elements live.
type Kind uint8

// The kinds of buffers.
const (
	Arena Kind = iota // scratch, shared with buffers of other times
	Kept              // in the arena, holds its value after the run
	Input             // the caller's, bound at each run
	Param             // in the store
	Grad              // in the store's gradients
	State             // in the store's state
	Const             // in the plan
)

var kindNames = [...]string{"arena", "kept", "input", "param", "grad", "state", "const"}

// String returns the name used in the text form.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// InArena reports whether the buffer is a part of the arena.
func (k Kind) InArena() bool { return k == Arena || k == Kept }

// Align is the alignment, in bytes, of every buffer of the arena and of every
// segment of the store.
const Align = 64

// Buffer is the place of one value. Elements are in row-major order without
// padding.
type Buffer struct {
	Name   string
	Type   ir.Type
	Kind   Kind
	Offset int        // bytes in the arena, elements in the store, 0 otherwise
	Alias  int        // the buffer whose elements these are, under another shape; -1 for none
	Data   *ir.Tensor // of a Const
}

// Bytes returns the size at rows rows.
func (b *Buffer) Bytes(rows int) int { return b.Type.Shape.Elems(rows) * b.Type.DType.Size() }

// Pitch is the distance between two neighbours along a buffer's first axis, as a
// function of the rows n of a run: Bytes·n^Power. Only buffers of one pitch have
// the same bytes for the same slice in every run: [N 256] and [N N] have them at
// 256 rows alone.
type Pitch struct{ Bytes, Power int }

// Pitch returns the buffer's pitch. It must have a first axis.
func (b *Buffer) Pitch() Pitch {
	p := Pitch{Bytes: b.Type.DType.Size()}
	for _, d := range b.Type.Shape[1:] {
		p.Bytes *= d.N
		if d.Symbolic() {
			p.Power++
		}
	}
	return p
}

// Step is one op on buffers, or the update of parameters: then Op is nil, In
// holds the gradients, Out the parameters, and Param is the first one's segment;
// the others' follow it.
type Step struct {
	Op     ir.Op
	In     []int
	Out    []int
	Access []ir.Access // which part of each operand a slice needs
	Param  int         // -1 unless the step is an update or stores a gradient
	Twins  []int       // of an update: transposes of its parameters, made once and made again by it
	Layer  string
	Pos    ir.Pos
}

// Update reports whether the step updates a parameter.
func (s *Step) Update() bool { return s.Op == nil }

// Group is a list of steps whose outputs are made in slices along axis 0. A
// group of length 1 is one task.
type Group struct {
	Length ir.Dim
	Grain  int // units of Length a task
	Steps  []int
}

// Whole reports whether the group is a single task that makes whole outputs.
func (g *Group) Whole() bool { return g.Length == ir.Fixed(1) }

// Tasks returns the number of tasks at rows rows.
func (g *Group) Tasks(rows int) int {
	n := g.Length.Bind(rows)
	return (n + g.Grain - 1) / g.Grain
}

// Phase is a set of independent groups, a barrier, and what one worker does
// after it. A phase marked Once depends on parameters, constants and the rows of
// an update only, and is run once per change of them. One marked Alone is too
// little work to be shared: the worker that does the tail does all of it.
type Phase struct {
	Once   bool
	Alone  bool
	Groups []Group
	Tail   []int
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
	Offset int    // in elements
	Decay  bool   // whether weight decay applies
	Group  string // of learning rates, may be empty
}

// Len returns the number of elements.
func (s *Segment) Len() int { return ir.Elems(s.Shape) }

// Plan is an executable program for up to Rows rows.
type Plan struct {
	Name       string
	Rows       int
	StoreGrads bool // gradients are stored and updates are a call of their own
	Loss       int  // the scalar that must be finite before updates begin, -1 for none
	Inputs     []Port
	Outputs    []Port
	Segments   []Segment // parameters, in store order
	States     []Segment
	Buffers    []Buffer
	Steps      []Step
	Phases     []Phase
	ArenaBytes int
}

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
