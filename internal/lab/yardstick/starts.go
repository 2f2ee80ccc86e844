package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// What recipes share that learn from few labels: where a training starts, how many labels it gets, and how long it is.

// start is where trainings on labels begin.
type start struct {
	name string
	from []train.From // nil from scratch
}

// scratch starts from initial weights.
var scratch = start{name: "scratch"}

// fit trains in a way of its own. If the training was over in an earlier run, its result comes from its checkpoint.
func (in *input) fit(way string, f func(in *input) (*train.Result, error)) (*train.Result, spent, error) {
	var result *train.Result
	took, err := in.way(way, func(in *input) (_ map[string]float64, err error) {
		result, err = f(in)
		return nil, err
	})
	if err == nil && result == nil { // the way was over
		result, err = f(in.of(way))
	}
	return result, took, err
}

// pretrain fits a net without labels, as fit does. The start of that name has the weights that the code is computed by,
// those in the parts of the net that are named.
func (in *input) pretrain(way, name string, f func(in *input) (*train.Result, error), code *spec.Value, parts ...string) (start, spent, error) {
	s := start{name: name}
	result, took, err := in.fit(way, f)
	if err != nil {
		return s, took, err
	}
	tensors, err := train.NetTensors(result.Net(code))
	for _, part := range parts {
		s.from = append(s.from, train.From{Tensors: tensors, Pattern: part})
	}
	return s, took, err
}

// fromLabels measures f from each start with each number of labels, 0 for all of them, and adds what it gives as
// "START LABELS …".
func (in *input) fromLabels(n *numbers, starts []start, labels []int, f func(in *input, s start, labels int) (map[string]float64, error)) error {
	for _, s := range starts {
		for _, l := range labels {
			name := fmt.Sprintf("%s %d", s.name, l)
			if l == 0 {
				name = s.name + " all"
			}
			took, err := in.way(name, func(in *input) (map[string]float64, error) { return f(in, s, l) })
			if err != nil {
				return err
			}
			n.add(name+" ", took)
		}
	}
	return nil
}

// overDraws gives the mean error over draws of so many labels, the same number of each class; each draw has a folder and
// a seed of its own. All labels, 0, are drawn once.
func (in *input) overDraws(labels, draws int, f func(in *input, rows *dataset.Table) (float64, error)) (map[string]float64, error) {
	if labels == 0 {
		draws = 1
	}
	sum := 0.0
	for draw := range draws {
		rows, part := in.digits.Train, in.of(fmt.Sprint("draw", draw))
		if labels > 0 {
			part.seed += uint64(draw)
			rows = rows.Balanced("y", labels, part.seed+1)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		wrong, err := f(part, rows)
		if err != nil {
			return nil, err
		}
		sum += wrong
	}
	return map[string]float64{"error": sum / float64(draws)}, nil
}

// rising is a training by Adam with an epoch of warming up and a rate that then falls to
// zero along a cosine.
type rising struct {
	Epochs int     `json:"epochs"`
	Batch  int     `json:"batch"`
	Rate   float64 `json:"rate"`
}

// updated is a training of so many updates, whatever the number of rows; each row is seen at least once.
func updated(updates, rows, batch int, rate float64) rising {
	steps := (rows + batch - 1) / batch
	return rising{max(1, updates/steps), batch, rate}
}

func (r rising) schedule() optim.Schedule { return optim.Cosine(min(1, r.Epochs-1)) }

func (r rising) options(in *input) train.Options {
	return in.training(optim.Adam(r.Rate).Schedule(r.schedule()), r.Epochs, r.Batch)
}

// fit trains a model on rows.
func (r rising) fit(ctx context.Context, in *input, m *spec.Model, rows *dataset.Table, s start) (*train.Result, error) {
	o := r.options(in)
	o.InitFrom = s.from
	return train.Fit(ctx, m, rows, o)
}
