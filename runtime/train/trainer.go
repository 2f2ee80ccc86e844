package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// ErrInterrupted is returned, wrapped, by a training whose context ended. With
// Options.Dir, a checkpoint was written and the message says how to resume.
var ErrInterrupted = errors.New("interrupted")

// Trainer is one training in progress. It is for one goroutine.
type Trainer struct {
	model *spec.Model
	opt   Options
	crew  *crew // other ranks of this process, nil without
	prog  *compiler.Program

	frozen   map[string]bool // parameters that are not trained
	store    *engine.Store
	engine   *engine.Engine
	update   engine.Update
	feed     *feed
	totals   *totals // of an update, nil if the plan takes none
	batches  *dataset.Batches
	rows     dataset.Source
	read     dataset.Source // the rows as the ranks of this process may read them
	eval     *evaluation    // of Options.Valid, nil without
	metrics  *evaluation    // of the training rows, when metrics are asked for without validation rows
	schedule optim.Schedule

	scheduled []scheduled // numbers of the model

	state      state
	cursor     checkpoint.Cursor
	best       tensors
	before     tensors // before an update that is watched
	resumed    bool
	saved      bool // whether there is a checkpoint, and of which epoch
	savedEpoch int
	hash       string // of the rows, "" until it is made;
	validHash  string // and of those for validation
	clock      clock
	report     reporting
	quiet      bool     // what Progress shows need not be logged too
	asked      bool     // whether the rows of an update were given, and not left to the default
	notes      []string // to be said once Progress is there
	err        error

	facts    checkpoint.Facts // all that decides the result; only with Options.Dir
	rowFacts checkpoint.Facts // those of the rows, which come last
	files    *files           // only with Options.Dir
	logs     logs             // of Options.Logs
	named    bool             // whether an epoch has said what the machine is

	unlock          func() error // gives Options.Dir back, nil without
	writeCheckpoint func(path string, f *checkpoint.File) error

	sumNames []string             // outputs that are summed: the whole loss, then each loss
	running  map[string][]float32 // state that Options.InitFrom gives: statistics and fitted constants
	sums     tree                 // of the update under way
	others   others               // that a run meets
	room     []float32            // for what others hold
	factors  []float64            // of each parameter's learning rate, in store order
	done     bool
}

