package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// recipe returns what trains the phase again. What it cannot say it says that it lacks.
func (r *Result) recipe() *engine.Recipe {
	c := &engine.Recipe{Trail: trails(r.History)}
	lack := func(format string, a ...any) { c.Lacks = append(c.Lacks, fmt.Sprintf(format, a...)) }
	if r.cut {
		lack("it was ended by its program after %d of %d epochs", len(r.History), r.opt.Epochs)
	}
	var err error
	if c.Data, err = engine.RowsOf(r.rows, r.measured.hashOf); err != nil {
		lack("the training rows: %v", err)
	}
	if c.Model, err = r.model.Text(); err != nil {
		lack("the model: %v", err)
	}
	for _, n := range r.prog.Graph.Nodes {
		if _, ok := ops.ByName(n.Op.Name()); !ok {
			lack("the op %s is of another module", n.Op.Name())
			c.Model = ""
			break
		}
	}
	s := r.opt.settings(nil) // where parameters start is the phase's Start
	if !r.opt.judges() {
		s.BestBy = ""
	}
	if m := r.opt.judge(); m != nil {
		if c.Judge, err = m.judgement(r.History); err != nil {
			lack("the metric %q, by which the best epoch was chosen, %v", m.Name, err)
		}
	}
	if c.Settings, err = json.Marshal(s); err == nil {
		_, err = Repeat(c.Settings)
	}
	if err != nil {
		lack("the settings: %v", err)
	}
	if len(r.opt.Kernels) > 0 {
		lack("kernels of ops of another module")
	}
	if r.opt.Valid != nil {
		rows, err := engine.RowsOf(r.opt.Valid, r.measured.hashOf)
		if err != nil {
			lack("the validation rows: %v", err)
		}
		c.Valid = &rows
	}
	return c
}

// judgement is what repeats the choice by the metric: its graph or, of one that Go code computes over all rows, its numbers.
//
// Errors: what cannot be repeated of it, for a sentence that it begins.
func (x *Metric) judgement(history []Epoch) (*engine.Judge, error) {
	if x.over != nil || x.recorded != nil {
		j := &engine.Judge{Name: x.Name}
		for i := range history {
			j.Values = append(j.Values, history[i].metric(x.Name))
		}
		return j, nil
	}
	of := []*spec.Value{x.Value}
	if x.Weight != nil {
		of = append(of, x.Weight)
	}
	g, _, err := spec.GraphOf("metric", of...)
	if err != nil {
		return nil, fmt.Errorf("has no graph: %w", err)
	}
	for _, n := range g.Nodes {
		if _, ok := ops.ByName(n.Op.Name()); !ok {
			return nil, fmt.Errorf("has the op %s, which is of another module", n.Op.Name())
		}
	}
	return &engine.Judge{Name: x.Name, Text: ir.FormatNoted(g, func(*ir.Value) string { return "" })}, nil
}

// Judged returns the metric that a recipe says the best epoch was chosen by. values are those of its text: what is measured
// and, if there are two, the weight. Of one that [OverRows] made, the recipe has no text but the numbers, which take the place
// of the function.
//
// Errors: another number of values.
func Judged(j *engine.Judge, values []*spec.Value) (Metric, error) {
	if j.Text == "" && len(j.Values) > 0 {
		return Metric{Name: j.Name, recorded: j.Values}, nil
	}
	switch len(values) {
	case 1:
		return Metric{Name: j.Name, Value: values[0]}, nil
	case 2:
		return Metric{Name: j.Name, Value: values[0], Weight: values[1]}, nil
	}
	return Metric{}, fmt.Errorf("train: the metric %q of a recipe has %d values; it must be one, or two with a weight", j.Name, len(values))
}

// Repeat returns the options that the settings of a recipe describe. The caller adds the
// rows for validation, and the metric of [Judged] if there is one.
//
// Errors: settings that are not JSON of this version; an optimizer that is not one of
// Lamina's own.
func Repeat(recipe []byte) (Options, error) {
	var raw struct {
		settings
		Optimizer json.RawMessage `json:"optimizer"`
	}
	if err := json.Unmarshal(recipe, &raw); err != nil {
		return Options{}, fmt.Errorf("train: the settings of a recipe: %w", err)
	}
	o, err := optim.Parse(raw.Optimizer)
	if err != nil {
		return Options{}, err
	}
	s := raw.settings
	precision, err := optim.ParsePrecision(s.Precision)
	if err != nil {
		return Options{}, err
	}
	if len(s.Kept) > 0 {
		precision = precision.Except(s.Kept...)
	}
	by, err := parseBy(s.BestBy)
	if err != nil {
		return Options{}, err
	}
	var share optim.Schedule
	if s.AverageShare != "" {
		if share, err = optim.ParseSchedule(s.AverageSchedule); err != nil {
			return Options{}, fmt.Errorf("train: the schedule of the averages: %w", err)
		}
	}
	var augment *dataset.Augmentation
	if s.Augment != "" {
		if augment, err = dataset.ParseAugmentation(s.Augment); err != nil {
			return Options{}, err
		}
	}
	return Options{Augment: augment, Precision: precision, AverageSchedule: share, Optimizer: o, Batch: s.Batch, Accumulate: s.Accumulate, Shards: s.Shards, Seed: s.Seed, InOrder: s.InOrder, Epochs: s.Epochs,
		Patience: s.Patience, MinDelta: s.MinDelta, KeepLast: s.KeepLast, BestBy: by, ClipNorm: s.ClipNorm, Average: s.Average, ValidAverage: s.ValidAverage,
		Freeze: s.Freeze}, nil
}

// programHash is the SHA-256 of the running program, "" where it cannot be read. It is made
// once, however many functions ship.
var programHash = sync.OnceValue(func() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
})
