package compiler

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// lengthGraph draws a graph whose values have rows on any axis, a second length T,
// products of both and lengths that are defined by them.
type lengthGraph struct {
	*dice
	b      *ir.Builder
	at     ir.Binding // its capacity
	vals   []*ir.Value
	params int
	smooth bool // ops with a gradient everywhere, as it is trained
	work   int64
}

// Bounds of a random graph at capacity.
const (
	mostElems = 1 << 12
	mostOps   = 1 << 22
)

// randomLengths returns a graph and its capacity. Its outputs are the values that
// nothing reads or, to be trained, the mean of their squares.
func randomLengths(seed uint64, smooth, trained bool) (*ir.Graph, ir.Binding) {
	r := &lengthGraph{dice: newDice(seed), b: ir.NewBuilder(fmt.Sprintf("lengths%d", seed)), smooth: smooth}
	r.at = ir.RowsOf(2+r.n(12)).With("T", 1+r.n(6))
	n, t := ir.Rows(), ir.Of("T")
	plus, _ := ir.Sum(t, ir.Fixed(1))
	shapes := []ir.Shape{{n, t, r.length()}, {t, n}, {n, n}, {times(4, n), r.length()}, {n, r.length()}, {t, r.length()}, {r.length(), n}, {n, plus}, {n, ir.Fixed(2), t}, {n}}
	for i := range 2 + r.n(3) {
		s := shapes[r.n(len(shapes))]
		if i == 0 {
			s = shapes[0]
		}
		r.vals = append(r.vals, r.b.Input(fmt.Sprintf("x%d", i), ir.T(ir.F32, s...)))
	}
	want := len(r.vals) + 4 + r.n(14)
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
		if !trained {
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
		loss.Name = lossName
		r.b.Output(loss)
	}
	if r.b.Err() != nil {
		panic(r.b.Err())
	}
	return r.b.Graph, r.at
}

func (r *lengthGraph) length() ir.Dim {
	if r.n(4) == 0 {
		return ir.Fixed(r.at.Rows()) // which the batch could be taken for
	}
	return ir.Fixed(1 + r.n(5))
}

