package report

import (
	"context"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// scales fits what a net fits to rows, such as the scale of a column, to all rows of the side
// that trains, labelled or not: a column may have no value in a few labelled rows. A
// pretraining has done so. nil is nothing to fit, or what depends on weights, which the
// training fits to its own rows.
func (r *curving) scales(ctx context.Context, v *spec.Value, pool dataset.Source, where string) []train.From {
	if from, ok := r.scaled[where]; ok {
		return from
	}
	fitted, err := spec.FittingsOf(v)
	if err != nil || len(fitted) == 0 {
		return nil
	}
	values, err := train.Constants(ctx, pool, nil, v)
	if err != nil { // the training says what it is
		return nil
	}
	states, err := spec.StatesOf(v)
	if err != nil {
		return nil
	}
	t := constants{values: values, shapes: map[string][]int{}}
	for _, s := range states {
		if _, ok := values[s.Name]; ok {
			t.names = append(t.names, s.Name)
			t.shapes[s.Name], _ = s.Type.Shape.Fixed()
		}
	}
	slices.Sort(t.names)
	r.scaled[where] = []train.From{{Tensors: t, Pattern: "*"}}
	return r.scaled[where]
}

// constants are tensors that were fitted.
type constants struct {
	names  []string
	shapes map[string][]int
	values map[string][]float32
}

// Names implements [train.Tensors].
func (c constants) Names() []string { return c.names }

// Tensor implements [train.Tensors].
func (c constants) Tensor(name string) ([]int, []float32, bool) {
	v, ok := c.values[name]
	return c.shapes[name], v, ok
}
