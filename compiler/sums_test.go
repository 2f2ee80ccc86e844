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

// TestSumsAreShared: a sum or mean over the rows and other axes is the work of many
// tasks, in kernels, whose result is the reference's and has the same bits whatever
// the workers.
func TestSumsAreShared(t *testing.T) {
	for _, c := range []string{
		"(f32[N 16 64] x) => (y) { f32[] y = ReduceMean<axes = [], keepdims = false>(x) }",
		"(f32[N 16 64] x) => (y) { f32[1 1 1] y = ReduceMean<axes = [], keepdims = true>(x) }",
		"(f32[N 16 64] x) => (y) { f32[1 1 1] y = ReduceSum<axes = [0 1 2], keepdims = true>(x) }",
		"(f32[N 16 64] x) => (y) { f32[64] y = ReduceMean<axes = [0 1], keepdims = false>(x) }",
		"(f32[N 16 64] x) => (y) { f32[1 1 64] y = ReduceSum<axes = [0 1], keepdims = true>(x) }",
		"(f32[N 16 64] x) => (y) { f32[16] y = ReduceMean<axes = [0 2], keepdims = false>(x) }",
		"(f32[N 16 64] x) => (y) { f32[1 16 1] y = ReduceSum<axes = [0 2], keepdims = true>(x) }",
		"(f32[N 16 64] x) => (y) { f32[16 64] y = ReduceMean<axes = [0], keepdims = false>(x) }",
		"(f32[N 16 64] x) => (y) { f32[1 16 64] y = ReduceSum<axes = [0], keepdims = true>(x) }",
		"(f32[N 16 8 8] x) => (y) { f32[16] y = ReduceMean<axes = [0 2 3], keepdims = false>(x) }",
		"(f32[N T 64] x) => (y) { f32[64] y = ReduceMean<axes = [0 1], keepdims = false>(x) }",
		"(f32[N T 64] x) => (y) { f32[1 T 1] y = ReduceMean<axes = [0 2], keepdims = true>(x) }",
		"(f32[1024*N] x) => (y) { f32[] y = ReduceMean<axes = [0], keepdims = false>(x) }",
		"(f32[1024*N] x) => (y) { f32[1] y = ReduceSum<axes = [0], keepdims = true>(x) }",
	} {
		g := parsed(t, "g "+c)
		p, err := CompileGraph(g, Options{Rows: 512, Lengths: map[string]int{"T": 16}})
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, rows := range []int{512, 7} {
			at := ir.RowsOf(rows).With("T", 16)
			env := ir.Env{Binding: at}
			fed, wide := narrowed(randgraph.Feed(g, &env, 3))
			want := results(t, g, &env, wide)["y"]
			first := ""
			for _, workers := range []int{1, 2} {
				e, _ := engineOf(t, p, fed, workers)
				if err := e.RunAt(fed, trim(at, p.Capacity), nil); err != nil {
					t.Fatal(err)
				}
				y := e.Output("y")
				for i, v := range y.F32 {
					if math.Abs(float64(v)-want.F64[i]) > 1e-4*(1+math.Abs(want.F64[i])) {
						t.Errorf("%s, %d rows: y[%d] is %v, want %v", c, rows, i, v, want.F64[i])
						break
					}
				}
				if now := fmt.Sprint(y.F32); first == "" {
					first = now
				} else if now != first {
					t.Errorf("%s: other bits by %d workers", c, workers)
				}
				shared(t, p, e)
			}
		}
	}
}

// shared wants the step that reads the input to be cut into tasks, and a kernel for
// each.
func shared(t *testing.T, p *plan.Plan, e *engine.Engine) {
	t.Helper()
	cut := false
	for i := range p.Phases {
		for _, g := range p.Phases[i].Groups {
			for _, id := range g.Steps {
				reads := p.Buffers[p.Root(p.Steps[id].In[0])].Kind == plan.Input
				cut = cut || reads && g.Tasks(p.Capacity) > 1
			}
		}
	}
	for id := range p.Steps {
		if e.Kernel(id) == "reference" {
			t.Errorf("step %d has no kernel:\n%s", id, plan.Format(p))
		}
	}
	if !cut {
		t.Errorf("one worker makes the sum:\n%s", plan.Format(p))
	}
}
