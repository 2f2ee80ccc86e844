package compiler

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// anyAxis draws a graph in which the batch is on any axis, on two, or a multiple of
// it is. Lengths are small, and now and then the capacity, where a length and the
// batch could be taken for each other.
type anyAxis struct {
	*dice
	b        *ir.Builder
	d        ir.DType
	capacity int
	vals     []*ir.Value
	params   int
	work     int64
}

// mostWork bounds the operations of a graph.
const mostWork = 1 << 22

// randomAxes returns a graph for up to capacity rows, whose outputs are the values
// that nothing reads.
func randomAxes(seed uint64, capacity int) *ir.Graph {
	r := &anyAxis{dice: newDice(seed), b: ir.NewBuilder(fmt.Sprintf("axes%d", seed)), d: ir.F32, capacity: capacity}
	if r.n(8) == 0 {
		r.d = ir.F64 // every step by its reference meaning
	}
	n := ir.Rows()
	for i := range 2 + r.n(2) {
		s := []ir.Shape{{n, r.length()}, {r.length(), n}, {n, n}, {{N: 4, Sym: ir.Batch}, r.length()}, {n, ir.Fixed(2), r.length()},
			{r.length(), n, r.length()}, {n}, {n, n}}[r.n(8)]
		if i == 0 {
			s = ir.Shape{n, r.length()}
		}
		r.vals = append(r.vals, r.b.Input(fmt.Sprintf("x%d", i), ir.T(r.d, s...)))
	}
	want := len(r.vals) + 4 + r.n(16)
	for tries := 0; len(r.vals) < want && tries < 400; tries++ {
		if v := r.node(); v != nil {
			r.vals = append(r.vals, v)
		}
	}
	if v := r.try(ops.ReduceMean{}, r.pick()); v != nil {
		r.vals = append(r.vals, v)
	}
	if r.b.Err() != nil {
		panic(r.b.Err())
	}
	uses := r.b.Graph.Uses()
	for _, v := range r.vals {
		if v.Def != nil && len(uses[v]) == 0 {
			v.Name = fmt.Sprintf("y%d", len(r.b.Graph.Outputs))
			r.b.Output(v)
		}
	}
	return r.b.Graph
}

func (r *anyAxis) length() ir.Dim {
	return ir.Fixed([]int{1, 2, 3, 4, 5, 8, r.capacity, r.capacity}[r.n(8)])
}

// pick returns a value, one of the latest more often than not.
func (r *anyAxis) pick() *ir.Value {
	if n := len(r.vals); n > 3 && r.n(3) > 0 {
		return r.vals[n-1-r.n(3)]
	}
	return r.vals[r.n(len(r.vals))]
}

// node adds an op on values, or nothing when they do not fit it.
func (r *anyAxis) node() *ir.Value {
	x := r.pick()
	rank := x.Type.Rank()
	axis := r.n(max(rank, 1))
	var axes []int
	for i := range rank {
		if r.n(2) == 0 {
			axes = append(axes, i)
		}
	}
	keep := r.n(2) == 0
	switch r.n(14) {
	case 0, 1:
		return r.try([]ir.Op{ops.Tanh{}, ops.Sigmoid{}, ops.Relu{}, ops.Softplus{}, ops.Abs{}, ops.Neg{}, ops.Gelu{}, ops.Identity{}}[r.n(8)], x)
	case 2:
		return r.try([]ir.Op{ops.Add{}, ops.Sub{}, ops.Mul{}, ops.Max{}, ops.Min{}}[r.n(5)], x, r.pick())
	case 3:
		return r.scaled(r.try(ops.MatMul{}, x, r.pick()))
	case 4:
		if rank < 2 || r.d != ir.F32 || x.Type.Shape[rank-1].Symbolic() {
			return nil
		}
		r.params++
		w := r.b.Param(fmt.Sprintf("w%d", r.params), ir.T(ir.F32, x.Type.Shape[rank-1], r.length()))
		return r.scaled(r.try(ops.MatMul{}, x, w))
	case 5:
		return r.scaled(r.try(ops.Gemm{TransA: r.n(2) == 0, TransB: r.n(2) == 0}, x, r.pick()))
	case 6:
		var perm []int
		for i := range rank {
			perm = slices.Insert(perm, r.n(i+1), i)
		}
		return r.try(ops.Transpose{Perm: ir.MakeAxes(perm...)}, x)
	case 7:
		return r.reshape(x)
	case 8:
		return r.try([]ir.Op{ops.Softmax{Axis: axis}, ops.LogSoftmax{Axis: axis}}[r.n(2)], x)
	case 9:
		return r.try([]ir.Op{ops.ReduceMean{Axes: ir.MakeAxes(axes...), Keep: keep}, ops.ReduceMax{Axes: ir.MakeAxes(axes...), Keep: keep}}[r.n(2)], x)
	case 10:
		return r.scaled(r.try(ops.ReduceSum{Axes: ir.MakeAxes(axes...), Keep: keep}, x))
	case 11:
		if rank == 0 || x.Type.Shape[axis].Symbolic() {
			return nil
		}
		n := x.Type.Shape[axis].N
		from := r.n(n)
		return r.try([]ir.Op{ops.Slice{Axis: axis, Start: from, End: from + 1 + r.n(n-from)}, ops.Pad{Axis: axis, Before: r.n(3), After: r.n(2)}}[r.n(2)], x)
	case 12:
		return r.try(ops.Concat{Axis: axis}, x, r.pick())
	case 13:
		s := append(ir.Shape{[]ir.Dim{ir.Rows(), ir.Fixed(2), ir.Fixed(r.capacity)}[r.n(3)]}, x.Type.Shape...)
		if r.n(2) == 0 && rank > 0 {
			if s = x.Type.Shape.Clone(); s[axis] == ir.Fixed(1) {
				s[axis] = ir.Rows()
			}
		}
		return r.try(ops.Expand{Shape: ir.MakeDims(s)}, x)
	}
	return nil
}

