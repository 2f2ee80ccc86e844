package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// QueueLayer is a queue of the most recent rows, made by [Queue].
type QueueLayer struct {
	Base
	rows int
	init Init
}

// Queue returns a layer that gives the most recent rows of its input from earlier
// updates, oldest first (He et al. 2020). For codes f32[N d] it is f32[rows d], whose rows
// are not those of the batch. When an update is made, its own rows are pushed at the end.
// The queue is state: no gradient goes back through it. It starts with zeros and has one
// place. Mistakes: rows is not positive; the input is not f32 with known lengths.
func Queue(rows int) *QueueLayer {
	return &QueueLayer{Base: newBase("Queue"), rows: rows, init: Zeros()}
}

// Named gives the layer a name.
func (l *QueueLayer) Named(name string) *QueueLayer { return Named(l, name) }

// Init sets the initial rows of the queue.
func (l *QueueLayer) Init(init Init) *QueueLayer {
	return Option(l, "Init", func(l *QueueLayer) { l.init = init })
}

func (l *QueueLayer) args() string {
	if l.rows <= 0 {
		return fmt.Sprintf("the number of rows must be positive, got %d", l.rows)
	}
	return ""
}

// Build returns the queue as the previous update left it.
func (l *QueueLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if t.DType != ir.F32 || !t.Shape.RowWise() || t.Shape[1:].Symbolic() {
		return b.Errorf("takes f32[N …] with known lengths, got %s", t)
	}
	q := b.State("rows", l.init, append([]int{l.rows}, t.Shape[1:].Lengths()...)...)
	b.Becomes(q, b.Op(ops.Push{}, q, x[0]))
	return q
}
