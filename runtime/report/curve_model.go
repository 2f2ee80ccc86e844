package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Model is what a label curve trains. A function returns it, and declares it anew each time,
// so that no two trainings share a layer.
type Model struct {
	Task     fewlabels.Task
	Pretrain []Pretraining // ways to pretrain the task's layers, in order; none

	// Raw is the columns as they are, f32[N n], for logistic regression and the nearest
	// neighbour. nil makes it of the task's inputs.
	Raw *spec.Value

	// Picture is what the page draws of a row: f32[N C H W] or f32[N H W] in [0, 1], of one
	// channel or three, or f32[N n] of a square. nil draws nothing.
	Picture *spec.Value

	Text string // the declaration, for those who read the page; none
}

// Pretraining is a way to pretrain the layers of a task on rows whose labels are not looked at.
type Pretraining struct {
	Name string // short, for tables, such as "denoising"
	// Train returns what the task's parameters start from. The task is that of the Model
	// that the pretraining is part of. With o.Dir it can be interrupted, and goes on to the
	// same bits.
	Train func(ctx context.Context, t fewlabels.Task, rows dataset.Source, o train.Options) ([]train.From, error)
	// Restored is what it makes of a row, in the type of Model.Picture, for the page; nil.
	Restored *spec.Value
	// Before says that it was done before the curve, on rows that nobody knows here: the page says so,
	// the default arms have it no second time with inputs of the rows that are measured on, and
	// have a linear probe and the nearest neighbours of its codes, which change nothing of it.
	Before bool
	// Is tells it from another of the same name, so that what was measured with that is not
	// taken for its own: such as a hash of its losses or weights. "" is told by the name alone.
	Is string
}

// Losses returns a pretraining that trains a model of these losses, such as those of an
// autoencoder, whose layers the task has too. restored is as in [Pretraining], and may be nil.
func Losses(name string, restored *spec.Value, losses ...*spec.Loss) Pretraining {
	return Pretraining{Name: name, Restored: restored, Is: spec.NewModel(modelName(name), losses...).Hash(),
		Train: func(ctx context.Context, t fewlabels.Task, rows dataset.Source, o train.Options) ([]train.From, error) {
			fit, err := train.Fit(ctx, spec.NewModel(modelName(name), losses...), rows, o)
			if err != nil {
				return nil, err
			}
			return weights(fit, t.Code, restored)
		}}
}

// Greedy returns a pretraining of a dense stack, layer by layer, each of which learns to undo
// masking noise of a quarter of its input ([pretrain.Greedy]; Vincent et al. 2010). x is what
// the stack is applied to.
func Greedy(x *spec.Value, stack *spec.SequentialLayer) Pretraining {
	return Pretraining{Name: "greedy",
		Train: func(ctx context.Context, t fewlabels.Task, rows dataset.Source, o train.Options) ([]train.From, error) {
			dir := o.Dir
			o.Dir = ""
			fit, err := pretrain.NewProgram("greedy", pretrain.Greedy(x, stack, rows, o).Corrupt(spec.MaskingNoise(0.25))).
				Run(ctx, pretrain.Options{Dir: dir, Progress: o.Progress})
			if err != nil {
				return nil, err
			}
			return weights(fit, t.Code, nil)
		}}
}

// Given returns a pretraining that has been done: the weights of a trained function, such
// as that of a bundle.
func Given(name string, net *engine.Net) Pretraining {
	return Pretraining{Name: name, Before: true, Is: hashOf(net.Params()),
		Train: func(context.Context, fewlabels.Task, dataset.Source, train.Options) ([]train.From, error) {
			t, err := train.NetTensors(net)
			return []train.From{{Tensors: t, Pattern: "*"}}, err
		}}
}

// hashOf is a hash of weights.
func hashOf(params map[string][]float32) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(sum, "%q %d\n", name, len(params[name]))
		binary.Write(sum, binary.LittleEndian, params[name]) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// weights are those of a training that lead to the values; the second may be nil.
func weights(fit *train.Result, code, restored *spec.Value) ([]train.From, error) {
	values := []*spec.Value{code}
	if restored != nil {
		values = append(values, restored)
	}
	t, err := train.NetTensors(fit.Net(values...))
	if err != nil {
		return nil, err
	}
	return []train.From{{Tensors: t, Pattern: "*"}}, nil
}

// modelName is a name of letters and digits for a model.
func modelName(name string) string {
	var b []byte
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b = append(b, c)
		}
	}
	return cmp.Or(string(b), "pretraining")
}

