package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// GradientNorm is how large the gradients of a parameter are.
type GradientNorm struct {
	Name  string  // of the parameter
	Layer string  // that owns it
	Decay bool    // whether it is a matrix or more, to which weight decay applies, and no bias
	L1    float64 // Σ|g| over the elements of its gradient, summed over updates
}

// GradientNorms returns the L1 norms of the gradients of the first updates that a training with these options would
// make if its parameters and its state stayed as they are at its start: with the same rows in the same batches, and the
// same noise. updates is how many; 0 means one epoch. Parameters are in the order of the model, without those that
// Options.Freeze names. A parameter that several layers use counts once, with the sum of its gradients. Gradients are those
// of the loss, before clipping and weight decay. Norms are added up in float64 and in a fixed order, so the bits do not
// depend on Workers.
//
// Nothing is written: Dir has no part in it, and neither have Cluster, Valid, Metrics, Average and what reports.
//
// Errors: those of [New]; updates is negative; those of the rows and the context; [ErrNotFinite], wrapped.
func GradientNorms(ctx context.Context, m *spec.Model, rows dataset.Source, o Options, updates int) ([]GradientNorm, error) {
	if updates < 0 {
		return nil, fmt.Errorf("train: GradientNorms: the number of updates must be positive, or 0 for one epoch, got %d", updates)
	}
	o.Dir, o.Logs, o.Cluster, o.Needs, o.Progress, o.AfterUpdate, o.CheckpointEvery, o.Show = "", nil, nil, nil, nil, nil, 0, ""
	o.Valid, o.Patience, o.BestBy, o.Metrics = nil, 0, By{}, nil
	o.Average, o.AverageSchedule, o.ValidAverage = 0, nil, false
	o.Log = slog.New(slog.DiscardHandler) // the training says it all again
	o.ClipNorm = 1                        // so that gradients are stored
	t, err := New(ctx, m, rows, o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	norms, err := t.gradientNorms(ctx, updates)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, fmt.Errorf("train: %w while gradients were measured: %w", ErrInterrupted, err)
	}
	return norms, err
}

func (t *Trainer) gradientNorms(ctx context.Context, updates int) ([]GradientNorm, error) {
	var norms []GradientNorm
	for _, p := range t.prog.Params {
		if !t.frozen[p.Name] {
			norms = append(norms, GradientNorm{Name: p.Name, Layer: p.Layer, Decay: p.Decay})
		}
	}
	if updates == 0 {
		updates = t.updatesPerEpoch()
	}
	defer t.batches.Close()
	for range updates {
		runs, rows := t.upcoming()
		if runs == 0 {
			t.cursor.Epoch, t.cursor.Step = t.cursor.Epoch+1, 0
			runs, rows = t.upcoming()
		}
		if t.cursor.Step == 0 {
			if err := t.batches.Seek(t.cursor.Epoch, 0); err != nil {
				return nil, err
			}
		}
		if err := t.rates(); err != nil { // and the model's scheduled numbers
			return nil, err
		}
		if err := t.gradients(ctx, runs, rows); err != nil {
			return nil, err
		}
		t.cursor.Step += runs
		t.cursor.Update++
		for i := range norms {
			n := &norms[i]
			for _, g := range t.store.Grad(n.Name) {
				n.L1 += math.Abs(float64(g))
			}
			if !finite(n.L1) {
				return nil, notFinite("train: the gradient of %q is not finite in update %d, with the parameters that the training starts from%s", n.Name, t.cursor.Update,
					t.advice(t.prog.Train, t.feed, besideEdge))
			}
		}
	}
	return norms, nil
}