// New compiles the model and prepares a training on rows. With Options.Dir it resumes
// from the checkpoint there.
//
// Errors: every mistake of the declaration and of the options, joined, before
// any row is read; the error of Options.Needs; rows that lack an input's column; a folder
// that cannot be written or that another open training uses; a checkpoint of another
// model or run; tensors of Options.InitFrom that cannot be loaded; a label, token or
// probability that the model does not accept; validation rows that share a group with the
// training rows, if both name the column (dataset.Selection.GroupedBy). To check values, all
// rows are read once if the model does not accept every value.
func New(ctx context.Context, m *spec.Model, rows dataset.Source, o Options) (*Trainer, error) {
	quiet, asked := false, o.Batch > 0 || o.Accumulate > 1
	mixed := o.mixed(rows)
	if err := errors.Join(o.check(m), mixed); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log, quiet = slog.Default(), o.Progress != nil
	}
	frozen, err := o.frozen(m)
	if err != nil {
		return nil, err
	}
	prog, err := compiler.Compile(m, compiler.Options{Rows: o.runRows(), UpdateRows: o.Batch * o.Accumulate, StoreGrads: o.stored(), Shards: o.Shards, Frozen: frozen, Average: o.Average, AverageShare: o.AverageSchedule != nil, BF16: o.bf16(), Dump: o.Dump, DumpAfter: o.DumpAfter})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(o.checkGroups(m), o.checkKept(m)); err != nil {
		return nil, err
	}
	if o.totals = prog.TrainTotals != nil; o.totals {
		if err := o.checkWhole(); err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
	}
	if o.Needs != nil {
		if err := o.Needs(); err != nil {
			return nil, fmt.Errorf("train: not started, because something needed after the training is missing: %w", err)
		}
	}
	crew, read := recruit(&o, rows)
	t := &Trainer{model: m, opt: o, crew: crew, read: read, prog: prog, frozen: frozen, rows: rows, quiet: quiet, asked: asked, schedule: o.Optimizer.Plan(),
		clock: clock{read: time.Now}, writeCheckpoint: checkpoint.Write}
	if s, ok := t.schedule.(optim.StatefulSchedule); ok {
		t.schedule = s.Start()
	}
	err = t.prepare(ctx)
	if err == nil && crew != nil {
		err = crew.fill(ctx, m, read, o)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Trainer) prepare(ctx context.Context) (err error) {
	if !t.opt.leads() {
		t.opt.Dir, t.opt.Logs = "", nil
	}
	if err := t.openFolder(); err != nil {
		return err
	}
	if t.logs, err = openLogs(t.opt.Logs); err != nil {
		return err
	}
	if t.batches, err = dataset.NewBatches(t.read, t.opt.batchRows(), random.New(t.opt.Seed).DeriveString("shuffle"), !t.opt.InOrder); err != nil {
		return err
	}
	if t.feed, err = newFeed(t.prog.Train, t.rows, t.model, t.prog.TrainTotals); err != nil {
		return err
	}
	if err := t.augment(); err != nil {
		return err
	}
	t.store = engine.NewStore(t.prog.Train.Segments, t.opt.Optimizer.Slots(), t.prog.Train.States...)
	t.store.NoSlots(t.frozen)
	initialize(t.store, t.prog.Params, t.opt.Seed)
	if t.engine, err = engine.New(t.prog.Train, t.store, t.opt.engine()); err != nil {
		return err
	}
	if slow := t.engine.Slow(); slow.Share > 0 {
		t.opt.Log.Warn("train: some steps have no fast kernel and are run by the slow reference", "ops", slow.String())
	}
	if err := t.feed.gather(t.engine, t.batches); err != nil {
		return err
	}
	if t.totals, err = newTotals(t.prog.TrainTotals, t.feed, t.batches, t.rows, t.model, &t.opt); err != nil {
		return err
	}
	if err := t.enough(); err != nil {
		return err
	}
	if t.opt.ranks() > 1 {
		t.others.Cluster = t.opt.Cluster
		t.engine.Meet(&t.others)
	}
	t.sumNames = t.prog.Losses
	if s := t.opt.Show; s != "" && !slices.Contains(t.sumNames, s) {
		return fmt.Errorf("train: Options.Show is %q; the losses of model %q are %s", s, t.prog.Name, strings.Join(t.sumNames, ", "))
	}
	t.sums = newTree(len(t.sumNames), t.opt.Shards)
	t.group()
	if !t.opt.leads() {
		return t.follow(ctx)
	}
	if err := t.opt.apartFrom(t.rows); err != nil {
		return err
	}
	if t.opt.Valid != nil {
		if t.eval, err = newEvaluation(t, t.opt.Valid, true); err != nil {
			return fmt.Errorf("Options.Valid: %w", err)
		}
	} else if len(t.opt.Metrics) > 0 {
		if t.metrics, err = newEvaluation(t, t.rows, false); err != nil {
			return err
		}
	}
	if err := t.initFrom(); err != nil {
		return err
	}
	if err := t.startStates(); err != nil {
		return err
	}
	if t.opt.Dir != "" {
		if err := t.load(ctx); err != nil {
			return err
		}
	}
	if err := t.logs.begin(t.state.History); err != nil {
		return err
	}
	if err := t.look(ctx); err != nil {
		return err
	}
	if err := t.fit(ctx); err != nil {
		return err
	}
	if name := t.badParam(); name != "" {
		return fmt.Errorf("train: parameter %q is not finite before the first step: its initializer, Options.InitFrom or the checkpoint made it so", name)
	}
	if err := t.meet(ctx); err != nil {
		return err
	}
	t.tell()
	return nil
}

// look reads every row once, if the model does not take every value, so that a bad label does not wait for its batch.
func (t *Trainer) look(ctx context.Context) error {
	var metrics *feed
	if t.metrics != nil {
		metrics = t.metrics.metrics.feed
	}
	err := t.feed.look(ctx, metrics)
	if err == nil && t.eval != nil {
		if err = t.eval.look(ctx); err != nil {
			err = fmt.Errorf("Options.Valid: %w", err)
		}
	}
	if err == nil {
		t.feed.warn(t.opt.Log, "training rows")
		if t.eval != nil {
			t.eval.losses.feed.warn(t.opt.Log, "validation rows")
		}
	}
	return t.early(ctx, err, "looked at")
}

// early says that a context ended before there was anything to train.
func (t *Trainer) early(ctx context.Context, err error, doing string) error {
	cause := ctx.Err()
	if cause == nil || !errors.Is(err, cause) {
		return err
	}
	if t.opt.Dir == "" {
		return fmt.Errorf("train: %w while the rows were %s; nothing was trained: %w", ErrInterrupted, doing, cause)
	}
	return fmt.Errorf("train: %w while the rows were %s; %s is as it was: %w", ErrInterrupted, doing, t.opt.Dir, cause)
}

// initialize fills the parameters: a function of the seed and each one's name.
func initialize(s *engine.Store, params []spec.Param, seed uint64) {
	for _, p := range params {
		copy(s.Param(p.Name), p.Initial(random.New(seed)))
	}
	s.Touch()
}

