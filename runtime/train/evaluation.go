package train

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// evaluation measures losses and metrics on a source, with the parameters as
// they are and nothing that exists in training only.
type evaluation struct {
	batches *dataset.Batches
	losses  *part // nil when only metrics are asked for
	metrics *part
	names   []string // of the losses
	metric  []Metric
	outputs []string     // of the metrics' plan
	values  []int        // place of each metric's value in outputs
	weights []int        // place of each metric's weight or labels in outputs, -1 for none
	rows    []*collected // of each metric that is over all rows, nil for the others
	totals  *totals      // of all rows, nil if the losses take none
	store   *engine.Store
	show    func() // makes store what is to be measured
}

// part is one plan with its feed.
type part struct {
	engine *engine.Engine
	feed   *feed
}

func newEvaluation(t *Trainer, src dataset.Source, losses bool) (_ *evaluation, err error) {
	e := &evaluation{names: t.sumNames, metric: t.opt.computed(), store: t.store, show: func() {}}
	if t.opt.ValidAverage {
		e.store = engine.NewStore(t.prog.Train.Segments, nil, t.prog.Train.States...)
		e.show = func() { t.average(e.store) }
	}
	defer func() {
		if err != nil { // or the workers of what was made would wait for ever
			e.close()
		}
	}()
	if e.batches, err = dataset.NewBatches(src, t.opt.evalRows(), random.Key{}, false); err != nil {
		return nil, err
	}
	if losses {
		e.losses = &part{}
		if e.losses.feed, err = newFeed(t.prog.Eval, src, t.model, t.prog.EvalTotals); err != nil {
			return nil, err
		}
		if e.losses.engine, err = engine.New(t.prog.Eval, e.store, t.opt.engine()); err != nil {
			return nil, err
		}
		if err := e.losses.feed.gather(e.losses.engine, e.batches); err != nil {
			return nil, err
		}
		if e.totals, err = newTotals(t.prog.EvalTotals, e.losses.feed, e.batches, src, t.model, &t.opt); err != nil {
			return nil, err
		}
	}
	if len(e.metric) == 0 {
		return e, nil
	}
	var values []*spec.Value
	first := map[*spec.Value]int{}
	place := func(v *spec.Value) int {
		if _, ok := first[v]; !ok {
			first[v], values = len(values), append(values, v)
		}
		return first[v]
	}
	for i := range e.metric {
		m := &e.metric[i]
		e.values = append(e.values, place(m.Value))
		beside, over := m.Weight, (*collected)(nil)
		if m.over != nil {
			if over, err = m.room(src); err != nil {
				return nil, err
			}
			beside = m.labels
		}
		at := -1
		if beside != nil {
			at = place(beside)
		}
		e.weights, e.rows = append(e.weights, at), append(e.rows, over)
	}
	g, params, err := spec.GraphOf("metrics", values...)
	if err != nil {
		return nil, fmt.Errorf("train: metrics: %w", err)
	}
	for _, p := range params {
		if t.store.Param(p.Name) == nil {
			return nil, &spec.Error{Layer: p.Layer, Made: p.Pos.Made, From: p.Pos.From, Op: "Metrics",
				Rule: fmt.Sprintf("parameter %q is not part of model %q", p.Name, t.prog.Name)}
		}
	}
	for _, v := range g.Outputs {
		e.outputs = append(e.outputs, v.Name)
	}
	pl, err := compiler.CompileGraph(g, compiler.Options{Rows: t.opt.evalRows()})
	if err != nil {
		return nil, fmt.Errorf("train: metrics: %w", err)
	}
	e.metrics = &part{}
	if e.metrics.feed, err = newFeed(pl, src, t.model, nil); err != nil {
		return nil, err
	}
	if e.metrics.engine, err = engine.New(pl, e.store, t.opt.engine()); err != nil {
		return nil, err
	}
	return e, e.metrics.feed.gather(e.metrics.engine, e.batches)
}

// look is look at the validation rows. It makes the totals of them too, which no
// training changes.
func (e *evaluation) look(ctx context.Context) error {
	var more []*feed
	if e.metrics != nil {
		more = append(more, e.metrics.feed)
	}
	if err := e.losses.feed.look(ctx, more...); err != nil || e.totals == nil {
		return err
	}
	return e.totals.overAll(ctx, e.batches)
}

