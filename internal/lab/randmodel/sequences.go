package randmodel

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// sequences declares an input of a free length, a value for each of its steps with its
// loss, and one f32[N code] of all of them. The column may be shorter than the capacity.
func (m *maker) sequences(r *Model, code int) (steps, pooled *spec.Value, loss *spec.Loss) {
	most, width := 1+m.below(9), m.width()
	x := spec.Input("sequence", most, width).Free("T")
	r.Columns = append(r.Columns, dataset.Column{Name: "sequence", DType: dataset.F32, Shape: []int{1 + m.below(most), width}})
	h := x.Then(spec.Dense(m.width()).Named("embed"), m.activation())
	if m.one(3) {
		h = h.Then(spec.Dropout(0.25))
	}
	switch m.below(4) {
	case 0:
		h = h.Then(spec.Func("attend", attend))
	case 1:
		h = h.Then(layer("flat", flat))
	case 2:
		h = h.Then(layer("token", token))
	}
	if m.one(3) {
		h = h.Then(spec.Softmax(m.below(2)))
	}
	steps = h.Then(spec.Dense(width).Named("each")).Named("steps")
	pool := spec.Layer(spec.Mean(0))
	if m.one(2) {
		pool = spec.Layers(spec.Sum(0), spec.Scale(0.25))
	}
	return steps, h.Then(pool, spec.Dense(code).Named("pooled"), spec.Tanh()), m.regression(steps, x)
}

// own is a layer of one function.
type own struct {
	spec.Base
	f func(b *spec.Builder, x *ir.Value) *ir.Value
}

func (l *own) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.f(b, x[0]) }

func layer(kind string, f func(b *spec.Builder, x *ir.Value) *ir.Value) spec.Layer {
	return &own{spec.Here(kind), f}
}

// attend weighs the steps by how they go with each other.
func attend(x *spec.Value) *spec.Value {
	scores := spec.MatMul(x, x.Then(spec.Permute(1, 0)))
	return spec.MatMul(scores.Then(spec.Scale(0.25), spec.Softmax(-1)), x)
}

// flat makes one axis of rows and steps, and two again.
func flat(b *spec.Builder, x *ir.Value) *ir.Value {
	s := x.Type.Shape
	rows, _ := ir.Mul(s[0], s[1])
	y := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{rows, s[2]})}, x)
	w := b.Param("w", spec.Glorot(), s[2].Length(), s[2].Length())
	y = b.Op(ops.Tanh{}, b.Op(ops.MatMul{}, y, w))
	return b.Op(ops.Reshape{Shape: ir.MakeDims(s)}, y)
}

// token puts a step in front, lets it meet the others, and takes it away.
func token(b *spec.Builder, x *ir.Value) *ir.Value {
	s := x.Type.Shape
	one := b.Op(ops.Expand{Shape: ir.MakeDims(ir.Shape{s[0], ir.Fixed(1), s[2]})}, b.Param("token", spec.Constant(0.3), 1, 1, s[2].Length()))
	y := b.Op(ops.Concat{Axis: 1}, one, x)
	y = b.Op(ops.Mul{}, y, b.Op(ops.Softmax{Axis: 1}, y))
	return b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(1), End: y.Type.Shape[1]}, y)
}

// Lengths returns lengths of a graph: of the batch that many, of others from 1 to their
// capacity, or to 5 without one.
func Lengths(g *ir.Graph, rows int, seed uint64) ir.Binding {
	at := ir.RowsOf(rows)
	for _, name := range g.Symbols() {
		if name == ir.Batch {
			continue
		}
		most, ok := g.Capacity.Of(name)
		if !ok {
			most = 5
		}
		at = at.With(name, 1+int(random.New(seed).DeriveString(name).Uint64N(0, uint64(most))))
	}
	return at
}

// At returns the lengths of that many rows of the model.
func (r *Model) At(rows int) ir.Binding {
	at := ir.RowsOf(rows)
	for _, c := range r.Columns {
		if c.Name == "sequence" {
			at = at.With("T", c.Shape[0])
		}
	}
	return at
}
