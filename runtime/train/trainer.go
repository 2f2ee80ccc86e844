package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/random"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// ErrInterrupted is returned, wrapped, by a training whose context ended. With
// Options.Dir its checkpoint is written and the message says how to go on.
var ErrInterrupted = errors.New("interrupted")

// Trainer is one training under way. It is for one goroutine.
type Trainer struct {
	model *spec.Model
	opt   Options
	prog  *compiler.Program

	frozen   map[string]bool // parameters that are not trained
	store    *engine.Store
	engine   *engine.Engine
	update   engine.Update
	feed     *feed
	batches  *dataset.Batches
	rows     dataset.Source
	eval     *evaluation // of Options.Valid, nil without
	metrics  *evaluation // of the training rows, when metrics are asked for without validation rows
	schedule optim.Schedule

	state      state
	cursor     checkpoint.Cursor
	best       map[string][]float32
	resumed    bool
	saved      bool // whether there is a checkpoint, and of which epoch
	savedEpoch int
	hash       string
	clock      clock
	report     reporting
	err        error

	unlock          func() error // gives Options.Dir back, nil without
	writeCheckpoint func(path string, f *checkpoint.File) error

	sumNames []string  // outputs that are summed: the whole loss, then each loss
	sums     []float64 // of the update under way
	factors  []float64 // of each parameter's learning rate, in store order
	done     bool
}

