package report

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// look is what the page shows of a net that was trained on all labels.
type look struct {
	arm      string
	learned  *fewlabels.Learned
	phases   []Phase // of the pretraining, then of the training
	codes    *evaluate.Set
	pictures [][2][]float32 // some rows, and what the pretraining makes of them; the second may be nil
	shape    [3]int         // of a picture: channels, height, width
	filters  [][]float32
	filter   [3]int // the shape of a filter
	summary  string
}

// What is looked at at most.
const (
	mostCodes    = 1000
	mostPictures = 12
	mostFilters  = 36
)

// final trains an arm on all labels, pretrained on all rows.
func (r *curving) final(ctx context.Context, a Arm) (*fewlabels.Learned, []train.From, []Phase, error) {
	m := r.model()
	var from []train.From
	if a.Pretrain != "" && !a.Raw {
		where := "seen" // of a cross-validation: the rows that were measured on too
		if r.o.Test != nil {
			where = "all"
		}
		var err error
		if from, err = r.pretrained(ctx, a.Pretrain, r.rows, where); err != nil {
			return nil, nil, nil, err
		}
	}
	learned, losses, err := r.learn(ctx, m, a, r.rows.Select(r.labelled), r.rows, from, r.o.Seed)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s with all labels: %w", a.Name, err)
	}
	return learned, from, []Phase{{Name: a.Name, Losses: losses}}, nil
}

// bestArm returns the arm with the least mean of the kinds.
func (r *curving) bestArm(c *Curve, good func(Arm) bool) (Arm, bool) {
	name := c.best(func(a *ArmCurve) bool {
		for _, b := range r.o.Arms {
			if b.Name == a.Name {
				return good(b)
			}
		}
		return false
	})
	for _, a := range r.o.Arms {
		if a.Name == name {
			return a, true
		}
	}
	return Arm{}, false
}

// look trains the best net, to be shown.
func (r *curving) look(ctx context.Context, c *Curve) (*look, error) {
	a, ok := r.bestArm(c, func(a Arm) bool { return !a.Raw && !a.Seen && a.Choose == nil })
	if !ok {
		return &look{}, nil
	}
	learned, from, phases, err := r.final(ctx, a)
	if err != nil {
		return nil, err
	}
	l := &look{arm: a.Name, learned: learned, phases: phases}
	for _, t := range r.pretrainings() {
		if t.Name == a.Pretrain && (t.Where == "all" || t.Where == "seen") {
			l.phases = append(append([]Phase{}, t.Phases...), phases...)
			break
		}
	}
	if learned.Result != nil {
		if err := r.codes(ctx, l, learned); err != nil {
			return nil, err
		}
	}
	if err := r.pictures(ctx, l, a.Pretrain, from); err != nil {
		return nil, err
	}
	r.filters(l)
	return l, nil
}

// codes computes what the net makes of some rows that have a label.
func (r *curving) codes(ctx context.Context, l *look, learned *fewlabels.Learned) (err error) {
	t := r.model().Task
	var rows *dataset.Selection
	if r.o.Test != nil {
		rows = r.cells[0].test
	} else {
		rows = r.rows.Select(r.labelled)
	}
	rows = rows.Select(spread(rows.Len(), mostCodes))
	l.codes, err = evaluate.Codes(ctx, learned.Result.Net(t.Code), rows, r.label)
	return err
}

// spread is up to most numbers below n, evenly.
func spread(n, most int) []int {
	if n <= most {
		return count(n)
	}
	out := make([]int, most)
	for i := range out {
		out[i] = i * n / most
	}
	return out
}

