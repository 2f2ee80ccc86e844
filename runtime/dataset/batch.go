package dataset

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/lamina-ml/lamina/compiler/random"
)

// buffered is how many batches have memory: one in use and the rest ahead.
const buffered = 3

// Batches cuts a source into batches, epoch after epoch. The order of an epoch is a pure function of the key and
// the epoch's number, so a training that resumes at a [Position] sees the same rows as if it had not stopped.
//
// Goroutines read ahead, up to three batches: as many as there are processors for a [BatchSource], else one. A [Table],
// whose rows lie in memory, needs no reading ahead: a column is gathered when it is asked for, or in parts by
// [Batch.Gather] where they are used. After the first batches of the first epoch a batch allocates nothing. Batches is
// for one goroutine. Close it when an epoch is left before its end.
type Batches struct {
	src     Source
	table   *Table // the source if it is one: rows are copied straight from memory, by whoever needs them
	n, size int
	key     random.Key
	shuffle bool

	ordered ordered // the source if it says itself what an epoch is, nil if that is all rows

	pos     Position
	order   []int
	turns   []int             // of the rows of order, if the source is ordered
	made    int               // epoch of order, -1 before the first
	bufs    [buffered]*buffer // one of a table
	fillers []*filler         // one for each goroutine that reads
	held    *buffer
	run     *run
}

// Position is a place in the data: the next batch is number Step of Epoch, both from 0.
type Position struct {
	Epoch int `json:"epoch"`
	Step  int `json:"step"`
}

// buffer is one batch's memory.
type buffer struct {
	rows  int
	index []int
	turns []int // of an ordered source
	cols  []column
	left  atomic.Int32 // pieces that are not read yet
	full  chan *buffer // gets the buffer when none is left
	errs  []error      // of each piece

	from []column // of a table, else nil: what the columns are gathered from
	at   []int    // the rows' places there
	have []bool   // which columns are gathered
}

// column returns the column of that name and type as values in a row, or nil.
func (b *buffer) column(name string, d DType) *column {
	if b == nil {
		return nil
	}
	for i := range b.cols {
		c := &b.cols[i]
		if c.Name != name || c.DType != d {
			continue
		}
		if b.from != nil && !b.have[i] {
			if c.values() == 0 {
				*c = makeColumn(c.Column, len(b.index))
			}
			gather(c, &b.from[i], b.at)
			b.have[i] = true
		}
		return c
	}
	return nil
}

// Batch is one batch. It is valid until the next method call on its Batches.
type Batch struct {
	Rows  int   // as many as asked for, or fewer in the last batch of an epoch
	Index []int // the rows' numbers in the source
	buf   *buffer
	first int // row of the buffer
}

// Part returns rows [lo,hi) of the batch, which are valid as long as it is.
func (b Batch) Part(lo, hi int) Batch {
	return Batch{Rows: hi - lo, Index: b.Index[lo:hi], buf: b.buf, first: b.first + lo}
}

// F32 returns the values of a float32 column, [Rows width], or nil if there is none with that name.
func (b Batch) F32(name string) []float32 {
	if c := b.buf.column(name, F32); c != nil {
		return c.f32[b.first*c.width:][:b.Rows*c.width]
	}
	return nil
}

// I64 returns the values of an int64 column, [Rows width], or nil if there is none with that name.
func (b Batch) I64(name string) []int64 {
	if c := b.buf.column(name, I64); c != nil {
		return c.i64[b.first*c.width:][:b.Rows*c.width]
	}
	return nil
}

// U8 returns the values of a uint8 column, [Rows width], or nil if there is none with that name.
func (b Batch) U8(name string) []uint8 {
	if c := b.buf.column(name, U8); c != nil {
		return c.u8[b.first*c.width:][:b.Rows*c.width]
	}
	return nil
}

// Gather copies rows [lo,hi) of a float32 column to dst, [hi-lo width]. Several goroutines may call it at once, but not
// while another calls F32 or I64. It does nothing if there is no such column.
func (b Batch) Gather(name string, lo, hi int, dst []float32) {
	if b.buf == nil {
		return
	}
	lo, hi = b.first+lo, b.first+hi
	for i := range b.buf.cols {
		c := &b.buf.cols[i]
		switch {
		case c.Name != name || c.DType != F32:
		case b.buf.from == nil:
			copy(dst, c.f32[lo*c.width:hi*c.width])
		default:
			gather(&column{Column: c.Column, width: c.width, f32: dst}, &b.buf.from[i], b.buf.at[lo:hi])
		}
	}
}

// NewBatches returns the batches of a source, positioned at the first of epoch 0. The rows are shuffled by key in each epoch,
// those of a [Mixture] as [Mix] says, or come in order. Errors: the source is empty or has bad columns; the batch is not
// positive, or not one of the mixture.
func NewBatches(src Source, batch int, key random.Key, shuffle bool) (*Batches, error) {
	cols, err := checkSource(src)
	if err != nil {
		return nil, err
	}
	if batch <= 0 {
		return nil, fmt.Errorf("dataset: the batch must be a positive number of rows, got %d", batch)
	}
	b := &Batches{src: src, n: src.Len(), size: batch, key: key, shuffle: shuffle, made: -1}
	b.table, _ = src.(*Table)
	if o := orderOf(src); o != nil && shuffle {
		if batch%o.batchRows() != 0 {
			return nil, fmt.Errorf("dataset: the batch must be a multiple of the %d rows that are mixed (%s), got %d", o.batchRows(), o.drawn(), batch)
		}
		b.ordered, b.n = o, o.epochRows()
	}
	rows := min(batch, b.n)
	if err := checkMemory(cols, rows, buffered); err != nil {
		return nil, err
	}
	if b.n > maxBytes/8 {
		return nil, fmt.Errorf("dataset: %d rows are too many to be ordered in memory; the limit is %d", b.n, maxBytes/8)
	}
	if b.table != nil {
		buf := &buffer{index: make([]int, rows), from: b.table.cols, have: make([]bool, len(cols)), cols: make([]column, len(cols))}
		for i, c := range cols {
			buf.cols[i] = column{Column: c, width: c.Width()}
		}
		buf.at = buf.index
		if b.table.rows != nil {
			buf.at = make([]int, rows)
		}
		b.bufs[0] = buf
		return b, nil
	}
	b.read(src, cols)
	return b, nil
}

