package train

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// sharded are trainings of four shards, each with a last update of fewer rows in an
// epoch that is cut elsewhere: 75 rows in updates of 32, and of 3 rows with shards
// that have none.
var sharded = map[string]func() (*spec.Model, dataset.Source, Options){
	"dense": func() (*spec.Model, dataset.Source, Options) {
		x := spec.Input("x", 12)
		m := spec.NewModel("m", spec.MSE(x.Then(spec.Dense(9), spec.ReLU(), spec.Dense(12)), x))
		return m, rows(67), Options{Optimizer: optim.SGD(0.05).Momentum(0.9)}
	},
	"noisy, two losses, tied": func() (*spec.Model, dataset.Source, Options) {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.GaussianNoise(0.1), spec.Dense(8), spec.Tanh(), spec.Dropout(0.2), spec.Dense(3))
		code := x.Then(enc).Named("code")
		m := spec.NewModel("points", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x),
			spec.CrossEntropy(code.Then(spec.Dense(4).Named("head")), spec.Labels("y", 4)).Weight(0.3), spec.L1(code))
		return m, rows(75), Options{Optimizer: optim.Adam(3e-3), Valid: rows(50)}
	},
	"clipped": func() (*spec.Model, dataset.Source, Options) {
		return model(), rows(67), Options{Optimizer: optim.AdamW(1e-3, 0.1), ClipNorm: 0.05}
	},
	"scheduled, stopped early": func() (*spec.Model, dataset.Source, Options) {
		return model(), rows(75), Options{Optimizer: optim.RMSProp(3e-2).Schedule(optim.Plateau(1, 0.5)), Valid: rows(40), Patience: 2, MinDelta: 0.01, Epochs: 12}
	},
}

// TestShardsInParts: four shards give the same bits in 1, 2 and 4 parts, whatever the
// workers, and other ones than an update that is one sum.
func TestShardsInParts(t *testing.T) {
	for name, work := range sharded {
		t.Run(name, func(t *testing.T) {
			fit := func(parts, shards, workers int) string {
				m, src, o := work()
				o.Batch, o.Accumulate, o.Shards, o.Workers, o.Seed, o.Log = 32/parts, parts, shards, workers, 3, slog.New(slog.DiscardHandler)
				o.Epochs = max(o.Epochs, 3)
				r, err := Fit(context.Background(), m, src, o)
				if err != nil {
					t.Fatal(err)
				}
				return bits(r)
			}
			want := fit(1, 4, 1)
			for _, parts := range []int{1, 2, 4} {
				for _, workers := range []int{1, 2} {
					if got := fit(parts, 4, workers); got != want {
						t.Errorf("%d parts by %d workers: other bits than the whole\n%s\n%s", parts, workers, got, want)
					}
				}
			}
			if fit(1, 1, 1) == want {
				t.Error("four shards give the bits of one, so that nothing was tested")
			}
		})
	}
}

// TestShardsErrors names Shards where parts or the model do not go with them.
func TestShardsErrors(t *testing.T) {
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(o *Options) { o.Shards = 3 }, "Options.Shards must be a power of two, got 3"},
		{func(o *Options) { o.Shards = -1 }, "Options.Shards must be from 0 to 1024, got -1"},
		{func(o *Options) { o.Shards = 2048 }, "Options.Shards must be from 0 to 1024, got 2048"},
		{func(o *Options) { o.Shards, o.Accumulate = 4, 3 }, "Options.Accumulate is 3, but the parts of an update are cut where its shards are, and Options.Shards is 4"},
		{func(o *Options) { o.Shards, o.Accumulate = 4, 6 }, "Options.Shards is 4"},
		{func(o *Options) { o.Shards, o.Accumulate, o.Batch = 4, 1<<16, 1<<20 }, "Options.Batch times Accumulate is 68719476736 rows; with Options.Shards an update may have 1073741824"},
	} {
		o := options()
		c.change(&o)
		_, err := New(context.Background(), model(), rows(20), o)
		wantError(t, err, c.want)
	}
	x := spec.Input("x", 12)
	m := spec.NewModel("m", spec.MSE(x.Then(&own{spec.Here("own"), centre}, spec.Dense(12)), x))
	o := options()
	o.Shards = 2
	_, err := New(context.Background(), m, rows(20), o)
	wantError(t, err, "Options.Shards is 2, but the parts of an update would not add up to it: ")
}