// startStates fills the state: an average starts as what it is the average of does.
func (t *Trainer) startStates() error {
	for _, s := range t.model.States() {
		if value, plan, ok := s.Scheduled(); ok {
			t.scheduled = append(t.scheduled, scheduled{s.Name, value, plan, t.store.State(s.Name)})
			continue
		}
		if p, ok := s.Like(); ok {
			copy(t.store.State(s.Name), t.store.Param(p.Name))
			continue
		}
		x := t.running[s.Name]
		if x == nil {
			x = s.Initial(random.New(t.opt.Seed))
		}
		copy(t.store.State(s.Name), x)
	}
	for _, p := range t.prog.Params {
		copy(t.store.State(compiler.AveragePrefix+p.Name), t.store.Param(p.Name))
	}
	if s := t.opt.AverageSchedule; s != nil {
		t.scheduled = append(t.scheduled, scheduled{compiler.AverageShare, 1 - t.opt.Average, s, t.store.State(compiler.AverageShare)})
	}
	return t.setScheduled(t.progress())
}

// scheduled is a number of the model and where it is.
type scheduled struct {
	name  string
	value float64
	plan  optim.Schedule
	at    []float32
}

// Resumed reports whether the training resumes from a checkpoint, and how many
// epochs that had finished.
func (t *Trainer) Resumed() (epochs int, ok bool) { return t.cursor.Epoch, t.resumed }

// Explain describes the compiled program: phases, tasks, kernels, buffers,
// bytes and floating-point operations.
func (t *Trainer) Explain() string {
	return t.prog.ExplainWith(func(p *plan.Plan, step int) string {
		switch {
		case p == t.prog.Train:
			return t.engine.Kernel(step)
		case t.totals != nil && p == t.prog.TrainTotals.Plan:
			return t.totals.sums.Engine().Kernel(step)
		case t.eval != nil:
			return t.eval.losses.engine.Kernel(step)
		}
		return ""
	})
}

// Epochs trains and yields each epoch when it is finished. The loop may be left at any
// time; Done then returns the result so far. It ends by itself after Options.Epochs, by
// early stopping, at an error, or when ctx ends; Done says which.
func (t *Trainer) Epochs(ctx context.Context) iter.Seq[Epoch] {
	return func(yield func(Epoch) bool) {
		if t.err != nil || t.done {
			return
		}
		t.report.start(t)
		defer t.report.close()
		if t.crew != nil {
			t.crew.start()
		}
		for !t.finished() {
			e, err := t.epoch(ctx)
			if err != nil {
				t.err = t.interrupted(ctx, err)
				return
			}
			if t.stopped() && t.cursor.Epoch < t.opt.Epochs {
				t.say(fmt.Sprintf("stopped early, best epoch %d", t.state.Best))
			}
			if !yield(e) {
				return
			}
		}
	}
}

// finished reports whether nothing is left to train.
func (t *Trainer) finished() bool {
	return t.cursor.Epoch >= t.opt.Epochs || t.stopped()
}

// stopped reports whether the patience is at its end.
func (t *Trainer) stopped() bool { return t.opt.Patience > 0 && t.state.Waited >= t.opt.Patience }

// interrupted writes the checkpoint of a training whose context ended.
func (t *Trainer) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if t.opt.Dir == "" {
		return fmt.Errorf("train: %w in epoch %d; without Options.Dir there is no checkpoint: %w", ErrInterrupted, t.cursor.Epoch+1, err)
	}
	if serr := t.save(); serr != nil {
		return errors.Join(fmt.Errorf("train: %w: %w", ErrInterrupted, err), serr)
	}
	return fmt.Errorf("train: %w in epoch %d after %d steps; the checkpoint is %s: run the same command again to resume: %w",
		ErrInterrupted, t.cursor.Epoch+1, t.cursor.Step, filepath.Join(t.opt.Dir, checkpointName), err)
}