// reshape joins two neighbouring axes, or splits one.
func (r *anyAxis) reshape(x *ir.Value) *ir.Value {
	s := x.Type.Shape
	if len(s) == 0 {
		return nil
	}
	i := r.n(len(s))
	switch d := s[i]; {
	case d.N == 4 && r.n(2) == 0:
		whole, four := ir.Dim{N: 1, Sym: d.Sym}, ir.Fixed(4)
		return r.try(ops.Reshape{Shape: ir.MakeDims(slices.Concat(s[:i], ir.Shape{whole, four}, s[i+1:]))}, x)
	case i+1 < len(s) && !(d.Symbolic() && s[i+1].Symbolic()):
		one := ir.Dim{N: d.N * s[i+1].N, Sym: d.Sym + s[i+1].Sym}
		return r.try(ops.Reshape{Shape: ir.MakeDims(slices.Concat(s[:i], ir.Shape{one}, s[i+2:]))}, x)
	}
	return r.try(ops.Flatten{Axis: i}, x)
}

// scaled keeps sums from growing without end.
func (r *anyAxis) scaled(v *ir.Value) *ir.Value {
	if v == nil || r.n(2) == 0 {
		return v
	}
	return r.b.Op(ops.Mul{}, v, r.b.Const(r.d, 0.125))
}

func (r *anyAxis) try(op ir.Op, in ...*ir.Value) *ir.Value {
	types := make([]ir.Type, len(in))
	for i, v := range in {
		types[i] = v.Type
	}
	out, err := op.Infer(types)
	if err != nil || out[0].Rank() > 4 {
		return nil
	}
	cost := int64(out[0].Shape.Elems(r.capacity))
	if c, ok := op.(ir.Coster); ok {
		flops, _ := c.Cost(types, out, r.capacity)
		cost += flops
	}
	if r.work+cost > mostWork {
		return nil
	}
	r.work += cost
	return r.b.Op(op, in...)
}

// FuzzAnyAxis runs random graphs with the batch on any axis by the engine, several
// numbers of rows after each other in one arena, and compares each output with the
// reference meaning.
func FuzzAnyAxis(f *testing.F) {
	for seed := range uint64(120) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		d := newDice(seed).key.Derive(7)
		draw := func(i uint64, n int) int { return int(d.Uint64N(i, uint64(n))) }
		capacity := 1 + draw(0, 40)
		if draw(1, 10) == 0 {
			capacity = 256
		}
		g := randomAxes(seed, capacity)
		if len(g.Outputs) == 0 {
			return
		}
		p, err := CompileGraph(g, Options{Rows: capacity, spread: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, ir.Format(g))
		}
		if grain := draw(2, 12); grain > 0 {
			p = cutBy(p, grain)
		}
		h, err := Front(g, true)
		if err != nil {
			t.Fatal(err)
		}
		var e *engine.Engine
		for i := range uint64(4) {
			rows := 1 + draw(10+i, capacity)
			if i == 0 {
				rows = capacity
			}
			env := &ir.Env{Rows: rows, UpdateRows: rows}
			fed, wide := narrowed(feed(h, env, seed))
			for _, v := range h.Inputs {
				fed[v.Name] = wide[v.Name].To(v.Type.DType)
			}
			if e == nil {
				e, _ = engineOf(t, p, fed, 1+draw(3, 3))
			}
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatalf("%v\n%s", err, ir.Format(h))
			}
			want := results(t, h, env, wide)
			for name, w := range want {
				if what := mismatch(e.Output(name), w); what != "" {
					t.Fatalf("capacity %d, %d rows: %s: %s\n%s\n%s", capacity, rows, name, what, ir.Format(h), plan.Explain(p, e.Kernel))
				}
			}
		}
	})
}

