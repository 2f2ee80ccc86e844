package yardstick

import (
	"context"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// descent says how a net is trained by stochastic gradient descent.
type descent struct {
	Epochs   int     `json:"epochs"`
	Rate     float64 `json:"rate"`
	Momentum float64 `json:"momentum,omitempty"`
	Batch    int     `json:"batch"`
	Stop     bool    `json:"stop,omitempty"` // of the whole classifier: keep the epoch with the fewest errors on the validation rows
}

func (d descent) options(in *input) train.Options {
	o := optim.SGD(d.Rate)
	if d.Momentum > 0 {
		o.Momentum(d.Momentum)
	}
	return in.phase(o, d.Epochs, d.Batch)
}

// greedy is one of the five models of Bengio et al. 2007 and its error on the test
// digits. Of the training digits the last Valid are kept for validation.
type greedy struct {
	Kind     string  `json:"kind"` // none, auto-associator, supervised or rbm
	Units    []int   `json:"units"`
	Valid    int     `json:"valid"`
	Pretrain descent `json:"pretrain"` // of each layer
	Tune     descent `json:"tune"`
}

// uniform draws from ±1/√in, the initial weights of the paper.
type uniform struct{}

func (uniform) Name() string { return "Uniform(1/√in)" }

func (uniform) Fill(key random.Key, shape []int, dst []float32) {
	limit := float32(1 / math.Sqrt(float64(shape[0])))
	key.FillFloat32(dst, 0)
	for i, u := range dst {
		dst[i] = limit * (2*u - 1)
	}
}

func (g greedy) measure(ctx context.Context, in *input) (n numbers, err error) {
	all := in.digits.Train
	keep := all.Len() - g.Valid
	if keep <= 0 {
		return n, fmt.Errorf("yardstick: %d rows for validation of %d: give the full MNIST as the data", g.Valid, all.Len())
	}
	data := splits{train: all.Head(keep), valid: all.Select(numbersFrom(keep, all.Len())), test: in.digits.Test}

	x, labels := spec.Input("x", side*side), spec.Labels("y", 10)
	var layers []spec.Layer
	for _, units := range g.Units {
		layers = append(layers, spec.Dense(units).Init(uniform{}), spec.Sigmoid())
	}
	enc := spec.Sequential("encoder", layers...)
	logits := x.Then(enc, spec.Dense(10).Init(uniform{}).Named("head"))
	m := spec.NewModel("whole", spec.CrossEntropy(logits, labels))

	var phases []pretrain.Phase
	switch g.Kind {
	case "none":
	case "auto-associator":
		phases = append(phases, pretrain.Greedy(x, enc, data.train, g.Pretrain.options(in)).CrossEntropy())
	case "rbm":
		phases = append(phases, pretrain.RBM(x, enc, data.train, g.Pretrain.options(in)))
	case "supervised":
		phases = g.supervised(x, labels, enc, layers, data.train, in)
	default:
		return n, fmt.Errorf("yardstick: no pretraining is named %q", g.Kind)
	}
	o := g.Tune.options(in)
	if g.Tune.Stop {
		o = stopping(o, data, logits, labels)
	}
	phases = append(phases, pretrain.Fit(m, data.train, o))
	fit, err := in.run(ctx, pretrain.NewProgram("bengio2007", phases...))
	if err != nil {
		return n, err
	}
	return threeErrors(ctx, fit, logits, data)
}

// supervised trains each layer as the hidden one of a classifier on the codes of
// those below, whose output layer is then thrown away.
func (g greedy) supervised(x, labels *spec.Value, enc *spec.SequentialLayer, layers []spec.Layer, rows *dataset.Table, in *input) (phases []pretrain.Phase) {
	var frozen []string
	for k := range g.Units {
		h := x.Then(layers[:2*k+2]...)
		head := spec.Dense(10).Init(uniform{}).Named(fmt.Sprintf("head%d", k+1))
		o := g.Pretrain.options(in)
		o.Freeze = append([]string{}, frozen...)
		phases = append(phases, pretrain.Fit(spec.NewModel(fmt.Sprintf("layer%d", k+1), spec.CrossEntropy(h.Then(head), labels)), rows, o))
		frozen = append(frozen, fmt.Sprintf("%s/dense%d", spec.NameOf(enc), k+1))
	}
	return phases
}

// numbersFrom lists the numbers from first to before end.
func numbersFrom(first, end int) []int {
	list := make([]int, 0, end-first)
	for i := first; i < end; i++ {
		list = append(list, i)
	}
	return list
}
