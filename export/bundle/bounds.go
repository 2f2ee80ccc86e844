package bundle

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
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

// hard picks rows of every kind that is made up to break a file.
func hard(g *ir.Graph, like verify.Set) (verify.Set, bool) {
	out := verify.Set{Name: hardSet, In: map[string]*ir.Tensor{}}
	if !verify.RowsApart(g) {
		return out, false
	}
	inputs := verify.Inputs(g)
	for _, v := range slices.Concat(inputs, g.Outputs) {
		if v.Type.DType == ir.F64 { // the file has float32
			return out, false
		}
	}
	for _, set := range verify.MadeUp(g, []verify.Set{like}) {
		n := map[string]int{"zeros": 1, "ones": 1, "not finite": 8}[set.Name]
		if n == 0 {
			n = 4
		}
		n = min(n, set.Rows)
		for _, v := range inputs {
			t, all := firstRows(set.In[v.Name], n), out.In[v.Name]
			if all == nil {
				all = &ir.Tensor{DType: t.DType, Shape: append([]int{0}, t.Shape[1:]...)}
				out.In[v.Name] = all
			}
			all.Shape[0] += n
			all.F32, all.F64 = append(all.F32, t.F32...), append(all.F64, t.F64...)
			all.I64, all.Bool = append(all.I64, t.I64...), append(all.Bool, t.Bool...)
		}
		out.Rows += n
	}
	return out, out.Rows > 0
}

// firstRows returns the first n rows.
func firstRows(t *ir.Tensor, n int) *ir.Tensor {
	if t == nil || len(t.Shape) == 0 || t.Shape[0] <= n {
		return t
	}
	out := &ir.Tensor{DType: t.DType, Shape: append([]int{n}, t.Shape[1:]...)}
	k := ir.Elems(out.Shape)
	switch t.DType {
	case ir.F32:
		out.F32 = t.F32[:k:k]
	case ir.F64:
		out.F64 = t.F64[:k:k]
	case ir.I64:
		out.I64 = t.I64[:k:k]
	case ir.Bool:
		out.Bool = t.Bool[:k:k]
	}
	return out
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
	set, ok := hard(w.net.Graph(), w.stored[0].set)
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
	for i, v := range w.taps {
		all.add(fmt.Sprintf(hardLayer, i), est[v].Value.To(v.Type.DType))
		all.add(fmt.Sprintf(hardInner, i), tolerance(est[v], est[v].Value.Shape))
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
