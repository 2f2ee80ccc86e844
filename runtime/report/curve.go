package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/train"
)

// curving is a label curve that is being measured.
type curving struct {
	o       CurveOptions
	model   func() Model
	first   Model // for what does not train
	label   string
	names   []string // of the classes
	classes int

	rows           *dataset.Selection
	hash, testHash string
	y, groups      []int64 // of the rows
	labelled       []int
	cells          []*cell

	notes    []string
	started  map[string][]train.From // pretrainings
	scaled   map[string][]train.From // what is fitted to a pool
	at       progress
	estimate map[string]float64 // seconds of an arm with so many labels
}

type progress struct{ done, of, fresh int }

// LabelCurve measures how good a model becomes with how many labels: from scratch, from
// each pretraining, and as the arms of the options say, beside controls that need no net.
// It writes Dir/report.json, report.csv and report.html, an index file of each draw
// ([dataset.ReadIndex]) with a scikit-learn script of boosted trees beside them, and keeps
// each point as it is measured.
//
// Nothing is chosen and nothing is fitted on rows that are measured on, but for arms that
// say so ([Arm].Seen). The same rows, model, options and seed give the same numbers for any
// number of workers and across an interruption.
//
// Errors: options that cannot be; a folder that cannot be written, or has points of another
// curve; a group that is on both sides; too few labels; joined predictions of other rows; those of a training, with
// its arm and draw; train.ErrInterrupted, wrapped, when the context ends.
func LabelCurve(ctx context.Context, model func() Model, o CurveOptions) (*Curve, error) {
	r, err := newCurving(model, o)
	if err != nil {
		return nil, err
	}
	unlock, err := r.open()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := r.prepare(ctx); err != nil {
		return nil, r.interrupted(ctx, err)
	}
	joined, err := r.join()
	if err != nil {
		return nil, err
	}
	points, err := r.measure(ctx)
	if err != nil {
		return nil, r.interrupted(ctx, err)
	}
	c := r.collect(append(points, joined...))
	look, err := r.look(ctx, c)
	if err != nil {
		return nil, r.interrupted(ctx, err)
	}
	if r.o.Ship != "" {
		if err := r.ship(ctx, c, look); err != nil {
			return nil, r.interrupted(ctx, err)
		}
	}
	return c, c.write(r.o.Dir, look)
}

// newCurving checks what needs no row and no folder.
func newCurving(model func() Model, o CurveOptions) (*curving, error) {
	if model == nil {
		return nil, errors.New("report: a label curve needs a function that declares the model")
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	r := &curving{model: model, first: model(), started: map[string][]train.From{}, scaled: map[string][]train.From{}, estimate: map[string]float64{}}
	t := r.first.Task
	r.label, r.names, r.classes = t.Label, t.Classes, len(t.Classes)
	if t.Logits == nil || t.Code == nil || t.Label == "" || r.classes < 2 {
		return nil, errors.New("report: Model.Task must have a code, logits, the column of labels, and two classes or more")
	}
	if err := t.Logits.Err(); err != nil {
		return nil, err
	}
	if err := r.first.takes("Rows", o.Rows); err != nil {
		return nil, err
	}
	if o.Test != nil {
		if err := r.first.takes("Test", o.Test); err != nil {
			return nil, err
		}
	}
	for _, p := range r.first.Pretrain {
		if p.Before {
			r.notes = append(r.notes, fmt.Sprintf("%q was done before this curve: whether it had seen rows that are measured on is not known here.", p.Name))
		}
	}
	if len(o.Arms) == 0 {
		o.Arms = DefaultArms(r.first, !o.Unseen, o.Choosers...)
		if _, err := r.first.raw(o.Rows); err != nil { // what cannot be flat has no such controls
			r.notes = append(r.notes, "Logistic regression and the nearest neighbour are left out: "+strings.TrimPrefix(err.Error(), "report: ")+".")
			o.Arms = append(o.Arms[:1], o.Arms[3:]...)
		}
	}
	if err := o.checkArms(r.first); err != nil {
		return nil, err
	}
	r.o, r.rows = o, dataset.All(o.Rows)
	return r, r.rows.Err()
}

// open takes the folder, so that what cannot be written is known before anything trains.
func (r *curving) open() (unlock func(), err error) {
	inDir := func(err error) error { return &OptionError{"Dir", err} }
	if _, err := os.Stat(filepath.Join(r.o.Dir, "points", settingsName)); errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{jsonName, csvName, pageName} {
			if st, err := os.Lstat(filepath.Join(r.o.Dir, name)); err == nil && !st.IsDir() {
				return nil, inDir(fmt.Errorf("%s is there and is of no label curve, so it is not written over: choose another folder", filepath.Join(r.o.Dir, name)))
			}
		}
	}
	for _, dir := range []string{"points", "draws"} {
		if err := os.MkdirAll(filepath.Join(r.o.Dir, dir), 0o777); err != nil {
			return nil, inDir(err)
		}
	}
	give, err := atomicfile.Lock(filepath.Join(r.o.Dir, "points", "lock"))
	switch {
	case errors.Is(err, atomicfile.ErrLocked):
		return nil, inDir(fmt.Errorf("%s: another process measures a curve there", r.o.Dir))
	case errors.Is(err, errors.ErrUnsupported):
		give = func() error { return nil }
	case err != nil:
		return nil, inDir(err)
	}
	if err := r.writable(); err != nil {
		give()
		return nil, err
	}
	return func() { give() }, nil
}

