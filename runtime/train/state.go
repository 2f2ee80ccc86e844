package train

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

const (
	slotPrefix  = "slot/"
	bestPrefix  = "best/"
	statePrefix = "state/"

	bestStatePrefix = "best-state/"
)

// state is what a resumed training must know besides facts, tensors, cursor and
// history.
type state struct {
	InitFrom []InitReport   `json:"init_from,omitempty"`
	Best     int            `json:"best"`      // number of the best epoch, 0 before the first
	BestLoss float64        `json:"best_loss"` // its loss, or the number of Options.BestBy with the sign that makes less better
	Waited   int            `json:"waited"`    // epochs since
	Sum      engine.Numbers `json:"sum"`       // of the epoch under way: each loss times rows
	Rows     int            `json:"rows"`      // rows of it
	Trail    trail          `json:"trail"`     // of its losses
	Norms    norms          `json:"norms,omitzero"`
	Rate     float64        `json:"rate"`     // learning rate of the last update
	Schedule []byte         `json:"schedule"` // state of a schedule that has one
	History  []Epoch        `json:"-"`        // finished epochs; they are in the files that grow
}

// judge takes an epoch's result into early stopping and says whether it is the
// best so far.
func (s *state) judge(e *Epoch, by By, minDelta float64) bool {
	loss := by.cost(e)
	if s.Best == 0 || loss < s.BestLoss-minDelta {
		s.Best, s.BestLoss, s.Waited = e.Number, loss, 0
		return true
	}
	s.Waited++
	return false
}

// save writes the checkpoint into Options.Dir, if there is one.
func (t *Trainer) save() error {
	if t.opt.Dir == "" {
		return nil
	}
	if name := t.badParam(); name != "" {
		return fmt.Errorf("train: epoch %d: parameter %q is not finite after update %d%s%s",
			t.cursor.Epoch, name, t.cursor.Update, t.advice(t.prog.Train, t.feed, slower), t.lastGood())
	}
	if err := t.keepSchedule(); err != nil {
		return err
	}
	f, err := t.file(&t.state)
	if err != nil {
		return err
	}
	return t.write(f)
}

// file returns the checkpoint of now, with this as the trainer's record.
func (t *Trainer) file(record any) (*checkpoint.File, error) {
	raw, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	f := &checkpoint.File{Header: checkpoint.Header{
		Model: t.prog.Name, ModelHash: t.prog.Hash, Kernels: t.kernels(), Optimizer: t.opt.Optimizer.Name(),
		Seed: t.opt.Seed, DataHash: t.hash, Cursor: t.cursor, Facts: t.facts, Trainer: raw}}
	for _, p := range t.prog.Params {
		shape := p.Type.Shape.Lengths()
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: p.Name, Shape: shape, Data: t.store.Param(p.Name)})
		for _, slot := range t.slots(p.Name) {
			f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: slotPrefix + slot + "/" + p.Name, Shape: shape, Data: t.store.Slot(slot, p.Name)})
		}
		if b, ok := t.best.params[p.Name]; ok {
			f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: bestPrefix + p.Name, Shape: shape, Data: b})
		}
	}
	for _, s := range t.store.States() {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: statePrefix + s.Name, Shape: s.Shape, Data: t.store.State(s.Name)})
		if b, ok := t.best.states[s.Name]; ok {
			f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: bestStatePrefix + s.Name, Shape: s.Shape, Data: b})
		}
	}
	return f, nil
}

// adopt takes over the tensors and the state of a checkpoint that fits.
func (t *Trainer) adopt(path string, f *checkpoint.File, s state, content []byte) error {
	type move struct {
		dst, src []float32
		moment   bool
	}
	var moves []move
	var best tensors
	find := func(name string, n int) ([]float32, error) {
		x := f.Tensor(name)
		if x == nil || len(x.Data) != n {
			return nil, fmt.Errorf("train: %s: %w: tensor %q is missing or of another size", path, checkpoint.ErrNotCheckpoint, name)
		}
		return x.Data, nil
	}
	for _, p := range t.prog.Params {
		dst := t.store.Param(p.Name)
		src, err := find(p.Name, len(dst))
		if err != nil {
			return err
		}
		moves = append(moves, move{dst: dst, src: src})
		for _, slot := range t.slots(p.Name) {
			if src, err = find(slotPrefix+slot+"/"+p.Name, len(dst)); err != nil {
				return err
			}
			moves = append(moves, move{t.store.Slot(slot, p.Name), src, true})
		}
		if x := f.Tensor(bestPrefix + p.Name); x != nil && len(x.Data) == len(dst) {
			if best.params == nil {
				best.params, best.states = map[string][]float32{}, map[string][]float32{}
			}
			best.params[p.Name] = x.Data
		}
	}
	for _, v := range t.store.States() {
		dst := t.store.State(v.Name)
		src, err := find(statePrefix+v.Name, len(dst))
		if err != nil {
			return err
		}
		moves = append(moves, move{dst: dst, src: src})
		if best.params == nil {
			continue
		}
		if x := f.Tensor(bestStatePrefix + v.Name); x != nil && len(x.Data) == len(dst) {
			src = x.Data // one that is absent was no part of a result when the file was written
		}
		best.states[v.Name] = src
	}
	if st, ok := t.schedule.(optim.StatefulSchedule); ok {
		if err := st.UnmarshalState(s.Schedule); err != nil {
			return fmt.Errorf("train: %s: %w: schedule: %v", path, checkpoint.ErrNotCheckpoint, err)
		}
	}
	for _, m := range moves {
		if m.moment {
			simd.FlushSubnormals(m.dst, m.src) // a file of before may have some
			continue
		}
		copy(m.dst, m.src)
	}
	t.store.Touch()
	t.best, t.state, t.cursor, t.resumed = best, s, f.Cursor, true
	t.saved, t.savedEpoch = true, f.Cursor.Epoch
	if t.files == nil { // of a rank that writes nothing
		return nil
	}
	if err := t.files.resume(content, s.History, f.Grown != checkpoint.Mark{}); err != nil {
		return t.notWritten("log", f, err)
	}
	return nil
}

// keepSchedule puts the schedule's state into the record.
func (t *Trainer) keepSchedule() error {
	st, ok := t.schedule.(optim.StatefulSchedule)
	if !ok {
		return nil
	}
	b, err := st.MarshalState()
	if err != nil {
		return fmt.Errorf("train: schedule: %w", err)
	}
	t.state.Schedule = b
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
