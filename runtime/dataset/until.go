package dataset

import "context"

// Until makes reading the source cancellable: once ctx has ended, reading rows returns the error of ctx. So do [Hash]
// and [Ranges] of the result, even if the source is a Table.
func Until(ctx context.Context, src Source) Source {
	if src == nil {
		return nil
	}
	u := until{src, ctx}
	if b, ok := src.(BatchSource); ok {
		return untilBatch{u, b}
	}
	return u
}

type until struct {
	Source
	ctx context.Context
}

func (u until) Row(i int, row Row) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	return u.Source.Row(i, row)
}

// Err is the source's own mistake, if it tells any.
func (u until) Err() error {
	if e, ok := u.Source.(interface{ Err() error }); ok {
		return e.Err()
	}
	return nil
}

// Schema is the source's own, if it has one.
func (u until) Schema() *Schema { return SchemaOf(u.Source) }

// untilBatch is the end of a BatchSource.
type untilBatch struct {
	until
	batch BatchSource
}

func (u untilBatch) Rows(index []int, dst Rows) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	return u.batch.Rows(index, dst)
}
