package train

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// fit sets the state that is fitted to the training rows (see spec.Builder.Fit), unless it
// comes from a checkpoint or from Options.InitFrom.
//
// Errors: those of fits.
func (t *Trainer) fit(ctx context.Context) error {
	if t.resumed {
		return nil
	}
	f := fits{rows: t.rows, param: t.store.Param, state: t.store.State, kernels: t.opt.Kernels}
	done, err := f.all(ctx, t.model.Fittings(), func(s spec.State) bool { return t.running[s.Name] == nil })
	if err != nil {
		return t.early(ctx, err, "looked at to fit constants to them")
	}
	if len(done) > 0 {
		t.store.Touch()
		t.say(fmt.Sprintf("fitted to %d rows: %s", t.rows.Len(), strings.Join(done, ", ")))
	}
	return nil
}

// Constants fits the state that values have from layers such as spec.Standardise to rows, as
// a training on these does before its first update, and returns it by name. given has the
// parameters that it depends on, and the state that there is, which is not fitted again.
//
// Errors: a mistake of the declaration; a parameter, or state that is not fitted, that is not
// given; a column without any value, or with one that is infinite; those of the rows and of
// the context.
func Constants(ctx context.Context, rows dataset.Source, given map[string][]float32, values ...*spec.Value) (map[string][]float32, error) {
	list, err := spec.FittingsOf(values...)
	if err != nil {
		return nil, err
	}
	out := map[string][]float32{}
	of := func(name string) []float32 {
		if x := given[name]; x != nil {
			return x
		}
		return out[name]
	}
	for _, f := range list {
		for _, s := range f.States {
			if given[s.Name] == nil {
				out[s.Name] = make([]float32, s.Type.Shape.Count())
			}
		}
	}
	_, err = (&fits{rows: rows, param: of, state: of}).all(ctx, list, func(s spec.State) bool { return given[s.Name] == nil })
	return out, err
}

// fits is rows, and what the values depend on that state is fitted to.
type fits struct {
	rows         dataset.Source
	param, state func(name string) []float32
	kernels      []engine.Maker
}

// all fits state that is wanted and returns its names.
//
// Errors: a column without any value, or with one that is infinite; a variable without what it
// is to be fitted to; those of the rows and of the context.
func (r *fits) all(ctx context.Context, list []spec.Fitting, wanted func(s spec.State) bool) (done []string, err error) {
	for _, f := range list {
		var open []spec.State
		for _, s := range f.States {
			if wanted(s) {
				open = append(open, s)
			}
		}
		if len(open) == 0 {
			continue
		}
		if f.Of == nil {
			return nil, fmt.Errorf("train: %q is fitted to rows, but no layer here does so, there is only one that uses it: train one that has, or give the value by Options.InitFrom", open[0].Name)
		}
		values, err := r.valuesOf(f)
		if err != nil {
			return nil, err
		}
		if err := values.fit(ctx, open, r.state); err != nil {
			return nil, err
		}
		for _, s := range open {
			done = append(done, s.Name)
		}
	}
	return done, nil
}

// valued streams the numbers of a value that constants are fitted to, over all rows.
type valued struct {
	rows  int // of the data
	width int // numbers of a row
	// The indices of the axis, and how many numbers follow each other for one of them.
	columns, inner int

	// each shows the numbers of some rows, from the row first on, in order.
	each func(ctx context.Context, f func(first int, x []float32) error) error
}

