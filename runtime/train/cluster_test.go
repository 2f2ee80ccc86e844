package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// oneRow is rows that only one goroutine may read at a time.
type oneRow struct {
	*dataset.Table
	busy atomic.Bool
}

func (s *oneRow) Row(i int, row dataset.Row) error {
	if !s.busy.CompareAndSwap(false, true) {
		return errors.New("two goroutines read at once")
	}
	defer s.busy.Store(false)
	return s.Table.Row(i, row)
}

// TestRanksTrainTheSame: 1, 2 and 4 ranks, in 1, 2 and 4 parts, give the bits of the
// whole, weights and record, and each rank ends with the same parameters.
func TestRanksTrainTheSame(t *testing.T) {
	for name, work := range sharded {
		t.Run(name, func(t *testing.T) {
			fit := func(ranks, parts, workers int, alone bool) string {
				m, src, o := work()
				o.Batch, o.Accumulate, o.Shards, o.Workers, o.Seed, o.Log = 32/parts, parts, 4, workers, 3, slog.New(slog.DiscardHandler)
				o.Epochs = max(o.Epochs, 3)
				if ranks > 1 {
					o.Cluster = Local(ranks)
				}
				if alone {
					src = struct{ dataset.Source }{&oneRow{Table: src.(*dataset.Table)}}
				}
				tr, err := New(context.Background(), m, src, o)
				if err != nil {
					t.Fatal(err)
				}
				for range tr.Epochs(context.Background()) {
				}
				r, err := tr.Done()
				if err != nil {
					t.Fatal(err)
				}
				if ranks > 1 {
					for i, other := range tr.crew.ranks {
						for _, p := range tr.prog.Params {
							if fmt.Sprint(other.store.Param(p.Name)) != fmt.Sprint(tr.store.Param(p.Name)) {
								t.Errorf("rank %d of %d has another %s than rank 0", i+1, ranks, p.Name)
							}
						}
						if len(other.state.History) != len(r.History) {
							t.Errorf("rank %d of %d made %d epochs, rank 0 made %d", i+1, ranks, len(other.state.History), len(r.History))
						}
					}
				}
				return bits(r)
			}
			want := fit(1, 1, 1, false)
			for _, ranks := range []int{2, 4} {
				for _, parts := range []int{1, 2, 4} {
					if got := fit(ranks, parts, 2*ranks, false); got != want {
						t.Errorf("%d ranks of 2 workers, %d parts: other bits than the whole", ranks, parts)
					}
				}
				if got := fit(ranks, 1, 1, true); got != want {
					t.Errorf("%d ranks of 1 worker, with rows that are read one by one: other bits than the whole", ranks)
				}
			}
		})
	}
}

// remote is a cluster of another package: its ranks are made by nobody but the test.
type remote struct{ Cluster }

// together calls New and Fit's rest for each rank of a cluster, as machines do, with
// options that change may make differ.
func together(t *testing.T, ranks int, change func(rank int, o *Options)) ([]*Result, []error) {
	t.Helper()
	results, errs := make([]*Result, ranks), make([]error, ranks)
	m := newMesh(ranks)
	var wg sync.WaitGroup
	for i := range ranks {
		wg.Go(func() {
			o := options()
			o.Shards, o.Workers, o.Cluster = 4, 1, remote{&local{i, ranks, m}}
			change(i, &o)
			if results[i], errs[i] = Fit(context.Background(), model(), rows(150), o); errs[i] != nil {
				m.leave(i, errs[i])
			}
		})
	}
	wg.Wait()
	return results, errs
}

// TestRanksOfMachines runs each rank of a cluster with a New of its own: all return the
// same result and record, only rank 0 writes, and what differs between them is refused.
func TestRanksOfMachines(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	var updates atomic.Int64
	all := func(rank int, o *Options) {
		o.Dir, o.Valid = dirs[rank], rows(40)
		o.Metrics = []Metric{}
		o.AfterUpdate = func(Update) { updates.Add(1) }
	}
	got, errs := together(t, 2, all)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Shards, o.Valid = 4, rows(40)
	want := bits(mustFit(t, o))
	for i, r := range got {
		if bits(r) != want {
			t.Errorf("rank %d returns other bits than one rank", i)
		}
	}
	if n := updates.Load(); n != 40 {
		t.Errorf("two ranks told of %d updates, want 40", n)
	}
	if entries, err := os.ReadDir(dirs[1]); err != nil || len(entries) > 0 {
		t.Errorf("rank 1 wrote %v (%v)", entries, err)
	}
	for want, change := range map[string]func(o *Options){
		"Batch was 32, is 16":             func(o *Options) { o.Batch = 16 },
		"the seed was 5, is 6":            func(o *Options) { o.Seed = 6 },
		"Shards was 4, is 8":              func(o *Options) { o.Shards = 8 },
		"of another training than rank 0": func(o *Options) { o.Optimizer = optim.SGD(1) },
	} {
		_, errs := together(t, 2, func(rank int, o *Options) {
			if rank == 1 {
				change(o)
			}
		})
		if errs[0] == nil || errs[1] == nil || !strings.Contains(errs[1].Error(), want) || !strings.Contains(errs[1].Error(), "rank 1 of 2") {
			t.Errorf("want %q, got %v and %v", want, errs[0], errs[1])
		}
	}
}

