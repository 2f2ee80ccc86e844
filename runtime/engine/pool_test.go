package engine_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestClaims has workers take short tasks of jobs that follow each other at once, divided
// at random: each task must be done once, in its own job, before Run returns.
func TestClaims(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, spin := range []engine.Spin{engine.SpinOn, engine.SpinOff} {
		for _, workers := range []int{1, 2, 3, 8} {
			c := engine.NewCrew(workers, spin)
			var job, wrong atomic.Int64
			done := make([]atomic.Int64, 200)
			for n := int64(1); n <= 400; n++ {
				ends := make([]int, workers)
				for i := range ends {
					ends[i] = r.IntN(len(done) + 1)
					if r.IntN(4) == 0 {
						ends[i] = 0 // some own nothing
					}
				}
				slices.Sort(ends)
				total := ends[workers-1]
				job.Store(n)
				c.Run(ends, func(worker, i int) {
					if job.Load() != n || worker < 0 || worker >= workers {
						wrong.Add(1)
					}
					if i%7 == 0 {
						runtime.Gosched()
					}
					done[i].Add(1)
				})
				for i := range done {
					if got := done[i].Swap(0); got != 0 && i >= total || got != 1 && i < total {
						t.Fatalf("spin %d, %d workers, job %d to %v: task %d was done %d times", spin, workers, n, ends, i, got)
					}
				}
			}
			c.Close()
			if n := wrong.Load(); n > 0 {
				t.Errorf("spin %d, %d workers: %d tasks were done in another job", spin, workers, n)
			}
		}
	}
}

// TestSpan has an owner take tasks from the front as others take them from the back, with
// nothing else to do, so that they meet all the time.
func TestSpan(t *testing.T) {
	const tasks, rounds = 100_000, 20
	var s engine.Span
	for round := range rounds {
		from := round * 7
		s.Set(from, from+tasks)
		var wg sync.WaitGroup
		var ready atomic.Int64
		took := make([][]int, min(4, max(2, runtime.GOMAXPROCS(0))))
		for w := range took {
			take := s.Last
			if w == 0 {
				take = s.First
			}
			wg.Go(func() {
				for ready.Add(1); ready.Load() < int64(len(took)); {
					runtime.Gosched()
				}
				for i, ok := take(); ok; i, ok = take() {
					took[w] = append(took[w], i)
				}
			})
		}
		wg.Wait()
		all := slices.Concat(took...)
		slices.Sort(all)
		for i, got := range all {
			if got != from+i {
				t.Fatalf("round %d: task %d in the place of %d", round, got, from+i)
			}
		}
		if len(all) != tasks {
			t.Fatalf("round %d: %d tasks of %d were taken", round, len(all), tasks)
		}
	}
}

// TestAbsentWorkers runs jobs whose tasks belong to workers that never come: the others,
// or the caller alone, do them.
func TestAbsentWorkers(t *testing.T) {
	for _, absent := range [][]int{{1}, {2}, {1, 2, 3}} {
		c := engine.NewCrew(4, engine.SpinOff, absent...)
		for range 50 {
			var done [40]atomic.Int64
			returned := make(chan bool)
			go func() {
				c.Run([]int{10, 20, 30, 40}, func(worker, i int) {
					if slices.Contains(absent, worker) {
						t.Errorf("worker %d is absent and did task %d", worker, i)
					}
					done[i].Add(1)
				})
				close(returned)
			}()
			select {
			case <-returned:
			case <-time.After(time.Minute):
				t.Fatalf("without %v: Run does not return", absent)
			}
			for i := range done {
				if n := done[i].Load(); n != 1 {
					t.Fatalf("without %v: task %d was done %d times", absent, i, n)
				}
			}
		}
		c.Close()
	}
}

