package dataset

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// leastPiece is the fewest rows that are worth a goroutine of their own.
const leastPiece = 16

// pieceRows returns the rows of the pieces of a batch, but for the last of them.
func pieceRows(rows, readers int) int { return max((rows-1)/readers+1, min(leastPiece, rows)) }

// run reads ahead from one position: one goroutine arranges, others read pieces of the batches, as many as there are
// processors of a [BatchSource] and else one.
type run struct {
	free   chan *buffer
	ready  chan *buffer // in the order of the epoch, not all of them full
	work   chan piece
	cancel context.CancelFunc
	epoch  int
	idle   chan struct{} // closed when nobody reads any more
	failed atomic.Int64  // the first batch that cannot be read
}

// piece is rows [lo,hi) of a batch, the n-th piece of it.
type piece struct {
	buf       *buffer
	step      int
	n, lo, hi int
}

// start reads ahead from the position.
func (b *Batches) start(ctx context.Context) {
	b.arrange()
	ctx, cancel := context.WithCancel(ctx)
	r := &run{free: make(chan *buffer, buffered), ready: make(chan *buffer, buffered), work: make(chan piece), epoch: b.pos.Epoch, cancel: cancel, idle: make(chan struct{})}
	r.failed.Store(math.MaxInt64)
	for _, buf := range b.bufs {
		select {
		case <-buf.full: // of a run that was stopped
		default:
		}
		r.free <- buf
	}
	b.run = r
	var all sync.WaitGroup
	for _, f := range b.fillers {
		all.Go(func() { r.fill(ctx, f) })
	}
	go func() {
		defer close(r.idle)
		b.deal(ctx, r, b.pos.Step)
		all.Wait()
	}()
}

// deal hands out the batches from a step on, piece by piece.
func (b *Batches) deal(ctx context.Context, r *run, step int) {
	defer close(r.work)
	for ; step < b.Steps() && int64(step) < r.failed.Load(); step++ {
		var buf *buffer
		select {
		case buf = <-r.free:
		case <-ctx.Done():
			return
		}
		lo := step * b.size
		buf.rows = copy(buf.index, b.order[lo:min(lo+b.size, b.n)])
		if b.ordered != nil {
			copy(buf.turns, b.turns[lo:min(lo+b.size, b.n)])
		}
		rows := pieceRows(buf.rows, len(b.fillers))
		pieces := (buf.rows-1)/rows + 1
		buf.left.Store(int32(pieces))
		clear(buf.errs)
		r.ready <- buf
		for n := range pieces {
			select {
			case r.work <- piece{buf, step, n, n * rows, min((n+1)*rows, buf.rows)}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// fill reads the pieces that it gets. After the end of ctx, and behind a batch that cannot be read, nobody waits for
// them.
func (r *run) fill(ctx context.Context, f *filler) {
	for p := range r.work {
		if ctx.Err() != nil || int64(p.step) > r.failed.Load() {
			continue
		}
		err := f.fill(ctx, p.buf.index[p.lo:p.hi], p.buf.cols, p.lo)
		if err == nil && f.aug != nil {
			err = f.aug.change(ctx, turns{r.epoch, p.buf.turns, p.lo}, p.buf.index[p.lo:p.hi], p.buf.cols, p.lo)
		}
		if ctx.Err() != nil {
			continue
		}
		if p.buf.errs[p.n] = err; err != nil {
			for was := r.failed.Load(); int64(p.step) < was && !r.failed.CompareAndSwap(was, int64(p.step)); was = r.failed.Load() {
			}
		}
		if p.buf.left.Add(-1) == 0 {
			p.buf.full <- p.buf
		}
	}
}

// next waits for a batch; it is nil if the run ended without one.
func (r *run) next(ctx context.Context) (*buffer, error) {
	buf, err := await(ctx, r, r.ready)
	if buf != nil {
		buf, err = await(ctx, r, buf.full)
	}
	return buf, err
}

// await receives a buffer; it is nil if the run ends without one.
func await(ctx context.Context, r *run, from chan *buffer) (*buffer, error) {
	select {
	case buf := <-from:
		return buf, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.idle:
	}
	select {
	case buf := <-from:
		return buf, nil
	default:
		return nil, nil
	}
}
