package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// pooled is a model whose weights all read what a pool makes of images, and rows for it.
func pooled() (*spec.Model, *dataset.Table) {
	y := spec.Input("x", 4, 8, 8).Then(spec.MaxPool(2), spec.Flatten(), spec.Dense(9), spec.Tanh(), spec.Dense(3))
	i := 0
	rows := dataset.From(make([]struct{}, 160), func(_ struct{}, row dataset.Row) {
		i++
		for _, name := range []string{"x", "y"} {
			for k, x := 0, row.F32Slice(name); k < len(x); k++ {
				x[k] = float32(math.Sin(float64(i*i*7+k*k*i) * 0.37))
			}
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4, 8, 8}}, dataset.Column{Name: "y", DType: dataset.F32, Shape: []int{3}})
	return spec.NewModel("pooled", spec.MSE(y, spec.Input("y", 3))), rows
}

// TestFeaturesInParts trains a model whose Flatten is a view by weights in the order of the
// plan: also where the rows of a part alone would not be worth it, so that weights have the
// bits of updates in one go, as they have when the training was interrupted.
func TestFeaturesInParts(t *testing.T) {
	fit := func(change func(*Options)) *Result {
		t.Helper()
		m, rows := pooled()
		o := options()
		o.Batch = 40
		change(&o)
		r, err := Fit(context.Background(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.prog.Train.Steps, func(s plan.Step) bool { _, ok := s.Op.(ops.Interleave); return ok }) {
			t.Fatal("no weights are in the order of the plan")
		}
		return r
	}
	weights := func(r *Result) string { return fmt.Sprintf("%x", r.params) }
	whole := fit(func(*Options) {})
	for _, parts := range []int{2, 4} {
		r := fit(func(o *Options) { o.Batch, o.Accumulate = 40/parts, parts })
		if weights(r) != weights(whole) {
			t.Errorf("%d parts give other bits", parts)
		}
	}
	if r := fit(func(o *Options) { o.ClipNorm = 1e6 }); weights(r) != weights(whole) {
		t.Error("stored gradients give other bits")
	}
	shards := fit(func(o *Options) { o.Shards = 4 })
	for _, parts := range []int{2, 4} {
		if r := fit(func(o *Options) { o.Batch, o.Accumulate, o.Shards = 40/parts, parts, 4 }); weights(r) != weights(shards) {
			t.Errorf("%d parts of four shards give other bits", parts)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m, rows := pooled()
	o := options()
	o.Batch, o.Dir, o.Workers = 40, dir, 1
	left := 6 // updates, two into the second epoch
	o.AfterUpdate = func(Update) {
		if left--; left == 0 {
			cancel()
		}
	}
	if _, err := Fit(ctx, m, rows, o); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("%v", err)
	}
	if r := fit(func(o *Options) { o.Dir, o.Workers = dir, 3 }); bits(r) != bits(whole) {
		t.Error("a training that was interrupted has other bits")
	}
}