// writable tries what is written at the end.
func (r *curving) writable() error {
	for _, name := range []string{jsonName, csvName, pageName} {
		path := filepath.Join(r.o.Dir, name)
		if st, err := os.Lstat(path); err == nil && st.IsDir() {
			return &OptionError{"Dir", fmt.Errorf("%s is a folder, and is where a file of the report goes", path)}
		}
		if err := atomicfile.Try(path); err != nil {
			return &OptionError{"Dir", err}
		}
	}
	if err := atomicfile.Try(filepath.Join(r.o.Dir, "draws", "x")); err != nil {
		return &OptionError{"Dir", err}
	}
	if r.o.Ship == "" {
		return nil
	}
	if err := bundle.MayWrite(r.o.Ship); err != nil {
		return &OptionError{"Ship", err}
	}
	if r.o.Needs != nil {
		if err := r.o.Needs(); err != nil {
			return fmt.Errorf("report: what ships is to be proved: %w", err)
		}
	}
	if err := atomicfile.Try(filepath.Clean(r.o.Ship)); err != nil {
		return &OptionError{"Ship", err}
	}
	return nil
}

// prepare hashes and divides the rows, and writes the draws.
func (r *curving) prepare(ctx context.Context) (err error) {
	if r.hash, err = dataset.Hash(dataset.Until(ctx, r.o.Rows)); err != nil {
		return err
	}
	r.testHash = r.hash
	if r.o.Test != nil {
		if r.testHash, err = dataset.Hash(dataset.Until(ctx, r.o.Test)); err != nil {
			return err
		}
	}
	if err := r.design(); err != nil {
		return err
	}
	if err := r.ladder(); err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	if err := r.indexes(); err != nil {
		return err
	}
	return r.script(ctx)
}

// interrupted says what is kept if the context ended.
func (r *curving) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("report: %w after %d of %d points, which are kept in %s; the same curve goes on from there", train.ErrInterrupted, r.at.done, r.at.of, r.o.Dir)
}