// TestStalledWorker stops a worker in the middle of its first task until all other tasks
// are done, its own among them: others must take them.
func TestStalledWorker(t *testing.T) {
	const tasks = 60
	for _, stalls := range []int{0, 1, 2} {
		c := engine.NewCrew(3, engine.SpinOff)
		for range 20 {
			var done atomic.Int64
			var stalled atomic.Bool
			all := make(chan struct{})
			c.Run([]int{20, 40, tasks}, func(worker, i int) {
				if worker == stalls && !stalled.Swap(true) {
					select {
					case <-all:
					case <-time.After(time.Minute):
						t.Errorf("worker %d waits, and %d of %d tasks are done", stalls, done.Load(), tasks)
					}
					return
				}
				if done.Add(1) == tasks-1 {
					close(all)
				}
			})
			want := int64(tasks)
			if stalled.Load() { // else the others were faster
				want--
			}
			if n := done.Load(); n != want {
				t.Fatalf("worker %d stalled: %d of %d tasks are done", stalls, n, tasks)
			}
		}
		c.Close()
	}
}

// TestShares holds the division of tasks among workers: each task once, the same in each
// step, in even and odd runs by the same worker, and about as much for one as for another.
func TestShares(t *testing.T) {
	p := autoencoder(t, 784, 100, 30, compiler.Options{Rows: 256}).Train
	for _, workers := range []int{1, 2, 3, 4, 7} {
		e, in, u := stepper(t, p, workers)
		var first [][2][][][2]int
		for range 3 {
			if err := e.Run(in, 256, u); err != nil {
				t.Fatal(err)
			}
			u.T++
			now := e.Shares()
			if first == nil {
				first = now
			}
			if !slices.EqualFunc(now, first, func(a, b [2][][][2]int) bool {
				return slices.EqualFunc(a[0], b[0], slices.Equal) && slices.EqualFunc(a[1], b[1], slices.Equal)
			}) {
				t.Fatalf("%d workers: tasks are divided as %v and as %v", workers, now, first)
			}
		}
		for i, phase := range first {
			seen := map[[2]int]int{}
			fewest, most := 1<<30, 0
			for w, own := range phase[0] {
				n := 0
				for _, task := range own {
					seen[task]++
					if task[0] == 0 {
						n++
					}
				}
				fewest, most = min(fewest, n), max(most, n)
				a, b := slices.Clone(own), slices.Clone(phase[1][w])
				if len(a) > 2 && slices.Equal(a, b) {
					t.Errorf("%d workers, phase %d: worker %d begins at the same end in each run: %v", workers, i, w, a)
				}
				less := func(x, y [2]int) int { return slices.Compare(x[:], y[:]) }
				slices.SortFunc(a, less)
				slices.SortFunc(b, less)
				if !slices.Equal(a, b) {
					t.Errorf("%d workers, phase %d: worker %d owns %v in even runs and %v in odd ones", workers, i, w, a, b)
				}
			}
			for task, n := range seen {
				if n != 1 {
					t.Errorf("%d workers, phase %d: task %v is divided %d times", workers, i, task, n)
				}
			}
			if most > fewest+1 {
				t.Errorf("%d workers, phase %d: one owns %d tasks of the first group, one %d", workers, i, fewest, most)
			}
		}
	}
}

// TestLocals holds which values tasks have in their worker's memory: those of weights whose
// gradient an update of the same group reads, and none that something else reads.
func TestLocals(t *testing.T) {
	p := autoencoder(t, 784, 100, 30, compiler.Options{Rows: 256}).Train
	e, _, _ := stepper(t, p, 2)
	locals := e.Locals()
	want := map[string]bool{}
	for i := range p.Phases {
		for _, g := range p.Phases[i].Groups {
			for _, id := range g.Steps {
				if s := &p.Steps[id]; s.Update() && g.Tasks(p.Capacity) > 1 {
					want[p.Buffers[s.In[0]].Name] = true
				}
			}
		}
	}
	if len(want) < 4 {
		t.Fatalf("the plan has %d updates of several tasks", len(want))
	}
	for name := range want {
		if !slices.Contains(locals, name) {
			t.Errorf("the gradient %s is not local; local are %v", name, locals)
		}
	}
	for _, o := range p.Outputs {
		if slices.Contains(locals, p.Buffers[o.Buffer].Name) {
			t.Errorf("the output %s is local", o.Name)
		}
	}
}

