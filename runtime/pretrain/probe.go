package pretrain

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// ProbePhase is made by [Probe].
type ProbePhase struct {
	at          ir.Pos
	code        *spec.Value
	known, test dataset.Source
	label       string
	neighbours  int
	l2          float64
}

// Probe measures how much a code knows about the labels at this point of the program, and
// trains nothing. A linear classifier (evaluate.FitLinear) and nearest neighbours
// (evaluate.KNN) are fitted to the codes of the known rows and predict the labels of the
// test rows. The record's phase has the accuracies, "linear/accuracy" and "knn/accuracy",
// and both confusion matrices.
//
// Mistakes: the code depends on a layer that no earlier phase trained.
func Probe(code *spec.Value, known, test dataset.Source) *ProbePhase {
	return &ProbePhase{at: here(), code: code, known: known, test: test, label: "y", neighbours: 5, l2: 1e-3}
}

// Label sets the column of the labels; the default is y.
func (f *ProbePhase) Label(column string) *ProbePhase {
	return f.set(func() { f.label = column })
}

// Neighbours sets how many neighbours vote; the default is 5.
func (f *ProbePhase) Neighbours(k int) *ProbePhase { return f.set(func() { f.neighbours = k }) }

// L2 sets the factor of the linear probe's squared weights; the default is 1e-3.
func (f *ProbePhase) L2(l2 float64) *ProbePhase { return f.set(func() { f.l2 = l2 }) }

func (f *ProbePhase) set(change func()) *ProbePhase {
	if f != nil {
		change()
	}
	return f
}

func (f *ProbePhase) made() ir.Pos {
	if f == nil {
		return ir.Pos{}
	}
	return f.at
}

// text is what its result depends on besides rows and layers.
func (f *ProbePhase) text() string {
	return fmt.Sprintf("label %s, linear l2 %v, %d neighbours", f.label, f.l2, f.neighbours)
}

func (f *ProbePhase) steps(p *Program) []step {
	switch {
	case f.code == nil:
		p.fail("Probe: the code is nil")
		return nil
	case missing(f.test):
		p.fail("Probe: there are no test rows: the source is nil")
		return nil
	case f.neighbours < 1:
		p.fail("Probe: Neighbours must be positive, got %d", f.neighbours)
		return nil
	case !(f.l2 >= 0) || math.IsInf(f.l2, 0):
		p.fail("Probe: L2 must be zero or positive, and finite, got %v", f.l2)
		return nil
	}
	_, params, err := spec.GraphOf("code", f.code)
	if p.add(err) {
		return nil
	}
	if t := f.code.Type(); t.DType != ir.F32 || !t.Shape.RowWise() || t.Rank() < 2 || t.Shape[1:].Symbolic() {
		p.fail("Probe: the code must be f32[N …], got %s", t)
		return nil
	}
	var layers []string
	for _, q := range params {
		trained := slices.ContainsFunc(p.list, func(st step) bool {
			return st.model != nil && slices.ContainsFunc(st.model.Params(), q.Same)
		})
		if !trained {
			p.fail("Probe: the code depends on %q, which no earlier phase trained; put Probe after one that does", q.Name)
			return nil
		}
		if top, _, _ := strings.Cut(q.Layer, "/"); !slices.Contains(layers, top) {
			layers = append(layers, top)
		}
	}
	n := 1
	for _, st := range p.list {
		if st.probe != nil {
			n++
		}
	}
	return []step{{name: fmt.Sprintf("probe%d", n), probe: f, rows: f.known, below: f.code, layers: strings.Join(layers, ", ")}}
}

// probe runs one.
func (r *run) probe(ctx context.Context, st *step) (train.Earlier, error) {
	f := st.probe
	none := train.Earlier{}
	net, err := r.below(f.code)
	if err != nil {
		return none, err
	}
	known, err := evaluate.Codes(ctx, net, f.known, f.label)
	if err != nil {
		return none, r.stopped(ctx, err)
	}
	test, err := evaluate.Codes(ctx, net, f.test, f.label)
	if err != nil {
		return none, r.stopped(ctx, fmt.Errorf("test rows: %w", err))
	}
	linear, err := evaluate.FitLinear(ctx, known, f.l2)
	if err != nil {
		return none, r.stopped(ctx, err)
	}
	hash, err := r.rowsHash(ctx, f.known)
	if err != nil {
		return none, r.stopped(ctx, err)
	}
	p := engine.Phase{Name: st.name, Rows: f.known.Len(), Chosen: dataset.Chosen(f.known), DataHash: hash, Synthetic: dataset.SyntheticShare(f.known), Probe: f.text(),
		Metrics: map[string]float64{}, Confusion: map[string][][]int{}}
	for name, predict := range map[string]func() ([]int, error){
		"linear": func() ([]int, error) { return linear.Predict(test) },
		"knn":    func() ([]int, error) { return evaluate.KNN(ctx, known, test, f.neighbours) },
	} {
		y, err := predict()
		if err != nil {
			return none, r.stopped(ctx, err)
		}
		c, err := test.Score(y, max(known.Classes, test.Classes), nil)
		if err != nil {
			return none, err
		}
		p.Metrics[name+"/accuracy"], p.Confusion[name] = c.Accuracy(), c.Counts
	}
	return train.Earlier{Phase: p, Values: map[string][]float32{}}, nil
}
