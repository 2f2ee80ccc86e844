package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// feed shows batches to a plan: each input takes the column of its name.
type feed struct {
	src    dataset.Source
	in     engine.Feed
	ports  []string         // that are shown; the engine gathers the others itself
	given  []string         // that are no columns but totals of the update
	limits map[string]int   // of integer inputs: the values are below
	cards  map[string][]int // those of each column are below these, if they differ
	unit   []string         // inputs whose values must be in [0, 1]
	absent []string         // inputs that may be -1, or NaN, for none
	weight []string         // inputs whose values must be at least 0
	full   []string         // float inputs that may not lack values, although their columns may
	gaps   []string         // float inputs that may, as their columns may
	bare   []string         // of the labels, weights and columns with gaps those without any in all rows that look saw
	batch  dataset.Batch    // the one shown last
	at     ir.Binding       // what the columns make of the free lengths
}

// newFeed holds the plan's inputs against the columns, but for totals.
//
// Errors: an input without a column; a column of another type or shape. All are
// told at once.
func newFeed(p *plan.Plan, src dataset.Source, m *spec.Model, totals *plan.Totals) (*feed, error) {
	if src == nil {
		return nil, errors.New("train: there are no rows: the source is nil")
	}
	cols := src.Columns()
	f := &feed{src: src, in: engine.Feed{}, limits: m.Limits(), cards: m.Cardinalities(), unit: m.UnitInputs(), absent: m.OptionalInputs(), weight: m.WeightInputs()}
	var inputs []*ir.Value
	for _, port := range p.Inputs {
		if totals.Gives(port.Name) {
			f.given = append(f.given, port.Name)
			f.in[port.Name] = &ir.Tensor{DType: ir.F32, Shape: []int{}, F32: make([]float32, 1)}
			continue
		}
		inputs = append(inputs, &ir.Value{Name: port.Name, Type: p.Buffers[port.Buffer].Type, Kind: ir.InputValue})
	}
	var errs []error
	at, err := engine.ColumnLengths(inputs, cols, p.Capacity)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	f.at = at
	for _, port := range inputs {
		typ := port.Type
		i := slices.IndexFunc(cols, func(c dataset.Column) bool { return c.Name == port.Name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("train: input %q (%s) needs a column of that name; the rows have %s", port.Name, typ, columnNames(cols)))
			continue
		}
		if !typ.Shape.RowWise() {
			errs = append(errs, fmt.Errorf("train: input %q must have the batch as its first axis, got %s", port.Name, typ))
			continue
		}
		have := cols[i].Shape
		if string(cols[i].DType) != typ.DType.String() || !engine.ColumnFits(port, cols[i], at) {
			errs = append(errs, fmt.Errorf("train: input %q is %s, so its column must be %s%s%s, got %s%v%s", port.Name, typ, typ.DType, typ.Shape[1:], upTo(typ.Shape, p.Capacity), cols[i].DType, have, reshaped(port, cols[i])))
			continue
		}
		if cols[i].Missing && !slices.Contains(f.absent, port.Name) {
			f.full = append(f.full, port.Name)
		} else if cols[i].Missing {
			f.gaps = append(f.gaps, port.Name)
		}
		f.ports = append(f.ports, port.Name)
		f.in[port.Name] = &ir.Tensor{DType: typ.DType, Shape: append([]int{0}, have...)}
	}
	return f, errors.Join(errs...)
}

// reshaped says what is to be done about a column of which only the shape is another.
func reshaped(port *ir.Value, c dataset.Column) string {
	row, ok := port.Type.Shape[1:].Fixed()
	if !ok || string(c.DType) != port.Type.DType.String() || ir.Elems(row) != ir.Elems(c.Shape) {
		return ""
	}
	return ": declare the input with the shape of the column, or Reshape the column"
}

// upTo says how long the free lengths of a shape may be.
func upTo(s ir.Shape, capacity ir.Binding) string {
	out := ""
	for _, name := range capacity.Free() {
		if n, _ := capacity.Of(name); s.Has(name) {
			out += fmt.Sprintf(" with %s up to %d", name, n)
		}
	}
	return out
}

// lengths returns those of a batch.
func (f *feed) lengths(b dataset.Batch) ir.Binding { return f.at.WithRows(b.Rows) }

// gather makes an engine take rows of float32 from memory itself, if that is
// where the batches have them.
func (f *feed) gather(e *engine.Engine, b *dataset.Batches) error {
	if !b.InMemory() {
		return nil
	}
	var shown []string
	for _, name := range f.ports {
		if f.in[name].DType != ir.F32 {
			shown = append(shown, name)
			continue
		}
		if err := e.Gather(name, func(lo, hi int, dst []float32) { f.batch.Gather(name, lo, hi, dst) }); err != nil {
			return err
		}
	}
	f.ports = shown
	return nil
}

// whole returns the batch shown last with every input in it.
func (f *feed) whole() engine.Feed {
	for name, t := range f.in {
		if slices.Contains(f.given, name) {
			continue
		}
		if t.Shape[0] = f.batch.Rows; t.DType == ir.F32 {
			engine.SetColumn(t, f.batch, name)
		}
	}
	return f.in
}

