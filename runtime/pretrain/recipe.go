package pretrain

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// recipe makes the recipe of a phase on codes tell what these are made of, and of which
// rows.
func (r *run) recipe(ctx context.Context, st *step, p *engine.Phase) error {
	if st.below == nil || p.Recipe == nil {
		return nil
	}
	text, err := spec.FunctionText("codes", st.below)
	if err != nil {
		return err
	}
	c := *p.Recipe
	c.Below, c.Column = text, st.column
	if c.Data, err = r.given(ctx, st.rows); err != nil {
		return err
	}
	if st.opt.Valid != nil {
		v, err := r.given(ctx, st.opt.Valid)
		if err != nil {
			return err
		}
		c.Valid = &v
	}
	p.Recipe = &c
	return nil
}

// given identifies rows of the user.
func (r *run) given(ctx context.Context, src dataset.Source) (engine.Rows, error) {
	return engine.RowsOf(src, func(src dataset.Source) (string, error) { return r.rowsHash(ctx, src) })
}

// Recorded is a program made from a record.
type Recorded struct {
	Program *Program

	parser *spec.Parser
	ships  []*spec.Value
	rec    engine.Record
}

// Again makes a program that repeats the training of a record's phases; a training
// without a program becomes a program of one phase. rows finds the rows that were trained
// on. A probe measures and trains nothing, so it is left out.
//
// Errors: a phase without a recipe, or one whose recipe lacks something, in the words of
// the record; rows that are not found; a recipe, or a function that ships, that breaks a rule.
func Again(rec engine.Record, rows func(engine.Rows) (dataset.Source, error)) (*Recorded, error) {
	out := &Recorded{Program: &Program{name: "again", said: map[string]bool{}}, parser: &spec.Parser{}, rec: rec}
	trained := map[string]bool{}
	for i, p := range rec.Phases {
		if p.Probe != "" {
			continue
		}
		st, err := out.step(p, trained, rows)
		if err != nil {
			return nil, fmt.Errorf("phase %d of %d, %s: %w", i+1, len(rec.Phases), p.Name, err)
		}
		if i == len(rec.Phases)-1 {
			st.opt.Classes = rec.Classes
		}
		out.Program.list = append(out.Program.list, st)
	}
	if len(out.Program.list) == 0 || rec.Ships == "" {
		return nil, errors.New("the record does not say how it was trained: it is of a version of Lamina before recipes")
	}
	var err error
	if out.ships, err = out.parser.Values(rec.Ships); err != nil {
		return nil, fmt.Errorf("what it ships: %w", err)
	}
	for i := range out.Program.list {
		out.Program.check(&out.Program.list[i])
	}
	return out, out.Program.Err()
}

// step is one training of a record. trained are the parameters of those before.
func (a *Recorded) step(p engine.Phase, trained map[string]bool, rows func(engine.Rows) (dataset.Source, error)) (step, error) {
	st := step{name: p.Name}
	c := p.Recipe
	if c == nil {
		return st, errors.New("the record does not say how it was trained: it is of a version of Lamina before recipes")
	}
	if len(c.Lacks) > 0 {
		var errs []error
		for _, s := range c.Lacks {
			errs = append(errs, errors.New(s))
		}
		program := ""
		if a.rec.Executable != "" {
			program = fmt.Sprintf(" (the SHA-256 of the program that did is %s)", a.rec.Executable)
		}
		return st, fmt.Errorf("only the Go program that trained it can train it again%s: %w", program, errors.Join(errs...))
	}
	var err error
	if st.model, err = a.parser.Model(c.Model); err != nil {
		return st, err
	}
	begun := false
	for _, q := range st.model.Params() {
		of, like := q.Like()
		begun = begun || trained[q.Name] || like && trained[of.Name]
	}
	for _, q := range st.model.States() {
		begun = begun || q.Carried() && trained[q.Name]
		trained[q.Name] = trained[q.Name] || q.Carried()
	}
	for _, q := range st.model.Params() {
		trained[q.Name] = true
	}
	if starts := len(p.Start); starts > 1 || starts == 1 && !begun {
		return st, fmt.Errorf("parameters that match %q started from tensors (InitFrom) of hash %s, which the record does not hold: only the Go program that gave them can train it again", p.Start[0].Pattern, p.Start[0].Hash)
	}
	if st.opt, err = train.Repeat(c.Settings); err != nil {
		return st, err
	}
	if st.rows, err = rows(c.Data); err != nil {
		return st, err
	}
	if c.Valid != nil {
		if st.opt.Valid, err = rows(*c.Valid); err != nil {
			return st, fmt.Errorf("validation: %w", err)
		}
	}
	if c.Judge != nil {
		var vs []*spec.Value
		if c.Judge.Text != "" || len(c.Judge.Values) == 0 {
			if vs, err = a.parser.Values(c.Judge.Text); err != nil {
				return st, fmt.Errorf("the metric %q: %w", c.Judge.Name, err)
			}
		}
		m, err := train.Judged(c.Judge, vs)
		if err != nil {
			return st, err
		}
		st.opt.Metrics = []train.Metric{m}
	}
	if c.Below != "" {
		vs, err := a.parser.Values(c.Below)
		if err != nil {
			return st, err
		}
		if len(vs) != 1 || c.Column == "" {
			return st, fmt.Errorf("what makes its rows has %d results for the column %q; it must be one", len(vs), c.Column)
		}
		st.below, st.column = vs[0], c.Column
	}
	return st, nil
}

// Net returns the function that the record's bundle ships, from a result of the program.
func (a *Recorded) Net(r *train.Result) *engine.Net {
	if a.rec.Averaged {
		r = r.Averaged()
	}
	if a.rec.Folded {
		r = r.Folded()
	}
	return r.Net(a.ships...)
}
