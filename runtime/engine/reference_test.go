package engine_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// TestReferenceSteps runs the same plan by kernels and by reference meanings
// rounded after each op, in tasks of several sizes.
func TestReferenceSteps(t *testing.T) {
	p := autoencoder(t, 20, 9, 5, compiler.Options{Rows: 24, StoreGrads: true})
	fast, s := start(t, p.Train, 2, nil)
	slow := engine.NewStore(p.Train.Segments, nil)
	copy(slow.All(), s.All())
	e, err := engine.NewReference(p.Train, slow, engine.Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for id, st := range p.Train.Steps {
		if k := e.Kernel(id); st.Param < 0 && k != "reference" {
			t.Errorf("step %d is run by %s", id, k)
		}
	}
	for _, rows := range []int{24, 1, 17} {
		in := engine.Feed{"x": rowsOf(rows, 20)}
		for _, x := range []*engine.Engine{fast, e} {
			if err := x.Run(in, rows, &engine.Update{Seed: 1}); err != nil {
				t.Fatal(err)
			}
		}
		a, b := fast.Output("loss").F32[0], e.Output("loss").F32[0]
		if math.Abs(float64(a-b)) > 1e-5*float64(b) {
			t.Errorf("%d rows: loss %v by kernels, %v by reference", rows, a, b)
		}
		for _, name := range s.Names() {
			g, w := s.Grad(name), slow.Grad(name)
			for i := range g {
				if math.Abs(float64(g[i]-w[i])) > 1e-5*(0.01+math.Abs(float64(w[i]))) {
					t.Fatalf("%d rows: gradient of %s[%d] is %v by kernels, %v by reference", rows, name, i, g[i], w[i])
				}
			}
		}
	}
}

// TestTouch checks that what depends on parameters only follows their changes.
func TestTouch(t *testing.T) {
	p := autoencoder(t, 20, 9, 5, compiler.Options{Rows: 24})
	e, s := start(t, p.Eval, 2, nil)
	in := engine.Feed{"x": rowsOf(24, 20)}
	loss := func() float32 {
		if err := e.Run(in, 24, nil); err != nil {
			t.Fatal(err)
		}
		return e.Output("loss").F32[0]
	}
	first := loss()
	if first != loss() {
		t.Error("two evaluations differ")
	}
	w := s.Param("encoder/dense1/w")
	for i := range w {
		w[i] *= 2
	}
	second := loss()
	fresh := engine.NewStore(p.Eval.Segments, nil)
	copy(fresh.All(), s.All())
	f, err := engine.New(p.Eval, fresh, engine.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Run(in, 24, nil); err != nil {
		t.Fatal(err)
	}
	if want := f.Output("loss").F32[0]; second != want || second == first {
		t.Errorf("loss %v after a change, %v on a new engine, %v before", second, want, first)
	}
}

// TestWorkersWake lets the workers park between runs.
func TestWorkersWake(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96})
	e, _ := start(t, p.Eval, 4, nil)
	in := engine.Feed{"x": rowsOf(96, 150)}
	var want float32
	for i := range 30 {
		if i%3 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if err := e.Run(in, 96, nil); err != nil {
			t.Fatal(err)
		}
		got := e.Output("loss").F32[0]
		if i == 0 {
			want = got
		}
		if got != want {
			t.Fatalf("run %d gives %v, the first %v", i, got, want)
		}
	}
}

// TestPanicIsAnError breaks a kernel: the run fails, the next one too, and the
// workers are there to be closed.
func TestPanicIsAnError(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96})
	e, _ := start(t, p.Eval, 3, nil)
	e.Break()
	for range 2 {
		err := e.Run(engine.Feed{"x": rowsOf(96, 150)}, 96, nil)
		if err == nil || !strings.Contains(err.Error(), "internal error") {
			t.Errorf("error is %v", err)
		}
	}
	if e.Output("loss") != nil {
		t.Error("a failed run has outputs")
	}
}

// TestFailedUpdateIsSeen breaks an update when parameters were changed already:
// another engine on the same store must not go on with what it
// made of them before.
func TestFailedUpdateIsSeen(t *testing.T) {
	p := autoencoder(t, 20, 9, 5, compiler.Options{Rows: 24})
	opt := optim.SGD(1)
	e, s := start(t, p.Train, 2, opt.Slots())
	other, err := engine.New(p.Eval, s, engine.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	in := engine.Feed{"x": rowsOf(24, 20)}
	loss := func(e *engine.Engine) float32 {
		t.Helper()
		if err := e.Run(in, 24, nil); err != nil {
			t.Fatal(err)
		}
		return e.Output("loss").F32[0]
	}
	before := slices.Clone(s.All())
	first := loss(other)
	e.BreakUpdate()
	if err := e.Run(in, 24, &engine.Update{Opt: opt, T: 1, Rate: 1}); err == nil {
		t.Fatal("the update did not fail")
	}
	fresh, err := engine.New(p.Eval, s, engine.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	got, want := loss(other), loss(fresh)
	if equal(s.All(), before) { // All would tell the engines
		t.Fatal("the update failed before it changed anything")
	}
	if got != want || got == first {
		t.Errorf("loss %v after a failed update, %v on a new engine, %v before", got, want, first)
	}
}
