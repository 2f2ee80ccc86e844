package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/fewlabels"
	"github.com/lamina-ml/lamina/spec"
)

// mostRaw bounds the numbers of a row that logistic regression looks at.
const mostRaw = 4096

// raw returns the task of the controls, whose code is the columns as they are. Numbers are
// scaled where a row is a table's, and a number that is missing is the mean with a mark.
func (m Model) raw(rows dataset.Source) (fewlabels.Task, error) {
	x := m.Raw
	if x == nil {
		var err error
		if x, err = m.columns(rows); err != nil {
			return fewlabels.Task{}, err
		}
	}
	if err := x.Err(); err != nil {
		return fewlabels.Task{}, err
	}
	if typ := x.Type(); typ.Rank() != 2 || typ.DType != ir.F32 || typ.Shape[1:].Symbolic() || typ.Last() > mostRaw {
		return fewlabels.Task{}, fmt.Errorf("report: the columns as they are must be f32[N n] with n up to %d, got %s", mostRaw, typ)
	}
	t := m.Task
	t.Input, t.Code, t.Encoder = x, x, nil
	t.Logits = x.Then(spec.Dense(len(t.Classes)).Named("raw"))
	return t, nil
}

// columns declares the task's inputs anew, as one row of numbers.
func (m Model) columns(rows dataset.Source) (*spec.Value, error) {
	inputs, err := inputsOf(m.Task)
	if err != nil {
		return nil, err
	}
	cards := spec.NewModel("task", spec.CrossEntropy(m.Task.Logits, spec.Labels(m.Task.Label, len(m.Task.Classes)).Optional())).Cardinalities()
	var parts []*spec.Value
	for _, v := range inputs {
		dims, ok := v.Type.Shape[1:].Fixed()
		if !ok {
			return nil, fmt.Errorf("report: input %q, %s, has rows of different lengths", v.Name, v.Type)
		}
		at := slices.IndexFunc(rows.Columns(), func(c dataset.Column) bool { return c.Name == v.Name })
		if at < 0 {
			return nil, fmt.Errorf("report: the rows have no column %q, which the model takes", v.Name)
		}
		flat := func(x *spec.Value) *spec.Value {
			if len(dims) > 1 {
				return x.Then(spec.Flatten())
			}
			if len(dims) == 0 {
				return x.Then(spec.Reshape(1))
			}
			return x
		}
		switch v.Type.DType {
		case ir.F32:
			x := spec.Input(v.Name, dims...)
			switch {
			case rows.Columns()[at].Missing:
				x = x.Optional().Then(spec.Standardise(), spec.FillMissing().With(0).Indicator())
			case len(dims) < 2 && dataset.SchemaOf(rows) != nil:
				x = x.Then(spec.Standardise())
			}
			parts = append(parts, flat(x))
		case ir.U8:
			parts = append(parts, flat(spec.Bytes(v.Name, dims...).Then(spec.Floats().Times(1.0/255))))
		default:
			c := cards[v.Name]
			if schema := dataset.SchemaOf(rows); c == nil && schema != nil && v.Name == schema.Column(dataset.Category) {
				c = schema.Cardinalities() // a text form does not say
			}
			if c == nil {
				return nil, fmt.Errorf("report: input %q, %s, is ids of which it is not known how many there are", v.Name, v.Type)
			}
			parts = append(parts, spec.Categories(v.Name, c...).Then(spec.OneHotIDs(c...)))
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return spec.Concat(0, parts...), nil
}

// inputsOf returns the inputs of what the task learns.
func inputsOf(t fewlabels.Task) ([]*ir.Value, error) {
	g, _, err := spec.GraphOf("task", t.Logits)
	if err != nil {
		return nil, err
	}
	return g.Inputs, nil
}

// takes returns an error if rows, which an option gives, lack what the task takes.
func (m Model) takes(option string, rows dataset.Source) error {
	inputs, err := inputsOf(m.Task)
	if err != nil {
		return err
	}
	cols := rows.Columns()
	at, err := engine.ColumnLengths(inputs, cols, ir.Binding{})
	if err != nil {
		return wrongOption(option, "%w", err)
	}
	for _, v := range inputs {
		i := slices.IndexFunc(cols, func(c dataset.Column) bool { return c.Name == v.Name })
		if i < 0 {
			var names []string
			for _, c := range cols {
				names = append(names, c.Name)
			}
			return wrongOption(option, "the model takes a column %q (%s), and the rows have %s", v.Name, v.Type, strings.Join(names, ", "))
		}
		if c := cols[i]; string(c.DType) != v.Type.DType.String() || !engine.ColumnFits(v, c, at) {
			return wrongOption(option, "the model takes a column %q of %s%s, and the rows have one of %s%v", v.Name, v.Type.DType, v.Type.Shape[1:], c.DType, c.Shape)
		}
	}
	return nil
}
