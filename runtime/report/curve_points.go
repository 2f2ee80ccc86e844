package report

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// point is what one training gave, as it is kept.
type point struct {
	Arm        string             `json:"arm"`
	Is         string             `json:"is"` // what the arm is
	Draw       int                `json:"draw"`
	Fold       int                `json:"fold"`
	Labels     int                `json:"labels"`
	Confusion  [][]int            `json:"confusion"`
	Groups     []groupCount       `json:"groups"`
	AUROC      *float64           `json:"auroc,omitempty"`  // of two classes that are both measured
	Chosen     map[string]float64 `json:"chosen,omitempty"` // by the way
	Next       []int              `json:"next,omitempty"`   // rows to label next
	After      []int              `json:"after,omitempty"`  // numbers of labels between which rows were chosen before
	Losses     []float64          `json:"losses,omitempty"` // of the epochs
	Seconds    float64            `json:"seconds"`
	Memory     int64              `json:"memory,omitempty"`
	NotLearned bool               `json:"not_learned,omitempty"` // joined
}

// groupCount counts the rows of a group that were measured.
type groupCount struct {
	Group int64 `json:"group"`
	Rows  int   `json:"rows"`
	Wrong int   `json:"wrong"`
}

// score counts.
func (p *point) score(classes int, predicted []int, y, groups []int64) {
	p.Confusion = make([][]int, classes)
	for k := range p.Confusion {
		p.Confusion[k] = make([]int, classes)
	}
	at := map[int64]int{}
	for i, k := range y {
		p.Confusion[k][predicted[i]]++
		g, ok := at[groups[i]]
		if !ok {
			g, at[groups[i]] = len(p.Groups), len(p.Groups)
			p.Groups = append(p.Groups, groupCount{Group: groups[i]})
		}
		p.Groups[g].Rows++
		if int64(predicted[i]) != k {
			p.Groups[g].Wrong++
		}
	}
	slices.SortFunc(p.Groups, func(a, b groupCount) int { return int(min(max(a.Group-b.Group, -1), 1)) })
}

// rank measures how scores order the rows of two classes.
func (p *point) rank(scores []float64, y []int64) error {
	second, positive := make([]float64, len(y)), make([]bool, len(y))
	for i, k := range y {
		second[i], positive[i] = scores[2*i+1], k == 1
	}
	if !p.bothMeasured() {
		return nil
	}
	area, err := evaluate.AUROC(second, positive)
	p.AUROC = &area
	return err
}

// bothMeasured reports whether there are rows of both of two classes.
func (p *point) bothMeasured() bool {
	return len(p.Confusion) == 2 && p.Confusion[0][0]+p.Confusion[0][1] > 0 && p.Confusion[1][0]+p.Confusion[1][1] > 0
}

// describe says what an arm is, so that points of another are not taken for its own.
func (r *curving) describe(a Arm) string {
	s := fmt.Sprintf("%T%+v", a.Way, a.Way)
	if a.Pretrain != "" {
		s += " from " + a.Pretrain
		if p, err := r.first.pretraining(a.Pretrain); err == nil && p.Is != "" { // checkArms knows that there is one
			s += fmt.Sprintf(" (%.12s)", p.Is)
		}
	}
	if a.Seen {
		s += ", test inputs seen"
	}
	if a.Choose != nil {
		s += ", labels by " + a.Choose.Name
	}
	return s
}

func (r *curving) pointFile(c *cell, a Arm, n int) string {
	sum := sha256.Sum256([]byte(a.Name))
	return filepath.Join(r.o.Dir, "points", fmt.Sprintf("%s-%06d-%s.json", c.name(), n, hex.EncodeToString(sum[:6])))
}

// keep writes a point.
func (r *curving) keep(c *cell, a Arm, p *point) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(r.pointFile(c, a, p.Labels), append(b, '\n'))
}

// kept returns a point that is there, or nil.
func (r *curving) kept(c *cell, a Arm, n, next int, after []int) (*point, error) {
	path := r.pointFile(c, a, n)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	p := &point{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, wrongOption("Dir", "%s is no point of a curve, remove it: %w", path, err)
	}
	rows := 0
	for _, of := range p.Confusion {
		if len(of) != r.classes {
			rows = -1
			break
		}
		for _, k := range of {
			rows += k
		}
	}
	switch {
	case len(p.Confusion) != r.classes || rows != len(c.y) || p.Draw != c.draw || p.Fold != c.fold || p.Labels != n || p.Arm != a.Name:
		return nil, wrongOption("Dir", "%s is the point of another curve: remove it, or take another folder", path)
	case p.Is != r.describe(a):
		return nil, wrongOption("Dir", "%s was measured when %q was %s; it is %s: remove it, give the arm another name, or take another folder", path, a.Name, p.Is, r.describe(a))
	case len(p.Next) != next || !slices.Equal(p.After, after):
		return nil, nil // other numbers of labels were asked for
	}
	return p, nil
}

// setting decides what points are.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

const settingsName = "settings.json"

