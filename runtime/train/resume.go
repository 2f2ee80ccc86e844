package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// firstState is the trainer's record of a checkpoint of version 1.
type firstState struct {
	state
	Settings settings `json:"settings"`
	History  []Epoch  `json:"history"`
}

// decide lists what decides the result, the rows included: their hashes are computed
// here, so that an interruption later need not wait for all of them.
func (t *Trainer) decide(ctx context.Context) (err error) {
	if t.facts, err = t.opt.decides(t.model, t.state.InitFrom); err != nil {
		return err
	}
	defer func() { t.facts = append(t.facts, t.rowFacts...) }()
	if t.hash, err = t.hashOf(ctx, t.rows); err != nil {
		return err
	}
	t.rowFacts.AddRows(factRows, t.rows.Len(), t.hash)
	t.rowFacts.Add(factMix, dataset.Drawn(t.rows))
	if t.opt.Valid == nil {
		return nil
	}
	t.validHash = t.hash
	if !sameSource(t.opt.Valid, t.rows) {
		if t.validHash, err = t.hashOf(ctx, t.opt.Valid); err != nil {
			return fmt.Errorf("Options.Valid: %w", err)
		}
	}
	t.rowFacts.AddRows(factValid, t.opt.Valid.Len(), t.validHash)
	return nil
}

// hashOf returns the hash of rows.
func (t *Trainer) hashOf(ctx context.Context, rows dataset.Source) (string, error) {
	h, err := dataset.Hash(dataset.Until(ctx, rows))
	return h, t.early(ctx, err, "read for the checkpoint's hash")
}

// load goes on from the checkpoint in Options.Dir, if there is one, and makes
// the log agree with it. It changes nothing unless all of it fits.
func (t *Trainer) load(ctx context.Context) error {
	path := filepath.Join(t.opt.Dir, checkpointName)
	f, err := checkpoint.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return t.decide(ctx)
	}
	if err != nil {
		return err
	}
	var s firstState
	if err := json.Unmarshal(f.Trainer, &s); err != nil {
		return fmt.Errorf("train: %s: %w: trainer record: %v", path, checkpoint.ErrNotCheckpoint, err)
	}
	if err := t.decide(ctx); err != nil {
		return err
	}
	was, content := f.Facts, []byte(nil)
	if was == nil {
		if was, err = t.firstFacts(f, &s); err != nil {
			return err
		}
		s.state.History, s.state.InitFrom = s.History, s.Settings.InitFrom
		if content, err = lines(s.History); err != nil {
			return err
		}
	} else {
		if content, err = t.files.read(f.Grown); err == nil {
			s.state.History, err = parseLines(content)
		}
		if err != nil {
			return fmt.Errorf("train: %s: its finished epochs are kept beside it, and are damaged: %w: put the file back, or use another Dir", path, err)
		}
	}
	if err := t.same(was); err != nil {
		return fmt.Errorf("train: %s is of another training: %w: use another Dir, or the declaration, options and rows it was written with", path, err)
	}
	steps := t.batches.Steps()
	if c := f.Cursor; c.Epoch < 0 || c.Step < 0 || c.Step > steps || c.Update < 0 || len(s.state.History) != c.Epoch {
		return fmt.Errorf("train: %s: %w: its cursor %+v is impossible", path, checkpoint.ErrNotCheckpoint, c)
	}
	if err := t.longer(was, s.state.History, f.Cursor); err != nil {
		return fmt.Errorf("train: %s: %w: use another Dir, or leave this as it was", path, err)
	}
	if len(t.opt.InitFrom) == 0 && len(s.state.InitFrom) > 0 { // it still started from these
		if t.facts, err = t.opt.decides(t.model, s.state.InitFrom); err != nil {
			return err
		}
		t.facts = append(t.facts, t.rowFacts...)
	}
	if k := t.kernels(); f.Kernels != k {
		t.opt.Log.Warn("train: the checkpoint was written with another kernel set; the results may differ in their last bits", "was", f.Kernels, "is", k)
	}
	return t.adopt(path, f, s.state, content)
}

// same compares the facts of the checkpoint with this run's. How long it goes on may
// change, as far as longer allows, and tensors to start from need not be given again:
// the checkpoint has all that counts.
func (t *Trainer) same(was checkpoint.Facts) error {
	free := func(f checkpoint.Fact) bool {
		return f.Name == factEpochs || f.Name == factPatience || len(t.opt.InitFrom) == 0 && strings.HasPrefix(f.Name, factStart)
	}
	return was.Without(free).Differ(t.facts.Without(free))
}

