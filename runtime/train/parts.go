package train

import (
	"cmp"
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// The rows of an update are cut into pieces, each of which is one run: as many as
// are accumulated or, with shards, at least one for each shard. Piece p of P of R
// rows is rows ⌊pR/P⌋ to ⌊(p+1)R/P⌋. A shard is one piece, or several that follow
// each other and whose sums go on; the shards join by a balanced binary tree.

// maxUpdate is the most rows of an update that is read as a whole.
const maxUpdate = 1 << 30

// checkParts fills the number of shards in and refuses what cannot be cut so.
func (o *Options) checkParts(m *spec.Model, bad func(format string, a ...any)) {
	if !ir.PowerOfTwo(o.Shards) {
		bad("Options.Shards must be a power of two, got %d", o.Shards)
		return
	}
	if m.Err() != nil {
		return
	}
	g, err := m.Graph()
	if err != nil {
		return // told as the model's
	}
	frozen, err := o.frozen(m)
	if err != nil {
		return // told by New
	}
	if g, _ = g.Clone(); compiler.Settle(g, frozen) != nil {
		return // told by the compiler
	}
	if g, err = compiler.Plain(g, false); err != nil {
		return // told by the compiler
	}
	for _, n := range g.Nodes {
		if ir.Joins(n.Op) && !n.In[0].Type.Shape.RowWise() {
			bad("%w", &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(),
				Rule: fmt.Sprintf("in training x must have a row for each row of the update, as its first axis, got %v", n.In[0].Type),
				Hint: "take LayerNorm or GroupNorm in its place, or name the layer in Options.Freeze"})
			return
		}
	}
	o.Shards = max(o.Shards, ir.Shards(g))
	n := joining(g)
	if o.meets = n != nil; o.meets && o.Accumulate > 1 {
		bad("Options.Accumulate is %d, but each of the batches has some rows of the update only: %w", o.Accumulate, &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(),
			Rule: "its statistics are those of all rows of an update together", Hint: "use GroupNorm instead, which has none, or leave Accumulate out; Shards and Cluster may split an update"})
		return
	}
	if s, k := o.Shards, o.Accumulate; s > 1 && s%k != 0 && k%s != 0 {
		bad("Options.Accumulate is %d, but the parts of an update are cut where its shards are, and Options.Shards is %d: take a divisor or a multiple of it", k, s)
	}
	if c := o.Cluster; c != nil {
		switch k := c.Size(); {
		case k < 1 || c.Rank() < 0 || c.Rank() >= k:
			bad("Options.Cluster has rank %d of %d", c.Rank(), k)
		case isLocal(c) && k > maxLocal:
			bad("Options.Cluster is Local(%d); at most %d ranks may be of one process", k, maxLocal)
		case !ir.PowerOfTwo(k):
			bad("Options.Cluster has %d ranks; their number must divide Options.Shards, which is a power of two", k)
		case o.Shards%k != 0:
			bad("Options.Cluster has %d ranks, which must divide Options.Shards, and that is %d: let Shards be %d", k, o.Shards, k)
		}
	}
	if err := o.checkWhole(); o.Shards > 1 && err != nil {
		bad("%w", err)
	}
	name, k := "Accumulate", o.Accumulate
	if o.Shards > 1 {
		name, k = "Shards", o.Shards
	}
	if k <= 1 {
		return
	}
	if advice, err := divisible(g, o.ranks(), o.meets); err != nil {
		bad("Options.%s is %d, but %w; leave %s out", name, k, err, cmp.Or(advice, name))
	}
	for _, v := range g.Outputs {
		if v.Name != "loss" {
			continue
		}
		if err := ir.Separable(g, v); err != nil {
			bad("Options.%s is %d, but the parts of an update would not add up to it: %w; leave %s out", name, k, err, name)
		}
	}
}

// checkWhole refuses updates that are too large to be read as a whole.
func (o *Options) checkWhole() error {
	rows := int64(o.Batch) * int64(o.Accumulate)
	switch {
	case rows <= maxUpdate:
		return nil
	case o.Shards > 1:
		return fmt.Errorf("Options.Batch times Accumulate is %d rows; with Options.Shards an update may have %d", rows, maxUpdate)
	}
	return fmt.Errorf("Options.Batch times Accumulate is %d rows; with a loss that is divided by a sum of data over the rows, as a weighted one, an update may have %d", rows, maxUpdate)
}

