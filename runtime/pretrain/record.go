package pretrain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Files in Options.Dir.
const (
	recordName = "program.json"
	lockName   = ".lock"
	leftName   = "finished.lamina" // in a phase's folder: what it left
)

// record is program.json: the program that the folder belongs to, and how far it
// is.
type record struct {
	Program  string        `json:"program"`
	Hash     string        `json:"hash"` // of all phases
	Finished int           `json:"finished"`
	Phases   []phaseRecord `json:"phases"`
}

type phaseRecord struct {
	Name  string           `json:"name"`
	Line  string           `json:"line"`  // of the program's table
	Facts checkpoint.Facts `json:"facts"` // what the phase's result depends on; records of before have none
	Hash  string           `json:"hash"`  // of the facts
}

// open makes the folder this run's own.
func (r *run) open() (unlock func() error, err error) {
	if err := os.MkdirAll(r.opt.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("pretrain: the folder of the program cannot be made: %w; choose another Options.Dir", err)
	}
	unlock, err = atomicfile.Lock(filepath.Join(r.opt.Dir, lockName))
	switch {
	case errors.Is(err, atomicfile.ErrLocked):
		return nil, fmt.Errorf("pretrain: another run uses the folder %s: it is %w; wait for its end or choose another Options.Dir", r.opt.Dir, err)
	case errors.Is(err, errors.ErrUnsupported):
		return func() error { return nil }, nil // train warns of it
	case err != nil:
		return nil, fmt.Errorf("pretrain: the folder of the program cannot be written: %w; choose another Options.Dir", err)
	}
	if err := atomicfile.Clean(filepath.Join(r.opt.Dir, recordName)); err != nil {
		return nil, errors.Join(fmt.Errorf("pretrain: %w", err), unlock())
	}
	return unlock, nil
}

// clear removes what a run that was killed left in the folder of phase i: its codes,
// and files that it was writing.
func (r *run) clear(i int) error {
	if r.opt.Dir == "" {
		return nil
	}
	for _, name := range []string{codesName, validName, leftName} {
		path := filepath.Join(r.folder(i), name)
		err := atomicfile.Clean(path)
		if err == nil && name != leftName {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// folder is where phase i keeps its files.
func (r *run) folder(i int) string {
	return filepath.Join(r.opt.Dir, fmt.Sprintf("%02d-%s", i+1, r.p.list[i].name))
}

// describeAll returns the record of a run that has not begun.
func (r *run) describeAll(ctx context.Context) (record, error) {
	rec := record{Program: r.p.name}
	all := sha256.New()
	for i := range r.p.list {
		st := &r.p.list[i]
		facts, err := r.decides(ctx, st)
		if err != nil {
			return rec, fmt.Errorf("pretrain: phase %d, %s: %w", i+1, st.name, r.stopped(ctx, err))
		}
		hash := facts.Hash()
		fmt.Fprintln(all, hash)
		rec.Phases = append(rec.Phases, phaseRecord{Name: st.name, Line: joined(st.line(i + 1)), Facts: facts, Hash: hash})
	}
	rec.Hash = hex.EncodeToString(all.Sum(nil))
	return rec, nil
}

// decides lists what a phase's result depends on: what that of its training does, and
// what its rows are made of.
func (r *run) decides(ctx context.Context, st *step) (l checkpoint.Facts, err error) {
	valid, name := st.opt.Valid, "the validation rows"
	if st.probe != nil {
		l.Add("the probe's label", st.probe.label)
		l.Add("the probe's L2", fmt.Sprint(st.probe.l2))
		l.Add("the probe's neighbours", st.probe.neighbours)
		valid, name = st.probe.test, "the test rows"
	} else {
		o := st.opt
		if o.Batch == 0 {
			o.Batch = dataset.BatchRows(st.rows)
		}
		if l, err = o.Decides(st.model); err != nil {
			return nil, err
		}
	}
	below, err := textHash(st.below)
	if err != nil {
		return nil, err
	}
	if below != "" {
		l = append(l, checkpoint.Fact{Name: "what is below it", SHA256: below})
		states, err := spec.StatesOf(st.below)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			if how, ok := s.Fitted(); ok {
				l = append(l, checkpoint.Fact{Name: s.Name, Verb: checkpoint.Computes, Value: "the " + how.String() + " of rows"})
			}
		}
	}
	for _, rows := range []struct {
		name string
		src  dataset.Source
	}{{"the rows", st.rows}, {name, valid}} {
		if missing(rows.src) {
			continue
		}
		hash, err := r.rowsHash(ctx, rows.src)
		if err != nil {
			return nil, err
		}
		l.AddRows(rows.name, rows.src.Len(), hash)
	}
	l.Add("the mix of the rows", dataset.Drawn(st.rows))
	return l, nil
}

// resume returns how many phases are finished, and writes the record of a run that
// begins.
func (r *run) resume(ctx context.Context) (finished int, err error) {
	now, err := r.describeAll(ctx)
	if err != nil {
		return 0, err
	}
	r.rec = now
	path := filepath.Join(r.opt.Dir, recordName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, r.record(now)
	}
	if err != nil {
		return 0, fmt.Errorf("pretrain: %w", err)
	}
	var was record
	if err := json.Unmarshal(raw, &was); err != nil || was.Finished < 0 || was.Finished > len(was.Phases) {
		return 0, fmt.Errorf("pretrain: %s is not the record of a program (%v): delete it, and the phases resume from their checkpoints, or use another Options.Dir", path, err)
	}
	if was.Program != now.Program {
		return 0, fmt.Errorf("pretrain: the folder %s is of the program %q, this one is %q: use another Options.Dir", r.opt.Dir, was.Program, now.Program)
	}
	if slices.ContainsFunc(was.Phases, func(p phaseRecord) bool { return len(p.Facts) == 0 }) {
		return 0, nil // an earlier version's: the phases' own checkpoints say what has changed
	}
	if err := differ(was, now); err != nil {
		return 0, fmt.Errorf("pretrain: %s: %w: use another Options.Dir, or the program it was written with", r.opt.Dir, err)
	}
	return was.Finished, nil
}

// differ says in which phase two programs differ, and in what.
func differ(was, now record) error {
	for i := range min(len(was.Phases), len(now.Phases)) {
		a, b := was.Phases[i], now.Phases[i]
		why := a.Facts.Differ(b.Facts)
		if a.Name != b.Name {
			why = fmt.Errorf("it was %s, is %s", a.Name, b.Name)
		}
		if why != nil {
			return fmt.Errorf("phase %d of the program, %s, has changed since it began: %w", i+1, b.Name, why)
		}
	}
	if len(was.Phases) != len(now.Phases) {
		return fmt.Errorf("the program had %d phases when it began, has %d", len(was.Phases), len(now.Phases))
	}
	return nil
}

// record writes program.json.
func (r *run) record(rec record) error {
	raw, err := json.MarshalIndent(rec, "", "  ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(r.opt.Dir, recordName), append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("pretrain: %w", err)
	}
	return nil
}

// hash is the model's, that of the text of a probe.
func (s *step) hash() string {
	if s.probe != nil {
		return s.probe.text()
	}
	return s.model.Hash()
}

// finish writes what phase i left, and then that it is finished.
func (r *run) finish(i int, e train.Earlier) error {
	raw, err := json.Marshal(e.Phase)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder(i), 0o777); err != nil { // a probe has had none
		return err
	}
	f := &checkpoint.File{Tensors: []checkpoint.Tensor{}, Header: checkpoint.Header{Model: e.Phase.Name, ModelHash: r.p.list[i].hash(), Seed: e.Phase.Seed,
		DataHash: e.Phase.DataHash, Cursor: checkpoint.Cursor{Epoch: e.Phase.Epochs, Update: e.Phase.Updates}, Trainer: raw}}
	for _, p := range e.Params {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Type.Shape.Lengths(), Data: e.Values[p.Name]})
	}
	for _, s := range e.States {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: s.Name, Shape: s.Type.Shape.Lengths(), Data: e.Values[s.Name]})
	}
	if err := checkpoint.Write(filepath.Join(r.folder(i), leftName), f); err != nil {
		return err
	}
	r.rec.Finished = i + 1
	return r.record(r.rec)
}