// TestRanksGoOn interrupts trainings of some ranks and goes on with others, or with
// none; InitFrom is given to the first only.
func TestRanksGoOn(t *testing.T) {
	set := func() Options {
		o := options()
		o.Shards, o.CheckpointEvery, o.Valid = 4, 1, rows(40)
		o.Optimizer = optim.RMSProp(1e-3).Schedule(optim.Plateau(1, 0.5))
		o.InitFrom = []From{{Tensors: (&source{}).add("head/w", ramp(12), 3, 4).add("head/b", ramp(4), 4), Pattern: "head"}}
		return o
	}
	want := bits(mustFit(t, set()))
	o := set()
	o.Dir = t.TempDir()
	stops := 0
	for _, ranks := range []int{2, 4, 1, 4, 2, 2, 1} {
		if o.Cluster = nil; ranks > 1 {
			o.Cluster = Local(ranks)
		}
		ctx, cancel := context.WithCancel(context.Background())
		o.AfterUpdate = func(u Update) {
			if u.Number%3 == 0 {
				cancel()
			}
		}
		if _, err := Fit(ctx, model(), rows(150), o); errors.Is(err, ErrInterrupted) {
			stops++
		} else if err != nil {
			t.Fatal(err)
		}
		o.InitFrom = nil
	}
	o.Cluster, o.AfterUpdate = Local(4), nil
	r := mustFit(t, o)
	if stops < 5 {
		t.Errorf("only %d interruptions", stops)
	}
	if bits(r) != want {
		t.Error("other bits than a training of one rank that was not interrupted")
	}
}

// TestRankFails: what ends another rank than the first is what New or Done says, soon,
// with the checkpoint before it left as it was, and no goroutine is left.
func TestRankFails(t *testing.T) {
	before := runtime.NumGoroutine()
	x := spec.Input("x", 1)
	m := spec.NewModel("m", spec.MSE(x.Then(spec.Dense(1)), x))
	// Of 16 rows in order the last four are those of rank 3.
	bad := column(48, func(i int) float32 {
		if i == 47 {
			return 1e30
		}
		return 1
	})
	o := Options{Optimizer: optim.SGD(0.1), Epochs: 2, Batch: 16, Shards: 4, InOrder: true, Cluster: Local(4), Dir: t.TempDir(), CheckpointEvery: 1, Log: slog.New(slog.DiscardHandler)}
	_, err := Fit(context.Background(), m, bad, o)
	wantError(t, err, "epoch 1, step 3: rank 0 of 4: rank 3 has failed: ")
	wantError(t, err, "epoch 1, step 3: the loss is")
	f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName))
	if err != nil || f.Cursor.Update != 2 {
		t.Errorf("the checkpoint is of %+v, want update 2 (%v)", f, err)
	}

	// A loop that is left, and trainings that are closed at once.
	o = options()
	o.Shards, o.Cluster = 4, Local(4)
	for i := range 6 {
		tr, err := New(context.Background(), model(), rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			for range tr.Epochs(context.Background()) {
				break
			}
		}
		tr.Close()
		tr.Close()
	}
	for wait := time.Millisecond; runtime.NumGoroutine() > before && wait < 4*time.Second; wait *= 2 {
		time.Sleep(wait)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines became %d", before, n)
	}
}

// TestClusterErrors names Shards where ranks do not divide them.
func TestClusterErrors(t *testing.T) {
	for _, c := range []struct {
		shards, ranks int
		want          string
	}{
		{4, 3, "Options.Cluster has 3 ranks; their number must divide Options.Shards, which is a power of two"},
		{0, 2, "Options.Cluster has 2 ranks, which must divide Options.Shards, and that is 1: let Shards be 2"},
		{4, 8, "Options.Shards, and that is 4: let Shards be 8"},
		{4, 0, "Options.Cluster has rank 0 of 0"},
		{128, 1 << 40, "Options.Cluster is Local(1099511627776); at most 64 ranks may be of one process"},
	} {
		o := options()
		o.Shards, o.Cluster = c.shards, Local(c.ranks)
		_, err := New(context.Background(), model(), rows(20), o)
		wantError(t, err, c.want)
	}
	o := options()
	o.Cluster = Local(1)
	if bits(mustFit(t, o)) != bits(mustFit(t, options())) {
		t.Error("one rank gives other bits than none")
	}
}
