package rates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// most is the greatest factor, and its inverse the least, before their mean is made 1.
const most = 32

// mostPower bounds Gradients.Power.
const mostPower = 4

// Gradients says how rates are made from the size of gradients. The zero value of a field is the default named beside it.
type Gradients struct {
	Power   float64 // p of the rule; 0.5
	Updates int     // whose gradients are added up; those of one epoch
}

// FromGradients measures the gradients of one epoch with parameters that stay as they are at the start of the training, and
// returns o's optimizer with a rate for each parameter, and the table of them: [Gradients.Measure] with its defaults.
func FromGradients(ctx context.Context, m *spec.Model, rows dataset.Source, o train.Options) (optim.Optimizer, *Table, error) {
	return Gradients{}.Measure(ctx, m, rows, o)
}

// Measure adds up, for each tensor i, the L1 norms of its gradients over some updates of a training with these options, and
// multiplies its rate by
//
//	m_i = (G / G_i)^p
//
// with G the geometric mean over tensors: tensors with small gradients get a greater rate. The idea, the sum over an epoch
// and p = 1/2 are those of "Initializing the Layer-wise Learning Rate", a submission to ICLR 2024 and 2025 that was not
// published. Where its text could not be had, these are our rules:
//
//   - m_i is kept within 1/32 and 32; then all are multiplied so that their geometric mean is 1, up to their four digits.
//   - Tensors are matrices and filters, those to which weight decay applies. A bias, and any other vector, takes the factor
//     of its layer's tensors (their geometric mean, if there are several). A layer without tensors, as a normalisation,
//     takes that of the layer before it, or behind it if there is none.
//   - Tied weights are one tensor with the sum of its gradients, and the bias of a tied layer takes their factor.
//   - What o freezes is left out. A tensor without any gradient has no part in G and gets 1.
//   - Groups that the optimizer has are multiplied by the factors, and so is its LayerDecay.
//
// Gradients are those of the rows and the noise that the training will have (see [train.GradientNorms]), so the factors are
// a function of the options, the seed and the rows. A program that is started again measures them again and goes on with
// its training. A warning goes to o.Log if o.InitFrom is empty: before anything was trained, gradients say more about
// initializers than about the task, and training from scratch with rates by layer has been reported to fail
// (arXiv 2604.27295).
//
// Errors: Power is not in (0, 4]; those of [train.GradientNorms]; no parameter has a gradient; the optimizer is not one of
// package optim.
func (g Gradients) Measure(ctx context.Context, m *spec.Model, rows dataset.Source, o train.Options) (optim.Optimizer, *Table, error) {
	p := cmp.Or(g.Power, 0.5)
	if !(p > 0 && p <= mostPower) {
		return nil, nil, fmt.Errorf("rates: Gradients.Power must be above 0 and at most %d, got %v", mostPower, p)
	}
	norms, err := train.GradientNorms(ctx, m, rows, o, g.Updates)
	if err != nil {
		return nil, nil, fmt.Errorf("rates: %w", err)
	}
	order, uses, err := layersOf(m)
	if err != nil {
		return nil, nil, fmt.Errorf("rates: %w", err)
	}
	t := &Table{Way: fmt.Sprintf("(G / gradient)^%v, with G the geometric mean", p)}
	if t.Rows, err = byGradients(norms, order, uses, p); err != nil {
		return nil, nil, err
	}
	if len(o.InitFrom) == 0 {
		cmp.Or(o.Log, slog.Default()).Warn("rates: rates from gradients are meant for a net that was pretrained, but Options.InitFrom is empty: compare with one rate for all layers")
	}
	with, err := t.Apply(o)
	if err != nil {
		return nil, nil, err
	}
	return with.Optimizer, t, nil
}

// byGradients makes the rows of a table.
func byGradients(norms []train.GradientNorm, order []string, uses map[string][]string, p float64) ([]Row, error) {
	tensor := func(n train.GradientNorm) bool { return n.Decay && n.L1 > 0 }
	if !slices.ContainsFunc(norms, tensor) { // a model of vectors alone
		tensor = func(n train.GradientNorm) bool { return n.L1 > 0 }
	}
	var logs []float64
	for _, n := range norms {
		if tensor(n) {
			logs = append(logs, math.Log(n.L1))
		}
	}
	if len(logs) == 0 {
		return nil, errors.New("rates: no parameter has a gradient other than 0, so there is nothing to take rates from")
	}
	middle := mean(logs)
	for i, x := range logs {
		logs[i] = min(max(p*(middle-x), -math.Log(most)), math.Log(most))
	}
	middle = mean(logs)
	of := map[string]float64{} // logarithms of the factors of tensors
	var rows []Row
	k := 0
	for _, n := range norms {
		r := Row{Param: n.Name, Layer: n.Layer, Gradient: n.L1, Factor: 1}
		if tensor(n) {
			x := logs[k] - middle
			k++
			r.Factor, of[n.Name] = rounded(math.Exp(x)), x
		}
		rows = append(rows, r)
	}
	layers := map[string][]float64{} // of the tensors that each uses, its own and tied ones
	for layer, params := range uses {
		for _, p := range params {
			if x, ok := of[p]; ok {
				layers[layer] = append(layers[layer], x)
			}
		}
	}
	for i, n := range norms {
		if !n.Decay && !tensor(n) {
			rows[i].Factor = rounded(math.Exp(mean(nearest(layers, order, n.Layer))))
		}
	}
	return rows, nil
}

// nearest returns what there is of a layer, or else of the nearest one before it, or else of the first behind it.
func nearest(of map[string][]float64, order []string, layer string) []float64 {
	at := slices.Index(order, layer)
	for i := at; i >= 0; i-- {
		if x := of[order[i]]; len(x) > 0 {
			return x
		}
	}
	for _, l := range order[at+1:] {
		if x := of[l]; len(x) > 0 {
			return x
		}
	}
	return nil
}

// layersOf returns the layers that use parameters, in the order in which the model does so first, and which each uses: its own,
// and those of others that it is tied to.
func layersOf(m *spec.Model) (order []string, uses map[string][]string, err error) {
	g, err := m.Graph()
	if err != nil {
		return nil, nil, err
	}
	param := map[string]bool{}
	for _, p := range m.Params() {
		param[p.Name] = true
	}
	uses = map[string][]string{}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if !param[v.Name] || slices.Contains(uses[n.Layer], v.Name) {
				continue
			}
			if len(uses[n.Layer]) == 0 {
				order = append(order, n.Layer)
			}
			uses[n.Layer] = append(uses[n.Layer], v.Name)
		}
	}
	return order, uses, nil
}

// mean is 0 of nothing.
func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}