// read returns what phase i left.
func (r *run) read(i int) (_ train.Earlier, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; delete %s, and the phases resume from their checkpoints", err, filepath.Join(r.opt.Dir, recordName))
		}
	}()
	path := filepath.Join(r.folder(i), leftName)
	f, err := checkpoint.Read(path)
	if err != nil {
		return train.Earlier{}, err
	}
	st := &r.p.list[i]
	e := train.Earlier{Params: st.model.Params(), Values: map[string][]float32{}}
	var p engine.Phase
	if err := json.Unmarshal(f.Trainer, &p); err != nil || f.ModelHash != st.hash() {
		return e, fmt.Errorf("%s: %w: it differs from what the phase left", path, checkpoint.ErrNotCheckpoint)
	}
	e.Phase = p
	if st.probe == nil {
		e.Phase.Optimizer = st.opt.Optimizer.Describe() // the same, as resume has seen, in its own type
	}
	take := func(name string, shape ir.Shape) error {
		t := f.Tensor(name)
		if t == nil || !slices.Equal(t.Shape, shape.Lengths()) {
			return fmt.Errorf("%s: %w: tensor %q is missing or of another shape", path, checkpoint.ErrNotCheckpoint, name)
		}
		e.Values[name] = t.Data
		return nil
	}
	for _, q := range e.Params {
		if err := take(q.Name, q.Type.Shape); err != nil {
			return e, err
		}
	}
	for _, s := range st.model.States() {
		if !s.Carried() {
			continue
		}
		if err := take(s.Name, s.Type.Shape); err != nil {
			return e, err
		}
		e.States = append(e.States, s)
	}
	open, err := r.unfitted(st)
	if err != nil {
		return e, err
	}
	for _, s := range open {
		if err := take(s.Name, s.Type.Shape); err != nil {
			return e, err
		}
		e.States = append(e.States, s)
	}
	return e, nil
}
