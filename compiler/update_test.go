package compiler

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// TestUpdatesTogether trains small models, whose parameters are updated in one
// step, and as if they were large, with optimizers that tell weights apart and
// with a rate for each.
func TestUpdatesTogether(t *testing.T) {
	for seed := range uint64(6) {
		g, large := trained(t, seed, Options{Rows: 19})
		small, err := compileTwin(g, segmentsOf(g), Options{Rows: 19})
		if err != nil {
			t.Fatal(err)
		}
		together := 0
		for _, s := range small.train.Steps {
			if s.Update() {
				together = max(together, len(s.Out))
			}
		}
		if together < 3 {
			t.Fatalf("seed %d: at most %d parameters are updated together", seed, together)
		}
		for i, opt := range []optim.Optimizer{optim.Adam(1e-2), optim.AdamW(1e-2, 0.1), optim.SGD(1e-2).Momentum(0.9).Decay(0.1), optim.RMSProp(1e-2)} {
			for _, rates := range []float32{0, 1e-2} {
				u := engine.Update{Opt: opt, Seed: seed, Rate: 1e-2}
				if rates > 0 {
					u.Rate = 0
					for j := range segmentsOf(g) {
						u.Rates = append(u.Rates, rates*float32(1+j%2))
					}
				}
				a, b := newRun(t, g, large, opt), newRun(t, g, small, opt)
				for step := range 3 {
					a.step(t, g, u, step)
					b.step(t, g, u, step)
				}
				if !sameBits(a.s.All(), b.s.All()) {
					t.Errorf("seed %d, optimizer %d, rates %v: one update of all parameters gives other bits", seed, i, rates)
				}
			}
		}
	}
}

// run is a training under way.
type run struct {
	e *engine.Engine
	s *engine.Store
}

func newRun(t *testing.T, g *ir.Graph, tw *twin, opt optim.Optimizer) run {
	t.Helper()
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, 5))
	e, s := engineOf(t, tw.train, fed, 2, opt.Slots()...)
	return run{e, s}
}

// step is one update by 19 rows, or by a part of an update when u says so.
func (r run) step(t *testing.T, g *ir.Graph, u engine.Update, i int) {
	t.Helper()
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}, uint64(i)))
	u.T, u.Step = int64(i+1), uint64(i)
	if err := r.e.Run(fed, 19, &u); err != nil {
		t.Fatal(err)
	}
}

// TestTwinsFollow holds an engine whose twins and scalars were made in earlier
// runs against one that has just begun: after updates, after a parameter was
// written, with other rows in the update, after an update that was refused, and
// when two engines train one store.
func TestTwinsFollow(t *testing.T) {
	twins := 0
	for seed := range uint64(8) {
		for _, spread := range []bool{true, false} {
			g := fusible(t, seed)
			tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 19, spread: spread})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tw.train.Steps {
				twins += len(s.Derived)
			}
			opt := optim.Adam(1e-2)
			old := newRun(t, g, tw, opt)
			second, err := engine.New(tw.train, old.s, engine.Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			mirror := newRun(t, g, tw, opt).s
			begun := func() run {
				e, err := engine.New(tw.train, mirror, engine.Options{Workers: 1})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(e.Close)
				return run{e, mirror}
			}
			u := engine.Update{Opt: opt, Rate: 1e-2, Seed: seed}
			for i := range 8 {
				old.step(t, g, u, i)
				begun().step(t, g, u, i)
				for _, name := range old.s.Names() { // Param would say that it may be written
					if !sameBits(old.s.Slot("m", name), mirror.Slot("m", name)) {
						t.Fatalf("seed %d, spread %v: the gradient of %s in step %d is not that of a new engine", seed, spread, name, i)
					}
				}
				switch i {
				case 2:
					old.s.Param(old.s.Names()[0])[0] += 0.5
					mirror.Param(old.s.Names()[0])[0] += 0.5
				case 3:
					u.UpdateRows = 31
				case 4:
					u.UpdateRows = 0
					run{second, old.s}.step(t, g, u, 77)
					begun().step(t, g, u, 77)
				case 5:
					bad, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}, 1))
					for _, v := range g.Inputs {
						bad[v.Name].F32[0] = 1e38
					}
					refused := u
					refused.T = 9
					if err := old.e.Run(bad, 19, &refused); err == nil {
						t.Fatal("a loss that overflows is no error")
					}
				}
			}
		}
	}
	if twins == 0 {
		t.Error("no update makes a twin again")
	}
}
