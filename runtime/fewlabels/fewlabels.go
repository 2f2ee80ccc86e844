package fewlabels

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Task is what is to be learned. Declare it anew for each training: a way adds losses and
// layers to the declaration.
type Task struct {
	Input  *spec.Value // the column that unlabelled rows have too, and of which views are made
	Code   *spec.Value // f32[N units], what probes and neighbours look at
	Logits *spec.Value // f32[N classes]

	Encoder spec.Layer // what a pretraining trains; may be nil

	Label   string   // the column of labels, i64; a negative label is none
	Classes []string // names of the labels, in order
}

// Way learns a task from labelled rows, and from unlabelled ones if it can use them.
type Way interface {
	// Name is a short one for tables, such as "pseudo-labels".
	Name() string
	// Train learns the task. Rows of labelled without a label are left out. Labels that
	// the unlabelled rows have are not looked at; unlabelled may be nil for a way that
	// does not use them. Options are those of the training: with Options.InitFrom it
	// starts from pretrained weights, and with Options.Average it ships the averages. A way
	// whose training is resumed from Options.Dir ends with the same bits.
	//
	// Errors: a task that is not complete; no labelled row, or one with a label that is
	// no class; rows that lack a column; settings that cannot be; those of the training.
	Train(ctx context.Context, t Task, labelled, unlabelled dataset.Source, o train.Options) (*Learned, error)
}

// Learned is a task that was learned.
type Learned struct {
	// Net computes "probabilities" f32[N classes] and can be shipped; nil for what is
	// no net, such as neighbours.
	Net    *engine.Net
	Result *train.Result // of the training, or of the last one
	// Predict returns a probability for each row and class, [rows classes], in the
	// order of the rows and of Task.Classes. Errors: rows that lack a column; those of
	// the rows and of the context.
	Predict func(ctx context.Context, rows dataset.Source) ([]float64, error)
	// Chosen are the numbers that the way chose by the labelled rows alone, and counts of
	// what it did, by name; nil if there are none.
	Chosen map[string]float64
}

// check returns what is wrong with the task.
func (t Task) check() error {
	for _, v := range []struct {
		name string
		of   *spec.Value
		rank int
	}{{"Input", t.Input, 0}, {"Code", t.Code, 2}, {"Logits", t.Logits, 2}} {
		if v.of == nil {
			return fmt.Errorf("fewlabels: Task.%s is nil", v.name)
		}
		if err := v.of.Err(); err != nil {
			return err
		}
		if typ := v.of.Type(); v.rank > 0 && (typ.DType != ir.F32 || typ.Rank() != v.rank || !typ.Shape.RowWise() || typ.Shape[1:].Symbolic()) {
			return fmt.Errorf("fewlabels: Task.%s must be f32[N n], a row of numbers for each row, got %s", v.name, typ)
		}
	}
	switch n := t.Logits.Type().Last(); {
	case t.Label == "":
		return errors.New("fewlabels: Task.Label is empty: name the column of the labels")
	case len(t.Classes) < 2:
		return fmt.Errorf("fewlabels: Task.Classes must name two classes or more, got %d", len(t.Classes))
	case len(t.Classes) != n:
		return fmt.Errorf("fewlabels: Task.Classes names %d classes, but Task.Logits are for %d (%s)", len(t.Classes), n, t.Logits.Type())
	}
	for i, name := range t.Classes {
		if slices.Contains(t.Classes[:i], name) {
			return fmt.Errorf("fewlabels: Task.Classes names two classes %q", name)
		}
	}
	return nil
}

// labels declares the input of the labels.
func (t Task) labels() *spec.Value { return spec.Labels(t.Label, len(t.Classes)).Optional() }

// probabilities is what ships.
func (t Task) probabilities(logits *spec.Value) *spec.Value {
	return logits.Then(spec.Softmax(-1)).Named("probabilities")
}

// column is the name of the column of Input.
func (t Task) column() (string, error) {
	g, _, err := spec.GraphOf("input", t.Input)
	if err != nil {
		return "", err
	}
	computed := len(g.Inputs) != 1
	for _, n := range g.Nodes { // one gives the input the name of an output
		computed = computed || n.Op != ir.Op(ops.Identity{})
	}
	if computed {
		return "", fmt.Errorf("fewlabels: Task.Input must be an input, such as of spec.Input, got a computed %s", t.Input.Type())
	}
	return g.Inputs[0].Name, nil
}

