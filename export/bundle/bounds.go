package bundle

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Arrays of boundsFile. K counts as in the lists of verificationFile: inputs,
// results and layers.
const (
	setBound   = "%s/tolerance_%d" // by set and output: how far each element may be off
	layerBound = "layers/tolerance_%d"
	hardInput  = "hard/input_%d"
	hardOutput = "hard/output_%d"
	hardBound  = "hard/tolerance_%d"
	hardLayer  = "hard/layer_%d"
	hardInner  = "hard/layer_tolerance_%d"
)

// hardSet is how reasons call the hard rows.
const hardSet = "hard rows"

// tolerance returns how far each element may be off, in float32 rounded up; +Inf
// is an element that rounding decides.
func tolerance(e verify.Estimate, shape []int) *ir.Tensor {
	t := ir.NewTensor(ir.F32, shape...)
	for i := range t.F32 {
		x := e.Tolerance(i)
		y := float32(x)
		if float64(y) < x {
			y = math.Nextafter32(y, float32(math.Inf(1)))
		}
		t.F32[i] = y
	}
	return t
}

// bounded is the estimate of a stored tensor with a stored tolerance for each
// element, or with one for all of them where tol is nil.
func bounded(t, tol *ir.Tensor, all float64) verify.Estimate {
	if tol == nil || tol.DType != ir.F32 || tol.Len() != t.Len() {
		return flat(t, all)
	}
	e := verify.Estimate{Value: t, Var: make([]float64, t.Len())}
	for i, x := range tol.F32 {
		e.Var[i] = variance(float64(x))
	}
	return e
}

// flat is an estimate that allows every element the same tolerance.
func flat(t *ir.Tensor, tol float64) verify.Estimate {
	e := verify.Estimate{Value: t, Var: make([]float64, t.Len())}
	if math.IsInf(tol, 0) {
		tol = 0
	}
	for i := range e.Var {
		e.Var[i] = variance(tol)
	}
	return e
}

// variance is what gives an element the tolerance.
func variance(tol float64) float64 {
	if !(tol >= 0) {
		return 0
	}
	return tol * tol / (2 * verify.Sigmas * verify.Sigmas) * (1 + 1e-12)
}

// maxHard bounds the elements that the hard rows have in inputs and outputs, and
// those that they have in layers.
const maxHard = 1 << 22

// hard returns the rows that are made up to break a file, every different one if
// maxHard allows. The first lead of them are some of every kind.
func hard(g *ir.Graph, like verify.Set) (out verify.Set, lead int, ok bool) {
	out = verify.Set{Name: hardSet, In: map[string]*ir.Tensor{}}
	if !ir.RowsApart(g) {
		return out, 0, false
	}
	inputs := verify.Inputs(g)
	ports := slices.Concat(inputs, g.Outputs)
	for _, v := range ports {
		_, packed := npyTypes[v.Type.DType]
		if !v.Type.Shape.RowWise() || !packed {
			return out, 0, false
		}
	}
	at, err := engine.Lengths(&ir.Graph{Inputs: inputs}, like.In)
	if err != nil {
		return out, 0, false
	}
	left := maxHard / width(ports, at)
	add := func(set verify.Set, from, to int) {
		to = min(to, set.Rows, from+left)
		for row := from; row < to; row++ {
			for _, v := range inputs {
				out.In[v.Name] = appendRow(out.In[v.Name], set.In[v.Name], row)
			}
			out.Rows++
			left--
		}
	}
	// The rows of zeros are all the same, as are those of ones; the rows that are
	// not finite change their kind from one to the next.
	first := func(set verify.Set) int {
		switch set.Name {
		case "zeros", "ones":
			return 1
		case "not finite":
			return 8
		}
		return 4
	}
	sets := verify.MadeUp(g, []verify.Set{like})
	for _, set := range sets {
		add(set, 0, first(set))
	}
	lead = out.Rows
	for _, set := range sets {
		if first(set) > 1 {
			add(set, first(set), set.Rows)
		}
	}
	return out, lead, out.Rows > 0
}

