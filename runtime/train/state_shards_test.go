package train

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// wander adds state that follows the update and draws: its mean follows a bias.
type wander struct{ spec.Base }

// Build adds the state to the rows.
func (wander) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	w := b.Param("w", spec.Zeros(), 3)
	st := b.State("walk", spec.Zeros(), 3)
	b.BecomesAfter(st, b.Op(ops.Lerp{}, st, b.Op(ops.Add{}, w, b.Op(ops.RandomNormal{}, st)), b.Const(0.1)))
	return b.Op(ops.Add{}, x[0], b.Op(ops.Add{}, w, st))
}

// following is a model all of whose state follows the update, and a scheduled number.
func following() *spec.Model {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(20), spec.Tanh(), spec.Dense(3))
	code := x.Then(enc)
	target := x.Then(spec.Average(enc, 0.9).Named("target").Schedule(optim.Cosine(0)), &wander{spec.Here("wander")})
	warm := spec.Mul(code, spec.Scheduled("warmth", 2, optim.Cosine(0)))
	return spec.NewModel("following", spec.MSE(warm.Then(spec.Dense(12)), x), spec.MSE(code, target))
}

// TestStateOfShards: state that follows an update, averages of all parameters and
// scheduled numbers have the same bits for 1, 2 and 4 ranks, in 1, 2 and 4 parts, and
// at every rank, also at one that has no rows of an epoch's last update.
func TestStateOfShards(t *testing.T) {
	fit := func(ranks, parts, workers int) (map[string][]float32, string) {
		o := momentumOptions()
		o.Batch, o.Accumulate, o.Shards, o.Workers = 48/parts, parts, 4, workers
		o.Average, o.ValidAverage, o.Valid = 0.8, true, rows(40)
		if ranks > 1 {
			o.Cluster = Local(ranks)
		}
		tr, err := New(context.Background(), following(), rows(147), o)
		if err != nil {
			t.Fatal(err)
		}
		all := finish(t, tr)
		if ranks > 1 {
			for i, other := range tr.crew.ranks {
				for _, s := range tr.store.States() {
					if got, want := other.store.State(s.Name), tr.store.State(s.Name); !reflect.DeepEqual(got, want) {
						t.Errorf("rank %d of %d has the state %s %v…, rank 0 has %v…", i+1, ranks, s.Name, got[0], want[0])
					}
				}
			}
		}
		r, err := tr.Done()
		if err != nil {
			t.Fatal(err)
		}
		return all, bits(r) + bits(r.Averaged())
	}
	want, wantBits := fit(1, 1, 1)
	for _, name := range []string{"average/encoder/dense1/w", "target/encoder/dense1/w", "wander1/walk", "warmth"} {
		if s := want["state/"+name]; len(s) == 0 || s[0] == 0 {
			t.Errorf("the state %s is %v", name, s)
		}
	}
	for _, ranks := range []int{1, 2, 4} {
		for _, parts := range []int{1, 2, 4} {
			got, gotBits := fit(ranks, parts, 2*ranks)
			what := fmt.Sprintf("%d ranks, %d parts", ranks, parts)
			if !reflect.DeepEqual(got, want) {
				differ(t, what, got, want)
			}
			if gotBits != wantBits {
				t.Errorf("%s: other results", what)
			}
		}
	}
}

// TestQueueOfShards: shards of one rank push their rows into a queue as the whole does,
// also shards without rows, and so do those of several ranks, at every one.
func TestQueueOfShards(t *testing.T) {
	fit := func(parts, shards, workers int) map[string][]float32 {
		o := momentumOptions()
		o.Batch, o.Accumulate, o.Shards, o.Workers = 48/parts, parts, shards, workers
		tr, err := New(context.Background(), newMomentum().Model, rows(147), o)
		if err != nil {
			t.Fatal(err)
		}
		return finish(t, tr)
	}
	want := fit(1, 4, 1)
	for i, x := range fit(1, 1, 1)["state/queue/rows"] {
		if y := want["state/queue/rows"][i]; math.Abs(float64(x-y)) > 1e-4 {
			t.Fatalf("element %d of the queue is %v, without shards %v", i, y, x)
		}
	}
	for _, parts := range []int{1, 2, 4, 8} {
		if got := fit(parts, 4, 2); !reflect.DeepEqual(got, want) {
			differ(t, fmt.Sprintf("%d parts", parts), got, want)
		}
	}
	for _, ranks := range []int{2, 4} {
		o := momentumOptions()
		o.Batch, o.Shards, o.Workers, o.Cluster = 48, 4, 4, Local(ranks)
		tr, err := New(context.Background(), newMomentum().Model, rows(147), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := finish(t, tr); !reflect.DeepEqual(got, want) {
			differ(t, fmt.Sprintf("%d ranks", ranks), got, want)
		}
		for i, other := range tr.crew.ranks {
			if got := other.store.State("queue/rows"); !reflect.DeepEqual(got, want["state/queue/rows"]) {
				t.Errorf("rank %d of %d has another queue", i+1, ranks)
			}
		}
	}
}
