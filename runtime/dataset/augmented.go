package dataset

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/random"
)

// tableRows reads a table as a BatchSource is read: where rows are changed after they have been gathered, and in what other
// sources are made of.
type tableRows struct{ *Table }

func (t *tableRows) Rows(index []int, dst Rows) error {
	if t.rows == nil {
		return t.write(index, dst)
	}
	return renumbered(index, t.at, func(rows []int) error { return t.write(rows, dst) })
}

// write writes rows of the memory.
func (t *tableRows) write(at []int, dst Rows) error {
	for i := range t.cols {
		c := &t.cols[i]
		to := column{Column: c.Column, width: c.width}
		switch c.DType {
		case F32:
			to.f32 = dst.F32(c.Name)
		case I64:
			to.i64 = dst.I64(c.Name)
		default:
			to.u8 = dst.U8(c.Name)
		}
		if err := dst.Err(); err != nil {
			return err
		}
		gather(&to, c, at)
	}
	return nil
}

// augmenter changes rows. It is for one goroutine.
type augmenter struct {
	*bound
	n     int // rows of the source
	key   random.Key
	moved move // the row at hand
	work  moving

	other   *filler // of partners of Mixup
	partner []int
	shares  []float32
	cols    []column

	more []*augmenter // of other columns
}

func newAugmenter(b *bound, key random.Key, src Source, cols []Column, rows int) *augmenter {
	a := &augmenter{bound: b, key: key, n: src.Len(), more: newAugmenters(b, key, src, cols, rows)}
	if b.mix != nil {
		a.cols, a.partner, a.shares = makeColumns(cols, rows), make([]int, rows), make([]float32, rows)
		a.other = newFiller(src, a.cols, rows)
	}
	return a
}

// change augments the rows index of some turns, which are at place lo of the columns and on.
func (a *augmenter) change(ctx context.Context, at turns, index []int, cols []column, lo int) error {
	if err := a.changeMore(ctx, at, index, cols, lo); err != nil {
		return err
	}
	if err := a.each(ctx, at, index, cols, lo); err != nil || a.mix == nil {
		return err
	}
	partner := a.partner[:len(index)]
	key := a.key.DeriveString(a.mix.kind())
	for k, row := range index {
		partner[k], a.shares[k] = a.mix.draw(key.Derive(at.of(k), uint64(row)), a.n)
	}
	if err := a.other.fill(ctx, partner, a.cols, 0); err != nil {
		return err
	}
	if err := a.each(ctx, at, partner, a.cols, 0); err != nil {
		return err
	}
	for k, share := range a.shares[:len(index)] {
		mix := func(i int) {
			to, from := cols[i].part(lo+k, lo+k+1), a.cols[i].part(k, k+1)
			blend(to.f32, from.f32, share)
			blendBytes(to.u8, from.u8, share)
		}
		for _, c := range a.of {
			mix(c.at)
		}
		for _, i := range a.mixed {
			mix(i)
		}
	}
	return nil
}

// each changes the pictures of each row by itself.
func (a *augmenter) each(ctx context.Context, at turns, index []int, cols []column, lo int) error {
	var kinds, keys [maxKinds]random.Key // of the changes, and in the turn of the row at hand
	for _, c := range a.of {
		key := a.key
		if !a.together {
			key = key.DeriveString(c.name)
		}
		n := 0
		for _, m := range a.movers {
			kinds[n] = key.DeriveString(m.kind())
			n++
		}
		for _, p := range a.painters {
			kinds[n] = key.DeriveString(p.kind())
			n++
		}
		for k, row := range index {
			if err := ctx.Err(); err != nil {
				return err
			}
			if k == 0 || at.of(k) != at.of(k-1) {
				for i, kind := range kinds[:n] {
					keys[i] = kind.Derive(at.of(k))
				}
			}
			part := cols[c.at].part(lo+k, lo+k+1)
			v := values{f32: part.f32, u8: part.u8}
			if len(a.movers) > 0 {
				a.moved = unmoved()
				for i, m := range a.movers {
					m.move(keys[i].Derive(uint64(row)), c.picture, &a.moved)
				}
				a.moved.apply(c.picture, v, &a.work)
			}
			for i, p := range a.painters {
				if err := p.paint(keys[len(a.movers)+i].Derive(uint64(row)), c.picture, v); err != nil {
					return fmt.Errorf("dataset: row %d: column %q: %w", row, c.name, err)
				}
			}
		}
	}
	return nil
}

// maxKinds bounds the kinds of changes.
const maxKinds = 16

// Augment makes the Batches change pictures at random, with draws from key. Rows are then read ahead by as many goroutines as
// there are processors, those of a [Table] too. What the batches are before does not change. Call it before the first batch.
//
// Errors: those of [Augmentation.Check]; the memory that the batches need; while reading, values that a change does not take.
func (b *Batches) Augment(a *Augmentation, key random.Key) error {
	src := b.src
	cols := src.Columns()
	bound, err := a.bind(cols)
	if err != nil {
		return err
	}
	sets := buffered
	if bound.mix != nil {
		sets += 2
	}
	rows := min(b.size, b.n)
	if err := checkMemory(cols, rows, sets); err != nil {
		return err
	}
	b.stop()
	if b.table != nil {
		src = &tableRows{Table: b.table}
		b.table = nil
		b.read(src, cols)
	}
	most := pieceRows(rows, len(b.fillers))
	for _, f := range b.fillers {
		f.aug = newAugmenter(bound, key, src, cols, most)
	}
	return nil
}
