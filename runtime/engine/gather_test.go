package engine_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// TestGatherGivesTheBitsOfTheFeed trains on rows that the engine fetches and on
// the same rows in a feed, and counts that each is fetched once.
func TestGatherGivesTheBitsOfTheFeed(t *testing.T) {
	const rows, width = 140, 150
	p := autoencoder(t, width, 40, 10, compiler.Options{Rows: rows}).Train
	x := rowsOf(rows, width)
	for _, workers := range []int{1, 3} {
		want := train(t, p, workers, 6)
		opt := optim.Adam(1e-3)
		e, s := start(t, p, workers, opt.Slots())
		var mu sync.Mutex
		times := make([]int, rows)
		calls := 0
		if err := e.Gather("x", func(lo, hi int, dst []float32) {
			copy(dst, x.F32[lo*width:hi*width])
			mu.Lock()
			defer mu.Unlock()
			calls++
			for i := lo; i < hi; i++ {
				times[i]++
			}
		}); err != nil {
			t.Fatal(err)
		}
		var got []float32
		for i := range 6 {
			n := rows - 5*(i%2)
			x = rowsOf(n, width)
			if err := e.Run(nil, n, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Output("loss").F32[0])
		}
		if got = append(got, s.All()...); !equal(got, want) {
			t.Errorf("%d workers: other bits than from the feed", workers)
		}
		if times[0] != 6 || times[rows-1] != 3 || slices.Max(times) != 6 || calls < 12 {
			t.Errorf("%d workers: rows were fetched %v times in %d calls", workers, times, calls)
		}
	}
}

// TestGatherWhereNoGroupReadsFirst has an input that two groups read, one that a
// step reads whole, and one that no step reads.
func TestGatherWhereNoGroupReadsFirst(t *testing.T) {
	g, err := ir.Parse(`gathers (f32[N 6] x, f32[N 6] y, f32[N 6] z) => (gram, sum, z) {
	f32[6 N] t = Transpose<perm = [1 0]>(x)
	f32[6 6] gram = MatMul(t, y)
	f32[N 6] sum = Add(x, y)
}
`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2} {
		e, _ := start(t, p, workers, nil)
		a, b, c := rowsOf(40, 6), rowsOf(40, 6), rowsOf(40, 6)
		if err := e.Run(engine.Feed{"x": a, "y": b, "z": c}, 40, nil); err != nil {
			t.Fatal(err)
		}
		want := map[string][]float32{}
		for _, o := range p.Outputs {
			want[o.Name] = slices.Clone(e.Output(o.Name).F32)
		}
		for name, from := range map[string]*ir.Tensor{"x": a, "y": b, "z": c} {
			if err := e.Gather(name, func(lo, hi int, dst []float32) { copy(dst, from.F32[lo*6:hi*6]) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Run(nil, 40, nil); err != nil {
			t.Fatal(err)
		}
		for name, w := range want {
			if !equal(e.Output(name).F32, w) {
				t.Errorf("%d workers: %s differs in plan\n%s", workers, name, plan.Format(p))
			}
		}
	}
}

func TestGatherMistakes(t *testing.T) {
	e, _ := start(t, autoencoder(t, 8, 4, 2, compiler.Options{Rows: 4}).Train, 1, optim.Adam(1).Slots())
	if err := e.Gather("z", nil); err == nil || !strings.Contains(err.Error(), `no input "z"`) {
		t.Errorf("error %v", err)
	}
}
