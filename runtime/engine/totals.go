package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// Totals adds up the sums that a plan takes beside the data columns: over all rows of an
// update, whatever parts, shards and ranks it runs in, or of a set that is evaluated. Rows
// are added one after the other in float64, so that the bits of a total do not depend on
// how the rows were divided into runs. Totals is not safe for concurrent use, and must be
// closed.
type Totals struct {
	of     []plan.Sum
	engine *Engine
	sums   []float64
	counts []int // elements
}

// NewTotals binds the plan of totals. One worker runs it, since it computes only a few
// numbers per row.
//
// Errors: as New.
func NewTotals(x *plan.Totals, o Options) (*Totals, error) {
	o.Workers = 1
	e, err := New(x.Plan, NewStore(x.Plan.Segments, nil), o)
	if err != nil {
		return nil, err
	}
	return &Totals{of: x.Of, engine: e, sums: make([]float64, len(x.Of)), counts: make([]int, len(x.Of))}, nil
}

// Engine returns the engine that computes the terms.
func (t *Totals) Engine() *Engine { return t.engine }

// Clear resets the totals to 0.
func (t *Totals) Clear() {
	clear(t.sums)
	clear(t.counts)
}

// Add adds the next rows. It allocates nothing.
//
// Errors: as those of a run; *NoNumber.
func (t *Totals) Add(in Feed, at ir.Binding) error {
	if err := t.engine.RunAt(in, at, nil); err != nil {
		return err
	}
	for i := range t.of {
		x := t.engine.Output(t.of[i].Rows).F32
		sum := t.sums[i]
		for j, v := range x {
			if v-v != 0 {
				return &NoNumber{Row: j * at.Rows() / len(x), Of: t.of[i]}
			}
			sum += float64(v)
		}
		t.sums[i], t.counts[i] = sum, t.counts[i]+len(x)
	}
	return nil
}

// Give writes the totals so far into a feed of the other plan, which must have a tensor
// f32[] for each.
//
// Errors: a total that float32 does not hold, as an *ir.Error with layer and line.
func (t *Totals) Give(to Feed) error {
	for i, sum := range t.sums {
		of := &t.of[i]
		if of.Mean {
			sum /= float64(t.counts[i])
		}
		x := float32(sum)
		if x-x != 0 {
			return &ir.Error{Layer: of.Layer, Made: of.Pos.Made, From: of.Pos.From, Op: of.Op,
				Rule: fmt.Sprintf("the sum over the rows is %v, which is too large for float32: scale the data", sum)}
		}
		to[of.Input].F32[0] = x
	}
	return nil
}

// Close ends the worker. It may be called twice, and on nil.
func (t *Totals) Close() {
	if t != nil {
		t.engine.Close()
	}
}

// NoNumber is the error for a row whose term of a total is not finite.
type NoNumber struct {
	Row int // of the run
	Of  plan.Sum
}

// Error names the row of the run; Unwrap has the layer and the line.
func (e *NoNumber) Error() string { return fmt.Sprintf("engine: row %d: %v", e.Row, e.Unwrap()) }

// Unwrap returns an *ir.Error.
func (e *NoNumber) Unwrap() error { return e.Named("the row") }

// Named returns the error with the row in other words.
func (e *NoNumber) Named(row string) error {
	return &ir.Error{Layer: e.Of.Layer, Made: e.Of.Pos.Made, From: e.Of.Pos.From, Op: e.Of.Op,
		Rule: row + " gives no finite number to a sum over the rows: a weight must be finite and at least 0"}
}