// run measures. Sums are in float64 and in the order of the rows.
func (e *evaluation) run(ctx context.Context) (Values, error) {
	if err := e.batches.Epoch(0); err != nil {
		return Values{}, err
	}
	defer e.batches.Close()
	e.show()
	loss := make([]float64, len(e.names))
	metric, counts := make([]float64, len(e.metric)), make([]float64, len(e.metric))
	for _, c := range e.rows {
		if c != nil {
			c.clear()
		}
	}
	rows := 0.0
	for {
		b, ok, err := e.batches.Next(ctx)
		if err != nil {
			return Values{}, err
		}
		if !ok {
			break
		}
		rows += float64(b.Rows)
		if e.losses != nil {
			in, err := e.losses.feed.take(b)
			if err != nil {
				return Values{}, err
			}
			if err := e.losses.engine.RunAt(in, e.losses.feed.lengths(b), nil); err != nil {
				return Values{}, err
			}
			for i, name := range e.names {
				loss[i] += float64(e.losses.engine.Output(name).F32[0]) * float64(b.Rows)
			}
			if !finite(loss[0]) { // what made it is still there to be found
				return Values{Loss: loss[0]}, nil
			}
		}
		if e.metrics == nil {
			continue
		}
		in, err := e.metrics.feed.take(b)
		if err != nil {
			return Values{}, err
		}
		if err := e.metrics.engine.RunAt(in, e.metrics.feed.lengths(b), nil); err != nil {
			return Values{}, err
		}
		for i := range e.metric {
			x := e.metrics.engine.Output(e.outputs[e.values[i]])
			if c := e.rows[i]; c != nil {
				c.add(x, e.metrics.engine.Output(e.outputs[e.weights[i]]))
				continue
			}
			if at := e.weights[i]; at >= 0 {
				s, n := weighted(x, e.metrics.engine.Output(e.outputs[at]))
				metric[i], counts[i] = metric[i]+s, counts[i]+n
				continue
			}
			metric[i] += sum(x)
			counts[i] += float64(ir.Elems(x.Shape))
		}
	}
	v := valuesOf(e.names, loss, rows)
	if len(metric) > 0 {
		v.Metrics = engine.Metrics{}
		for i, m := range e.metric {
			if c := e.rows[i]; c != nil {
				x, err := m.over.of(c)
				if err != nil {
					return Values{}, fmt.Errorf("train: metric %q: %w", m.Name, err)
				}
				v.Metrics[m.Name] = x
				continue
			}
			v.Metrics[m.Name] = metric[i] / counts[i]
		}
	}
	return v, nil
}

// sum adds the elements in order.
func sum(t *ir.Tensor) float64 {
	s := 0.0
	for i, n := 0, ir.Elems(t.Shape); i < n; i++ {
		s += t.At(i)
	}
	return s
}

// weighted adds the elements of t, each times the element of w that stands for it, and
// these. What has weight 0 counts nothing, whatever it is.
func weighted(t, w *ir.Tensor) (s, weight float64) {
	each := ir.Elems(t.Shape) / max(ir.Elems(w.Shape), 1)
	for i := range ir.Elems(w.Shape) {
		of := w.At(i)
		if of == 0 {
			continue
		}
		weight += of * float64(each)
		for j := range each {
			s += of * t.At(i*each+j)
		}
	}
	return s, weight
}

// valuesOf divides sums over rows; the first is the whole loss.
func valuesOf(names []string, sums []float64, rows float64) Values {
	var v Values
	if len(sums) == 0 || rows == 0 {
		return v
	}
	v.Loss = sums[0] / rows
	if len(names) > 2 { // one loss is the whole loss
		v.Losses = engine.Metrics{}
		for i, name := range names[1:] {
			v.Losses[name] = sums[i+1] / rows
		}
	}
	return v
}

func (e *evaluation) close() {
	if e.batches != nil {
		e.batches.Close()
	}
	e.totals.close()
	for _, p := range []*part{e.losses, e.metrics} {
		if p != nil && p.engine != nil {
			p.engine.Close()
		}
	}
}
