package active

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// mostNumbers bounds what is kept of the rows at once.
const mostNumbers = 1 << 28

// PoolOf returns the pool of unlabelled rows for a classifier and its codes. Either net may be nil, and so may known, the rows
// that have a label.
//
// Errors: those of [Probabilities] and [CodesOf].
func PoolOf(ctx context.Context, classifier, code *engine.Net, rows, known dataset.Source) (*Pool, error) {
	if rows == nil {
		return nil, errors.New("active: there are no unlabelled rows: the source is nil")
	}
	p := &Pool{Rows: rows.Len()}
	if classifier != nil {
		x, classes, err := Probabilities(ctx, classifier, "", rows)
		if err != nil {
			return nil, err
		}
		p.Members, p.Classes = [][]float64{x}, classes
	}
	if code == nil {
		return p, nil
	}
	var err error
	if p.Codes, err = CodesOf(ctx, code, "", rows); err == nil && known != nil {
		p.Known, err = CodesOf(ctx, code, "", known)
	}
	return p, err
}

// Probabilities runs a net over rows and returns a probability for each row and class, [rows classes]. Those are an output, the only
// one if output is "": f32[N classes] whose rows add up to 1, as a Softmax makes them, or f32[N] from 0 to 1, as a Sigmoid does, which is that of the
// second of two classes.
//
// Errors: other outputs; numbers that are no probabilities, with their row; those of the Net.
func Probabilities(ctx context.Context, net *engine.Net, output string, rows dataset.Source) (x []float64, classes int, err error) {
	out, err := outputOf(net, output)
	if err != nil {
		return nil, 0, err
	}
	width := out.Type.Shape[1:].Count()
	if x, err = over(ctx, net, out.Name, rows, width); err != nil {
		return nil, 0, err
	}
	if classes = width; width == 1 {
		for i, v := range x {
			if !(v >= 0 && v <= 1) {
				return nil, 0, fmt.Errorf("active: row %d has %v; one number a row is the probability of the second of two classes, as a Sigmoid makes it", i, v)
			}
		}
		return evaluate.TwoClasses(x), 2, nil
	}
	for i := range rows.Len() {
		if r := x[i*classes:][:classes]; !evaluate.AreProbabilities(r, classes) {
			return nil, 0, fmt.Errorf("active: row %d has %.4g, which are no probabilities: add a Softmax to the logits", i, r[:min(classes, 8)])
		}
	}
	return x, classes, nil
}

// Draws returns the probabilities of a classifier with its dropout on, for several draws: the Members of a pool for
// [VariationRatio] and [Information]. Its net is one of train.Result.Drawing:
//
//	p.Members, p.Classes, err = active.Draws(ctx, fit.Drawing().Net(probabilities), "", rows, 20, seed)
//
// They are a function of the seed and the rows' numbers.
//
// Errors: fewer than two draws; a net that draws nothing; those of [Probabilities].
func Draws(ctx context.Context, net *engine.Net, output string, rows dataset.Source, draws int, seed uint64) (members [][]float64, classes int, err error) {
	if draws < 2 {
		return nil, 0, fmt.Errorf("active: there must be two draws or more, got %d", draws)
	}
	if err := net.Err(); err != nil {
		return nil, 0, err
	}
	if !slices.ContainsFunc(net.Graph().Nodes, func(n *ir.Node) bool { _, draws := n.Op.(ir.Drawer); return draws }) {
		return nil, 0, errors.New("active: the net draws nothing: take one of train.Result.Drawing, of values behind a Dropout; in a file there is no Dropout any more")
	}
	for k := range draws {
		var x []float64
		if x, classes, err = Probabilities(ctx, net.Draw(seed, uint64(k)), output, rows); err != nil {
			return nil, 0, err
		}
		members = append(members, x)
	}
	return members, classes, nil
}

// CodesOf runs a net over rows and returns an output f32[N …], the only one if output is "".
//
// Errors: other outputs; more than 268,435,456 numbers; those of the Net.
func CodesOf(ctx context.Context, net *engine.Net, output string, rows dataset.Source) (Codes, error) {
	out, err := outputOf(net, output)
	if err != nil {
		return Codes{}, err
	}
	width := out.Type.Shape[1:].Count()
	if err := bounded(rows, width); err != nil {
		return Codes{}, err
	}
	c := Codes{Dim: width, X: make([]float32, 0, rows.Len()*width)}
	err = net.Each(ctx, rows, func(_ dataset.Batch, y map[string]*ir.Tensor) error {
		c.X = append(c.X, y[out.Name].F32...)
		return nil
	})
	return c, err
}

// outputOf returns the output of that name, or the only one.
func outputOf(net *engine.Net, name string) (*ir.Value, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	var names []string
	for _, v := range net.Graph().Outputs {
		if v.Name == name || name == "" && len(net.Graph().Outputs) == 1 {
			if t := v.Type; t.DType != ir.F32 || !t.Shape.RowWise() || t.Shape[1:].Symbolic() || t.Shape[1:].Count() == 0 {
				return nil, fmt.Errorf("active: output %q is %s; an output f32[N …] of known length is needed", v.Name, t)
			}
			return v, nil
		}
		names = append(names, fmt.Sprintf("%q", v.Name))
	}
	return nil, fmt.Errorf("active: the net has no output %q: name one of %s", name, strings.Join(names, ", "))
}

func bounded(rows dataset.Source, width int) error {
	if rows == nil {
		return errors.New("active: there are no rows: the source is nil")
	}
	if n := rows.Len(); n > mostNumbers/width {
		return fmt.Errorf("active: %d rows of %d numbers are more than the %d that are kept at once: give fewer rows", n, width, mostNumbers)
	}
	return nil
}

// over returns an output over all rows.
func over(ctx context.Context, net *engine.Net, output string, rows dataset.Source, width int) ([]float64, error) {
	if err := bounded(rows, width); err != nil {
		return nil, err
	}
	x := make([]float64, 0, rows.Len()*width)
	err := net.Each(ctx, rows, func(_ dataset.Batch, out map[string]*ir.Tensor) error {
		for _, v := range out[output].F32 {
			x = append(x, float64(v))
		}
		return nil
	})
	return x, err
}