// measure measures all points that are not there yet.
func (r *curving) measure(ctx context.Context) ([]*point, error) {
	r.at.of = len(r.cells) * len(r.o.Arms) * len(r.o.Counts)
	var all []*point
	for _, c := range r.cells {
		for _, a := range r.o.Arms {
			points, err := r.arm(ctx, c, a)
			if err != nil {
				return nil, fmt.Errorf("%s, draw %d: %w", a.Name, c.draw, err)
			}
			all = append(all, points...)
		}
		if c.fold > 0 {
			if err := r.forget(c); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// arm measures a way with all numbers of labels.
func (r *curving) arm(ctx context.Context, c *cell, a Arm) (points []*point, err error) {
	for i, n := range r.o.Counts {
		next := 0       // labels to choose after this point
		var after []int // numbers of labels before it, on which those that were chosen depend
		if a.Choose != nil {
			after = r.o.Counts[:i]
			if i+1 < len(r.o.Counts) {
				next = r.o.Counts[i+1] - n
			}
		}
		p, err := r.kept(c, a, n, next, after)
		if err != nil {
			return nil, err
		}
		there := p != nil
		if !there {
			labelled, err := r.draw(c, n)
			if err != nil {
				return nil, err
			}
			if a.Choose != nil && i > 0 {
				if labelled, err = r.chosenSoFar(c, a, points); err != nil {
					return nil, err
				}
			}
			if p, err = r.point(ctx, c, a, labelled, next); err != nil {
				return nil, fmt.Errorf("%d labels: %w", n, err)
			}
			p.After = after
			if err := r.keep(c, a, p); err != nil {
				return nil, err
			}
		}
		points = append(points, p)
		r.said(a, p, there)
	}
	return points, nil
}

// said tells the progress.
func (r *curving) said(a Arm, p *point, there bool) {
	r.at.done++
	r.estimate[fmt.Sprint(a.Name, p.Labels)] = p.Seconds
	if r.o.Progress == nil {
		return
	}
	where := fmt.Sprintf("%s, %d labels, draw %d", a.Name, p.Labels, p.Draw)
	if p.Fold > 0 {
		where += fmt.Sprintf(", fold %d", p.Fold)
	}
	e := CurveProgress{Done: r.at.done, Of: r.at.of, Point: where, Kept: there}
	if !there {
		known := 0.0
		for _, s := range r.estimate {
			known += s
		}
		e.Left = time.Duration(known / float64(len(r.estimate)) * float64(r.at.of-r.at.done) * float64(time.Second))
	}
	r.o.Progress(e)
}

// point trains with the labels of some rows of the pool and measures.
func (r *curving) point(ctx context.Context, c *cell, a Arm, labelled []int, next int) (*point, error) {
	m := r.model()
	from, err := r.start(ctx, c, a)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	few := c.pool.Select(labelled)
	where := "all"
	if c.fold > 0 {
		where = c.name()
	}
	learned, history, err := r.learn(ctx, m, a, few, c.pool, where, from, c.seed)
	if err != nil {
		return nil, err
	}
	p := &point{Arm: a.Name, Is: r.describe(a), Draw: c.draw, Fold: c.fold, Labels: len(labelled), Losses: history, Chosen: learned.Chosen}
	scores, err := learned.Predict(ctx, c.test)
	if err != nil {
		return nil, err
	}
	predicted, err := evaluate.Predict(scores, r.classes)
	if err != nil {
		return nil, err
	}
	p.score(r.classes, predicted, c.y, c.groups)
	if r.classes == 2 {
		if err := p.rank(scores, c.y); err != nil {
			return nil, err
		}
	}
	p.Seconds = time.Since(began).Seconds()
	if learned.Result != nil {
		p.Memory = learned.Result.Last().Memory
	}
	if next > 0 {
		if p.Next, err = r.choose(ctx, c, m, a, learned, labelled, next); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Choose.Name, err)
		}
	}
	return p, nil
}

// learn trains a way on labelled rows. The pool is known by the name where.
func (r *curving) learn(ctx context.Context, m Model, a Arm, few, pool dataset.Source, where string, from []train.From, seed uint64) (*fewlabels.Learned, []float64, error) {
	o := r.o.Train(few.Len())
	o.Seed, o.Classes, o.Workers, o.Log = seed, r.names, r.o.Workers, quiet(o.Log)
	o.Batch = min(cmp.Or(o.Batch, 256), few.Len())
	var losses history
	o.Progress = losses.record
	t := m.Task
	_, blind := a.Way.(majority) // needs no columns
	if a.Raw && !blind {
		var err error
		if t, err = m.raw(r.o.Rows); err != nil {
			return nil, nil, err
		}
		where += " raw"
	}
	if from == nil && !blind {
		from = r.scales(ctx, t.Logits, pool, where)
	}
	o.InitFrom = append(o.InitFrom, from...)
	way := a.Way
	if p, ok := way.(fewlabels.PseudoLabels); ok {
		way, o = r.pseudo(p, o, few.Len(), pool.Len())
	}
	learned, err := way.Train(ctx, t, few, pool, o)
	return learned, losses.losses(), err
}

// quiet is a log that hears warnings only: there are hundreds of trainings.
func quiet(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.Default()
	}
	return slog.New(warnings{log.Handler()})
}

