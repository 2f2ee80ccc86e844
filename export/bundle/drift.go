package bundle

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// reference is drift.json: how the columns and outputs were distributed over the given rows.
type reference struct {
	Format int `json:"format"`
	*evaluate.Reference
}

// newReference looks at the given rows, nil if they are too few to compare others with, or rows depend on each other.
func newReference(ctx context.Context, net *engine.Net, rows dataset.Source) (*evaluate.Reference, error) {
	if rows.Len() < evaluate.LeastRows || !ir.RowsApart(net.Graph()) || !net.Fits(rows) {
		return nil, nil
	}
	r, err := evaluate.NewReference(ctx, net, rows)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", driftFile, err)
	}
	if len(r.Places) == 0 {
		return nil, nil
	}
	return r, nil
}

// reference reads drift.json, nil if the bundle has none.
func (r *reader) reference(net *engine.Net) (*evaluate.Reference, error) {
	if r.ver.Files[driftFile] == "" {
		return nil, nil
	}
	b, err := r.same(driftFile, maxDrift)
	if err != nil {
		return nil, err
	}
	ref := reference{Reference: &evaluate.Reference{}}
	if err := decode(b, &ref); err != nil {
		return nil, unreadable("%s: %w", driftFile, err)
	}
	if ref.Format != Format {
		return nil, unreadable("%s: format %d is not %d, the one this version reads", driftFile, ref.Format, Format)
	}
	if err := ref.Fits(net); err != nil {
		return nil, unreadable("%s: %w", driftFile, err)
	}
	return ref.Reference, nil
}
