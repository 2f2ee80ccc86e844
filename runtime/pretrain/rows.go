package pretrain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// rowsFit says which rows cannot be those of their phase, all at once and before
// anything is trained, so that the last phase's mistake does not cost the others.
func (p *Program) rowsFit() error {
	var errs []error
	for i := range p.list {
		st := &p.list[i]
		err := st.rowsFit()
		for _, e := range apart(err) {
			if e != nil {
				errs = append(errs, fmt.Errorf("pretrain: phase %d of %d, %s: %w", i+1, len(p.list), st.name, e))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *step) rowsFit() error {
	inputs, err := s.inputs()
	if err != nil {
		return err
	}
	errs := []error{columnsFit(inputs, s.rows)}
	if how := dataset.Drawn(s.rows); how != "" && (s.below != nil || s.probe != nil) {
		errs = append(errs, fmt.Errorf("the rows are a mix (%s), which is for what a batch is trained on, but this phase takes all rows once: give it rows that are not mixed", how))
	}
	if s.probe == nil {
		if a := s.opt.Augment; a != nil && s.below != nil {
			errs = append(errs, errors.New("Options.Augment changes pictures, but the rows of this stage are codes: leave it out, or train the stack with EndToEnd"))
		} else if a != nil && errs[0] == nil {
			var names []string
			for _, in := range inputs {
				names = append(names, in.Name)
			}
			if err := a.Check(s.rows, names...); err != nil {
				errs = append(errs, fmt.Errorf("Options.Augment: %w", err))
			}
		}
		for _, m := range s.opt.Metrics {
			if m.Value == nil { // one that a record has the numbers of
				continue
			}
			g, _, err := spec.GraphOf("metric", m.Value)
			if err != nil {
				return err
			}
			rows := s.rows
			if !missing(s.opt.Valid) {
				rows = s.opt.Valid
			}
			if err := columnsFit(g.Inputs, rows); err != nil {
				errs = append(errs, fmt.Errorf("metric %q: %w", m.Name, err))
			}
		}
		if !missing(s.opt.Valid) {
			if err := columnsFit(inputs, s.opt.Valid); err != nil {
				errs = append(errs, fmt.Errorf("Options.Valid: %w", err))
			}
		}
		return errors.Join(errs...)
	}
	if err := columnsFit(inputs, s.probe.test); err != nil {
		errs = append(errs, fmt.Errorf("test rows: %w", err))
	}
	for _, rows := range []dataset.Source{s.rows, s.probe.test} {
		if rows.Len() > 0 && !slices.ContainsFunc(rows.Columns(), func(c dataset.Column) bool {
			return c.Name == s.probe.label && c.DType == dataset.I64 && len(c.Shape) == 0
		}) {
			errs = append(errs, fmt.Errorf("the rows have no column %q of one i64 a row, they have %v; Label sets another", s.probe.label, rows.Columns()))
			break
		}
	}
	if n := s.rows.Len(); n > 0 && s.probe.neighbours > n {
		errs = append(errs, fmt.Errorf("Neighbours is %d, but only %d rows are known", s.probe.neighbours, n))
	}
	return errors.Join(errs...)
}

// inputs are what the rows need a column for: those of the layers below, if the
// step's rows are made by these, else those of the model's loss.
func (s *step) inputs() ([]*ir.Value, error) {
	if s.below != nil {
		g, _, err := spec.GraphOf("below", s.below)
		if err != nil {
			return nil, err
		}
		return g.Inputs, nil
	}
	g, err := s.model.Graph()
	if err != nil {
		return nil, err
	}
	above := ir.Above(g.Outputs[0])
	return slices.DeleteFunc(slices.Clone(g.Inputs), func(v *ir.Value) bool { return !above[v] }), nil
}

// columnsFit says which inputs the rows have no column for, or that the rows
// themselves are a mistake.
func columnsFit(inputs []*ir.Value, rows dataset.Source) error {
	if e, ok := rows.(interface{ Err() error }); ok && e.Err() != nil {
		return e.Err()
	}
	var errs []error
	cols := rows.Columns()
	at, err := engine.ColumnLengths(inputs, cols, ir.Binding{})
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if !in.Type.Shape.RowWise() {
			continue // train.New says so
		}
		i := slices.IndexFunc(cols, func(c dataset.Column) bool { return c.Name == in.Name })
		if i < 0 || string(cols[i].DType) != in.Type.DType.String() || !engine.ColumnFits(in, cols[i], at) {
			errs = append(errs, fmt.Errorf("input %q is %s, so the rows need a column of that name and type; they have %v", in.Name, in.Type, cols))
		}
	}
	return errors.Join(errs...)
}