// pictures draws rows and what the pretraining makes of them.
func (r *curving) pictures(ctx context.Context, l *look, name string, from []train.From) error {
	m := r.model()
	if m.Picture == nil {
		return nil
	}
	dims, ok := m.Picture.Type().Shape[1:].Fixed()
	switch {
	case !ok:
		return nil
	case len(dims) == 3 && (dims[0] == 1 || dims[0] == 3):
		l.shape = [3]int{dims[0], dims[1], dims[2]}
	case len(dims) == 2:
		l.shape = [3]int{1, dims[0], dims[1]}
	case len(dims) == 1 && m.Height*m.Width == dims[0]:
		l.shape = [3]int{1, m.Height, m.Width}
	default:
		return nil
	}
	values := []*spec.Value{m.Picture.Then(spec.Scale(1)).Named("picture")}
	if name != "" {
		p, err := m.pretraining(name)
		if err != nil {
			return err
		}
		if p.Restored != nil {
			values = append(values, p.Restored.Then(spec.Scale(1)).Named("restored"))
		}
	}
	rows := r.rows.Select(spread(r.rows.Len(), mostPictures))
	o := r.o.Train(rows.Len())
	o.InitFrom, o.Seed = from, r.o.Seed
	// Nothing is trained: the trainer puts the weights in their places.
	loss := spec.MSE(values[0], values[0])
	if len(values) > 1 {
		loss = spec.MSE(values[1], values[0])
	}
	var net *engine.Net
	if len(values) == 1 {
		net = train.Untrained(r.o.Seed, values...)
	} else {
		tr, err := train.New(ctx, spec.NewModel("pictures", loss), rows, o)
		if err != nil {
			return err
		}
		done, err := tr.Done()
		if err != nil {
			return err
		}
		net = done.Net(values...)
	}
	return net.Each(ctx, rows, func(_ dataset.Batch, out map[string]*ir.Tensor) error {
		was := out["picture"].F32
		k := l.shape[0] * l.shape[1] * l.shape[2]
		for i := range len(was) / k {
			pair := [2][]float32{append([]float32{}, was[i*k:][:k]...)}
			if made := out["restored"]; made != nil && len(made.F32) == len(was) {
				pair[1] = append([]float32{}, made.F32[i*k:][:k]...)
			}
			l.pictures = append(l.pictures, pair)
		}
		return nil
	})
}

// filters are the first weights that look at the picture.
func (r *curving) filters(l *look) {
	if l.shape[0] == 0 || l.learned.Net == nil {
		return
	}
	for _, p := range r.first.parameters() {
		w := l.learned.Net.Params()[p.Name]
		dims, ok := p.Type.Shape.Fixed()
		switch {
		case !ok || len(w) == 0 || len(dims) < 2:
			continue
		case len(dims) == 2 && dims[0] == l.shape[0]*l.shape[1]*l.shape[2]: // [in out]
			l.filter = l.shape
			for j := range min(dims[1], mostFilters) {
				f := make([]float32, dims[0])
				for i := range f {
					f[i] = w[i*dims[1]+j]
				}
				l.filters = append(l.filters, f)
			}
		case len(dims) == 4 && dims[1] == l.shape[0]: // [out in height width]
			l.filter = [3]int{dims[1], dims[2], dims[3]}
			n := dims[1] * dims[2] * dims[3]
			for j := range min(dims[0], mostFilters) {
				l.filters = append(l.filters, w[j*n:][:n])
			}
		}
		return
	}
}

// parameters are those of the task's net, in the order of its graph.
func (m Model) parameters() []spec.Param {
	_, params, err := spec.GraphOf("task", m.Task.Logits)
	if err != nil {
		return nil
	}
	return params
}

// ship writes the bundle of the best net that there is.
func (r *curving) ship(ctx context.Context, c *Curve, l *look) error {
	a, ok := r.bestArm(c, func(a Arm) bool {
		switch a.Way.(type) {
		case majority, fewlabels.Neighbours: // which are no nets
			return false
		}
		return !a.Seen && a.Choose == nil
	})
	if !ok {
		return fmt.Errorf("report: none of the curves is a net that can ship")
	}
	learned := l.learned
	if a.Name != l.arm {
		var err error
		if learned, _, _, err = r.final(ctx, a); err != nil {
			return err
		}
	}
	if learned.Net == nil {
		return fmt.Errorf("report: %q is no net, so it cannot ship", a.Name)
	}
	p := c.Arm(a.Name).Last()
	net := learned.Net.Expected(engine.Estimate{Metric: c.Metric, Mean: p.Mean, Low: p.Low, High: p.High, Measured: c.Measured, Labels: p.Labels, Draws: c.Draws, Folds: c.Folds})
	rows := r.o.Rows
	if r.o.Test != nil {
		rows = r.o.Test
	}
	if _, err := bundle.Write(ctx, r.o.Ship, net, rows, ort.Runtime()); err != nil {
		return fmt.Errorf("report: %s: %w", r.o.Ship, err)
	}
	c.Shipped = a.Name
	return nil
}
