package compiler

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// trim leaves the lengths that a plan has.
func trim(b, capacity ir.Binding) ir.Binding {
	out := ir.RowsOf(b.Rows())
	for _, name := range capacity.Free() {
		n, _ := b.Of(name)
		out = out.With(name, n)
	}
	return out
}

// within fails unless an output is that of the reference, which is computed in
// float64.
func within(t *testing.T, what string, got *ir.Tensor, want *ir.Tensor) {
	t.Helper()
	if fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		t.Errorf("%s: shape %v, want %v", what, got.Shape, want.Shape)
		return
	}
	scale := 0.0
	for i := range want.Len() {
		scale = max(scale, math.Abs(want.At(i)))
	}
	for i := range want.Len() {
		if a, b := got.At(i), want.At(i); !(math.Abs(a-b) <= 2e-4*scale+1e-6) {
			t.Errorf("%s: element %d is %v, want %v (%v)", what, i, a, b, want.Shape)
			return
		}
	}
}

// checkLengths compiles a random graph and compares it with the reference at
// several lengths, with tasks of any size and one to three workers.
func checkLengths(t *testing.T, seed uint64) {
	g, at := randgraph.New(seed, randgraph.Options{Noise: true})
	d := randgraph.NewDice(seed + 1<<32)
	whole := lowerOptions{capacity: at, spread: true}
	s := &state{opt: Options{Rows: at.Rows(), Lengths: lengthsOf(at)}, planned: true, inference: true}
	h, err := s.front(g)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	whole.segments = segmentsOf(h)
	p, err := s.finish(h, whole)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, ir.Format(g))
	}
	for i := range 3 {
		b := at
		if i > 0 {
			b = randgraph.Smaller(d, at)
		}
		env := &ir.Env{Binding: b, Capacity: at, UpdateRows: b.Rows() + 2, FirstRow: 2, Seed: 7, Update: 3}
		if ir.CheckBinding(b, g.Dims()...) != nil {
			continue
		}
		fed, oracle := narrowed(randgraph.Feed(g, env, seed))
		want := results(t, g, env, oracle)
		var first map[string][]float32
		for workers := 1; workers <= 3; workers++ {
			e, _ := engineOf(t, cutBy(p, 1+d.N(5)), fed, workers)
			u := &engine.Update{UpdateRows: env.UpdateRows, FirstRow: 2, Seed: 7, Step: 3}
			if err := e.RunAt(fed, trim(b, p.Capacity), u); err != nil {
				t.Fatalf("seed %d with %v: %v\n%s", seed, b, err, plan.Format(p))
			}
			got := map[string][]float32{}
			for _, v := range g.Outputs {
				what := fmt.Sprintf("seed %d, %v, %d workers: %s", seed, b, workers, v.Name)
				within(t, what, e.Output(v.Name), want[v.Name])
				got[v.Name] = append([]float32{}, e.Output(v.Name).F32...)
				if first != nil && !sameBits(first[v.Name], got[v.Name]) {
					t.Errorf("%s: other bits than with one worker", what)
				}
			}
			if first == nil {
				first = got
			}
			if t.Failed() {
				t.Fatalf("%s\n%s", ir.Format(g), plan.Format(p))
			}
		}
	}
}

func lengthsOf(b ir.Binding) map[string]int {
	out := map[string]int{}
	for _, name := range b.Free() {
		out[name], _ = b.Of(name)
	}
	return out
}

// checkLengthsTrained compares the gradients of a random graph, of an update in
// one part or several, with those of the reference.
func checkLengthsTrained(t *testing.T, seed uint64) {
	g, at := randgraph.New(seed, randgraph.Options{Smooth: true, Loss: lossName, Noise: true})
	if len(g.Params) == 0 || len(g.Outputs) == 0 {
		return
	}
	o := Options{Rows: at.Rows(), Lengths: lengthsOf(at), StoreGrads: true, spread: true}
	tw, err := compileTwin(g, segmentsOf(g), o)
	if err != nil {
		return // a parameter that the loss does not reach
	}
	ref, err := Gradient(g, lossName)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	d := randgraph.NewDice(seed + 1<<32)
	for i := range 2 {
		b := at
		if i > 0 {
			b = randgraph.Smaller(d, at)
		}
		if ir.CheckBinding(b, g.Dims()...) != nil {
			continue
		}
		parts := []int{1, 2, 4}[d.N(3)]
		total := parts * b.Rows()
		p := cutBy(tw.train, 1+d.N(5))
		var e *engine.Engine
		var s *engine.Store
		want := map[string][]float64{}
		for part := range parts {
			env := &ir.Env{Binding: b, Capacity: at, UpdateRows: total, FirstRow: part * b.Rows(), Seed: 5, Update: 2}
			fed, oracle := narrowed(randgraph.Feed(g, env, seed))
			if e == nil {
				e, s = engineOf(t, p, fed, 1+d.N(3))
			}
			for name, x := range totalsOf(t, tw.totals[0], fed, b) {
				fed[name] = x
			}
			u := &engine.Update{Accumulate: part > 0, UpdateRows: total, FirstRow: env.FirstRow, Seed: 5, Step: 2}
			if err := e.RunAt(fed, trim(b, p.Capacity), u); err != nil {
				t.Fatalf("seed %d with %v: %v", seed, b, err)
			}
			got := results(t, ref, env, oracle)
			for _, name := range s.Names() {
				x := got[gradPrefix+name].F64
				if want[name] == nil {
					want[name] = make([]float64, len(x))
				}
				for k := range x {
					want[name][k] += x[k]
				}
			}
		}
		for _, name := range s.Names() {
			grad := s.Grad(name)
			scale := 1e-3
			for _, x := range want[name] {
				scale = max(scale, math.Abs(x))
			}
			for k, x := range grad {
				if !(math.Abs(float64(x)-want[name][k]) <= 5e-4*scale) {
					t.Fatalf("seed %d, %v, %d parts: gradient of %s[%d] is %v, want %v\n%s\n%s", seed, b, parts, name, k, x, want[name][k], ir.Format(g), plan.Format(p))
				}
			}
		}
	}
}

const randomLengthGraphs = 300

func TestLengths(t *testing.T) {
	for seed := range uint64(randomLengthGraphs) {
		checkLengths(t, seed)
	}
}

func TestLengthsTrained(t *testing.T) {
	for seed := range uint64(randomLengthGraphs) {
		checkLengthsTrained(t, seed)
	}
}

// FuzzLengths is TestLengths and TestLengthsTrained without end.
func FuzzLengths(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkLengths(t, seed)
		checkLengthsTrained(t, seed)
	})
}
