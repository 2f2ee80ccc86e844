package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/optim"
)

const (
	slotPrefix  = "slot/"
	bestPrefix  = "best/"
	statePrefix = "state/"
)

// state is what a resumed training must know besides tensors and cursor.
type state struct {
	Settings Settings  `json:"settings"`
	History  []Epoch   `json:"history"`
	Best     int       `json:"best"`      // number of the best epoch, 0 before the first
	BestLoss float64   `json:"best_loss"` // its judged loss
	Waited   int       `json:"waited"`    // epochs since
	Sum      []float64 `json:"sum"`       // of the epoch under way: each loss times rows
	Rows     int       `json:"rows"`      // rows of it
	Rate     float64   `json:"rate"`      // learning rate of the last update
	Schedule []byte    `json:"schedule"`  // state of a schedule that has one
	Finished bool      `json:"finished"`  // nothing is left to train
}

// judge takes an epoch's result into early stopping and says whether it is the
// best so far.
func (s *state) judge(e *Epoch, minDelta float64) bool {
	loss := e.judged()
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
		return fmt.Errorf("train: epoch %d: parameter %q is not finite after update %d; try a smaller learning rate or ClipNorm%s",
			t.cursor.Epoch, name, t.cursor.Update, t.lastGood())
	}
	if err := t.keepSchedule(); err != nil {
		return err
	}
	hash, err := t.dataHash(context.Background())
	if err != nil {
		return err
	}
	raw, err := json.Marshal(t.state)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	f := &checkpoint.File{Header: checkpoint.Header{
		Model: t.prog.Name, ModelHash: t.prog.Hash, Kernels: kernels(), Optimizer: t.opt.Optimizer.Name(),
		Seed: t.opt.Seed, DataHash: hash, Cursor: t.cursor, Trainer: raw}}
	for _, p := range t.prog.Params {
		shape := p.Type.Shape.Lengths()
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: p.Name, Shape: shape, Data: t.store.Param(p.Name)})
		for _, slot := range t.slots(p.Name) {
			f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: slotPrefix + slot + "/" + p.Name, Shape: shape, Data: t.store.Slot(slot, p.Name)})
		}
		if b, ok := t.best[p.Name]; ok {
			f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: bestPrefix + p.Name, Shape: shape, Data: b})
		}
	}
	for _, s := range t.model.States() {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: statePrefix + s.Name, Shape: s.Type.Shape.Lengths(), Data: t.store.State(s.Name)})
	}
	return t.write(f)
}

// load goes on from the checkpoint in Options.Dir, if there is one, and makes
// the log agree with it. It changes nothing unless all of it fits.
func (t *Trainer) load(ctx context.Context) error {
	if t.opt.Dir == "" {
		return nil
	}
	path := filepath.Join(t.opt.Dir, checkpointName)
	f, err := checkpoint.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	refuse := func(what string, was, is any) error {
		return fmt.Errorf("train: %s: its %s is %v, this run's is %v: use another Dir, or the declaration and options it was written with", path, what, was, is)
	}
	switch {
	case f.Model != t.prog.Name:
		return refuse("model", f.Model, t.prog.Name)
	case f.ModelHash != t.prog.Hash:
		return refuse("model hash", short(f.ModelHash), short(t.prog.Hash))
	case f.Seed != t.opt.Seed:
		return refuse("seed", f.Seed, t.opt.Seed)
	case f.Optimizer != t.opt.Optimizer.Name():
		return refuse("optimizer", f.Optimizer, t.opt.Optimizer.Name())
	}
	var s state
	if err := json.Unmarshal(f.Trainer, &s); err != nil {
		return fmt.Errorf("train: %s: %w: trainer record: %v", path, checkpoint.ErrNotCheckpoint, err)
	}
	if was, is := sameBits(s.Settings), sameBits(t.opt.settings()); was != is {
		return refuse("settings", was, is)
	}
	if err := t.sameStart(path, s.Settings.InitFrom); err != nil {
		return err
	}
	hash, err := t.dataHash(ctx)
	if err != nil {
		return err
	}
	if f.DataHash != hash {
		return refuse("data hash", short(f.DataHash), short(hash))
	}
	if k := kernels(); f.Kernels != k {
		t.opt.Log.Warn("train: the checkpoint was written with another kernel set; the results may differ in their last bits", "was", f.Kernels, "is", k)
	}
	steps := t.batches.Steps()
	if c := f.Cursor; c.Epoch < 0 || c.Step < 0 || c.Step > steps || c.Update < 0 || len(s.History) != c.Epoch {
		return fmt.Errorf("train: %s: %w: its cursor %+v is impossible", path, checkpoint.ErrNotCheckpoint, c)
	}
	return t.adopt(path, f, s)
}

// adopt takes over the tensors and the state of a checkpoint that fits.
func (t *Trainer) adopt(path string, f *checkpoint.File, s state) error {
	type move struct{ dst, src []float32 }
	var moves []move
	best := map[string][]float32{}
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
		moves = append(moves, move{dst, src})
		for _, slot := range t.slots(p.Name) {
			if src, err = find(slotPrefix+slot+"/"+p.Name, len(dst)); err != nil {
				return err
			}
			moves = append(moves, move{t.store.Slot(slot, p.Name), src})
		}
		if x := f.Tensor(bestPrefix + p.Name); x != nil && len(x.Data) == len(dst) {
			best[p.Name] = x.Data
		}
	}
	for _, v := range t.model.States() {
		dst := t.store.State(v.Name)
		src, err := find(statePrefix+v.Name, len(dst))
		if err != nil {
			return err
		}
		moves = append(moves, move{dst, src})
	}
	if st, ok := t.schedule.(optim.StatefulSchedule); ok {
		if err := st.UnmarshalState(s.Schedule); err != nil {
			return fmt.Errorf("train: %s: %w: schedule: %v", path, checkpoint.ErrNotCheckpoint, err)
		}
	}
	for _, m := range moves {
		copy(m.dst, m.src)
	}
	t.store.Touch()
	start := s.Settings.InitFrom
	s.Settings = t.opt.settings() // how long it goes on may have changed
	s.Settings.InitFrom = start
	t.best, t.state, t.cursor, t.resumed = best, s, f.Cursor, true
	t.saved, t.savedEpoch = true, f.Cursor.Epoch
	if err := writeLog(filepath.Join(t.opt.Dir, logName), s.History); err != nil {
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

// sameBits is the part of the settings that a resumed run may not change; more
// epochs and another patience only go on for longer, and sameStart looks at where
// it started.
func sameBits(s Settings) string {
	s.Epochs, s.Patience, s.KeepLast, s.InitFrom, s.Classes = 0, 0, false, nil, nil
	var plain any // read back, so that a struct and the map it became agree
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &plain)
	}
	if err == nil {
		b, err = json.Marshal(plain)
	}
	if err != nil {
		return fmt.Sprint(s)
	}
	return string(b)
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12] + "…"
	}
	return hash
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
