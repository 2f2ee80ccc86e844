package pretrain

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// belief is a deep belief net of three machines, the last with linear units,
// unrolled, trained further, and a classifier on it.
func belief(change ...func(*plan, *RBMPhase, *StackPhase)) *plan {
	p := &plan{x: spec.Input("x", 12)}
	p.enc = spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid(), spec.Layers(spec.Dense(7), spec.Sigmoid()), spec.Dense(4))
	p.logits = p.x.Then(p.enc, spec.Dense(4).Named("head"))
	o := options()
	o.Optimizer = optim.SGD(0.1).Momentum(0.9).EarlyMomentum(0.5, 1).Decay(2e-4)
	linear := o
	linear.Optimizer = optim.SGD(0.01).Momentum(0.9)
	machines := RBM(p.x, p.enc, rows(100), o).Stage(3, linear)
	whole := EndToEnd(p.x, p.enc, rows(100), options()).CrossEntropy().Untied()
	for _, f := range change {
		f(p, machines, whole)
	}
	classifier := spec.NewModel("classes", spec.CrossEntropy(p.logits, spec.Labels("y", 4)))
	p.program = NewProgram("belief", machines, whole, Fit(classifier, rows(60), options()))
	return p
}

func persistent(_ *plan, m *RBMPhase, _ *StackPhase) { m.Persistent(10).CD(2) }

func sampled(_ *plan, m *RBMPhase, _ *StackPhase) { m.Sampled().Sparse(0.2, 0.1) }

func TestBeliefTable(t *testing.T) {
	const want = `program belief
phase                    layers                                rows       epochs  optimizer   noise  frozen
1      encoder-rbm1      encoder/dense1, encoder-mirror/tied3  100        2       sgd 0.1, momentum 0.9, decay 0.0002 PCD-2, 10 chains, Gaussian, Sparse(0.2, 0.1)
2      encoder-rbm2      encoder/dense2, encoder-mirror/tied2  100 codes  2       sgd 0.1, momentum 0.9, decay 0.0002 PCD-2, 10 chains, sampled, Sparse(0.2, 0.1) encoder/dense1
3      encoder-rbm3      encoder/dense3, encoder-mirror/tied1  100 codes  2       sgd 0.01, momentum 0.9 PCD-2, 10 chains, sampled encoder/dense1, encoder/dense2
4      encoder-endtoend  encoder, encoder-mirror-untied        100        2       adam 0.003
5      classes           encoder, head                         60         2       adam 0.003
`
	gaussian := func(_ *plan, m *RBMPhase, _ *StackPhase) { m.Gaussian() }
	got := belief(persistent, sampled, gaussian).program.String()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(got) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestBeliefResume stops the program after epochs of every phase, with chains and
// without, and wants the bits of a run never stopped, for any number of workers.
func TestBeliefResume(t *testing.T) {
	for name, change := range map[string]func(*plan, *RBMPhase, *StackPhase){"cd": sampled, "pcd": persistent} {
		want := mustRun(t, belief(change), Options{})
		stopped := func(dir string, epochs int) bool {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			left := epochs
			_, err := belief(change).program.Run(ctx, Options{Dir: dir, Progress: func() train.Reporter { return counter{&left, cancel} }})
			if err != nil && !errors.Is(err, train.ErrInterrupted) {
				t.Fatal(err)
			}
			return err != nil
		}
		most := 9
		if name == "pcd" {
			most = 5 // the phases after the machines have no chains
		}
		for n := 1; n <= most; n += 2 { // in the middle of each of five phases
			dir := t.TempDir()
			if !stopped(dir, n) {
				t.Fatalf("it was not stopped after epoch %d", n)
			}
			if got := mustRun(t, belief(change), Options{Dir: dir}); got != want {
				t.Errorf("%s: stopped after %d epochs (-want +got):\n%s", name, n, cmp.Diff(want, got))
			}
		}
		for _, workers := range []int{1, 3} {
			p := belief(change, func(_ *plan, m *RBMPhase, s *StackPhase) {
				m.opt.Workers, s.opt.Workers = workers, workers
			})
			if got := mustRun(t, p, Options{}); got != want {
				t.Errorf("%s: %d workers (-want +got):\n%s", name, workers, cmp.Diff(want, got))
			}
		}
	}
}

// TestChainsSurvive stops one training with chains in the middle of an epoch.
func TestChainsSurvive(t *testing.T) {
	run := func(dir string, after int) ([]float32, error) {
		x, stack := spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid())
		o := options()
		o.Optimizer, o.Batch = optim.SGD(0.1), 10
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o.AfterUpdate = func(train.Update) {
			if after--; after == 0 {
				cancel()
			}
		}
		r, err := NewProgram("chains", RBM(x, stack, rows(100), o).Persistent(7)).Run(ctx, Options{Dir: dir})
		if err != nil {
			return nil, err
		}
		return slices.Concat(r.Param("encoder/dense1/w"), r.Param("encoder/dense1/b"), r.Param("encoder-mirror/tied1/b")), nil
	}
	want, err := run("", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{3, 10, 17} {
		dir := t.TempDir()
		if _, err := run(dir, after); !errors.Is(err, train.ErrInterrupted) {
			t.Fatalf("after %d steps: %v", after, err)
		}
		if got, err := run(dir, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("stopped after %d steps: other bits, %v", after, err)
		}
	}
}

// TestUnrolled compares what the unrolled net computes before it is trained further
// with the mean-field pass through the machines, up and down.
func TestUnrolled(t *testing.T) {
	p := belief()
	machines := RBM(p.x, p.enc, rows(100), options())
	r, err := NewProgram("machines", machines).Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := machines.Machines(r)
	if err != nil {
		t.Fatal(err)
	}
	x := rows(20).F32("x")
	v := x
	for _, m := range list {
		if v, err = m.HiddenMeans(v); err != nil {
			t.Fatal(err)
		}
	}
	code := v
	for i := len(list) - 1; i >= 0; i-- {
		if v, err = list[i].VisibleMeans(v); err != nil {
			t.Fatal(err)
		}
	}
	in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{20, 12}, F32: x}}
	y := p.x.Then(p.enc, spec.MirrorOf(p.enc, true), spec.Sigmoid()).Named("y")
	out, err := r.Net(p.x.Then(p.enc).Named("code"), y).Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(what string, got, want []float32) {
		t.Helper()
		for i := range want {
			if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-6) {
				t.Fatalf("%s %d: the net gives %v, the machines %v", what, i, got[i], want[i])
			}
		}
	}
	compare("code", out["code"].F32, code)
	compare("reconstruction", out["y"].F32, v)

	// The same with weights of its own, which are those of the machines.
	o := options()
	o.Epochs, o.Optimizer = 1, optim.SGD(1e-30)
	free, err := NewProgram("unrolled", machines, EndToEnd(p.x, p.enc, rows(100), o).CrossEntropy().Untied()).Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	z := p.x.Then(p.enc, spec.MirrorOf(p.enc, false), spec.Sigmoid()).Named("z")
	if out, err = free.Net(z).Run(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	compare("reconstruction of the unrolled net", out["z"].F32, v)
	if rep := free.InitReports(); len(rep) != 1 || len(rep[0].Loaded) != 12 || len(rep[0].Missing) != 0 {
		t.Errorf("the unrolled net started from %v", rep)
	}
}

