// Package randgraph draws random graphs for tests: a seed decides ops, shapes and
// lengths.
package randgraph

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// lengthGraph draws a graph whose values have rows on any axis, a second length T,
// products of both and lengths that are defined by them.
type lengthGraph struct {
	*Dice
	b      *ir.Builder
	at     ir.Binding // its capacity
	vals   []*ir.Value
	params int
	o      Options
	work   int64
}

// Options say what a graph is drawn for.
type Options struct {
	Smooth bool   // ops with a gradient everywhere, as it is trained
	Loss   string // the one output, the mean of the squares of what nothing reads; empty: those values are the outputs
	Open   bool   // also ops whose attributes are open lengths, which a file computes
	Noise  bool   // what draws numbers is a Bernoulli, else a Dropout, which ships as nothing
}

// Bounds of a random graph at capacity.
const (
	mostElems = 1 << 12
	mostOps   = 1 << 22
)

// New returns the graph of a seed and its capacity: the greatest lengths it is meant
// for. Its inputs are called x0, x1 and so on, its parameters w1, w2, all of f32.
func New(seed uint64, o Options) (*ir.Graph, ir.Binding) {
	r := &lengthGraph{Dice: NewDice(seed), b: ir.NewBuilder(fmt.Sprintf("lengths%d", seed)), o: o}
	r.at = ir.RowsOf(2+r.N(12)).With("T", 1+r.N(6))
	n, t := ir.Rows(), ir.Of("T")
	plus, _ := ir.Sum(t, ir.Fixed(1))
	four, _ := ir.Mul(n, ir.Fixed(4))
	shapes := []ir.Shape{{n, t, r.length()}, {t, n}, {n, n}, {four, r.length()}, {n, r.length()}, {t, r.length()}, {r.length(), n}, {n, plus}, {n, ir.Fixed(2), t}, {n}}
	for i := range 2 + r.N(3) {
		s := shapes[r.N(len(shapes))]
		if i == 0 {
			s = shapes[0]
		}
		r.vals = append(r.vals, r.b.Input(fmt.Sprintf("x%d", i), ir.T(ir.F32, s...)))
	}
	want := len(r.vals) + 4 + r.N(14)
	for tries := 0; len(r.vals) < want && tries < 400; tries++ {
		if v := r.node(); v != nil {
			r.vals = append(r.vals, v)
		}
	}
	uses := r.b.Graph.Uses()
	var loss *ir.Value
	for _, v := range r.vals {
		if len(uses[v]) > 0 || v.Def == nil {
			continue
		}
		if o.Loss == "" {
			r.b.Output(v)
			continue
		}
		all := make([]int, v.Type.Rank())
		for i := range all {
			all[i] = i
		}
		m := r.b.Op(ops.ReduceMean{Axes: ir.MakeAxes(all...)}, r.b.Op(ops.Mul{}, v, v))
		if loss == nil {
			loss = m
		} else {
			loss = r.b.Op(ops.Add{}, loss, m)
		}
	}
	if loss != nil {
		loss.Name = o.Loss
		r.b.Output(loss)
	}
	if r.b.Err() != nil {
		panic(r.b.Err())
	}
	return r.b.Graph, r.at
}

func (r *lengthGraph) length() ir.Dim {
	if r.N(4) == 0 {
		return ir.Fixed(r.at.Rows()) // which the batch could be taken for
	}
	return ir.Fixed(1 + r.N(5))
}

func (r *lengthGraph) pick() *ir.Value { return r.vals[r.N(len(r.vals))] }

// try appends a node if the operands fit and the result is small.
func (r *lengthGraph) try(op ir.Op, in ...*ir.Value) *ir.Value {
	types := make([]ir.Type, len(in))
	for i, v := range in {
		if v == nil {
			return nil
		}
		types[i] = v.Type
	}
	out, err := op.Infer(types)
	if err != nil || out[0].Shape.ElemsAt(r.at) > mostElems || out[0].Rank() > 5 {
		return nil
	}
	for _, d := range out[0].Shape {
		if d.Least() < 1 {
			return nil
		}
	}
	if slice, ok := op.(ops.Slice); ok && slice.Within(types, r.at) != nil {
		return nil
	}
	if c, ok := op.(ir.Coster); ok {
		flops, _ := c.Cost(types, out, r.at)
		if r.work += flops; r.work > mostOps {
			return nil
		}
	}
	return r.b.Op(op, in...)
}