// New compiles the model and prepares a training on rows; with Options.Dir it
// goes on from the checkpoint there.
//
// Errors: every mistake of the declaration and of the options, joined, before
// any row is read; rows that lack an input's column; a folder that cannot be
// written or that another training, which is not closed, uses; a checkpoint of
// another model or run; tensors of Options.InitFrom that cannot be loaded; a
// label, a token or a probability that the model does not take, for which all
// rows are read once if it does not take every value.
func New(ctx context.Context, m *spec.Model, rows dataset.Source, o Options) (*Trainer, error) {
	if err := o.check(m); err != nil {
		return nil, err
	}
	frozen, err := o.frozen(m.Params())
	if err != nil {
		return nil, err
	}
	prog, err := compiler.Compile(m, compiler.Options{Rows: o.Batch, StoreGrads: o.stored(), Frozen: frozen, Dump: o.Dump, DumpAfter: o.DumpAfter})
	if err != nil {
		return nil, err
	}
	if err := o.checkGroups(prog.Params); err != nil {
		return nil, err
	}
	t := &Trainer{model: m, opt: o, prog: prog, frozen: frozen, rows: rows, best: map[string][]float32{}, schedule: o.Optimizer.Plan(),
		clock: clock{read: time.Now}, writeCheckpoint: checkpoint.Write}
	if s, ok := t.schedule.(optim.StatefulSchedule); ok {
		t.schedule = s.Start()
	}
	if err := t.prepare(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// stored reports whether an update needs the whole gradient in memory.
func (o *Options) stored() bool { return o.ClipNorm > 0 || o.Accumulate > 1 }

func (t *Trainer) prepare(ctx context.Context) (err error) {
	if err := t.openFolder(); err != nil {
		return err
	}
	if t.batches, err = dataset.NewBatches(t.rows, t.opt.Batch, random.New(t.opt.Seed).DeriveString("shuffle"), !t.opt.InOrder); err != nil {
		return err
	}
	if t.feed, err = newFeed(t.prog.Train, t.rows, t.model); err != nil {
		return err
	}
	t.store = engine.NewStore(t.prog.Train.Segments, t.opt.Optimizer.Slots(), t.prog.Train.States...)
	t.store.NoSlots(t.frozen)
	initialize(t.store, t.prog.Params, t.opt.Seed)
	for _, s := range t.model.States() {
		copy(t.store.State(s.Name), s.Initial(random.New(t.opt.Seed)))
	}
	if t.engine, err = engine.New(t.prog.Train, t.store, engine.Options{Workers: t.opt.Workers, Spin: t.opt.Spin}); err != nil {
		return err
	}
	if err := t.feed.gather(t.engine, t.batches); err != nil {
		return err
	}
	t.sumNames = t.prog.Losses
	t.sums = make([]float64, len(t.sumNames))
	t.group()
	if t.opt.Valid != nil {
		if t.eval, err = newEvaluation(t, t.opt.Valid, true); err != nil {
			return fmt.Errorf("Options.Valid: %w", err)
		}
	} else if len(t.opt.Metrics) > 0 {
		if t.metrics, err = newEvaluation(t, t.rows, false); err != nil {
			return err
		}
	}
	t.state.Settings = t.opt.settings()
	if err := t.initFrom(); err != nil {
		return err
	}
	if err := t.load(ctx); err != nil {
		return err
	}
	if err := t.look(ctx); err != nil || t.opt.Dir == "" {
		return err
	}
	_, err = t.dataHash(ctx) // now, so that an interruption need not wait for all rows
	return err
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

// Resumed reports whether the training goes on from a checkpoint, and the
// epochs that were finished then.
func (t *Trainer) Resumed() (epochs int, ok bool) { return t.cursor.Epoch, t.resumed }

// Explain describes the compiled program: phases, tasks, kernels, buffers,
// bytes and floating-point operations.
func (t *Trainer) Explain() string {
	return t.prog.ExplainWith(func(p *plan.Plan, step int) string {
		switch {
		case p == t.prog.Train:
			return t.engine.Kernel(step)
		case t.eval != nil:
			return t.eval.losses.engine.Kernel(step)
		}
		return ""
	})
}

// Epochs trains and yields each epoch when it is finished. The loop may be left
// at any time; Done returns what there is then. It ends by itself after
// Options.Epochs, by early stopping, at a mistake, or when ctx ends; Done tells
// which.
func (t *Trainer) Epochs(ctx context.Context) iter.Seq[Epoch] {
	return func(yield func(Epoch) bool) {
		if t.err != nil || t.done {
			return
		}
		t.report.start(t)
		defer t.report.close()
		for !t.finished() {
			e, err := t.epoch(ctx)
			if err != nil {
				t.err = t.interrupted(ctx, err)
				return
			}
			if !yield(e) {
				return
			}
		}
	}
}

// finished reports whether nothing is left to train.
func (t *Trainer) finished() bool {
	return t.cursor.Epoch >= t.opt.Epochs || t.opt.Patience > 0 && t.state.Waited >= t.opt.Patience
}

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
	return fmt.Errorf("train: %w in epoch %d after %d steps; the checkpoint is %s: run the same again to go on: %w",
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
	e := Epoch{Number: t.cursor.Epoch + 1, Updates: t.cursor.Update, Rows: t.state.Rows, Rate: t.state.Rate, Train: t.means()}
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
		return Epoch{}, fmt.Errorf("train: epoch %d: the validation loss is %v; try a smaller learning rate%s", e.Number, e.Valid.Loss, t.lastGood())
	}
	e.Best = t.state.judge(&e, t.opt.MinDelta)
	if e.Best && e.Validated && !t.opt.KeepLast {
		t.keepBest()
	}
	if s, ok := t.schedule.(optim.StatefulSchedule); ok {
		s.Observe(e.judged())
	}
	t.cursor.Epoch, t.cursor.Step = e.Number, 0
	t.state.History = append(t.state.History, e)
	t.state.Sum, t.state.Rows = nil, 0
	t.opt.Log.Debug("epoch", "model", t.prog.Name, "epoch", e.Number, "loss", e.Train.Loss, "valid", e.Valid.Loss, "samples/s", e.RowsPerSecond)
	if err := t.save(); err != nil {
		return Epoch{}, err
	}
	t.report.epoch(t, e)
	return e, nil
}

// means returns the mean losses of the epoch under way.
func (t *Trainer) means() Values { return valuesOf(t.sumNames, t.state.Sum, float64(t.state.Rows)) }

// keepBest copies the parameters.
func (t *Trainer) keepBest() {
	for _, p := range t.prog.Params {
		if t.best[p.Name] == nil {
			t.best[p.Name] = make([]float32, len(t.store.Param(p.Name)))
		}
		copy(t.best[p.Name], t.store.Param(p.Name))
	}
}

// dataHash returns the hash of the training rows, computed when first needed.
func (t *Trainer) dataHash(ctx context.Context) (string, error) {
	if t.hash == "" {
		h, err := dataset.Hash(dataset.Until(ctx, t.rows))
		if err != nil {
			return "", t.early(ctx, err, "read for the checkpoint's hash")
		}
		t.hash = h
	}
	return t.hash, nil
}

// lastGood names the checkpoint to go back to.
func (t *Trainer) lastGood() string {
	if !t.saved {
		return ""
	}
	return fmt.Sprintf("; the last good checkpoint is %s, of epoch %d", filepath.Join(t.opt.Dir, checkpointName), t.savedEpoch)
}

// Close frees the workers and Options.Dir. Done does so too.
func (t *Trainer) Close() {
	if t.batches != nil {
		t.batches.Close()
	}
	if t.engine != nil {
		t.engine.Close()
	}
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
// weights of the best epoch.
//
// Errors: what ended the training early.
func (t *Trainer) Done() (*Result, error) {
	t.Close()
	if t.err != nil {
		return nil, t.err
	}
	r := &Result{model: t.model, prog: t.prog, params: map[string][]float32{}, rows: t.rows, settings: t.state.Settings,
		hash: t.hash, History: append([]Epoch{}, t.state.History...), Best: t.state.Best}
	for _, p := range t.prog.Params {
		r.params[p.Name] = append([]float32{}, t.store.Param(p.Name)...)
	}
	if len(t.best) > 0 && !t.opt.KeepLast {
		maps.Copy(r.params, t.best)
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
