package engine_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestShardsMeet: a run of all rows and then of each shard makes the gradients of a run of
// one chain but for rounding, allocates nothing, and takes no rows at all.
func TestShardsMeet(t *testing.T) {
	const width, rows = 17, 50
	x := spec.Input("x", width)
	y := x.Then(spec.Dense(12).NoBias(), spec.BatchNorm(), spec.Tanh(), spec.Dense(12), spec.Reshape(3, 4), spec.BatchNorm().Axis(0), spec.Flatten(), spec.Dense(width))
	m := spec.NewModel("m", spec.MSE(y, x))
	in := engine.Feed{"x": rowsOf(rows, width)}
	run := func(shards, workers int, check bool) ([]float32, float64) {
		p, err := compiler.Compile(m, compiler.Options{Rows: rows, StoreGrads: true, Shards: shards})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := start(t, p.Train, workers, optim.Adam(1).Slots())
		u := &engine.Update{UpdateRows: rows, Seed: 1}
		if e.Joins() != (shards > 1) {
			t.Fatalf("%d shards meet: %v", shards, e.Joins())
		}
		if shards == 1 {
			if err := e.Run(in, rows, u); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(stored(e)), float64(e.Output("loss").F32[0])
		}
		loss := 0.0
		step := func() {
			if err := e.RunAt(in, ir.RowsOf(rows), u); err != nil {
				panic(err)
			}
			loss = 0
			for i := range shards {
				lo, hi := i*rows/shards, (i+1)*rows/shards
				if err := e.RunShard(lo, hi); err != nil {
					panic(err)
				}
				loss += float64(e.Output("loss").F32[0]) * float64(hi-lo) / rows
				if err := e.JoinShard(i, shards); err != nil {
					panic(err)
				}
			}
		}
		step()
		if check {
			if n := testing.AllocsPerRun(10, step); n != 0 {
				t.Errorf("%v allocations", n)
			}
			for _, c := range [][2]int{{-1, 3}, {3, 3}, {4, rows + 1}} {
				if e.RunShard(c[0], c[1]) == nil {
					t.Errorf("no error with rows %v", c)
				}
			}
		}
		out := slices.Clone(stored(e))
		if check { // a rank without rows
			if err := e.RunAt(nil, ir.RowsOf(0), &engine.Update{UpdateRows: 1, FirstRow: 1, Shard: shards - 1, OwnShards: 1}); err != nil {
				t.Error(err)
			}
		}
		return out, loss
	}
	want, wantLoss := run(1, 1, false)
	got, loss := run(4, 1, true)
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 2e-5*(0.05+math.Abs(float64(w))) {
			t.Fatalf("gradient %d is %v, of one chain %v", i, got[i], w)
		}
	}
	if math.Abs(loss-wantLoss) > 1e-6*wantLoss {
		t.Errorf("the loss is %v, of one chain %v", loss, wantLoss)
	}
	if many, _ := run(4, 3, false); !slices.Equal(many, got) {
		t.Error("three workers give other bits")
	}
}

// stored is the stored gradients of all parameters.
func stored(e *engine.Engine) []float32 {
	g, _ := e.Gradients()
	return g
}