func (r *lengthGraph) axes(rank int) ir.Axes {
	var list []int
	for a := range rank {
		if r.N(2) == 0 {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		list = []int{r.N(rank)}
	}
	return ir.MakeAxes(list...)
}

func (r *lengthGraph) param(s ...ir.Dim) *ir.Value {
	for _, d := range s {
		if d.Symbolic() {
			return nil
		}
	}
	r.params++
	return r.b.Param(fmt.Sprintf("w%d", r.params), ir.T(ir.F32, s...))
}

// node appends one node of random kind, or returns nil.
func (r *lengthGraph) node() *ir.Value {
	x := r.pick()
	rank := x.Type.Rank()
	if rank == 0 {
		return r.try(ops.Mul{}, r.pick(), x)
	}
	axis := r.N(rank)
	last := x.Type.Shape[rank-1]
	kinds := 17
	if r.o.Open {
		kinds += 5
	}
	switch r.N(kinds) {
	case 0, 1:
		kinds := []ir.Op{ops.Tanh{}, ops.Sigmoid{}, ops.Softplus{}, ops.Relu{}, ops.Abs{}, ops.Neg{}}
		if r.o.Smooth {
			kinds = kinds[:3]
		}
		return r.try(kinds[r.N(len(kinds))], x)
	case 2, 3:
		kinds := []ir.Op{ops.Add{}, ops.Sub{}, ops.Mul{}, ops.Max{}}
		if r.o.Smooth {
			kinds = kinds[:3]
		}
		return r.try(kinds[r.N(len(kinds))], x, r.pick())
	case 4, 5:
		perm := make([]int, rank)
		for i := range perm {
			j := r.N(i + 1)
			perm[i], perm[j] = perm[j], i
		}
		return r.try(ops.Transpose{Perm: ir.MakeAxes(perm...)}, x)
	case 6, 7: // neighbours become one axis
		if axis == rank-1 {
			return nil
		}
		s := x.Type.Shape
		d, ok := ir.Mul(s[axis], s[axis+1])
		if !ok {
			return nil
		}
		to := append(append(append(ir.Shape{}, s[:axis]...), d), s[axis+2:]...)
		return r.try(ops.Reshape{Shape: ir.MakeDims(to)}, x)
	case 8: // one axis becomes two
		s := x.Type.Shape
		unit, rest := s[axis].Unit()
		if r.N(2) == 0 {
			unit, rest = rest, unit
		}
		to := append(append(append(ir.Shape{}, s[:axis]...), unit, rest), s[axis+1:]...)
		return r.try(ops.Reshape{Shape: ir.MakeDims(to)}, x)
	case 9:
		if w := r.param(last, ir.Fixed(1+r.N(4))); w != nil {
			return r.try(ops.Tanh{}, r.try(ops.MatMul{}, x, w))
		}
	case 10:
		return r.try(ops.Tanh{}, r.try(ops.MatMul{}, x, r.pick()))
	case 11:
		if r.N(3) == 0 && !r.o.Smooth {
			return r.try(ops.ReduceMax{Axes: r.axes(rank), Keep: r.N(2) == 0}, x)
		}
		return r.try([]ir.Op{ops.ReduceMean{Axes: r.axes(rank), Keep: r.N(2) == 0}, ops.Tanh{}}[r.N(2)], x)
	case 12:
		if v := r.try(ops.ReduceSum{Axes: r.axes(rank), Keep: r.N(2) == 0}, x); v != nil {
			return r.try(ops.Tanh{}, v)
		}
	case 13:
		if r.N(2) == 0 {
			return r.try(ops.LogSoftmax{Axis: axis}, x)
		}
		return r.try(ops.Softmax{Axis: axis}, x)
	case 14:
		return r.try(ops.Concat{Axis: axis}, x, r.pick())
	case 15:
		if r.N(2) == 0 {
			return r.try(ops.Pad{Axis: axis, Before: ir.Fixed(r.N(2)), After: ir.Fixed(1)}, x)
		}
		if r.N(2) == 0 {
			return r.try(ops.Slice{Axis: axis, Start: ir.Fixed(0), End: ir.Fixed(1)}, x)
		}
		return r.try(ops.Slice{Axis: axis, Start: ir.Fixed(1), End: x.Type.Shape[axis]}, x)
	case 16:
		if w := r.param(last); w != nil && r.N(2) == 0 {
			return r.try(ops.Add{}, x, w)
		}
		stream := uint64(len(r.vals))
		if r.o.Noise {
			return r.try(ops.Mul{}, x, r.try(ops.Bernoulli{Rate: 0.3, Stream: stream}, x))
		}
		return r.try(ops.Mul{}, x, r.try(ops.Dropout{Rate: 0.3, Stream: stream}, x))
	case 17, 18:
		return r.try(ops.Expand{Shape: ir.MakeDims(r.expanded(x.Type.Shape))}, x)
	case 19, 20:
		start, end := r.open(), r.open()
		if r.N(2) == 0 {
			start = ir.Fixed(r.N(2))
		}
		return r.try(ops.Slice{Axis: axis, Start: start, End: end}, x)
	case 21:
		return r.try(ops.Pad{Axis: axis, Before: r.open(), After: r.open()}, x)
	}
	return nil
}

// open returns a length that a file computes, or a small one.
func (r *lengthGraph) open() ir.Dim {
	n, t := ir.Rows(), ir.Of("T")
	nt, _ := ir.Mul(n, t)
	plus, _ := ir.Sum(t, ir.Fixed(1))
	both, _ := ir.Sum(n, t)
	return []ir.Dim{n, t, nt, plus, both, ir.Fixed(1 + r.N(3))}[r.N(6)]
}

// expanded returns what a shape is repeated to: in place of axes of 1, and before all
// others.
func (r *lengthGraph) expanded(s ir.Shape) ir.Shape {
	to := s.Clone()
	for i, d := range to {
		if d == ir.Fixed(1) {
			to[i] = r.open()
		}
	}
	if r.N(2) == 0 {
		to = append(ir.Shape{r.open()}, to...)
	}
	return to
}