// columns are those that the plan reads.
func (f *feed) columns() []string {
	var names []string
	for name := range f.in {
		if !slices.Contains(f.given, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func columnNames(cols []dataset.Column) string {
	var names []string
	for _, c := range cols {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

// take shows one batch.
//
// Errors: a label or token that its input does not allow, with its row: of a source that gives other rows than look saw.
func (f *feed) take(b dataset.Batch) (engine.Feed, error) {
	f.batch = b
	for _, name := range f.ports {
		t := f.in[name]
		t.Shape[0] = b.Rows
		engine.SetColumn(t, b, name)
		if t.DType != ir.I64 {
			continue
		}
		if err := f.inRange(b, name, t.I64); err != nil {
			return nil, err
		}
	}
	return f.in, nil
}

// lookRows is how many rows are looked at at a time.
const lookRows = 1024

// look reads all rows once, before anything is trained, if the model does not take every value, for other feeds of them too.
// These may be nil.
//
// Errors: a label or token that its input does not allow, or a target of
// BinaryCrossEntropy outside [0, 1], or a weight below 0, or a missing number where there must be one, with its row and
// file; the source's and the context's.
func (f *feed) look(ctx context.Context, more ...*feed) error {
	var whole []string
	for name := range f.limits {
		if slices.ContainsFunc(append(more, f), func(f *feed) bool { return f != nil && f.in[name] != nil }) {
			whole = append(whole, name)
		}
	}
	full := slices.Clone(f.full)
	for _, g := range more {
		if g != nil {
			full = append(full, g.full...)
		}
	}
	if len(whole)+len(f.unit)+len(f.weight)+len(full)+len(f.gaps) == 0 {
		return nil
	}
	slices.Sort(whole)
	some := map[string]bool{}
	err := dataset.Each(ctx, f.src, lookRows, func(b dataset.Batch) error {
		for _, name := range full {
			if err := f.isFull(b, name, b.F32(name)); err != nil {
				return err
			}
		}
		for _, name := range f.unit {
			if err := f.inUnit(b, name, b.F32(name)); err != nil {
				return err
			}
		}
		for _, name := range f.weight {
			if err := f.notNegative(b, name, b.F32(name)); err != nil {
				return err
			}
		}
		for _, name := range whole {
			if err := f.inRange(b, name, b.I64(name)); err != nil {
				return err
			}
			some[name] = some[name] || slices.ContainsFunc(b.I64(name), func(y int64) bool { return y >= 0 })
		}
		for _, name := range f.weight {
			some[name] = some[name] || slices.ContainsFunc(b.F32(name), func(w float32) bool { return w > 0 })
		}
		for _, name := range f.gaps {
			some[name] = some[name] || slices.ContainsFunc(b.F32(name), func(x float32) bool { return x == x })
		}
		return nil
	})
	f.bare = nil
	for _, name := range slices.Concat(whole, f.weight, f.gaps) {
		if !some[name] && !slices.Contains(f.bare, name) {
			f.bare = append(f.bare, name)
		}
	}
	return err
}

// warn tells of labels, weights and numbers that no row has: a loss of them alone is 0, whatever the model does.
func (f *feed) warn(log *slog.Logger, of string) {
	for _, name := range f.bare {
		log.Warn(fmt.Sprintf("train: column %q has no label, no weight above 0 or no number in any of the %s, so a loss of it alone is 0 whatever the model does", name, of))
	}
}

// inRange refuses integers that an input does not take.
func (f *feed) inRange(b dataset.Batch, name string, x []int64) error {
	limit, ok := f.limits[name]
	if !ok {
		return nil
	}
	least, none := int64(0), ""
	if slices.Contains(f.absent, name) {
		least, none = -1, ", and -1 for none"
	}
	cards := f.cards[name]
	for i, v := range x {
		if len(cards) > 0 {
			limit = cards[i%len(cards)]
		}
		if v < least || v >= int64(limit) {
			at := ""
			if w := len(x) / b.Rows; w > 1 {
				at = fmt.Sprintf(" at %d", i%w)
			}
			return fmt.Errorf("train: %s is %d%s; the model's input takes 0 to %d%s", dataset.Place(f.src, b.Index[i*b.Rows/len(x)], name), v, at, limit-1, none)
		}
	}
	return nil
}

// isFull refuses missing numbers.
func (f *feed) isFull(b dataset.Batch, name string, x []float32) error {
	for i, v := range x {
		if v != v {
			at, w := "", len(x)/b.Rows
			if w > 1 {
				at = fmt.Sprintf(" at %d", i%w)
			}
			return fmt.Errorf("train: %s is missing%s; the model's input takes every number: declare it Optional, and say what a missing one means, as spec.FillMissing() does", dataset.Place(f.src, b.Index[i/w], name), at)
		}
	}
	return nil
}

// notNegative refuses weights below 0.
func (f *feed) notNegative(b dataset.Batch, name string, x []float32) error {
	for i, v := range x {
		if !(v >= 0) {
			at, w := "", len(x)/b.Rows
			if w > 1 {
				at = fmt.Sprintf(" at %d", i%w)
			}
			return fmt.Errorf("train: %s is %v%s; it is a weight of a loss, which must be at least 0", dataset.Place(f.src, b.Index[i/w], name), v, at)
		}
	}
	return nil
}

// inUnit refuses values outside [0, 1].
func (f *feed) inUnit(b dataset.Batch, name string, x []float32) error {
	absent := slices.Contains(f.absent, name)
	for i, v := range x {
		if !(v >= 0 && v <= 1) && !(v != v && absent) {
			w := len(x) / b.Rows
			return fmt.Errorf("train: %s is %v at %d; it is the target of a cross-entropy, which is a probability in [0, 1]: scale the data, or take another loss",
				dataset.Place(f.src, b.Index[i/w], name), v, i%w)
		}
	}
	return nil
}