// epoch trains to the end of the epoch under way.
func (t *Trainer) epoch(ctx context.Context) (Epoch, error) {
	started, before := t.clock.elapsed(), t.state.Rows
	if err := t.batches.Seek(t.cursor.Epoch, t.cursor.Step); err != nil {
		return Epoch{}, err
	}
	defer t.batches.Close()
	for {
		more, err := t.step(ctx)
		if err != nil {
			return Epoch{}, err
		}
		if !more {
			break
		}
	}
	e := Epoch{Number: t.cursor.Epoch + 1, Updates: t.cursor.Update, Rows: t.state.Rows, Rate: t.state.Rate, Train: t.means(), Trail: t.state.Trail.Marks,
		GradNorm: t.state.Norms.mean(), GradNormMax: t.state.Norms.Max, Memory: peakMemory()}
	if !t.named {
		e.Machine, t.named = t.machine(), true
	}
	spent := t.clock.elapsed() - started
	e.Seconds, e.RowsPerSecond = spent.Seconds(), perSecond(int64(t.state.Rows-before), spent)
	var err error
	switch {
	case t.eval != nil:
		e.Validated = true
		e.Valid, err = t.eval.run(ctx)
	case t.metrics != nil:
		var v Values
		v, err = t.metrics.run(ctx)
		e.Train.Metrics = v.Metrics
	}
	if err != nil {
		return Epoch{}, err
	}
	if e.Validated && !finite(e.Valid.Loss) {
		return Epoch{}, t.invalid(e.Valid.Loss)
	}
	if err := t.opt.recorded(&e); err != nil {
		return Epoch{}, err
	}
	if t.eval != nil && !finite(t.opt.BestBy.of(&e)) {
		return Epoch{}, t.unjudged(&e)
	}
	if e, err = t.agree(ctx, e); err != nil {
		return Epoch{}, err
	}
	e.Best = t.state.judge(&e, t.opt.BestBy, t.opt.MinDelta)
	if e.Best && e.Validated && !t.opt.KeepLast {
		t.keep(&t.best)
	}
	if s, ok := t.schedule.(optim.StatefulSchedule); ok {
		s.Observe(e.judged())
	}
	t.cursor.Epoch, t.cursor.Step = e.Number, 0
	t.state.History = append(t.state.History, e)
	t.state.Sum, t.state.Rows, t.state.Trail, t.state.Norms = nil, 0, trail{}, norms{}
	t.opt.Log.Debug("epoch", "model", t.prog.Name, "epoch", e.Number, "loss", e.Train.Loss, "valid", e.Valid.Loss, "samples/s", e.RowsPerSecond)
	if err := t.save(); err != nil {
		return Epoch{}, err
	}
	if err := t.logs.show(t.state.History); err != nil {
		return Epoch{}, err
	}
	t.report.epoch(t, e)
	return e, nil
}

// means returns the mean losses of the epoch under way.
func (t *Trainer) means() Values { return valuesOf(t.sumNames, t.state.Sum, float64(t.state.Rows)) }

// tensors are copies of parameters and of state, by name; nil where none were kept.
type tensors struct{ params, states map[string][]float32 }

// keep copies the parameters and the state.
func (t *Trainer) keep(to *tensors) {
	if to.params == nil {
		to.params, to.states = map[string][]float32{}, map[string][]float32{}
	}
	for _, p := range t.prog.Params {
		to.params[p.Name] = append(to.params[p.Name][:0], t.store.Param(p.Name)...)
	}
	for _, s := range t.store.States() {
		to.states[s.Name] = append(to.states[s.Name][:0], t.store.State(s.Name)...)
	}
}

// lastGood names the checkpoint to go back to.
func (t *Trainer) lastGood() string {
	if !t.saved {
		return ""
	}
	return fmt.Sprintf("; the last good checkpoint is %s, of epoch %d", filepath.Join(t.opt.Dir, checkpointName), t.savedEpoch)
}

// Close releases the workers and Options.Dir. Done does so too.
func (t *Trainer) Close() {
	if t.crew != nil {
		t.crew.close(t.err == nil && t.finished())
	}
	if t.batches != nil {
		t.batches.Close()
	}
	if t.engine != nil {
		t.engine.Close()
	}
	t.totals.close()
	t.logs.close()
	for _, e := range []*evaluation{t.eval, t.metrics} {
		if e != nil {
			e.close()
		}
	}
	if t.unlock != nil {
		if err := t.unlock(); err != nil {
			t.opt.Log.Warn("train: the lock of the folder is not given back before the process ends", "dir", t.opt.Dir, "err", err)
		}
		t.unlock = nil
	}
	t.done = true
}

// Done ends the training and returns its result: with validation rows, the
// weights of the best epoch (see [Options.BestBy]).
//
// Errors: what ended the training early.
func (t *Trainer) Done() (*Result, error) {
	t.Close()
	if t.err != nil {
		return nil, t.err
	}
	r := &Result{model: t.model, prog: t.prog, rows: t.rows, opt: t.opt, kernels: t.kernels(), starts: t.state.InitFrom,
		measured: newMeasured(t), History: append([]Epoch{}, t.state.History...), Best: t.state.Best, cut: !t.finished()}
	result := t.best
	if result.params == nil || t.opt.KeepLast {
		t.keep(&result)
	}
	r.params, r.states = result.params, result.states
	for _, p := range t.prog.Params {
		for _, x := range r.params[p.Name] {
			if x-x != 0 {
				return nil, fmt.Errorf("train: parameter %q of the result is not finite", p.Name)
			}
		}
	}
	return r, nil
}

// Fit trains the model on rows: New, all Epochs, Done.
func Fit(ctx context.Context, m *spec.Model, rows dataset.Source, o Options) (*Result, error) {
	t, err := New(ctx, m, rows, o)
	if err != nil {
		return nil, err
	}
	for range t.Epochs(ctx) {
	}
	return t.Done()
}
