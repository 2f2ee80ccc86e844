package pretrain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Options says how to run a program. The zero value of a field is the default
// named beside it.
type Options struct {
	Dir      string         // folder of the program, with a subfolder for each phase; "" keeps nothing
	Progress train.Progress // for phases that have none of their own; nil is silent
	Memory   int64          // bytes of codes kept in memory, more go to a file; 1 GB
	Log      *slog.Logger   // for phases that have none of their own
	Needs    func() error   // called before the first phase, like train.Options.Needs; nil checks nothing
}

const defaultMemory = 1 << 30

// run is one run of a program.
type run struct {
	p    *Program
	opt  Options
	done []train.Earlier           // phases that are finished
	mem  map[dataset.Source]string // hashes of rows
	rec  record

	fitted train.Earlier // state that was fitted for what is below the phase under way

	scratch string // folder of codes without Options.Dir, "" until it is needed
	write   func(path string, write func(io.Writer) error) error
}

// Run runs the phases in order and returns the result of the last one. Its Nets
// compute values of any layer that some phase trained, and their record lists every
// phase.
//
// With Options.Dir, a run that ended early resumes where it stopped; finished phases are
// not run again.
//
// Errors: every mistake of the program; those of train.Fit, with the phase;
// train.ErrInterrupted, wrapped; a folder with another program, or with an earlier version
// of this one, and the phase that differs; a folder that another run uses.
func (p *Program) Run(ctx context.Context, o Options) (*train.Result, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	if o.Memory < 0 {
		return nil, fmt.Errorf("pretrain: Options.Memory must be 0 or more bytes, got %d", o.Memory)
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Needs != nil {
		if err := o.Needs(); err != nil {
			return nil, fmt.Errorf("pretrain: not started, because something needed after the program is missing: %w", err)
		}
	}
	if err := p.rowsFit(); err != nil {
		return nil, err
	}
	return (&run{p: p, opt: o, mem: map[dataset.Source]string{}, write: atomicfile.Write}).all(ctx)
}

func (r *run) all(ctx context.Context) (_ *train.Result, err error) {
	defer func() {
		if r.scratch != "" {
			err = errors.Join(err, os.RemoveAll(r.scratch))
		}
	}()
	finished := 0
	if r.opt.Dir != "" {
		unlock, err := r.open()
		if err != nil {
			return nil, err
		}
		defer unlock()
		if finished, err = r.resume(ctx); err != nil {
			return nil, err
		}
	}
	return r.phases(ctx, finished)
}

// phases runs what is left. The last training always gives its result; if it is
// finished its trainer finds nothing to do.
func (r *run) phases(ctx context.Context, finished int) (*train.Result, error) {
	last := r.p.last()
	var result *train.Result
	for i := range r.p.list {
		st := &r.p.list[i]
		where := func(err error) error {
			return fmt.Errorf("pretrain: phase %d of %d, %s: %w", i+1, len(r.p.list), st.name, err)
		}
		if i < finished && i != last {
			e, err := r.read(i)
			if err != nil {
				return nil, where(err)
			}
			r.done = append(r.done, e)
			continue
		}
		if err := r.clear(i); err != nil {
			return nil, where(err)
		}
		var e train.Earlier
		var err error
		if st.probe != nil {
			e, err = r.probe(ctx, st)
		} else {
			var res *train.Result
			if res, e, err = r.phase(ctx, i); i == last {
				result = res
			}
		}
		if err != nil {
			return nil, where(err)
		}
		if st.layers != "" {
			e.Phase.Layers = strings.Split(st.layers, ", ")
		}
		if e.Phase.Frozen = st.frozen(); st.probe == nil {
			e.Phase.Noise, e.Phase.Chosen, e.Phase.Synthetic = st.noise(), dataset.Chosen(st.rows), dataset.SyntheticShare(st.rows)
		}
		if r.opt.Dir != "" && i >= finished {
			if err := r.finish(i, e); err != nil {
				return nil, where(err)
			}
		}
		r.done = append(r.done, e)
	}
	if result == nil {
		return nil, errors.New("pretrain: the program has no training")
	}
	return result.After(r.p.String(), r.p.list[last].rows, r.done...), nil
}

// phase runs one training, from what the phases before left.
func (r *run) phase(ctx context.Context, i int) (res *train.Result, e train.Earlier, err error) {
	st := &r.p.list[i]
	o := st.opt
	if r.opt.Dir != "" {
		o.Dir = r.folder(i)
	}
	if o.Progress == nil {
		o.Progress = r.opt.Progress
	}
	if o.Log == nil {
		o.Log = r.opt.Log
	}
	if start := r.start(st.model); start != nil {
		o.InitFrom = append(append([]train.From{}, o.InitFrom...), train.From{Tensors: start, Pattern: "*", Partly: true})
	}
	rows := st.rows
	if st.below != nil {
		if err := r.fit(ctx, st); err != nil {
			return nil, e, r.stopped(ctx, err)
		}
		c, err := r.codes(ctx, st, rows, o.Dir, codesName)
		if err != nil {
			return nil, e, r.stopped(ctx, err)
		}
		defer func() { err = errors.Join(err, c.close()) }()
		rows = c.rows
		if o.Valid != nil {
			v, err := r.codes(ctx, st, o.Valid, o.Dir, validName)
			if err != nil {
				return nil, e, r.stopped(ctx, fmt.Errorf("Options.Valid: %w", err))
			}
			defer func() { err = errors.Join(err, v.close()) }()
			o.Valid = v.rows
		}
	}
	if err := st.look(ctx, rows, o); err != nil {
		return nil, e, r.stopped(ctx, err)
	}
	if res, err = train.Fit(ctx, st.model, rows, o); err != nil {
		return nil, e, err
	}
	if e, err = res.Earlier(); err == nil && st.machine != nil { // while the codes are there
		err = r.stopped(ctx, st.machineMetrics(ctx, e, rows, o.Valid))
	}
	if err == nil {
		err = r.stopped(ctx, r.recipe(ctx, st, &e.Phase))
	}
	for _, s := range r.fitted.States {
		e.States, e.Values[s.Name] = append(e.States, s), r.fitted.Values[s.Name]
	}
	r.fitted = train.Earlier{}
	return res, e, err
}

// fit fits the constants of what is below a phase, unless a phase before has, to the rows
// that the phase was given.
func (r *run) fit(ctx context.Context, st *step) error {
	open, err := r.unfitted(st)
	if err != nil || len(open) == 0 {
		return err
	}
	_, params, err := spec.GraphOf("fit", st.below)
	if err != nil {
		return err
	}
	states, err := spec.StatesOf(st.below)
	if err != nil {
		return err
	}
	given := map[string][]float32{}
	for _, p := range params {
		if w, ok := r.value(p); ok {
			given[p.Name] = w
		}
	}
	for _, s := range states {
		if x := r.state(s); x != nil {
			given[s.Name] = x
		}
	}
	values, err := train.Constants(ctx, st.rows, given, st.below)
	r.fitted = train.Earlier{States: open, Values: values}
	return err
}

// unfitted returns the state below a phase that is fitted to rows and that no phase before
// has.
func (r *run) unfitted(st *step) (open []spec.State, err error) {
	if st.below == nil || st.probe != nil {
		return nil, nil
	}
	states, err := spec.StatesOf(st.below)
	for _, s := range states {
		if _, ok := s.Fitted(); ok && r.state(s) == nil {
			open = append(open, s)
		}
	}
	return open, err
}

// stopped makes the end of the context, while rows were read or codes computed, an
// interruption.
func (r *run) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w before its end: run the same command again to resume: %w", train.ErrInterrupted, ctx.Err())
	}
	return err
}

