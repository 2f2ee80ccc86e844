package engine

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// What is of all rows of an update together (ir.Joiner) is made for each shard of the run
// by itself, joined by the balanced tree of gradients and, among ranks, exchanged at the
// barrier that follows: see README.md.

// Ranks exchange what a run needs of the others' rows.
type Ranks interface {
	Rank() int
	Size() int // a power of two
	// Swap sends to the rank peer and receives the same amount from it.
	Swap(peer int, send, receive []byte) error
}

// joint is a step whose results are of all rows of an update.
type joint struct {
	merge ir.Merger
	types []ir.Type
	kept  [][][]float64 // sums that wait for their neighbours, by level and result
	room  [][]float64   // for those of another rank
	mine  [][]float64   // the results
	out   []*view
	parts []jointParts // of each worker
}

// jointParts are channels of the results, and of sums that wait.
type jointParts struct{ now, other [][]float64 }

// show makes to channels [lo,hi) of from.
func show(to, from [][]float64, lo, hi int) [][]float64 {
	for i := range from {
		to[i] = from[i][lo:hi]
	}
	return to
}

// cutAt returns the row of an update of so many at which shard s of S begins.
func cutAt(s, shards, rows int) int { return int(int64(s) * int64(rows) / int64(shards)) }

// shardsOf returns how many shards the sums of a plan have.
func (e *Engine) shardsOf() int { return max(e.p.Shards, 1) }

// own returns the shards whose rows the run has.
func (e *Engine) own() (first, n int) {
	if e.u.OwnShards == 0 {
		return 0, e.shardsOf()
	}
	return e.u.Shard, e.u.OwnShards
}

// joined is the kernel of a Joiner whose results part makes, channels [lo,hi), of rows
// [from,to) of the run.
func (b *binding) joined(part func(c *ctx, from, to, lo, hi int, dst [][]float64)) kernel {
	e, n := b.e, b.outT[0].Shape[0].Length()
	j := &joint{types: b.inT, out: b.out}
	j.merge, _ = b.s.Op.(ir.Merger)
	for range max(e.workers, 1) {
		j.parts = append(j.parts, jointParts{make([][]float64, len(b.out)), make([][]float64, len(b.out))})
	}
	if b.p.Shards > 1 {
		arrays := func() [][]float64 {
			var l [][]float64
			for range b.out {
				l = append(l, make([]float64, n))
			}
			return l
		}
		j.room = arrays()
		for _, v := range j.out {
			j.mine = append(j.mine, v.f64[:n])
		}
		for range bits.Len(uint(b.p.Shards)) {
			j.kept = append(j.kept, arrays())
		}
		if e.joints == nil {
			e.joints = map[int]*joint{}
		}
		e.joints[b.id] = j
	}
	return func(c *ctx, lo, hi int) {
		dst, other := j.parts[c.id].now, j.parts[c.id].other
		for i, v := range j.out {
			dst[i] = v.f64[lo:hi]
		}
		if j.kept == nil {
			part(c, 0, e.sizes.at.Rows(), lo, hi, dst)
			return
		}
		first, n := e.own()
		begin := cutAt(first, e.shardsOf(), e.u.UpdateRows)
		at := func(i int) int { return cutAt(first+i, e.shardsOf(), e.u.UpdateRows) - begin }
		for i := range n {
			part(c, at(i), at(i+1), lo, hi, dst)
			l := 0
			for ; i>>l&1 == 1; l++ {
				// kept[l] is of the 2^l shards in front
				x, mid := show(other, j.kept[l], lo, hi), at(i+1-1<<l)
				j.join(e, x, dst, mid-at(i+1-2<<l), at(i+1)-mid)
				for k := range dst {
					copy(dst[k], x[k])
				}
			}
			if i+1 < n {
				for k, x := range show(other, j.kept[l], lo, hi) {
					copy(x, dst[k])
				}
			}
		}
	}
}

// join makes x what it is with the rows behind, whose part is y.
func (j *joint) join(e *Engine, x, y [][]float64, nx, ny int) {
	switch {
	case ny == 0:
	case nx == 0:
		for i := range x {
			copy(x[i], y[i])
		}
	default:
		j.merge.Merge(x, y, nx, ny, j.types, e.sizes.at)
	}
}