// options completes those of a training.
func (t Task) options(o train.Options) train.Options {
	if o.Classes == nil {
		o.Classes = t.Classes
	}
	return o
}

// begin checks the task and returns the labelled rows that have a label, and their labels.
func (t Task) begin(way string, labelled dataset.Source) (*dataset.Selection, []int64, error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	if labelled == nil {
		return nil, nil, fmt.Errorf("fewlabels: %s: there are no labelled rows", way)
	}
	all := dataset.All(labelled)
	y, err := all.I64(t.Label)
	if err != nil {
		return nil, nil, fmt.Errorf("fewlabels: %s: labelled rows: %w", way, err)
	}
	var rows []int
	have := make([]bool, len(t.Classes))
	var own []int64
	for i, k := range y {
		switch {
		case k >= int64(len(t.Classes)):
			return nil, nil, fmt.Errorf("fewlabels: %s: %s is the label %d, but Task.Classes names %d classes, 0 to %d", way, dataset.Place(labelled, i, t.Label), k, len(t.Classes), len(t.Classes)-1)
		case k >= 0:
			rows, own, have[k] = append(rows, i), append(own, k), true
		}
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("fewlabels: %s: none of the %d labelled rows has a label in column %q", way, len(y), t.Label)
	}
	kinds := 0
	for _, h := range have {
		if h {
			kinds++
		}
	}
	if kinds < 2 {
		return nil, nil, fmt.Errorf("fewlabels: %s: all %d labels are %d, and rows of one class tell nothing apart: label rows of another", way, len(rows), own[0])
	}
	if len(rows) == len(y) {
		return all, own, nil
	}
	all = all.Select(rows)
	return all, own, all.Err()
}

// without returns the unlabelled rows with their labels hidden, if they have any.
func (t Task) without(way string, unlabelled dataset.Source) (dataset.Source, error) {
	if unlabelled == nil || unlabelled.Len() == 0 {
		return nil, fmt.Errorf("fewlabels: %s learns from rows without a label, and there are none: give it some, or take FineTune", way)
	}
	for _, c := range unlabelled.Columns() {
		if c.Name == t.Label {
			s := dataset.All(unlabelled).Unlabel(t.Label, nil)
			return s, s.Err()
		}
	}
	return unlabelled, nil
}

// ofNet is what a net predicts whose only output is probabilities.
func ofNet(net *engine.Net, r *train.Result) (*Learned, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	return &Learned{Net: net, Result: r, Predict: func(ctx context.Context, rows dataset.Source) ([]float64, error) {
		return run(ctx, net, rows)
	}}, nil
}

// run returns the only output of a net over rows.
func run(ctx context.Context, net *engine.Net, rows dataset.Source) ([]float64, error) {
	name := net.Graph().Outputs[0].Name
	var out []float64
	err := net.Each(ctx, rows, func(_ dataset.Batch, made map[string]*ir.Tensor) error {
		for _, p := range made[name].F32 {
			out = append(out, float64(p))
		}
		return nil
	})
	return out, err
}

// started returns the task's values before any update, with the weights of
// Options.InitFrom, and with the constants that are fitted to the rows.
func (t Task) started(ctx context.Context, rows dataset.Source, o train.Options) (*train.Result, error) {
	o = t.options(o)
	o.Dir, o.Logs, o.Valid, o.Patience, o.BestBy, o.Progress, o.ValidAverage = "", nil, nil, 0, train.By{}, nil, false
	if o.Optimizer == nil { // which makes no update
		o.Optimizer = optim.SGD(1)
	}
	o.Epochs = max(o.Epochs, 1)
	tr, err := train.New(ctx, spec.NewModel("task", spec.CrossEntropy(t.Logits, t.labels())), rows, o)
	if err != nil {
		return nil, err
	}
	return tr.Done()
}

// Compile-time checks that each way is one.
var (
	_ Way = Probe{}
	_ Way = Neighbours{}
	_ Way = FineTune{}
	_ Way = PseudoLabels{}
	_ Way = SelfTraining{}
	_ Way = FixMatch{}
	_ Way = MeanTeacher{}
	_ Way = Mixup{}
)