// value returns what the phases so far left of a parameter.
func (r *run) value(p spec.Param) ([]float32, bool) {
	for i := len(r.done) - 1; i >= 0; i-- {
		for _, q := range r.done[i].Params {
			if q.Same(p) {
				return r.done[i].Values[q.Name], true
			}
		}
	}
	return nil, false
}

// begin returns what a parameter starts from: what the phases so far left of it, or
// of the one as whose copy it starts.
func (r *run) begin(p spec.Param) ([]float32, bool) {
	if w, ok := r.value(p); ok {
		return w, true
	}
	of, ok := p.Like()
	if !ok {
		return nil, false
	}
	w, ok := r.begin(of)
	if !ok {
		return nil, false
	}
	return p.FromLike(w), true
}

// start returns what the phases so far left of a model's parameters and of the running
// statistics that belong to them, nil for nothing.
func (r *run) start(m *spec.Model) train.Tensors {
	t := &tensors{shape: map[string][]int{}, data: map[string][]float32{}}
	for _, p := range m.Params() {
		if w, ok := r.begin(p); ok {
			t.names = append(t.names, p.Name)
			t.shape[p.Name], t.data[p.Name] = p.Type.Shape.Lengths(), w
		}
	}
	for _, s := range m.States() {
		if x := r.state(s); x != nil && s.Carried() {
			t.names = append(t.names, s.Name)
			t.shape[s.Name], t.data[s.Name] = s.Type.Shape.Lengths(), x
		}
	}
	if len(t.names) == 0 {
		return nil
	}
	return t
}

// state returns what the phases so far left of a variable, nil for nothing.
func (r *run) state(s spec.State) []float32 {
	for i := len(r.done) - 1; i >= 0; i-- {
		for _, q := range r.done[i].States {
			if q.Same(s) {
				return r.done[i].Values[q.Name]
			}
		}
	}
	for _, q := range r.fitted.States {
		if q.Same(s) {
			return r.fitted.Values[q.Name]
		}
	}
	return nil
}

type tensors struct {
	names []string
	shape map[string][]int
	data  map[string][]float32
}

func (t *tensors) Names() []string { return t.names }

func (t *tensors) Tensor(name string) (shape []int, data []float32, ok bool) {
	data, ok = t.data[name]
	return t.shape[name], data, ok
}

// rowsHash is dataset.Hash, once for each source.
func (r *run) rowsHash(ctx context.Context, src dataset.Source) (string, error) {
	if src == nil {
		return "", nil
	}
	known := reflect.ValueOf(src).Comparable()
	if known {
		if h, ok := r.mem[src]; ok {
			return h, nil
		}
	}
	h, err := dataset.Hash(dataset.Until(ctx, src))
	if known && err == nil {
		r.mem[src] = h
	}
	return h, err
}

// textHash is the hash of a step's function below its rows.
func textHash(v *spec.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	g, _, err := spec.GraphOf("below", v)
	if err != nil {
		return "", err
	}
	return ir.Hash(g), nil
}
