package report

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
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
