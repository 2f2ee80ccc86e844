package rates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/optimize"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Declared is one declaration of what is trained.
type Declared struct {
	Model   *spec.Model
	Metrics []train.Metric // of the model's values, that SearchOptions.By may name
}

// SearchOptions say how rates are searched for. The zero value of a field is the default named beside it; Label has none.
type SearchOptions struct {
	// Label is the column of one i64 a row by which rows are divided into folds. Rows whose label is negative have none and
	// take no part. Group is one of what may not be on both sides of a fold, such as a person; that of the rows
	// (dataset.Selection.GroupedBy).
	Label, Group string

	By train.By // a number of the rows of a fold after the last epoch, such as train.Greatest("accuracy"); the loss

	// Blocks are patterns (optim.Match) of what gets one rate each; each layer. A parameter is in the first that names it,
	// and keeps its rate if none does.
	Blocks []string

	Folds       int     // 5
	Population  int     // candidates of a generation; 10
	Generations int     // 8
	Decay       float64 // the factor from layer to layer to compare with; 0.75
	Confirm     int     // other divisions into folds by which the best candidate is compared with what was not searched; 3
	Seed        uint64  // of the search and the folds

	Dir      string         // folder that keeps every score, for a search that is started again; "" keeps none
	Progress func(Progress) // called after each set of folds, by one goroutine at a time; nil for none
}

// Progress is how far a search is.
type Progress struct {
	Done, Of int     // sets of folds; a candidate that comes again is not trained again
	Score    Score   // the last one
	Best     float64 // the best candidate's mean so far, an infinity if there is none
}

// Bounds of SearchOptions.
const (
	mostFolds = 1000
	mostTimes = 10000 // of Population, Generations and Confirm
)

// check fills the defaults in and returns every mistake.
func (s *SearchOptions) check(o *train.Options) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("rates: "+format, a...)) }
	number := func(name string, p *int, def, least, most int) {
		if *p == 0 {
			*p = def
		}
		if *p < least || *p > most {
			bad("SearchOptions.%s must be from %d to %d, got %d", name, least, most, *p)
		}
	}
	number("Folds", &s.Folds, 5, 2, mostFolds)
	number("Population", &s.Population, 10, 4, mostTimes)
	number("Generations", &s.Generations, 8, 1, mostTimes)
	number("Confirm", &s.Confirm, 3, 1, mostTimes)
	if s.Decay = cmp.Or(s.Decay, 0.75); !(s.Decay > 0 && s.Decay <= 1) {
		bad("SearchOptions.Decay must be above 0 and at most 1, got %v", s.Decay)
	}
	if s.Label == "" {
		bad("SearchOptions.Label is required: the column of the labels, by which rows are divided into folds")
	}
	if o.Valid != nil || o.Patience > 0 || o.BestBy != (train.By{}) {
		bad("Options.Valid, Patience and BestBy have no place in a search, which measures on folds of its rows after the last epoch: set SearchOptions.By")
	}
	if len(o.Metrics) > 0 {
		bad("Options.Metrics are of one declaration, and each candidate is trained from a fresh one: return them in Declared")
	}
	if o.Optimizer == nil {
		bad("Options.Optimizer is required, such as optim.Adam(1e-3)")
	} else if err := o.Optimizer.Err(); err != nil {
		errs = append(errs, err)
	} else if d, ok := o.Optimizer.Describe().(optim.Description); !ok {
		bad("the optimizer %q is not one of Lamina's own, so rates cannot be searched for it", o.Optimizer.Name())
	} else if len(d.Groups) > 0 || o.Optimizer.LayerFactor() != 1 {
		bad("the optimizer has rates for groups or layers already; search from one without them")
	}
	return errors.Join(errs...)
}

// search is one under way.
type search struct {
	SearchOptions
	declare func() Declared
	options train.Options
	rows    *dataset.Selection // with labels
	labels  []int64
	groups  []int64
	blocks  []Block
	workers int
	kept    *ledger

	declares sync.Mutex // one declaration at a time

	mu    sync.Mutex
	done  int
	best  float64 // least cost of a candidate
	tried map[string]*Tried
	err   error
}