// width is the number of elements that a row has in all the values.
func width(values []*ir.Value, at ir.Binding) int {
	n := 0
	for _, v := range values {
		n += v.Type.Shape.ElemsAt(at.WithRows(1))
	}
	return max(n, 1)
}

// appendRow appends one row of t to all, which it makes if it is nil.
func appendRow(all, t *ir.Tensor, row int) *ir.Tensor {
	if all == nil {
		all = &ir.Tensor{DType: t.DType, Shape: append([]int{0}, t.Shape[1:]...)}
	}
	all.Shape[0]++
	all.Append(t.Rows(row, row+1))
	return all
}

// firstRows returns the first n rows.
func firstRows(t *ir.Tensor, n int) *ir.Tensor {
	if t == nil || len(t.Shape) == 0 || t.Shape[0] <= n {
		return t
	}
	return t.Rows(0, n)
}

// bounds gathers boundsFile.
func (w *writer) bounds(ctx context.Context, ver *verification) ([]byte, error) {
	var all arrays
	for k := range w.stored {
		for i, name := range ver.Results {
			all.add(fmt.Sprintf(setBound, ver.Stored[k].Folder, i), w.tolerances[k][name])
		}
	}
	for i := range w.layers {
		all.add(fmt.Sprintf(layerBound, i), w.inner[i])
	}
	set, lead, ok := hard(w.net.Graph(), w.stored[0].set)
	if !ok {
		return all.pack()
	}
	want, err := w.net.Run(ctx, set.In)
	if err != nil {
		return nil, fmt.Errorf("bundle: running what was trained on the %s: %w", set.Name, err)
	}
	est, err := w.bound(set.In, set.Rows)
	if err != nil {
		return nil, err
	}
	for i, name := range ver.Inputs {
		all.add(fmt.Sprintf(hardInput, i), set.In[name])
	}
	for i, v := range w.net.Graph().Outputs {
		all.add(fmt.Sprintf(hardOutput, i), want[v.Name])
		all.add(fmt.Sprintf(hardBound, i), tolerance(est[v], want[v.Name].Shape))
	}
	at, err := w.net.Lengths(set.In)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	lead = min(lead, maxHard/width(w.taps, at))
	for i, v := range w.taps {
		t := firstRows(est[v].Value, lead)
		all.add(fmt.Sprintf(hardLayer, i), t.To(v.Type.DType))
		all.add(fmt.Sprintf(hardInner, i), tolerance(est[v], t.Shape))
	}
	return all.pack()
}

// hardRows reads the hard rows of a bundle; older ones have none.
func (r *reader) hardRows() (set replayed, ok bool, err error) {
	set = replayed{storedSet{hardSet, hardSet, 0}, map[string]*ir.Tensor{}, map[string]*ir.Tensor{}}
	if r.bounds[fmt.Sprintf(hardInput, 0)] == nil {
		return set, false, nil
	}
	take := func(format string, names []string, to map[string]*ir.Tensor) {
		for i, name := range names {
			key := fmt.Sprintf(format, i)
			t := r.bounds[key]
			switch {
			case t == nil:
				err = fmt.Errorf("%s has no array %q", boundsFile, key)
			case len(t.Shape) == 0 || set.Rows != 0 && t.Shape[0] != set.Rows:
				err = fmt.Errorf("%s: array %q has shape %v for %d rows", boundsFile, key, t.Shape, set.Rows)
			default:
				set.Rows, to[name] = t.Shape[0], t
			}
		}
	}
	take(hardInput, r.ver.Inputs, set.in)
	take(hardOutput, r.ver.Results, set.want)
	return set, err == nil, err
}

// allowed returns a stored output of a set with what its elements may be off.
func (r *reader) allowed(set replayed, output int, want *ir.Tensor) verify.Estimate {
	if set.Folder == hardSet {
		return bounded(want, r.bounds[fmt.Sprintf(hardBound, output)], 0)
	}
	return bounded(want, r.bounds[fmt.Sprintf(setBound, set.Folder, output)], r.ver.Outputs[r.ver.Results[output]])
}