func (r *lengthGraph) pick() *ir.Value { return r.vals[r.n(len(r.vals))] }

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
		if r.n(2) == 0 {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		list = []int{r.n(rank)}
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
	axis := r.n(rank)
	last := x.Type.Shape[rank-1]
	switch r.n(17) {
	case 0, 1:
		kinds := []ir.Op{ops.Tanh{}, ops.Sigmoid{}, ops.Softplus{}, ops.Relu{}, ops.Abs{}, ops.Neg{}}
		if r.smooth {
			kinds = kinds[:3]
		}
		return r.try(kinds[r.n(len(kinds))], x)
	case 2, 3:
		kinds := []ir.Op{ops.Add{}, ops.Sub{}, ops.Mul{}, ops.Max{}}
		if r.smooth {
			kinds = kinds[:3]
		}
		return r.try(kinds[r.n(len(kinds))], x, r.pick())
	case 4, 5:
		perm := make([]int, rank)
		for i := range perm {
			j := r.n(i + 1)
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
		if r.n(2) == 0 {
			unit, rest = rest, unit
		}
		to := append(append(append(ir.Shape{}, s[:axis]...), unit, rest), s[axis+1:]...)
		return r.try(ops.Reshape{Shape: ir.MakeDims(to)}, x)
	case 9:
		if w := r.param(last, ir.Fixed(1+r.n(4))); w != nil {
			return r.try(ops.Tanh{}, r.try(ops.MatMul{}, x, w))
		}
	case 10:
		return r.try(ops.Tanh{}, r.try(ops.MatMul{}, x, r.pick()))
	case 11:
		if r.n(3) == 0 && !r.smooth {
			return r.try(ops.ReduceMax{Axes: r.axes(rank), Keep: r.n(2) == 0}, x)
		}
		return r.try([]ir.Op{ops.ReduceMean{Axes: r.axes(rank), Keep: r.n(2) == 0}, ops.Tanh{}}[r.n(2)], x)
	case 12:
		if v := r.try(ops.ReduceSum{Axes: r.axes(rank), Keep: r.n(2) == 0}, x); v != nil {
			return r.try(ops.Tanh{}, v)
		}
	case 13:
		if r.n(2) == 0 {
			return r.try(ops.LogSoftmax{Axis: axis}, x)
		}
		return r.try(ops.Softmax{Axis: axis}, x)
	case 14:
		return r.try(ops.Concat{Axis: axis}, x, r.pick())
	case 15:
		if r.n(2) == 0 {
			return r.try(ops.Pad{Axis: axis, Before: ir.Fixed(r.n(2)), After: ir.Fixed(1)}, x)
		}
		if r.n(2) == 0 {
			return r.try(ops.Slice{Axis: axis, Start: ir.Fixed(0), End: ir.Fixed(1)}, x)
		}
		return r.try(ops.Slice{Axis: axis, Start: ir.Fixed(1), End: x.Type.Shape[axis]}, x)
	case 16:
		if w := r.param(last); w != nil && r.n(2) == 0 {
			return r.try(ops.Add{}, x, w)
		}
		return r.try(ops.Mul{}, x, r.try(ops.Bernoulli{Rate: 0.3, Stream: uint64(len(r.vals))}, x))
	}
	return nil
}

// smaller returns lengths up to a capacity.
func smaller(d *dice, at ir.Binding) ir.Binding {
	b := at
	for _, name := range append([]string{ir.Batch}, at.Free()...) {
		n, _ := at.Of(name)
		switch d.n(4) {
		case 0:
			b = b.With(name, 1)
		case 1, 2:
			b = b.With(name, 1+d.n(n))
		}
	}
	return b
}

// trim leaves the lengths that a plan has.
func trim(b, capacity ir.Binding) ir.Binding {
	out := ir.RowsOf(b.Rows())
	for _, name := range capacity.Free() {
		n, _ := b.Of(name)
		out = out.With(name, n)
	}
	return out
}

// within fails unless an output is that of the reference, which is computed in
// float64.
func within(t *testing.T, what string, got *ir.Tensor, want *ir.Tensor) {
	t.Helper()
	if fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		t.Errorf("%s: shape %v, want %v", what, got.Shape, want.Shape)
		return
	}
	scale := 0.0
	for i := range want.Len() {
		scale = max(scale, math.Abs(want.At(i)))
	}
	for i := range want.Len() {
		if a, b := got.At(i), want.At(i); !(math.Abs(a-b) <= 2e-4*scale+1e-6) {
			t.Errorf("%s: element %d is %v, want %v (%v)", what, i, a, b, want.Shape)
			return
		}
	}
}

// checkLengths compiles a random graph and compares it with the reference at
// several lengths, with tasks of any size and one to three workers.
func checkLengths(t *testing.T, seed uint64) {
	g, at := randomLengths(seed, false, false)
	d := newDice(seed + 1<<32)
	whole := lowerOptions{capacity: at, spread: true}
	s := &state{opt: Options{Rows: at.Rows(), Lengths: lengthsOf(at)}, planned: true, inference: true}
	h, err := s.front(g)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	whole.segments = segmentsOf(h)
	p, err := s.finish(h, whole)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, ir.Format(g))
	}
	for i := range 3 {
		b := at
		if i > 0 {
			b = smaller(d, at)
		}
		env := &ir.Env{Binding: b, Capacity: at, UpdateRows: b.Rows() + 2, FirstRow: 2, Seed: 7, Update: 3}
		if ir.CheckBinding(b, g.Dims()...) != nil {
			continue
		}
		fed, oracle := narrowed(feed(g, env, seed))
		want := results(t, g, env, oracle)
		var first map[string][]float32
		for workers := 1; workers <= 3; workers++ {
			e, _ := engineOf(t, cutBy(p, 1+d.n(5)), fed, workers)
			u := &engine.Update{UpdateRows: env.UpdateRows, FirstRow: 2, Seed: 7, Step: 3}
			if err := e.RunAt(fed, trim(b, p.Capacity), u); err != nil {
				t.Fatalf("seed %d with %v: %v\n%s", seed, b, err, plan.Format(p))
			}
			got := map[string][]float32{}
			for _, v := range g.Outputs {
				what := fmt.Sprintf("seed %d, %v, %d workers: %s", seed, b, workers, v.Name)
				within(t, what, e.Output(v.Name), want[v.Name])
				got[v.Name] = append([]float32{}, e.Output(v.Name).F32...)
				if first != nil && !sameBits(first[v.Name], got[v.Name]) {
					t.Errorf("%s: other bits than with one worker", what)
				}
			}
			if first == nil {
				first = got
			}
			if t.Failed() {
				t.Fatalf("%s\n%s", ir.Format(g), plan.Format(p))
			}
		}
	}
}