// read makes what reads a source ahead.
func (b *Batches) read(src Source, cols []Column) {
	rows, readers := min(b.size, b.n), 1
	if _, ok := src.(BatchSource); ok {
		readers = max(runtime.GOMAXPROCS(0), 1)
	}
	for i := range b.bufs {
		b.bufs[i] = &buffer{index: make([]int, rows), cols: makeColumns(cols, rows), full: make(chan *buffer, 1), errs: make([]error, readers)}
		if b.ordered != nil {
			b.bufs[i].turns = make([]int, rows)
		}
	}
	for range readers {
		b.fillers = append(b.fillers, newFiller(src, b.bufs[0].cols, rows))
	}
}

// InMemory reports whether the rows lie in memory, where Gather reads them.
func (b *Batches) InMemory() bool { return b.table != nil }

// Steps is the number of batches in an epoch.
func (b *Batches) Steps() int { return (b.n-1)/b.size + 1 }

// Size is the number of rows in a batch, except for the last one of an epoch.
func (b *Batches) Size() int { return b.size }

// Len is the number of rows of an epoch: those of the source, or as many as a [Mixture] says.
func (b *Batches) Len() int { return b.n }

// Position is the place of the next batch; after the end of an epoch its Step is Steps.
func (b *Batches) Position() Position { return b.pos }

// Epoch goes to the start of an epoch. Errors: the epoch is negative.
func (b *Batches) Epoch(epoch int) error { return b.Seek(epoch, 0) }

// Seek goes to a batch of an epoch. Errors: the epoch or the step cannot be.
func (b *Batches) Seek(epoch, step int) error {
	if epoch < 0 || step < 0 || step > b.Steps() {
		return fmt.Errorf("dataset: no batch %d of epoch %d; an epoch has %d batches", step, epoch, b.Steps())
	}
	b.stop()
	b.pos = Position{epoch, step}
	return nil
}

// Close ends reading ahead. The Batches can be used again.
func (b *Batches) Close() { b.stop() }

// Next returns the next batch of the epoch, and false at the epoch's end.
// Errors: those of the context and the source; a row that does not match the columns. After an error Next tries again.
func (b *Batches) Next(ctx context.Context) (Batch, bool, error) {
	if err := ctx.Err(); err != nil {
		b.stop()
		return Batch{}, false, err
	}
	if b.pos.Step >= b.Steps() {
		b.stop()
		return Batch{}, false, nil
	}
	if b.table != nil {
		return b.show(), true, nil
	}
	if b.held != nil {
		b.run.free <- b.held
		b.held = nil
	}
	for {
		if b.run == nil {
			b.start(ctx)
		}
		buf, err := b.run.next(ctx)
		if err != nil {
			b.stop()
			return Batch{}, false, err
		}
		if buf == nil { // cancelled by the context of an earlier call
			b.stop()
			continue
		}
		for _, err := range buf.errs {
			if err != nil {
				b.stop()
				return Batch{}, false, err
			}
		}
		b.held = buf
		b.pos.Step++
		return Batch{Rows: buf.rows, Index: buf.index[:buf.rows], buf: buf}, true, nil
	}
}

// show makes the next rows of a table the batch, without copying them.
func (b *Batches) show() Batch {
	b.arrange()
	buf, lo := b.bufs[0], b.pos.Step*b.size
	buf.rows = copy(buf.index, b.order[lo:min(lo+b.size, b.n)])
	buf.at = buf.at[:buf.rows]
	if b.table.rows != nil {
		for i, r := range buf.index[:buf.rows] {
			buf.at[i] = b.table.rows[r]
		}
	}
	clear(buf.have)
	b.pos.Step++
	return Batch{Rows: buf.rows, Index: buf.index[:buf.rows], buf: buf}
}

// arrange makes order that of the position's epoch.
func (b *Batches) arrange() {
	if b.order == nil {
		b.order = make([]int, b.n)
	}
	if b.made == b.pos.Epoch {
		return
	}
	switch {
	case b.ordered != nil:
		if b.turns == nil {
			b.turns = make([]int, b.n)
		}
		b.ordered.arrange(b.key, b.pos.Epoch, b.order, b.turns)
	case b.shuffle:
		b.key.Derive(uint64(b.pos.Epoch)).PermInto(b.order)
	case b.made < 0:
		for i := range b.order {
			b.order[i] = i
		}
	}
	b.made = b.pos.Epoch
}

// stop ends reading ahead and waits for it, since it shares the buffers and the order.
func (b *Batches) stop() {
	if b.run == nil {
		return
	}
	b.run.cancel()
	<-b.run.idle
	b.run, b.held = nil, nil
}

// Each calls f for all rows in order, with the given number of rows at a time and fewer
// at the end. The batch is valid until f returns.
//
// Errors: those of NewBatches, of the source, of f and of the context.
func Each(ctx context.Context, src Source, rows int, f func(Batch) error) error {
	batches, err := NewBatches(src, rows, random.Key{}, false)
	if err != nil {
		return err
	}
	if err := batches.Epoch(0); err != nil {
		return err
	}
	defer batches.Close()
	for {
		b, ok, err := batches.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
}
