package train

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// normed is a model with statistics of the batch in three places, one of them behind the
// other and one in its decoder.
func normed() *spec.Model {
	x := spec.Input("x", 12)
	code := x.Then(spec.Sequential("encoder", spec.Dense(20).NoBias(), spec.BatchNorm().Named("bn1"), spec.Tanh(), spec.Dense(6).NoBias(), spec.BatchNorm().Named("bn2").NoScale().Momentum(0.5)))
	y := code.Then(spec.Sequential("decoder", spec.Dense(8).NoBias(), spec.Reshape(2, 4), spec.BatchNorm().Named("channels").Axis(0), spec.Dropout(0.2), spec.Flatten(), spec.Dense(12)))
	return spec.NewModel("normed", spec.MSE(y, x))
}

func normedOptions() Options {
	return Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 48, Seed: 3}
}

// TestBatchNormOfRanks: k ranks make the bits of one, for every k that divides the shards,
// whatever the workers, also where a rank has no rows of an epoch's last update.
func TestBatchNormOfRanks(t *testing.T) {
	for _, n := range []int{147, 146, 150} { // the last update has 3 rows, 2, 6
		fit := func(ranks, shards, workers int) (map[string][]float32, string) {
			o := normedOptions()
			o.Shards, o.Workers, o.Valid = shards, workers, rows(40)
			if ranks > 1 {
				o.Cluster = Local(ranks)
			}
			tr, err := New(context.Background(), normed(), rows(n), o)
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
			return all, bits(r)
		}
		whole, _ := fit(1, 1, 1)
		want, wantBits := fit(1, 4, 1)
		for name, x := range want {
			for i, v := range x {
				if w := whole[name][i]; !(math.Abs(float64(v-w)) <= 2e-2*max(1, math.Abs(float64(w)))) {
					t.Fatalf("%s[%d] is %v with four shards, %v with one", name, i, v, w)
				}
			}
		}
		for _, c := range [][2]int{{1, 3}, {2, 1}, {2, 4}, {4, 4}} {
			got, gotBits := fit(c[0], 4, c[1])
			what := fmt.Sprintf("%d rows, %d ranks, %d workers", n, c[0], c[1])
			if !reflect.DeepEqual(got, want) {
				differ(t, what, got, want)
			}
			if gotBits != wantBits {
				t.Errorf("%s: other results", what)
			}
		}
	}
}