func lengthsOf(b ir.Binding) map[string]int {
	out := map[string]int{}
	for _, name := range b.Free() {
		out[name], _ = b.Of(name)
	}
	return out
}

// checkLengthsTrained compares the gradients of a random graph, of an update in
// one part or several, with those of the reference.
func checkLengthsTrained(t *testing.T, seed uint64) {
	g, at := randomLengths(seed, true, true)
	if len(g.Params) == 0 || len(g.Outputs) == 0 {
		return
	}
	o := Options{Rows: at.Rows(), Lengths: lengthsOf(at), StoreGrads: true, spread: true}
	tw, err := compileTwin(g, segmentsOf(g), o)
	if err != nil {
		return // a parameter that the loss does not reach
	}
	ref, err := Gradient(g, lossName)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	d := newDice(seed + 1<<32)
	for i := range 2 {
		b := at
		if i > 0 {
			b = smaller(d, at)
		}
		if ir.CheckBinding(b, g.Dims()...) != nil {
			continue
		}
		parts := []int{1, 2, 4}[d.n(3)]
		total := parts * b.Rows()
		p := cutBy(tw.train, 1+d.n(5))
		var e *engine.Engine
		var s *engine.Store
		want := map[string][]float64{}
		for part := range parts {
			env := &ir.Env{Binding: b, Capacity: at, UpdateRows: total, FirstRow: part * b.Rows(), Seed: 5, Update: 2}
			fed, oracle := narrowed(feed(g, env, seed))
			if e == nil {
				e, s = engineOf(t, p, fed, 1+d.n(3))
			}
			u := &engine.Update{Accumulate: part > 0, UpdateRows: total, FirstRow: env.FirstRow, Seed: 5, Step: 2}
			if err := e.RunAt(fed, trim(b, p.Capacity), u); err != nil {
				t.Fatalf("seed %d with %v: %v", seed, b, err)
			}
			got := results(t, ref, env, oracle)
			for _, name := range s.Names() {
				x := got[gradPrefix+name].F64
				if want[name] == nil {
					want[name] = make([]float64, len(x))
				}
				for k := range x {
					want[name][k] += x[k]
				}
			}
		}
		for _, name := range s.Names() {
			grad := s.Grad(name)
			scale := 1e-3
			for _, x := range want[name] {
				scale = max(scale, math.Abs(x))
			}
			for k, x := range grad {
				if !(math.Abs(float64(x)-want[name][k]) <= 5e-4*scale) {
					t.Fatalf("seed %d, %v, %d parts: gradient of %s[%d] is %v, want %v\n%s\n%s", seed, b, parts, name, k, x, want[name][k], ir.Format(g), plan.Format(p))
				}
			}
		}
	}
}

const randomLengthGraphs = 300

func TestLengths(t *testing.T) {
	for seed := range uint64(randomLengthGraphs) {
		checkLengths(t, seed)
	}
}

func TestLengthsTrained(t *testing.T) {
	for seed := range uint64(randomLengthGraphs) {
		checkLengthsTrained(t, seed)
	}
}

// FuzzLengths is TestLengths and TestLengthsTrained without end.
func FuzzLengths(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkLengths(t, seed)
		checkLengthsTrained(t, seed)
	})
}