// wide is an op of which a plan is to have four shards.
type wide struct{ halved }

func (wide) Shards([]ir.Type) int { return 4 }

// TestShardsOfAnOp: a model with an op that wants shards has them, in its plan and in
// what decides its result.
func TestShardsOfAnOp(t *testing.T) {
	layer := func(op ir.Op) spec.Layer {
		return &own{spec.Here("own"), func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(op, x) }}
	}
	fit := func(op ir.Op, shards int) (string, string) {
		x := spec.Input("x", 12)
		m := spec.NewModel("m", spec.MSE(x.Then(spec.Dense(8), layer(op), spec.Dense(12)), x))
		o := options()
		o.Shards = shards
		facts, err := o.Decides(m)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Fit(context.Background(), m, rows(75), o)
		if err != nil {
			t.Fatal(err)
		}
		return bits(r), facts.Value("Shards")
	}
	got, fact := fit(wide{}, 0)
	if want, _ := fit(halved{}, 4); got != want || fact != "4" {
		t.Errorf("other bits than those of four shards, or the fact %q", fact)
	}
	if _, fact := fit(wide{}, 8); fact != "8" {
		t.Errorf("with Shards 8 there are %s", fact)
	}
	if _, fact := fit(halved{}, 0); fact != "" {
		t.Errorf("without it there are %s", fact)
	}
}

// TestShardsGoOnOverParts: with more parts than shards the chain of a shard goes on
// from one part to the next, so parameters that are used once get the same sums.
func TestShardsGoOnOverParts(t *testing.T) {
	fit := func(parts int) string {
		m, src, o := sharded["dense"]()
		o.Batch, o.Accumulate, o.Shards, o.Epochs, o.Log = 32/parts, parts, 2, 2, slog.New(slog.DiscardHandler)
		r, err := Fit(context.Background(), m, src, o)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(r.params)
	}
	want := fit(1)
	for _, parts := range []int{4, 8, 32} {
		if fit(parts) != want {
			t.Errorf("%d parts: other bits than the whole", parts)
		}
	}
}

// TestShardsAddUp: four shards give what one sum gives, up to rounding, masks and noise
// included, also where an update has fewer rows than shards.
func TestShardsAddUp(t *testing.T) {
	for _, name := range []string{"dense", "noisy, two losses, tied"} {
		fit := func(shards int) *Result {
			m, src, o := sharded[name]()
			o.Batch, o.Shards, o.Epochs, o.Optimizer, o.Log = 32, shards, 3, optim.SGD(0.05).Momentum(0.9), slog.New(slog.DiscardHandler)
			r, err := Fit(context.Background(), m, src, o)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		a, b := fit(1), fit(4)
		for p, w := range a.params {
			for i := range w {
				if d := math.Abs(float64(w[i] - b.params[p][i])); d > 1e-5 {
					t.Fatalf("%s: %s[%d] is %v in one sum, %v in four shards", name, p, i, w[i], b.params[p][i])
				}
			}
		}
		for i, e := range a.History {
			if d := math.Abs(e.Train.Loss - b.History[i].Train.Loss); d > 1e-5 {
				t.Errorf("%s: epoch %d has the loss %v in one sum, %v in four shards", name, i+1, e.Train.Loss, b.History[i].Train.Loss)
			}
		}
	}
}

// TestShardsOfShortUpdates: the shards of an update go by its own rows, not by those of
// a full one.
func TestShardsOfShortUpdates(t *testing.T) {
	fit := func(batch int) string {
		m, _, o := sharded["dense"]()
		o.Batch, o.Shards, o.Epochs, o.Log = batch, 4, 3, slog.New(slog.DiscardHandler)
		r, err := Fit(context.Background(), m, rows(11), o)
		if err != nil {
			t.Fatal(err)
		}
		return bits(r)
	}
	if fit(11) != fit(32) {
		t.Error("11 rows have other bits where 32 would be an update")
	}
}