// TestLocalsAreNobodyElses: of a value that tasks have in their worker's memory all users are
// steps of one group, also where a penalty makes sums of the weights for the rows.
func TestLocalsAreNobodyElses(t *testing.T) {
	x := spec.Input("x", 500)
	h := x.Then(spec.Dense(300), spec.Sigmoid()).Named("h")
	m := spec.NewModel("m", spec.MSE(h.Then(spec.Dense(500)), x), spec.Contractive(h))
	prog, err := compiler.Compile(m, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	p := prog.Train
	var want []float32
	for _, workers := range []int{1, 3} {
		e, in, u := stepper(t, p, workers)
		for range 3 {
			if err := e.Run(in, 64, u); err != nil {
				t.Fatal(err)
			}
			u.T++
		}
		if all := e.Store().All(); want == nil {
			want = slices.Clone(all)
		} else if !equal(all, want) {
			t.Errorf("%d workers: other bits", workers)
		}
		locals, apart := e.Locals(), 0
		for i := range p.Buffers {
			b := &p.Buffers[i]
			users := map[string]bool{}
			for j := range p.Phases {
				ph := &p.Phases[j]
				for k := range ph.Groups {
					for _, id := range ph.Groups[k].Steps {
						if s := &p.Steps[id]; slices.Contains(s.In, i) || slices.Contains(s.Out, i) {
							users[fmt.Sprintf("group %d.%d", j, k)] = true
						}
					}
				}
				for _, id := range ph.Tail {
					if s := &p.Steps[id]; slices.Contains(s.In, i) || slices.Contains(s.Out, i) {
						users[fmt.Sprintf("tail %d", j)] = true
					}
				}
			}
			if len(users) > 1 && b.Kind == plan.Arena && !b.Type.Shape.Symbolic() {
				apart++
			}
			if slices.Contains(locals, b.Name) && len(users) != 1 {
				t.Errorf("%s is local and used by %v", b.Name, users)
			}
		}
		if apart == 0 || len(locals) == 0 {
			t.Errorf("%d values of known shape are used by several groups, local are %v: the test shows nothing", apart, locals)
		}
	}
}

// TestDividesAnew runs few rows before many, and many before few.
func TestDividesAnew(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 256}).Train
	width := p.Buffers[p.Inputs[0].Buffer].Type.Last()
	var want []float32
	for _, workers := range []int{1, 2, 5} {
		e, _, u := stepper(t, p, workers)
		var got []float32
		for _, rows := range []int{3, 256, 130, 1, 200} {
			if err := e.Run(engine.Feed{"x": rowsOf(rows, width)}, rows, u); err != nil {
				t.Fatal(err)
			}
			u.T++
			got = append(got, e.Output("loss").F32[0])
		}
		if want == nil {
			want = got
		} else if !equal(got, want) {
			t.Errorf("%d workers: losses %v, want %v", workers, got, want)
		}
	}
	fresh, _, u := stepper(t, p, 2)
	seen, _, v := stepper(t, p, 2)
	if err := seen.Run(engine.Feed{"x": rowsOf(3, width)}, 3, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		e *engine.Engine
		u *engine.Update
	}{{fresh, u}, {seen, v}} {
		if err := c.e.Run(engine.Feed{"x": rowsOf(256, width)}, 256, c.u); err != nil {
			t.Fatal(err)
		}
	}
	if !equal(fresh.Store().All(), seen.Store().All()) {
		t.Error("a run of 256 rows after one of 3 has other bits than one alone")
	}
}

// stepper returns an engine for steps of Adam, its input and its update.
func stepper(t *testing.T, p *plan.Plan, workers int) (*engine.Engine, engine.Feed, *engine.Update) {
	t.Helper()
	opt := optim.Adam(1e-3)
	s := engine.NewStore(p.Segments, opt.Slots(), p.States...)
	for _, name := range s.Names() {
		fill(name, s.Param(name), 0.05)
	}
	e, err := engine.New(p, s, engine.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e, engine.Feed{"x": rowsOf(p.Capacity.Rows(), p.Buffers[p.Inputs[0].Buffer].Type.Last())}, &engine.Update{Opt: opt, T: 1, Rate: 1e-3}
}
