package dataset

import (
	"context"
	"fmt"
)

// BatchSource is a Source that serves many rows at once, to several goroutines. Readers use it wherever a source has it,
// and read ahead on all processors. A row depends on its number alone, so no result depends on how many there are. A type that embeds a BatchSource and changes Row must change Rows as well.
type BatchSource interface {
	Source
	// Rows writes every column of rows index[0], index[1], … to places 0, 1, … of dst; the same row may be asked for
	// twice. It is called by several goroutines at once. index and dst are valid during the call. A cancelled
	// reader waits for the calls in progress.
	Rows(index []int, dst Rows) error
}

// Rows receives the values of several rows: whole columns through F32, I64 and U8, or row by row through Row. A mistake is
// kept and reported to whoever asked for the rows, so a BatchSource needs no checks of its own.
type Rows struct{ b *block }

// block is the place that several rows go to.
type block struct {
	index []int
	cols  []column // whose memory is that of these rows alone
	state []struct {
		whole   bool // given by F32, I64 or U8
		rows    int  // written by Row
		lacking int  // the first place that a row was left without, -1 for none
	}
	one  *writer
	open int // the place that one writes, -1 for none
	seen []bool
	err  error
}

func newBlock(cols []column, rows int) *block {
	b := &block{cols: make([]column, len(cols)), one: newWriter(cols), seen: make([]bool, rows)}
	b.state = make([]struct {
		whole         bool
		rows, lacking int
	}, len(cols))
	return b
}

// begin points the block at the rows index, which go to place lo of the columns and on.
func (b *block) begin(index []int, cols []column, lo int) {
	b.index, b.err, b.open = index, nil, -1
	hi := lo + len(index)
	for j, c := range cols {
		b.cols[j] = c.part(lo, hi)
		b.state[j].whole, b.state[j].rows, b.state[j].lacking = false, 0, -1
	}
	clear(b.seen[:len(index)])
}

// Len is the number of rows.
func (r Rows) Len() int {
	if r.b == nil {
		return 0
	}
	return len(r.b.index)
}

// F32 returns the memory for a column, [Len width]; the caller must set every value. It is nil after a mistake: no such
// column, or it is not f32.
func (r Rows) F32(name string) []float32 {
	if c := r.column(name, F32); c != nil {
		return c.f32
	}
	return nil
}

// I64 is F32 for a column of int64.
func (r Rows) I64(name string) []int64 {
	if c := r.column(name, I64); c != nil {
		return c.i64
	}
	return nil
}

// U8 is F32 for a column of uint8.
func (r Rows) U8(name string) []uint8 {
	if c := r.column(name, U8); c != nil {
		return c.u8
	}
	return nil
}

func (r Rows) column(name string, d DType) *column {
	b := r.b
	if b == nil || b.err != nil {
		return nil
	}
	for j := range b.cols {
		c := &b.cols[j]
		switch {
		case c.Name != name:
		case c.DType != d:
			b.err = fmt.Errorf("dataset: column %q is %s, got %s values", name, c.typ(), d)
			return nil
		default:
			b.state[j].whole = true
			return c
		}
	}
	b.err = fmt.Errorf("dataset: no column %q; the columns are %s", name, b.one.names())
	return nil
}

// Row returns the place of row index[k], for a source that makes rows one by one. It is valid until the next call of
// Row.
func (r Rows) Row(k int) Row {
	b := r.b
	if b == nil {
		return Row{}
	}
	b.close()
	switch {
	case b.err != nil:
	case k < 0 || k >= len(b.index):
		b.err = fmt.Errorf("dataset: there is no place %d for %d rows", k, len(b.index))
	case b.seen[k]:
		b.err = fmt.Errorf("dataset: row %d was written twice", b.index[k])
	}
	if b.err != nil {
		b.one.err = b.err
		return Row{b.one}
	}
	b.seen[k], b.open = true, k
	b.one.begin(b.index[k], k, b.cols)
	return Row{b.one}
}

// Err returns the first mistake made with these rows.
func (r Rows) Err() error {
	if r.b == nil {
		return nil
	}
	if r.b.err == nil && r.b.open >= 0 {
		return r.b.one.err
	}
	return r.b.err
}

// close takes the row that was written by itself, if there is one.
func (b *block) close() {
	if b.open < 0 {
		return
	}
	if b.one.err != nil && b.err == nil {
		b.err = b.one.err
	}
	for j := range b.state {
		if s := &b.state[j]; b.one.cols[j].done {
			s.rows++
		} else if s.lacking < 0 {
			s.lacking = b.open
		}
	}
	b.open = -1
}

// end checks the rows that were written.
func (b *block) end() error {
	if b.close(); b.err != nil {
		return b.err
	}
	for j := range b.cols {
		c, s := &b.cols[j], &b.state[j]
		if !s.whole && s.rows < len(b.index) {
			k := s.lacking
			for i := 0; k < 0; i++ {
				if !b.seen[i] {
					k = i
				}
			}
			return fmt.Errorf("dataset: row %d: column %q was not written", b.index[k], c.Name)
		}
		if err := c.check(func(k int) int { return b.index[k] }); err != nil {
			return err
		}
	}
	return nil
}

// filler asks a source for rows. It is for one goroutine.
type filler struct {
	src   Source
	batch BatchSource // the source if it is one
	block *block
	row   *writer
	aug   *augmenter // of what was read, nil for none
}

func newFiller(src Source, cols []column, rows int) *filler {
	f := &filler{src: src}
	if f.batch, _ = src.(BatchSource); f.batch != nil {
		f.block = newBlock(cols, rows)
	} else {
		f.row = newWriter(cols)
	}
	return f
}

// fill writes the rows index to place lo of the columns and on. What the source panics with becomes an error: it is
// not ours.
func (f *filler) fill(ctx context.Context, index []int, cols []column, lo int) (err error) {
	if f.batch == nil {
		for k, i := range index {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := read(f.src, i, lo+k, f.row, cols); err != nil {
				return err
			}
		}
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("dataset: reading rows: the source panicked: %v", p)
		}
	}()
	f.block.begin(index, cols, lo)
	if err := f.batch.Rows(index, Rows{f.block}); err != nil && f.block.err == nil {
		return fmt.Errorf("dataset: reading rows: %w", err)
	}
	return placed(f.src, f.block.end())
}