// meet gives every rank what all have made, by the upper levels of the tree.
func (e *Engine) meet(ph *boundPhase) {
	if e.ranks == nil || e.err.Load() != nil || !e.train {
		return
	}
	first, n := e.own()
	for _, id := range ph.joins {
		j := e.joints[id]
		mine := j.mine
		for bit := 1; bit < e.ranks.Size(); bit <<= 1 {
			for i := range mine {
				if err := e.ranks.Swap(e.ranks.Rank()^bit, asBytes(mine[i]), asBytes(j.room[i])); err != nil {
					e.fail(err)
					return
				}
			}
			// the shards of this rank's group, and of the other's
			from := first &^ (n*bit - 1)
			rows := func(s int) int {
				return cutAt(s+n*bit, e.shardsOf(), e.u.UpdateRows) - cutAt(s, e.shardsOf(), e.u.UpdateRows)
			}
			if from&(n*bit) == 0 {
				j.join(e, mine, j.room, rows(from), rows(from+n*bit))
				continue
			}
			j.join(e, j.room, mine, rows(from-n*bit), rows(from))
			for i := range mine {
				copy(mine[i], j.room[i])
			}
		}
	}
}

func asBytes(x []float64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 8*len(x))
}

// Meet sets the ranks with which runs of this engine exchange data, or nil for none.
func (e *Engine) Meet(r Ranks) { e.ranks = r }

// findApart finds the phases that are run for one shard after the other, and the values with
// rows. Where shards do not meet a shard is a run.
func (e *Engine) findApart() error {
	e.apartAt = len(e.phases)
	if e.shardsOf() <= 1 {
		return nil
	}
	if e.p.Apart == 0 {
		return nil
	}
	e.apartAt = e.p.Apart
	for i := range e.p.Steps {
		if s := &e.p.Steps[i]; s.Op != nil && ir.Joins(s.Op) && e.joints[i] == nil {
			return fmt.Errorf("engine: step %d: %s of %v has no kernel that joins shards", i, s.Op.Name(), e.p.Buffers[s.In[0]].Type)
		}
	}
	for i := range e.p.Buffers {
		b := &e.p.Buffers[i]
		if axis, _ := ir.BatchAxis(b.Type.Shape); axis != 0 {
			continue
		}
		_, times := b.Type.Shape[0].Unit()
		each, _ := append(ir.Shape{times}, b.Type.Shape[1:]...).Elems()
		e.windows = append(e.windows, window{i, e.sizes.dim(each), b.Type.DType.Size()})
	}
	e.whole = make([]view, len(e.windows))
	return nil
}

// window is a buffer with rows, and the elements of a row.
type window struct {
	buffer int
	each   *int
	size   int // bytes of an element
}

// Joins reports whether the shards of an update meet in the middle of a run. If so, RunAt
// runs all rows of the rank's shards (possibly none), and RunShard follows for each shard
// that has rows.
func (e *Engine) Joins() bool { return e.apartAt < len(e.phases) }

// RunShard runs rows [lo,hi) of the current run to its end.
//
// Errors: a plan whose shards do not meet, or no such rows; *NonFinite.
func (e *Engine) RunShard(lo, hi int) error {
	at := e.sizes.at
	if !e.Joins() || lo < 0 || hi > at.Rows() || lo >= hi {
		return fmt.Errorf("engine: rows %d to %d of a run of %d of plan %q", lo, hi, at.Rows(), e.p.Name)
	}
	for i, w := range e.windows {
		v := &e.views[w.buffer]
		e.whole[i] = *v
		v.from(lo**w.each, w.size)
	}
	first := e.env.FirstRow
	e.sizes.set(at.WithRows(hi - lo))
	e.env.Binding, e.env.FirstRow = e.sizes.at, first+lo
	if e.train {
		clear(e.s.grads) // where chains start
	}
	err := e.phasesFrom(e.apartAt, len(e.phases), e.s.version.Load(), false)
	for i, w := range e.windows {
		e.views[w.buffer] = e.whole[i]
	}
	e.ran = err == nil
	e.env.FirstRow = first
	e.sizes.set(at)
	e.env.Binding = at
	return err
}

// from drops elements in front.
func (v *view) from(n, size int) {
	switch {
	case v.f32 != nil:
		v.f32 = v.f32[n:]
	case v.f64 != nil:
		v.f64 = v.f64[n:]
	case v.i64 != nil:
		v.i64 = v.i64[n:]
	case v.b != nil:
		v.b = v.b[n:]
	case v.raw != nil:
		v.raw = v.raw[n*size:]
	}
}