// firstFacts are those of a checkpoint of version 1, as far as it knows them: it has
// no words of the model, and of the validation rows only whether there were any.
func (t *Trainer) firstFacts(f *checkpoint.File, s *firstState) (checkpoint.Facts, error) {
	own, err := s.Settings.facts(t.opt.Optimizer)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, x := range own {
		known[x.Name] = true
	}
	asked, err := t.opt.settings(t.state.InitFrom).facts(t.opt.Optimizer)
	if err != nil {
		return nil, err
	}
	for _, x := range asked {
		known[x.Name] = true
	}
	var out checkpoint.Facts
	for _, x := range t.facts {
		switch {
		case x.Name == factOptimizer: // where the settings begin
			out = append(out, own...)
			continue
		case known[x.Name]:
			continue
		case x.Name == factModelName:
			x.Value = f.Model
		case x.Sum:
			x.SHA256 = f.ModelHash
		case x.Name == factMix: // there were none
			continue
		case x.Name == factRows:
			if x.SHA256 != f.DataHash {
				x.Value, x.SHA256 = "other ones", f.DataHash
			}
		case x.Name == factValid && len(s.History) > 0 && !s.History[0].Validated:
			continue
		}
		out = append(out, x)
	}
	if t.opt.Valid == nil && len(s.History) > 0 && s.History[0].Validated {
		out = append(out, checkpoint.Fact{Name: factValid, Verb: checkpoint.Are})
	}
	return out, nil
}

// longer refuses other Epochs and Patience than those of before, unless a training
// that had them from the start would have come by where this one stands, with the
// same bits.
func (t *Trainer) longer(was checkpoint.Facts, history []Epoch, c checkpoint.Cursor) error {
	now := t.facts
	under := c.Step > 0
	if o := t.opt.Epochs; o < c.Epoch || o == c.Epoch && under {
		return fmt.Errorf("Epochs was %s, is %d, but %s", was.Value(factEpochs), o, standing(c))
	}
	if was.Value(factPatience) != now.Value(factPatience) && t.opt.Patience > 0 {
		waited := 0
		for i, e := range history {
			if waited++; e.Best {
				waited = 0
			}
			if waited >= t.opt.Patience && (i+1 < c.Epoch || under) {
				return fmt.Errorf("Patience was %s, is %d, with which the training would have ended at epoch %d, but %s", orNone(was.Value(factPatience)), t.opt.Patience, e.Number, standing(c))
			}
		}
	}
	before, err := strconv.Atoi(was.Value(factEpochs))
	if err == nil && before != t.opt.Epochs && !t.sameRates(before, history, c.Update) {
		return fmt.Errorf("Epochs was %d, is %d, and the schedule of the learning rate depends on it: %s with other rates", before, t.opt.Epochs, standing(c))
	}
	if err == nil && before != t.opt.Epochs {
		for _, s := range t.scheduled {
			if !t.sameFactors(s.plan, before, c.Update) {
				return fmt.Errorf("Epochs was %d, is %d, and the schedule of %q depends on it: %s with other numbers", before, t.opt.Epochs, s.name, standing(c))
			}
		}
	}
	return nil
}

// sameFactors reports whether a schedule that depends on nothing else gave the updates
// that are made the factors that it gives them with the Epochs of now.
func (t *Trainer) sameFactors(s optim.Schedule, before int, updates int64) bool {
	p := optim.Progress{UpdatesPerEpoch: t.updatesPerEpoch()}
	for ; p.Update < updates; p.Update++ {
		p.Epoch = int(p.Update) / p.UpdatesPerEpoch
		was, is := p, p
		was.Epochs, is.Epochs = before, t.opt.Epochs
		if s.Factor(was) != s.Factor(is) {
			return false
		}
	}
	return true
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

func standing(c checkpoint.Cursor) string {
	switch {
	case c.Step > 0:
		return fmt.Sprintf("epoch %d is under way", c.Epoch+1)
	case c.Epoch == 1:
		return "1 epoch is made"
	}
	return fmt.Sprintf("%d epochs are made", c.Epoch)
}

// sameRates reports whether the updates that are made had the rates that they would
// have had with the Epochs of now.
func (t *Trainer) sameRates(before int, history []Epoch, updates int64) bool {
	start := func() optim.Schedule {
		if s, ok := t.opt.Optimizer.Plan().(optim.StatefulSchedule); ok {
			return s.Start()
		}
		return t.opt.Optimizer.Plan()
	}
	a, b := start(), start()
	p := optim.Progress{UpdatesPerEpoch: t.updatesPerEpoch()}
	for ; p.Update < updates; p.Update++ {
		if p.Update > 0 && p.Update%int64(p.UpdatesPerEpoch) == 0 {
			for _, s := range []optim.Schedule{a, b} {
				if s, ok := s.(optim.StatefulSchedule); ok && p.Epoch < len(history) {
					s.Observe(history[p.Epoch].judged())
				}
			}
			p.Epoch++
		}
		was, is := p, p
		was.Epochs, is.Epochs = before, t.opt.Epochs
		if a.Factor(was) != b.Factor(is) {
			return false
		}
	}
	return true
}