// patterns are rows of six bits in which the halves agree.
func patterns(n int) *dataset.Table {
	key := random.New(3)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		bits := key.Uint64(0)
		key = key.Derive(1)
		x := row.F32Slice("x")
		for i := range 3 {
			x[i] = float32(bits >> i & 1)
			x[i+3] = x[i]
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{6}})
}

// TestLikelihoodRises trains small machines and measures the exact likelihood of the
// data: eight of 64 states, so log(1/8) is the most there can be.
func TestLikelihoodRises(t *testing.T) {
	for name, change := range map[string]func(*RBMPhase){
		"cd-1": func(*RBMPhase) {}, "cd-3": func(p *RBMPhase) { p.CD(3) },
		"pcd": func(p *RBMPhase) {
			p.opt.Optimizer = optim.SGD(0.1) // chains must keep up with the weights
			p.Persistent(100).CD(5)
		},
	} {
		var last float64
		most := 100
		if name == "pcd" {
			most = 400
		}
		for i, epochs := range []int{1, most / 10, most} {
			x, stack := spec.Input("x", 6), spec.Sequential("s", spec.Dense(8), spec.Sigmoid())
			o := train.Options{Optimizer: optim.SGD(0.2).Momentum(0.5), Epochs: epochs, Batch: 50, Seed: 2, Workers: 1, Log: slog.New(slog.DiscardHandler)}
			phase := RBM(x, stack, patterns(400), o)
			change(phase)
			r, err := NewProgram("p", phase).Run(context.Background(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			list, err := phase.Machines(r)
			if err != nil {
				t.Fatal(err)
			}
			m := list[0]
			logZ, err := m.LogZ(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			ll, err := m.LogLikelihood(patterns(400).F32("x"), logZ)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && ll < last+0.1 {
				t.Errorf("%s: after %d epochs the likelihood is %v, before it was %v", name, epochs, ll, last)
			}
			last = ll
			if epochs < most {
				continue
			}
			if ll > -math.Log(8) || ll < -2.6 {
				t.Errorf("%s: the likelihood at the end is %v", name, ll)
			}
			held := bitsOf(6) // mostly states that never occur
			gap, err := m.FreeEnergyGap(patterns(400).F32("x"), held)
			if err != nil || gap < 1 {
				t.Errorf("%s: other states are only %v above the data, %v", name, gap, err)
			}
			good, err := m.PseudoLikelihood(patterns(400).F32("x"), 1)
			if err != nil {
				t.Fatal(err)
			}
			bad, err := m.PseudoLikelihood(held, 1)
			if err != nil || good < bad+1 {
				t.Errorf("%s: the pseudo-likelihood of the data is %v, of all states %v, %v", name, good, bad, err)
			}
			if e, err := m.ReconstructionError(patterns(400).F32("x")); err != nil || e > 0.6 {
				t.Errorf("%s: the reconstruction error is %v, %v", name, e, err)
			}
		}
	}
}

// TestBeliefChanged goes on with another program in a folder.
func TestBeliefChanged(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, belief(), Options{Dir: dir})
	for name, c := range map[string]struct {
		change func(*plan, *RBMPhase, *StackPhase)
		want   string
	}{
		"chains":  {persistent, "phase 1 of the program, encoder-rbm1, has changed since it began: encoder-mirror/tied3 computes something else; loss/contrast1 computes something else"},
		"sampled": {func(_ *plan, m *RBMPhase, _ *StackPhase) { m.Sampled() }, "phase 2 of the program, encoder-rbm2, has changed since it began: encoder/dense2/bits is new"},
		"rate": {func(_ *plan, m *RBMPhase, _ *StackPhase) {
			o := m.stages[3]
			o.Optimizer = optim.SGD(0.001).Momentum(0.9)
			m.Stage(3, o)
		}, "phase 3 of the program, encoder-rbm3, has changed since it began: SGD's rate was 0.01, is 0.001"},
		"tied": {func(_ *plan, _ *RBMPhase, s *StackPhase) { s.untied = false }, "phase 4 of the program, encoder-endtoend, has changed since it began: encoder-mirror/tied1 is new"},
		"momentum": {func(_ *plan, m *RBMPhase, _ *StackPhase) {
			m.opt.Optimizer = optim.SGD(0.1).Momentum(0.9).EarlyMomentum(0.5, 2).Decay(2e-4)
		}, "phase 1 of the program, encoder-rbm1, has changed since it began: SGD's early epochs was 1, is 2"},
	} {
		_, err := belief(c.change).program.Run(context.Background(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestUnscaled feeds real numbers as they come, and scaled.
func TestUnscaled(t *testing.T) {
	data := func(scale, shift float64) *dataset.Table {
		key := random.New(9)
		return dataset.From(make([]struct{}, 300), func(_ struct{}, row dataset.Row) {
			x := row.F32Slice("x")
			for i := range x {
				x[i] = float32(scale*key.Normal(uint64(i)) + shift)
			}
			x[3] = 5 // a place that never varies
			key = key.Derive(1)
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4}})
	}
	run := func(rows *dataset.Table, gaussian bool, valid dataset.Source) (string, error) {
		var b bytes.Buffer
		x, stack := spec.Input("x", 4), spec.Sequential("s", spec.Dense(3), spec.Sigmoid())
		o := train.Options{Optimizer: optim.SGD(1e-6), Epochs: 1, Workers: 1, Valid: valid, Log: slog.New(slog.NewTextHandler(&b, nil))}
		phase := RBM(x, stack, rows, o)
		if gaussian {
			phase.Gaussian()
		}
		_, err := NewProgram("p", phase).Run(context.Background(), Options{})
		return b.String(), err
	}
	for _, c := range []struct {
		scale, shift float64
		want         string
	}{
		{1, 0, ""}, {1.2, 0.3, ""},
		{255, 0, "found=\"a mean of "}, {1, 4, "found=\"a mean of 3.99"}, {0.1, 0, "and a variance of 0.0"}, {0, 1, "no place varies"},
	} {
		log, err := run(data(c.scale, c.shift), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (log == "") != (c.want == "") || !strings.Contains(log, c.want) ||
			log != "" && !strings.Contains(log, "subtract each place's mean and divide by its standard deviation") {
			t.Errorf("scale %v, shift %v: the log is %q, want %q", c.scale, c.shift, log, c.want)
		}
	}
	bits := dataset.From([]int{0, 1, 2}, func(i int, row dataset.Row) { row.F32("x", 0, 1, 0.5, float32(i)) })
	const want = `phase 1 of 1, s-rbm1: row 2, column "x", place 3 is 2; the visible units of a Bernoulli RBM are probabilities in [0, 1]: scale the data into it, or write Gaussian() for real numbers`
	if _, err := run(bits, false, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if _, err := run(bits.Head(2), false, bits); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("validation rows: got %v", err)
	}
	if log, err := run(bits.Head(2), false, bits.Head(1)); err != nil || log != "" {
		t.Errorf("good bits: %v, %q", err, log)
	}
}

// TestValidatedMachine keeps the last weights whatever the loss of validation rows.
func TestValidatedMachine(t *testing.T) {
	fit := func(valid dataset.Source) []float32 {
		x, stack := spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid())
		o := options()
		o.Optimizer, o.Epochs, o.Valid = optim.SGD(0.1), 4, valid
		r, err := NewProgram("p", RBM(x, stack, rows(100), o)).Run(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if valid != nil {
			if e := r.Last(); !e.Validated || e.Valid.Losses["loss/reconstruction1"] == 0 {
				t.Errorf("the epoch was %+v", e)
			}
		}
		return r.Param("encoder/dense1/w")
	}
	if !slices.Equal(fit(nil), fit(rows(140).Select([]int{120, 130}))) {
		t.Error("validation rows change what is left")
	}
}
