package dataset

import "context"

// Until returns the source with an end: once ctx has ended, reading a row gives the
// error of ctx. A Table, which is read in no time, is returned as it is.
func Until(ctx context.Context, src Source) Source {
	if _, inMemory := src.(*Table); inMemory {
		return src
	}
	return until{src, ctx}
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
