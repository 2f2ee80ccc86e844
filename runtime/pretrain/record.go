package pretrain

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
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
	Name string `json:"name"`
	Line string `json:"line"` // of the program's table
	phaseText
	Hash string `json:"hash"` // of the rest
}

// phaseText is what a phase's bits depend on.
type phaseText struct {
	Model    string         `json:"model"`           // hash of its text form
	Below    string         `json:"below,omitempty"` // the same of what its rows are codes of
	Data     string         `json:"data"`            // hash of the rows
	Valid    string         `json:"valid,omitempty"` // of a probe those that it tests on
	Probe    string         `json:"probe,omitempty"`
	Init     []string       `json:"init,omitempty"` // initializers of parameters and of state
	From     []string       `json:"from,omitempty"` // patterns and hashes of Options.InitFrom
	Settings train.Settings `json:"settings"`
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
		var t phaseText
		var errs [3]error
		valid := st.opt.Valid
		if st.probe != nil {
			t.Probe, valid = st.probe.text(), st.probe.test
		} else {
			t.Model, t.Settings = st.model.Hash(), st.opt.Settings(st.model)
			t.Init, t.From = initializers(st.model), starts(st.opt.InitFrom)
		}
		t.Below, errs[0] = textHash(st.below)
		t.Data, errs[1] = r.rowsHash(ctx, st.rows)
		t.Valid, errs[2] = r.rowsHash(ctx, valid)
		if err := errors.Join(errs[:]...); err != nil {
			return rec, fmt.Errorf("pretrain: phase %d, %s: %w", i+1, st.name, r.stopped(ctx, err))
		}
		raw, err := json.Marshal(t)
		if err != nil {
			return rec, fmt.Errorf("pretrain: %w", err)
		}
		sum := sha256.Sum256(raw)
		all.Write(sum[:])
		rec.Phases = append(rec.Phases, phaseRecord{Name: st.name, Line: joined(st.line(i + 1)), phaseText: t, Hash: hex.EncodeToString(sum[:])})
	}
	rec.Hash = hex.EncodeToString(all.Sum(nil))
	return rec, nil
}

// initializers tells what parameters and state start from, which the text of a graph
// does not.
func initializers(m *spec.Model) (out []string) {
	for _, p := range m.Params() {
		out = append(out, p.Name+" "+p.Init.Name())
	}
	for _, s := range m.States() {
		out = append(out, s.Name+" "+s.Init.Name())
	}
	return out
}

// firstDifference returns the first entries in which two lists differ, "" for one that ends.
func firstDifference(a, b []string) (x, y string) {
	for i := range max(len(a), len(b)) {
		x, y = "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			break
		}
	}
	return x, y
}

// starts tells the tensors that parameters start from.
func starts(list []train.From) (out []string) {
	for _, f := range list {
		if f.Tensors == nil {
			continue // train.New says so
		}
		sum := sha256.New()
		names := slices.Sorted(slices.Values(f.Tensors.Names()))
		for _, name := range names {
			shape, data, _ := f.Tensors.Tensor(name)
			fmt.Fprintf(sum, "%q %v\n", name, shape)
			_ = binary.Write(sum, binary.LittleEndian, data) // a hash returns no error
		}
		out = append(out, fmt.Sprintf("%q of %s", f.Pattern, hex.EncodeToString(sum.Sum(nil))))
	}
	return out
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
		return 0, fmt.Errorf("pretrain: %s is not the record of a program (%v): delete it, and the phases go on from their checkpoints, or use another Options.Dir", path, err)
	}
	if was.Program != now.Program {
		return 0, fmt.Errorf("pretrain: the folder %s is of the program %q, this one is %q: use another Options.Dir", r.opt.Dir, was.Program, now.Program)
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
		if a.Name == b.Name && a.Hash == b.Hash {
			continue
		}
		return fmt.Errorf("phase %d of the program has changed since it began: %s", i+1, difference(a, b))
	}
	if len(was.Phases) != len(now.Phases) {
		return fmt.Errorf("the program had %d phases when it began, it has %d now", len(was.Phases), len(now.Phases))
	}
	return nil
}

func difference(a, b phaseRecord) string {
	short := func(x any) string {
		raw, err := json.Marshal(x)
		if err != nil {
			return fmt.Sprint(x)
		}
		return string(raw)
	}
	switch {
	case a.Name != b.Name:
		return fmt.Sprintf("it was %s, it is %s", a.Name, b.Name)
	case a.Probe != b.Probe:
		return fmt.Sprintf("%s was %q, it is %q", a.Name, a.Probe, b.Probe)
	case a.Model != b.Model && a.Line != b.Line:
		return fmt.Sprintf("the model of %s is another one: it was %q, it is %q", a.Name, a.Line, b.Line)
	case a.Model != b.Model:
		return fmt.Sprintf("the model of %s is another one", a.Name)
	case a.Below != b.Below:
		return fmt.Sprintf("the layers below %s are other ones", a.Name)
	case a.Data != b.Data:
		return fmt.Sprintf("the rows of %s are other ones", a.Name)
	case a.Valid != b.Valid:
		return fmt.Sprintf("the validation rows of %s are other ones", a.Name)
	case !slices.Equal(a.Init, b.Init):
		was, is := firstDifference(a.Init, b.Init)
		return fmt.Sprintf("an initializer of %s was %q, it is %q", a.Name, was, is)
	case !slices.Equal(a.From, b.From):
		return fmt.Sprintf("the InitFrom of %s was %s, it is %s", a.Name, short(a.From), short(b.From))
	}
	return fmt.Sprintf("the options of %s were %s, they are %s", a.Name, short(a.Settings), short(b.Settings))
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
			err = fmt.Errorf("%w; delete %s, and the phases go on from their checkpoints", err, filepath.Join(r.opt.Dir, recordName))
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
		return e, fmt.Errorf("%s: %w: it is not what the phase left", path, checkpoint.ErrNotCheckpoint)
	}
	e.Phase = p
	if st.probe == nil {
		e.Phase.Optimizer = st.opt.Optimizer.Describe() // the same, as resume has seen, in its own type
	}
	for _, q := range e.Params {
		t := f.Tensor(q.Name)
		if t == nil || !slices.Equal(t.Shape, q.Type.Shape.Lengths()) {
			return e, fmt.Errorf("%s: %w: tensor %q is missing or of another shape", path, checkpoint.ErrNotCheckpoint, q.Name)
		}
		e.Values[q.Name] = t.Data
	}
	return e, nil
}
