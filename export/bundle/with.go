package bundle

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// With returns rows together with the values, by name, of inputs that have no rows, such
// as the weights of a head that is trained where the file runs, or a learning rate (see
// spec.Given). [Write] stores and verifies them with the rows. Elements are not copied.
//
// Errors of Write: an input without rows that has no value here; a value of another type
// or shape; a value that no input takes.
func With(rows dataset.Source, given map[string]*ir.Tensor) dataset.Source {
	return with{rows, maps.Clone(given)}
}

type with struct {
	dataset.Source
	given map[string]*ir.Tensor
}

// Err returns the mistake of the rows, if they have one.
func (w with) Err() error {
	if e, ok := w.Source.(interface{ Err() error }); ok {
		return e.Err()
	}
	return nil
}

// hasRows reports whether an input is fed with rows.
func hasRows(v *ir.Value) bool { return v.Type.Shape.Has(ir.Batch) }

// fixed returns what an input without rows holds.
func fixed(v *ir.Value, src dataset.Source) (*ir.Tensor, error) {
	w, ok := src.(with)
	t := w.given[v.Name]
	switch {
	case t == nil && !ok:
		return nil, fmt.Errorf("bundle: input %q (%s) has no rows; give its value with bundle.With(rows, …)", v.Name, v.Type)
	case t == nil:
		return nil, fmt.Errorf("bundle: input %q (%s) has no rows, and bundle.With gives it nothing; it gives %q", v.Name, v.Type, slices.Sorted(maps.Keys(w.given)))
	}
	if err := t.Check(); err != nil {
		return nil, fmt.Errorf("bundle: input %q: %w", v.Name, err)
	}
	if want, known := v.Type.Shape.Fixed(); !known || t.DType != v.Type.DType || !slices.Equal(t.Shape, want) {
		return nil, fmt.Errorf("bundle: input %q is %s, bundle.With gives it %s", v.Name, v.Type, t.Type())
	}
	return t.Clone(), nil
}

// unused returns an error for a value that no input takes.
func (w with) unused(inputs []*ir.Value) error {
	for _, name := range slices.Sorted(maps.Keys(w.given)) {
		if !slices.ContainsFunc(inputs, func(v *ir.Value) bool { return v.Name == name && !hasRows(v) }) {
			return fmt.Errorf("bundle: bundle.With gives %q, but no input without rows has that name", name)
		}
	}
	return nil
}
