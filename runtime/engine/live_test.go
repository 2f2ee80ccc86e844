package engine_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// scaled returns the Net of the graph with all its parameters times k.
func scaled(t testing.TB, g *ir.Graph, p *plan.Plan, k float32) *engine.Net {
	t.Helper()
	params := map[string][]float32{}
	for _, v := range g.Params {
		w := fill(v.Name, make([]float32, v.Type.Shape.Count()), 0.3)
		for i := range w {
			w[i] *= k
		}
		params[v.Name] = w
	}
	n, err := engine.NewNet(g, p, params, engine.Record{Seed: uint64(k)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLiveSwaps replaces a Net 1,000 times while four goroutines call it. Every
// answer must be, bit for bit, that of the Net that was loaded for it, whose number
// is in its record, and the memory must not grow with the swaps.
func TestLiveSwaps(t *testing.T) {
	const kinds, swaps, callers, rows = 4, 1000, 4, 5
	_, g := net(t, 8)
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 8})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": rowsOf(rows, 30)}
	name := g.Outputs[0].Name
	want := map[uint64][]float32{}
	for k := 1; k <= kinds; k++ {
		out, err := scaled(t, g, p, float32(k)).Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want[uint64(k)] = out[name].F32
	}
	if equal(want[1], want[2]) {
		t.Fatal("the Nets give the same")
	}
	live, err := engine.NewLive(scaled(t, g, p, 1))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	var calls atomic.Int64
	defer wg.Wait()
	defer stop.Store(true)
	for range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			out := map[string]*ir.Tensor{}
			for _, v := range g.Outputs {
				out[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(rows))...)
			}
			for !stop.Load() {
				n := live.Load()
				if err := n.RunInto(t.Context(), in, out); err != nil {
					t.Error(err)
					return
				}
				if k := n.Record().Seed; !equal(out[name].F32, want[k]) {
					t.Errorf("an answer is not that of Net %d", k)
					return
				}
				calls.Add(1)
			}
		}()
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	swap := func(n int) {
		for i := range n {
			if _, err := live.Swap(scaled(t, g, p, float32(1+i%kinds))); err != nil {
				t.Fatal(err)
			}
			if before := calls.Load(); i%100 == 0 { // the load is there
				for calls.Load() == before && !t.Failed() {
					runtime.Gosched()
				}
			}
		}
	}
	swap(swaps / 10)
	before := heap()
	swap(swaps - swaps/10)
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

func TestLiveKeepsWhatWorks(t *testing.T) {
	if _, err := engine.NewLive(engine.ErrNet(errors.New("a mistake"))); err == nil {
		t.Error("a mistake is in service")
	}
	var none engine.Live
	if _, err := none.Load().Run(t.Context(), nil); err == nil {
		t.Error("nothing is in service, and it answers")
	}
	n, _ := net(t, 8)
	if old, err := none.Swap(n); err != nil || old != nil || none.Load() != n {
		t.Errorf("swapped %v, %v", old, err)
	}
	for _, bad := range []*engine.Net{nil, engine.ErrNet(errors.New("a mistake"))} {
		if _, err := none.Swap(bad); err == nil || none.Load() != n {
			t.Errorf("a Net that cannot run is in service: %v", err)
		}
	}
	m, _ := net(t, 8)
	if old, err := none.Swap(m); err != nil || old != n || none.Load() != m {
		t.Errorf("swapped %v, %v", old, err)
	}
}

// countdown is a context that ends when it has been asked n times.
type countdown struct {
	context.Context
	n atomic.Int64
}

func (c *countdown) Err() error {
	if c.n.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// A run ends between two tasks, not only between two parts, and the Net goes on to
// give what it gave.
func TestNetStopsWithinAPart(t *testing.T) {
	n, g := net(t, 8)
	in := map[string]*ir.Tensor{"x": rowsOf(5, 30)}
	want, err := n.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	c := &countdown{Context: t.Context()}
	c.n.Store(1) // the part begins, its first task does not
	if _, err := n.Run(c, in); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for range 2 * runtime.GOMAXPROCS(0) { // the engine that was stopped too
		got, err := n.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if name := g.Outputs[0].Name; !equal(got[name].F32, want[name].F32) {
			t.Fatal("other bits after a run that was stopped")
		}
	}
}
