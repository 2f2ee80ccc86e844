package engine_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

func TestQuota(t *testing.T) {
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"none":                {nil, inf},
		"v2":                  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, 1.5},
		"v2, none":            {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, inf},
		"v2, of a parent":     {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 0.5},
		"v2, other namespace": {map[string]string{"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "200000 50000\n"}, 4},
		"v1":                  {map[string]string{"proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "30000\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "10000\n"}, 3},
		"v1, by its link":     {map[string]string{"proc/self/cgroup": "3:cpuacct,cpu:/a\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "30000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "10000\n"}, 3},
		"v1, none":            {map[string]string{"proc/self/cgroup": "3:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, inf},
		"cpuset is no quota":  {map[string]string{"proc/self/cgroup": "3:cpuset:/\n", "sys/fs/cgroup/cpuset/cpu.cfs_quota_us": "1\n", "sys/fs/cgroup/cpuset/cpu.cfs_period_us": "1\n"}, inf},
		"rubbish":             {map[string]string{"proc/self/cgroup": "x\n0::\n0::/a\n", "sys/fs/cgroup/a/cpu.max": "a b c\n", "sys/fs/cgroup/cpu.max": "-5 nan\n"}, inf},
	} {
		root := fstest.MapFS{}
		for p, text := range c.files {
			root[p] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := engine.Quota(root); got != c.want {
			t.Errorf("%s: %v processors, want %v", name, got, c.want)
		}
	}
}

func TestSpinsByItself(t *testing.T) {
	cpus := min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		s       engine.Spin
		workers int
		want    bool
	}{{engine.SpinAuto, cpus + 1, false}, {engine.SpinOn, cpus + 1, true}, {engine.SpinOff, 2, false}, {engine.SpinAuto, 1, false}} {
		if got := c.s.Spins(c.workers); got != c.want {
			t.Errorf("%d, %d workers on %d processors: %v", c.s, c.workers, cpus, got)
		}
	}
}

// TestSpinKeepsTheBits trains with workers that spin and with workers that park,
// also between the steps.
func TestSpinKeepsTheBits(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96}).Train
	want := train(t, p, 1, 8)
	for _, s := range []engine.Spin{engine.SpinAuto, engine.SpinOn, engine.SpinOff} {
		for _, workers := range []int{2, 5} {
			if !equal(spun(t, p, s, workers, 8, 2), want) {
				t.Errorf("spin %d, %d workers: other bits", s, workers)
			}
		}
	}
}

// spun is train with a choice of what workers do that wait; after every pause
// steps nothing happens for a while.
func spun(t testing.TB, p *plan.Plan, spin engine.Spin, workers, updates, pause int) []float32 {
	opt := optim.Adam(1e-3)
	s := engine.NewStore(p.Segments, opt.Slots(), p.States...)
	for _, name := range s.Names() {
		fill(name, s.Param(name), 0.05)
	}
	e, err := engine.New(p, s, engine.Options{Workers: workers, Spin: spin})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer e.Close()
	var out []float32
	width := p.Buffers[p.Inputs[0].Buffer].Type.Last()
	for i := range updates {
		if pause > 0 && i%pause == 0 {
			time.Sleep(3 * time.Millisecond)
		}
		rows := p.Capacity.Rows() - 5*(i%2)
		if err := e.Run(engine.Feed{"x": rowsOf(rows, width)}, rows, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}); err != nil {
			t.Error(err)
			return nil
		}
		out = append(out, e.Output("loss").F32[0])
	}
	return append(out, s.All()...)
}

// TestTwoAtOnce trains twice in one process at the same time, with more workers
// in all than there are processors.
func TestTwoAtOnce(t *testing.T) {
	p := autoencoder(t, 150, 40, 10, compiler.Options{Rows: 96}).Train
	want := train(t, p, 1, 40)
	for _, s := range []engine.Spin{engine.SpinOn, engine.SpinOff} {
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				if !equal(spun(t, p, s, max(2, runtime.GOMAXPROCS(0)), 40, 0), want) {
					t.Errorf("spin %d: training %d has other bits", s, i)
				}
			})
		}
		wg.Wait()
	}
}

// BenchmarkTwoAtOnce times two trainings of the demo's model in one process, each
// with a worker for every processor, against one: rows a second, of both together.
func BenchmarkTwoAtOnce(b *testing.B) {
	for _, spin := range []engine.Spin{engine.SpinOn, engine.SpinOff} {
		for _, n := range []int{1, 2} {
			b.Run(fmt.Sprintf("spin=%d/trainings=%d", spin, n), func(b *testing.B) {
				p := work(b, []int{784, 100, 30}, true, 256)
				var wg sync.WaitGroup
				for range n {
					e, in, u := trainer(b, p, 784, 256, engine.Options{Workers: runtime.GOMAXPROCS(0), Spin: spin})
					wg.Go(func() {
						for range b.N {
							if err := e.Run(in, 256, u); err != nil {
								b.Error(err)
								return
							}
							u.T++
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(n*256*b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
