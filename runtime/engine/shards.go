package engine

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// shards are the sums of an update's shards that wait for their neighbours, as the
// digits of a binary counter do: kept[l] is the sum of 2^l shards and waits for that
// of the 2^l behind them. So a balanced binary tree of S shards takes log2(S) sums
// besides the stored gradients.
type shards struct {
	kept [][]float32
	with []float32 // the operand of the pass under way
	add  func(c *ctx, i int)
	keep func(c *ctx, i int)
}

func (s *shards) init(e *Engine) {
	if e.p.Shards <= 1 {
		return
	}
	for n := e.p.Shards; n > 1; n /= 2 {
		s.kept = append(s.kept, aligned(len(e.s.grads)))
	}
	part := func(i int) (stored, with []float32) {
		b := e.norm.blocks[i]
		o := e.s.segs[b.seg].Offset
		return e.s.grads[o+b.lo : o+b.hi], s.with[o+b.lo : o+b.hi]
	}
	s.add = func(_ *ctx, i int) {
		stored, with := part(i)
		simd.Add(stored, with, stored)
	}
	s.keep = func(_ *ctx, i int) {
		stored, with := part(i)
		copy(with, stored)
	}
}

// JoinShard says that the stored gradients are now the sum of shard i of n, and adds it to
// its neighbours' sums as far as these exist: a balanced binary tree. Shards come in order,
// from 0 on; after the last one the stored gradients are the sum of all n. n is a power of
// two: the plan's number of shards, or fewer for one rank.
//
// Errors: a plan with fewer shards; an i outside [0, n).
func (e *Engine) JoinShard(i, n int) error {
	if !ir.PowerOfTwo(n) || n > max(e.p.Shards, 1) || i < 0 || i >= n {
		return fmt.Errorf("engine: shard %d of %d; plan %q has %d", i, n, e.p.Name, max(e.p.Shards, 1))
	}
	l := 0
	for ; i>>l&1 == 1; l++ {
		e.pass(e.shards.kept[l], e.shards.add)
	}
	if i+1 < n {
		e.pass(e.shards.kept[l], e.shards.keep)
	}
	return nil
}

func (e *Engine) pass(with []float32, do func(c *ctx, i int)) {
	e.shards.with = with
	e.parallel(len(e.norm.blocks), do)
}

// Gradients returns the stored gradients of all parameters, as one slice, and a second
// slice for those of another rank, which JoinRank adds. The second is nil in a plan of one
// shard.
func (e *Engine) Gradients() (stored, room []float32) {
	if n := len(e.shards.kept); n > 0 {
		room = e.shards.kept[n-1]
	}
	return e.s.grads, room
}

// JoinRank adds the second slice of Gradients to the stored gradients, as JoinShard adds a
// neighbour.
func (e *Engine) JoinRank() { e.pass(e.shards.kept[len(e.shards.kept)-1], e.shards.add) }

// Held returns what the parts of an update build together, each some of the elements, such
// as the rows that are pushed into a queue, as it is before the update is applied.
func (e *Engine) Held() [][]float32 {
	var all [][]float32
	for i := range e.p.Buffers {
		if b := &e.p.Buffers[i]; b.Kind == plan.Held && b.Alias < 0 && b.Type.DType == ir.F32 {
			all = append(all, e.views[i].f32)
		}
	}
	return all
}

// ClearGradients sets the stored gradients to those of no rows.
func (e *Engine) ClearGradients() { clear(e.s.grads) }