// stored reports whether an update needs the whole gradient in memory.
func (o *Options) stored() bool { return o.ClipNorm > 0 || o.GradNorm || o.pieces() > 1 }

// pieces returns the most runs of an update.
func (o *Options) pieces() int { return max(o.Accumulate, o.Shards) }

// whole reports whether an update's rows are read as one batch: with several shards,
// since an epoch's last update is cut elsewhere than the others, and with totals, which
// are made of all rows before any part is run.
func (o *Options) whole() bool { return o.Shards > 1 || o.totals }

// batches returns how many batches are read for an update.
func (o *Options) batches() int {
	if o.whole() {
		return 1
	}
	return o.Accumulate
}

// batchRows returns the rows of a batch that is read.
func (o *Options) batchRows() int { return o.Batch * o.Accumulate / o.batches() }

// runRows returns the most rows of a run: those of a piece, or of all pieces of the rank
// where these meet.
func (o *Options) runRows() int {
	if o.Shards > 1 && o.meets {
		return (o.batchRows()-1)/o.ranks() + 1
	}
	return o.evalRows()
}

// evalRows returns the rows of a run that evaluates, which do not depend on the ranks.
func (o *Options) evalRows() int {
	if o.whole() {
		n := (o.batchRows()-1)/o.pieces() + 1
		if o.Precision.Narrow() { // see piece
			n = min(n+simd.BF16Block, (o.batchRows()-1)/o.Shards+1)
		}
		return n
	}
	return o.Batch
}

// joining returns the first node of g that makes something of all rows of an update
// together, nil if there is none.
func joining(g *ir.Graph) *ir.Node {
	for _, n := range g.Nodes {
		if ir.Joins(n.Op) {
			return n
		}
	}
	return nil
}

// shards runs the shards of an update that are this rank's and joins all.
func (t *Trainer) shards(ctx context.Context) error {
	b, err := t.next(ctx)
	if err != nil {
		return err
	}
	if t.totals != nil {
		if err := t.totals.over(b); err != nil {
			return err
		}
	}
	u, pieces, meets := &t.update, t.opt.pieces(), t.engine.Joins()
	each := pieces / t.opt.Shards
	first, n := t.share()
	if t.opt.ranks() > 1 {
		for _, x := range t.engine.Held() {
			clear(x)
		}
	}
	if meets {
		if err := t.begin(ctx, b); err != nil {
			return err
		}
	}
	for i := range n {
		clear(t.sums.now)
		u.Accumulate = false
		for p := (first + i) * each; p < (first+i+1)*each; p++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			lo, hi := t.opt.piece(p, b.Rows)
			if lo == hi {
				continue
			}
			if meets {
				if err := t.engine.RunShard(lo-u.FirstRow, hi-u.FirstRow); err != nil {
					return t.explain(err, "loss")
				}
				t.add(hi - lo)
				continue
			}
			u.FirstRow = lo
			if err := t.run(b.Part(lo, hi)); err != nil {
				return err
			}
		}
		if !u.Accumulate {
			t.engine.ClearGradients()
		}
		if err := t.engine.JoinShard(i, n); err != nil {
			return err
		}
		t.sums.join(i, n)
	}
	return t.exchange(ctx)
}

// begin runs what all rows of an update are needed for, with those of this rank, of which
// there may be none. The shards follow.
func (t *Trainer) begin(ctx context.Context, b dataset.Batch) error {
	u := &t.update
	first, n := t.share()
	lo, hi := cut(first, t.opt.Shards, b.Rows), cut(first+n, t.opt.Shards, b.Rows)
	u.FirstRow, u.Shard, u.OwnShards = lo, first, n
	t.others.ctx = ctx
	in := t.feed.in // without rows the totals alone are read
	at := t.feed.lengths(b).WithRows(hi - lo)
	if hi > lo {
		var err error
		if in, err = t.feed.take(b.Part(lo, hi)); err != nil {
			return err
		}
	}
	if err := t.engine.RunAt(in, at, u); err != nil {
		return t.explain(err, "loss")
	}
	return nil
}