// mismatch says where a result is not what it should be but for the rounding of
// float32.
func mismatch(got, want *ir.Tensor) string {
	if !slices.Equal(got.Shape, want.Shape) {
		return fmt.Sprintf("has shape %v, want %v", got.Shape, want.Shape)
	}
	scale := 0.0
	for i := range want.Len() {
		scale = max(scale, math.Abs(want.At(i)))
	}
	if !(scale < 1e6) {
		return ""
	}
	for i := range want.Len() {
		if a, b := got.At(i), want.At(i); !(math.Abs(a-b) <= 1e-3*(0.01+scale)) {
			return fmt.Sprintf("element %d is %v, want %v", i, a, b)
		}
	}
	return ""
}

// TestMeanAnyAxis takes means to a scalar of values whose batch is not on the first
// axis, or on both.
func TestMeanAnyAxis(t *testing.T) {
	for _, shape := range []ir.Shape{{ir.Fixed(3), ir.Rows()}, {ir.Rows(), ir.Rows()}, {ir.Fixed(2), ir.Rows(), ir.Fixed(3)}, {{N: 4, Sym: ir.Batch}, ir.Rows()}} {
		b := ir.NewBuilder("mean")
		y := b.Op(ops.ReduceMean{}, b.Op(ops.Tanh{}, b.Input("x", ir.T(ir.F32, shape...))))
		y.Name = "y"
		b.Output(y)
		p, err := CompileGraph(b.Graph, Options{Rows: 9})
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{9, 4, 1} {
			env := &ir.Env{Rows: rows, UpdateRows: rows}
			fed, wide := narrowed(feed(b.Graph, env, 1))
			e, _ := engineOf(t, p, fed, 2)
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			if what := mismatch(e.Output("y"), results(t, b.Graph, env, wide)["y"]); what != "" {
				t.Errorf("%v with %d rows: %s", shape, rows, what)
			}
		}
	}
}

// TestBelowCapacity runs fewer rows than the plan takes through values [N N] and
// [N 256], which have the same bytes at 256 rows alone: in tasks that run at their
// own speed, none may overwrite what another has yet to read.
func TestBelowCapacity(t *testing.T) {
	const capacity = 256
	b := ir.NewBuilder("square")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Rows()))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(capacity), ir.Fixed(capacity)))
	k := b.Input("k", ir.T(ir.F32, ir.Rows(), ir.Fixed(capacity)))
	y := b.Op(ops.Tanh{}, b.Op(ops.MatMul{}, b.Op(ops.MatMul{}, b.Op(ops.Softmax{Axis: 1}, b.Op(ops.Tanh{}, x)), k), w))
	y.Name = "y"
	b.Output(y)
	p, err := CompileGraph(b.Graph, Options{Rows: capacity, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int]plan.Pitch{}
	for i := range p.Buffers {
		buf := &p.Buffers[i]
		if buf.Kind != plan.Arena || buf.Alias >= 0 || buf.Type.Rank() != 2 {
			continue
		}
		if have, ok := sizes[buf.Offset]; ok && have != buf.Pitch() {
			t.Errorf("%s %v shares its place with a value of another pitch", buf.Name, buf.Type)
		}
		sizes[buf.Offset] = buf.Pitch()
	}
	if len(sizes) < 2 {
		t.Errorf("the values are at %d places: the test compares nothing", len(sizes))
	}
	for _, rows := range []int{100, 255, 131} {
		env := &ir.Env{Rows: rows, UpdateRows: rows}
		fed, wide := narrowed(feed(b.Graph, env, 1))
		want := results(t, b.Graph, env, wide)["y"]
		e, _ := engineOf(t, cutBy(p, 3), fed, 3)
		for range 3 {
			if err := e.Run(fed, rows, nil); err != nil {
				t.Fatal(err)
			}
			if what := mismatch(e.Output("y"), want); what != "" {
				t.Fatalf("%d rows: %s", rows, what)
			}
		}
	}
}