type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// pseudo gives pseudo-labels about as many updates as a training on the labels alone has,
// and lets their weight rise between a tenth and a half of them, unless the way says otherwise.
func (r *curving) pseudo(p fewlabels.PseudoLabels, o train.Options, labels, rows int) (fewlabels.Way, train.Options) {
	updates := o.Epochs * ((labels + o.Batch - 1) / max(o.Batch, 1))
	if p.Labelled == 0 {
		p.Labelled = min(32, labels)
	}
	if p.Unlabelled == 0 {
		p.Unlabelled = min(128, rows)
	}
	perEpoch := (rows + p.Unlabelled - 1) / p.Unlabelled
	o.Epochs = (updates + perEpoch - 1) / perEpoch
	if p.From == 0 && p.To == 0 {
		all := int64(o.Epochs * perEpoch)
		p.From, p.To = max(1, all/10), max(2, all/2)
	}
	return p, o
}

// choose returns the numbers of rows to label next.
func (r *curving) choose(ctx context.Context, c *cell, m Model, a Arm, learned *fewlabels.Learned, labelled []int, n int) ([]int, error) {
	has := make([]bool, len(c.poolRows))
	for _, i := range labelled {
		has[i] = true
	}
	var rest []int
	for i, row := range c.poolRows {
		if !has[i] && r.y[row] >= 0 {
			rest = append(rest, i)
		}
	}
	hidden := c.pool.Select(rest).Unlabel(r.label, nil)
	if err := hidden.Err(); err != nil {
		return nil, err
	}
	var code *engine.Net
	if learned.Result != nil {
		code = learned.Result.Net(m.Task.Code)
	}
	picked, err := a.Choose.Choose(ctx, learned, code, c.pool.Select(labelled), hidden, n, c.seed)
	if err != nil {
		return nil, err
	}
	seen, next := map[int]bool{}, make([]int, 0, n)
	for _, i := range picked {
		if i < 0 || i >= len(rest) || seen[i] {
			return nil, fmt.Errorf("report: it chose row %d of %d, or chose it twice", i, len(rest))
		}
		seen[i] = true
		next = append(next, c.poolRows[rest[i]])
	}
	if len(next) != n {
		return nil, fmt.Errorf("report: it chose %d rows, and %d were asked for", len(next), n)
	}
	return next, nil
}

// chosenSoFar returns the rows of a pool with a label: the first draw and what was chosen since.
func (r *curving) chosenSoFar(c *cell, a Arm, points []*point) ([]int, error) {
	labelled, err := r.draw(c, r.o.Counts[0])
	if err != nil {
		return nil, err
	}
	at := make(map[int]int, len(c.poolRows))
	for i, row := range c.poolRows {
		at[row] = i
	}
	for _, p := range points {
		for _, row := range p.Next {
			labelled = append(labelled, at[row])
		}
	}
	n := len(labelled)
	return labelled, r.index(c, n, labelled, "chosen by "+a.Choose.Name, "chosen-"+modelName(a.Name)+"-"+c.name())
}