// settle writes down what decides the points, or compares it with what is there.
func (r *curving) settle() error {
	t := r.first.Task
	m := spec.NewModel("task", spec.CrossEntropy(t.Logits, spec.Labels(t.Label, r.classes).Optional()))
	if err := m.Err(); err != nil {
		return err
	}
	decided := func(o train.Options) (string, error) {
		facts, err := o.Decides(m)
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(facts)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:]), nil
	}
	few, err := decided(r.o.Train(100))
	if err != nil {
		return err
	}
	many, err := decided(r.o.Train(1000))
	if err != nil {
		return err
	}
	before, err := decided(r.o.Pretrain(len(r.y)))
	if err != nil {
		return err
	}
	want := []setting{
		{"rows", r.hash}, {"test rows", r.testHash}, {"labels", r.label}, {"classes", fmt.Sprint(r.names)}, {"groups", r.o.Group},
		{"folds", fmt.Sprint(r.o.Folds)}, {"draw", r.o.Drawn}, {"seed", fmt.Sprint(r.o.Seed)}, {"model", m.Hash()},
		{"training", few + many}, {"pretraining", before},
	}
	path := filepath.Join(r.o.Dir, "points", settingsName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = json.MarshalIndent(want, "", "\t"); err != nil {
			return err
		}
		return atomicfile.WriteBytes(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var have []setting
	if err := json.Unmarshal(bytes.TrimSpace(b), &have); err != nil || len(have) != len(want) {
		return wrongOption("Dir", "%s is not what a label curve writes: take another folder", path)
	}
	for i := range want {
		if have[i] != want[i] {
			return wrongOption("Dir", "%s has points of another curve (%s: %s then, %s now): take another folder", r.o.Dir, want[i].Name, clipped(have[i].Value), clipped(want[i].Value))
		}
	}
	return nil
}

// clipped is a value, or the beginning of a hash.
func clipped(value string) string {
	if len(value) > 24 {
		return value[:12] + "…"
	}
	return fmt.Sprintf("%q", value)
}

// start returns what an arm starts from, and pretrains it if need be.
func (r *curving) start(ctx context.Context, c *cell, a Arm) ([]train.From, error) {
	if a.Pretrain == "" || a.Raw {
		return nil, nil
	}
	var rows dataset.Source = c.pool
	where := "all"
	switch {
	case a.Seen && r.o.Test != nil:
		rows, where = dataset.Concat(r.rows, dataset.All(r.o.Test)), "seen"
	case a.Seen:
		rows, where = r.rows, "seen"
	case c.fold > 0:
		where = c.name()
	}
	return r.pretrained(ctx, a.Pretrain, rows, where)
}

// pretrained is a pretraining on rows, which is kept until the folds it is for are done.
func (r *curving) pretrained(ctx context.Context, name string, rows dataset.Source, where string) ([]train.From, error) {
	key := where + "/" + name
	if from, ok := r.started[key]; ok {
		return from, nil
	}
	m := r.model()
	p, err := m.pretraining(name)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	o := r.o.Pretrain(rows.Len())
	o.Seed, o.Workers, o.Log = r.o.Seed, r.o.Workers, quiet(o.Log)
	o.Dir = filepath.Join(r.o.Dir, "points", "pretrained", where, modelName(name))
	var losses history
	o.Progress = losses.record
	from, err := p.Train(ctx, m.Task, rows, o)
	if err != nil {
		return nil, fmt.Errorf("pretraining %q: %w", name, err)
	}
	if r.started[key] = from; p.Before {
		return from, nil
	}
	return from, r.noted(where, name, losses, time.Since(began).Seconds())
}

// pretraining is what a pretraining took, as it is kept.
type pretraining struct {
	Name    string  `json:"name"`
	Where   string  `json:"where"`
	Phases  []Phase `json:"phases,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Phase is the losses of the epochs of a training.
type Phase struct {
	Name   string    `json:"name"`
	Losses []float64 `json:"losses"`
}

func (r *curving) notedFile(where, name string) string {
	return filepath.Join(r.o.Dir, "points", "pretraining-"+where+"-"+modelName(name)+".json")
}

// noted keeps what a pretraining took, unless it only went on from its end.
func (r *curving) noted(where, name string, losses history, seconds float64) error {
	phases := losses.phases()
	if _, err := os.Stat(r.notedFile(where, name)); err == nil {
		return nil
	}
	b, err := json.Marshal(pretraining{name, where, phases, seconds})
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(r.notedFile(where, name), append(b, '\n'))
}

// pretrainings returns what all of them took.
func (r *curving) pretrainings() []pretraining {
	var out []pretraining
	files, _ := filepath.Glob(filepath.Join(r.o.Dir, "points", "pretraining-*.json"))
	slices.Sort(files)
	for _, f := range files {
		var p pretraining
		if b, err := os.ReadFile(f); err == nil && json.Unmarshal(b, &p) == nil {
			out = append(out, p)
		}
	}
	return out
}

// forget removes the pretrainings of a fold that is done.
func (r *curving) forget(c *cell) error {
	for _, where := range []string{c.name(), c.name() + " raw"} {
		delete(r.scaled, where)
	}
	for key := range r.started {
		if filepath.Dir(key) == c.name() {
			delete(r.started, key)
		}
	}
	return os.RemoveAll(filepath.Join(r.o.Dir, "points", "pretrained", c.name()))
}

// history records the losses of a training.
type history struct{ all []Phase }

func (h *history) record() train.Reporter { return h }

// Report implements [train.Reporter].
func (h *history) Report(e train.Event) {
	if e.Done == nil {
		return
	}
	if n := len(h.all); n == 0 || h.all[n-1].Name != e.Name {
		h.all = append(h.all, Phase{Name: e.Name})
	}
	last := &h.all[len(h.all)-1]
	last.Losses = append(last.Losses, e.Done.Train.Loss)
}

// Close implements [train.Reporter].
func (h *history) Close() {}

func (h *history) phases() []Phase { return h.all }

// losses are those of the last phase.
func (h *history) losses() []float64 {
	if len(h.all) == 0 {
		return nil
	}
	return h.all[len(h.all)-1].Losses
}
