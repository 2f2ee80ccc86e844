package report

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/runtime/report/page"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// look is what the page shows of a net that was trained on all labels.
type look struct {
	arm      string
	learned  *fewlabels.Learned
	phases   []Phase // of the pretraining, then of the training
	codes    *evaluate.Set
	pictures [][2][]float32 // some rows, and what the pretraining makes of them, if anything
	shape    dims
	filters  page.Block
}

// What is looked at at most.
const (
	mostCodes = 1000
)

// final trains an arm on all labels, pretrained on all rows.
func (r *curving) final(ctx context.Context, m Model, a Arm) (*fewlabels.Learned, []train.From, []Phase, error) {
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
	learned, losses, err := r.learn(ctx, m, a, r.rows.Select(r.labelled), r.rows, "everything", from, r.o.Seed)
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
	m := r.model()
	learned, from, phases, err := r.final(ctx, m, a)
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
		if err := r.codes(ctx, l, learned, m.Task.Code); err != nil {
			return nil, err
		}
	}
	if err := r.pictures(ctx, l, a.Pretrain, from); err != nil {
		return nil, err
	}
	if net := learned.Net; net != nil && l.shape.h > 0 {
		var names []string
		shapes := map[string][]int{}
		for _, p := range r.first.parameters() {
			if lengths, ok := p.Type.Shape.Fixed(); ok {
				names, shapes[p.Name] = append(names, p.Name), lengths
			}
		}
		values := net.Params()
		l.filters = filters(names, func(name string) ([]int, []float32, bool) { return shapes[name], values[name], len(values[name]) > 0 })
	}
	return l, nil
}

// codes computes what the net makes of some rows that have a label.
func (r *curving) codes(ctx context.Context, l *look, learned *fewlabels.Learned, code *spec.Value) (err error) {
	var rows *dataset.Selection
	if r.o.Test != nil {
		rows = r.cells[0].test
	} else {
		rows = r.rows.Select(r.labelled)
	}
	rows = rows.Select(evenly(rows.Len(), mostCodes))
	l.codes, err = evaluate.Codes(ctx, learned.Result.Net(code), rows, r.label)
	return err
}

// evenly is up to most numbers below n, evenly.
func evenly(n, most int) []int {
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
	lengths, ok := m.Picture.Type().Shape[1:].Fixed()
	if !ok {
		return nil
	}
	if l.shape, ok = pictureDims(lengths); !ok {
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
	rows := r.rows.Select(evenly(r.rows.Len(), mostShown))
	o := r.o.Train(rows.Len())
	o.InitFrom, o.Seed, o.Log = from, r.o.Seed, quiet(o.Log)
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
		k := l.shape.c * l.shape.h * l.shape.w
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
		if learned, _, _, err = r.final(ctx, r.model(), a); err != nil {
			return err
		}
	}
	if learned.Net == nil {
		return fmt.Errorf("report: %q is no net, so it cannot ship", a.Name)
	}
	p := c.Arm(a.Name).Last()
	net := learned.Net.Expected(engine.Estimate{Metric: c.Metric, Mean: p.Mean, Low: p.Low, High: p.High, Measured: c.Measured, Labels: p.Labels, Draws: c.Draws, Folds: c.Folds, Among: len(c.Arms)})
	rows := r.o.Rows
	if r.o.Test != nil {
		rows = r.o.Test
	}
	var proof []verify.Runtime
	if r.o.Runtime != nil {
		proof = append(proof, r.o.Runtime)
	}
	if _, err := bundle.Write(ctx, r.o.Ship, net, rows, proof...); err != nil {
		return fmt.Errorf("report: %s: %w", r.o.Ship, err)
	}
	c.Shipped = a.Name
	return nil
}