// valuesOf returns the numbers of what is fitted together, as the weights of now make them.
func (r *fits) valuesOf(f spec.Fitting) (*valued, error) {
	g, params, err := spec.GraphOf("fit", f.Of)
	if err != nil {
		return nil, err
	}
	at, err := engine.ColumnLengths(g.Inputs, r.rows.Columns(), g.Capacity)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	shape := f.Of.Type().Shape.At(at.WithRows(1))
	v := &valued{rows: r.rows.Len(), width: ir.Elems(shape), columns: shape[f.Axis], inner: ir.Elems(shape[f.Axis+1:])}
	if n := g.Outputs[0].Def; len(g.Nodes) == 1 && n.Op == (ops.Identity{}) && n.In[0].Kind == ir.InputValue {
		name := n.In[0].Name
		v.each = func(ctx context.Context, f func(int, []float32) error) error {
			first := 0
			return dataset.Each(ctx, r.rows, lookRows, func(b dataset.Batch) error {
				first += b.Rows
				return f(first-b.Rows, b.F32(name))
			})
		}
		return v, nil
	}
	states, err := spec.StatesOf(f.Of)
	if err != nil {
		return nil, err
	}
	own := map[string][]float32{}
	for _, p := range params {
		own[p.Name] = r.param(p.Name)
	}
	for i, s := range states {
		own[g.State[i].In.Name] = r.state(s.Name)
	}
	net, err := bareNet(g, own, r.kernels...)
	if err != nil {
		return nil, err
	}
	out := net.Outputs()[0].Name
	v.each = func(ctx context.Context, f func(int, []float32) error) error {
		first, in := 0, map[string]*ir.Tensor{}
		return dataset.Each(ctx, r.rows, lookRows, func(b dataset.Batch) error {
			for _, port := range net.Inputs() { // of which numbers may be missing
				x := &ir.Tensor{DType: port.Type.DType, Shape: port.Type.Shape.At(at.WithRows(b.Rows))}
				engine.SetColumn(x, b, port.Name)
				in[port.Name] = x
			}
			made, err := net.Run(ctx, in)
			if err != nil {
				return err
			}
			first += b.Rows
			return f(first-b.Rows, made[out].F32)
		})
	}
	return v, nil
}

// tally is what one pass over the numbers of a column gives, in the order of the rows: its
// bits depend on nothing else.
type tally struct {
	n, missing    int64
	mean, squares float64 // Welford 1962
	least, most   float32
}

func (c *tally) add(x float32) {
	if c.n == 0 {
		c.least, c.most = x, x
	}
	c.n++
	c.least, c.most = min(c.least, x), max(c.most, x)
	d := float64(x) - c.mean
	c.mean += d / float64(c.n)
	c.squares += d * (float64(x) - c.mean)
}

// divisor is a number that may be divided by: x in f32, or 1 if that is too small.
func divisor(x float64) float32 {
	if d := float32(x); d > 0 && 1/d-1/d == 0 {
		return d
	}
	return 1
}

// fit sets state to statistics of the values.
func (v *valued) fit(ctx context.Context, states []spec.State, at func(name string) []float32) error {
	columns := make([]tally, v.columns)
	var shares []float64
	for _, s := range states {
		how, _ := s.Fitted()
		if q, ok := how.Quantile(); ok {
			shares = append(shares, q)
		}
	}
	kept := keptOf(v, len(shares) > 0)
	err := v.each(ctx, func(first int, x []float32) error {
		for i := 0; i < len(x); i += v.inner {
			j := i / v.inner % v.columns
			c := &columns[j]
			for k, y := range x[i : i+v.inner] {
				switch {
				case y != y:
					c.missing++
				case y-y != 0:
					return fmt.Errorf("train: %q cannot be fitted: row %d has %v in column %d", states[0].Name, first+(i+k)/v.width, y, j)
				default:
					c.add(y)
				}
			}
			kept.take(j, x[i:i+v.inner])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for j := range columns {
		for _, s := range states {
			if how, _ := s.Fitted(); columns[j].n == 0 && how != spec.FitMissing() {
				return fmt.Errorf("train: %q cannot be fitted: column %d has no value in any of the %d training rows; leave the column out, or fill it with a number (spec.FillMissing().With)", s.Name, j, v.rows)
			}
		}
	}
	quantiles, err := kept.quantiles(ctx, v, columns, shares)
	if err != nil {
		return err
	}
	for _, s := range states {
		how, _ := s.Fitted()
		to := at(s.Name)
		for j := range columns {
			c := &columns[j]
			switch how {
			case spec.FitMean():
				to[j] = float32(c.mean)
				if c.least == c.most {
					to[j] = c.least
				}
			case spec.FitDeviation():
				to[j] = divisor(math.Sqrt(c.squares / float64(c.n)))
				if c.least == c.most {
					to[j] = 1
				}
			case spec.FitLeast():
				to[j] = c.least
			case spec.FitGreatest():
				to[j] = c.most
			case spec.FitRange():
				to[j] = divisor(float64(c.most) - float64(c.least))
				if to[j]-to[j] != 0 {
					return fmt.Errorf("train: %q cannot be fitted: column %d goes from %v to %v, a range that is too wide for f32", s.Name, j, c.least, c.most)
				}
			case spec.FitMissing():
				to[j] = float32(c.missing)
			default:
				q, _ := how.Quantile()
				to[j] = quantiles[q][j]
			}
		}
	}
	return nil
}