// Chooser chooses the rows to label next, in place of a draw.
type Chooser struct {
	Name string // short, for tables, such as "margin"
	// Choose returns n places of rest, of the rows to label next, by what was learned from
	// the rows that have a label. code computes the codes by the same weights; it is nil for what is no
	// net. Labels of rest are hidden. It is a function of its arguments.
	Choose func(ctx context.Context, learned *fewlabels.Learned, code *engine.Net, labelled, rest dataset.Source, n int, seed uint64) ([]int, error)
}

// Arm is one curve: a way to learn the task.
type Arm struct {
	Name     string // for tables; one of a kind
	Way      fewlabels.Way
	Pretrain string // name of the pretraining that it starts from; "" is from scratch
	// Seen pretrains on the inputs of the rows that are measured on too. Such an arm is
	// shown apart, since it cannot be had for rows that come later.
	Seen   bool
	Choose *Chooser // chooses labels beyond the least number, which is drawn; nil draws all
	Raw    bool     // looks at Model.Raw in place of the code: a control
}

// scratch is the name of the arm that all others are compared with.
const scratch = "from scratch"

// DefaultArms returns the curves of a model: the three controls that need no net, the net
// from scratch, each pretraining, and the first one, or the net from scratch, with pseudo-labels.
// With seen, each pretraining comes once more with the inputs of the rows that are measured on,
// unless it was done before, and then has probes of its codes. Choosers start from the first pretraining.
func DefaultArms(m Model, seen bool, choosers ...Chooser) []Arm {
	arms := []Arm{
		{Name: "majority class", Way: majority{}, Raw: true},
		{Name: "logistic regression", Way: fewlabels.Probe{L2: []float64{1e-3, 1e-2, 1e-1, 1}, Folds: 3}, Raw: true},
		{Name: "nearest neighbour", Way: fewlabels.Neighbours{K: []int{1}}, Raw: true},
		{Name: scratch, Way: fewlabels.FineTune{}},
	}
	first, with := "", scratch
	for i, p := range m.Pretrain {
		if i == 0 {
			first, with = p.Name, p.Name
		}
		arms = append(arms, Arm{Name: p.Name, Way: fewlabels.FineTune{}, Pretrain: p.Name})
	}
	arms = append(arms, Arm{Name: with + " + pseudo-labels", Way: fewlabels.PseudoLabels{}, Pretrain: first})
	for _, c := range choosers {
		arms = append(arms, Arm{Name: with + " + labels by " + c.Name, Way: fewlabels.FineTune{}, Pretrain: first, Choose: &c})
	}
	for _, p := range m.Pretrain {
		switch {
		case p.Before:
			arms = append(arms, Arm{Name: p.Name + ", linear probe", Way: fewlabels.Probe{}, Pretrain: p.Name}, Arm{Name: p.Name + ", neighbours", Way: fewlabels.Neighbours{}, Pretrain: p.Name})
		case seen:
			arms = append(arms, Arm{Name: p.Name + ", test inputs seen", Way: fewlabels.FineTune{}, Pretrain: p.Name, Seen: true})
		}
	}
	return arms
}

// kind says what an arm is, for those who read the JSON.
func (a Arm) kind() string {
	switch {
	case a.Raw:
		return "control"
	case a.Seen:
		return "seen"
	case a.Name == scratch:
		return "scratch"
	case a.Choose != nil || a.Pretrain == "":
		return "extended"
	}
	switch a.Way.(type) {
	case fewlabels.FineTune, fewlabels.Probe, fewlabels.Neighbours:
		return "pretrained"
	}
	return "extended"
}

// pretraining returns the one of that name.
func (m Model) pretraining(name string) (Pretraining, error) {
	for _, p := range m.Pretrain {
		if p.Name == name {
			return p, nil
		}
	}
	return Pretraining{}, fmt.Errorf("report: the model has no pretraining %q", name)
}

// majority predicts the shares of the classes among the labels, whatever the row.
type majority struct{}

// Name implements [fewlabels.Way].
func (majority) Name() string { return "majority class" }

// Train implements [fewlabels.Way].
func (majority) Train(_ context.Context, t fewlabels.Task, labelled, _ dataset.Source, _ train.Options) (*fewlabels.Learned, error) {
	y, err := dataset.All(labelled).I64(t.Label)
	if err != nil {
		return nil, err
	}
	share, n := make([]float64, len(t.Classes)), 0.0
	for _, k := range y {
		if k >= 0 && k < int64(len(share)) {
			share[k]++
			n++
		}
	}
	if n == 0 {
		return nil, errors.New("report: none of the rows has a label")
	}
	for k := range share {
		share[k] /= n
	}
	return &fewlabels.Learned{Predict: func(_ context.Context, rows dataset.Source) ([]float64, error) {
		p := make([]float64, 0, rows.Len()*len(share))
		for range rows.Len() {
			p = append(p, share...)
		}
		return p, nil
	}}, nil
}