// others are the ranks that a run meets.
type others struct {
	Cluster
	ctx context.Context
}

// Swap exchanges with a rank.
func (o *others) Swap(peer int, send, receive []byte) error {
	if err := o.Exchange(o.ctx, peer, send, receive); err != nil {
		return fmt.Errorf("rank %d of %d: %w", o.Rank(), o.Size(), err)
	}
	return nil
}

// enough refuses updates of fewer rows than a layer has statistics of.
func (t *Trainer) enough() error {
	if !t.opt.meets {
		return nil
	}
	rows, most := t.batches.Len(), t.opt.batchRows()
	for _, n := range t.prog.Graph.Nodes {
		j, ok := n.Op.(ir.Joiner)
		if !ok {
			continue
		}
		least := j.JoinsRows(ir.TypesOf(n.In))
		for _, u := range []int{min(rows, most), rows % most} {
			if u == 0 || u >= least {
				continue
			}
			return fmt.Errorf("train: %w", &ir.Error{Layer: n.Layer, Made: n.Pos.Made, From: n.Pos.From, Op: n.Op.Name(),
				Rule: fmt.Sprintf("its statistics want %d rows or more, and of %d rows in batches of %d one has %d", least, rows, most, u),
				Hint: "choose another Options.Batch, or other rows"})
		}
	}
	return nil
}

// cut returns the row at which piece p of so many begins.
func cut(p, pieces, rows int) int { return int(int64(p) * int64(rows) / int64(pieces)) }

// piece returns the rows [lo,hi) of piece p of an update. In BF16 the pieces of a shard are cut at multiples of the
// blocks in which its rows are added, so that its sums are those of one piece; some may then have no rows.
func (o *Options) piece(p, rows int) (lo, hi int) {
	pieces := o.pieces()
	lo, hi = cut(p, pieces, rows), cut(p+1, pieces, rows)
	if !o.Precision.Narrow() || pieces == o.Shards {
		return lo, hi
	}
	each := pieces / o.Shards
	first, last := cut(p/each, o.Shards, rows), cut(p/each+1, o.Shards, rows)
	whole := func(p, at int) int {
		if p%each == 0 {
			return at
		}
		return min(first+(at-first+simd.BF16Block-1)/simd.BF16Block*simd.BF16Block, last)
	}
	return whole(p, lo), whole(p+1, hi)
}

// tree joins numbers as the engine joins gradients.
type tree struct {
	now  []float64 // of the shard under way; when all are joined, of the update
	kept [][]float64
}

func newTree(n, shards int) tree {
	x := tree{now: make([]float64, n)}
	for ; shards > 1; shards /= 2 {
		x.kept = append(x.kept, make([]float64, n))
	}
	return x
}

// join takes the numbers of shard i of n.
func (x *tree) join(i, n int) {
	l := 0
	for ; i>>l&1 == 1; l++ {
		x.add(x.kept[l])
	}
	if i+1 < n {
		copy(x.kept[l], x.now)
	}
}

// add adds those of a neighbour.
func (x *tree) add(other []float64) {
	for j, v := range other {
		x.now[j] = v + x.now[j]
	}
}

// divisible returns why what a state becomes in an update cannot be had from several
// parts of it, nil if it can: it does not depend on the rows, or not on those of a part
// alone, or each part makes some of its elements. A rank may have no rows, and then has no
// run in which state of its moment could be made, unless parts meet. advice is the option at fault if that
// is another one than that of the parts.
func divisible(g *ir.Graph, ranks int, meets bool) (advice string, err error) {
	of, _ := ir.Parts(g)
	for _, s := range g.State {
		if s.Out == s.In || s.When == ir.AfterUpdate {
			continue
		}
		switch p := of[s.Out]; {
		case p <= ir.OfParams:
			if meets {
				continue // also a rank without rows has a run
			}
		case p == ir.OfSums && ir.ByParts(s.Out.Def.Op):
			continue
		default:
			return "", fmt.Errorf("the state %q depends on all rows of an update at once", s.In.Name)
		}
		if ranks > 1 {
			return "Cluster", fmt.Errorf("the state %q is made where the rows are, and Options.Cluster has %d ranks with some of them each", s.In.Name, ranks)
		}
	}
	return "", nil
}