// Search looks for the rate of each block, or whether it is to stay as it is, that trains best on labelled rows: an
// evolution of the logarithms of factors by covariance matrix adaptation (Krause et al. 2016, gonum's optimize.CmaEsChol),
// after Bu et al. 2024. A factor is from 1/32 to 8; a block that would get less, down to 1/64, is frozen. What is best is the
// mean score over the folds of a cross-validation of the labelled rows (evaluate.Folds), and of these alone: test rows have no
// part in it. Every candidate is trained with the same folds and seeds, each from a fresh declaration and with one
// worker, Options.Workers candidates at a time. The result is the same for any number of them, and after an interruption.
//
// The best of many candidates has been lucky too. So it is trained again on other divisions of the rows into folds, beside
// the rates as they are and rates that fall by SearchOptions.Decay from layer to layer, and [Found.Helped] goes by those.
// Options.Dir, Logs, Cluster, Progress and Log have no part in a search. A candidate that goes out of bounds is the worst there is.
//
// Errors: mistakes of the options; no row with a label; fewer rows, or groups, than folds; those of training with the rates
// as they are; a score that is not a number, as of a metric that the rows of a fold do not have; a folder that cannot be
// written, or is of another search; train.ErrInterrupted, wrapped.
func Search(ctx context.Context, declare func() Declared, rows dataset.Source, o train.Options, so SearchOptions) (*Found, error) {
	if err := so.check(&o); err != nil {
		return nil, err
	}
	o.Dir, o.Logs, o.Cluster, o.Progress, o.AfterUpdate, o.Needs, o.CheckpointEvery, o.Dump, o.DumpAfter = "", nil, nil, nil, nil, nil, 0, nil, ""
	o.KeepLast, o.BestBy, o.Log = true, so.By, slog.New(slog.DiscardHandler)
	s := &search{SearchOptions: so, declare: declare, options: o, best: math.Inf(1), tried: map[string]*Tried{}}
	s.workers, s.options.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0)), 1
	d := declare()
	if d.Model == nil {
		return nil, errors.New("rates: the declaration has no model")
	}
	err := d.Model.Err()
	if err == nil {
		s.blocks, err = blocksOf(d.Model, o, so.Blocks)
	}
	if err == nil {
		err = s.choose(ctx, rows)
	}
	if err == nil {
		err = s.open(ctx, d)
	}
	if err != nil {
		return nil, err
	}
	defer s.kept.close()
	f, err := s.run(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		again := "without SearchOptions.Dir nothing is kept"
		if so.Dir != "" {
			again = "run the same command again to go on"
		}
		return nil, fmt.Errorf("rates: the search was %w after %d of %d sets of folds; %s: %w", train.ErrInterrupted, s.done, s.sets(), again, ctx.Err())
	}
	return f, err
}

// sets is how many sets of folds a search trains.
func (s *search) sets() int { return 2 + s.Population*s.Generations + 3*s.Confirm }

func (s *search) run(ctx context.Context) (*Found, error) {
	f := &Found{Blocks: s.blocks, By: s.By, Folds: s.Folds, DecayBy: s.Decay}
	ones := slices.Repeat([]float64{1}, len(s.blocks))
	f.Uniform = &Tried{Name: "uniform", Factors: ones, found: f}
	f.Decay = &Tried{Name: fmt.Sprintf("decay %v", s.Decay), found: f}
	for _, t := range []*Tried{f.Uniform, f.Decay} {
		if err := s.score(ctx, t, 0); err != nil {
			return nil, err
		}
	}
	if bad := f.Uniform.Diverged; bad != "" {
		return nil, fmt.Errorf("rates: with the rates as they are, the training goes out of bounds, so there is nothing to compare with: %s", bad)
	}
	if err := s.evolve(ctx, f); err != nil {
		return nil, err
	}
	for _, t := range s.tried {
		f.Tried = append(f.Tried, t)
	}
	slices.SortFunc(f.Tried, func(a, b *Tried) int {
		return cmp.Or(cmp.Compare(a.cost(), b.cost()), cmp.Compare(a.far(), b.far()), slices.Compare(a.Factors, b.Factors))
	})
	for i, t := range f.Tried {
		t.Name = fmt.Sprintf("searched, rank %d", i+1)
	}
	f.Best = f.Tried[0]
	if f.Best.Diverged != "" {
		return nil, fmt.Errorf("rates: every candidate goes out of bounds; take a smaller rate: %s", f.Best.Diverged)
	}
	f.Best.Name = "searched"
	for division := 1; division <= s.Confirm; division++ {
		for _, t := range []*Tried{f.Uniform, f.Decay, f.Best} {
			if err := s.score(ctx, t, division); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// evolve fills tried.
func (s *search) evolve(ctx context.Context, f *Found) error {
	p := optimize.Problem{
		Func: func(x []float64) float64 {
			factors := decode(x)
			s.mu.Lock()
			t, err := s.tried[key(factors)], s.err
			s.mu.Unlock()
			if t != nil || err != nil {
				return s.costOf(t)
			}
			t = &Tried{Factors: factors, found: f}
			err = s.score(ctx, t, 0)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.err = cmp.Or(s.err, err)
				return math.Inf(1)
			}
			s.tried[key(factors)] = t
			return t.cost()
		},
		Status: func() (optimize.Status, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.err != nil {
				return optimize.Failure, s.err
			}
			return optimize.NotTerminated, nil
		},
	}
	settings := &optimize.Settings{MajorIterations: s.Generations, Converger: optimize.NeverTerminate{}, Concurrent: min(s.workers, s.Population)}
	method := &optimize.CmaEsChol{InitStepSize: 1, Population: s.Population, Src: rand.NewPCG(s.Seed, uint64(len(s.blocks)))}
	_, err := optimize.Minimize(p, make([]float64, len(s.blocks)), settings, method)
	if s.err != nil { // told before gonum's
		return s.err
	}
	if err != nil {
		return fmt.Errorf("rates: the search failed: %w", err)
	}
	return ctx.Err()
}

// costOf is that of a candidate that was tried, or the worst if there is none.
func (s *search) costOf(t *Tried) float64 {
	if t == nil {
		return math.Inf(1)
	}
	return t.cost()
}
