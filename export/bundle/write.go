package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Write exports net, runs the file on Lamina's own runtime, even if not named, and on
// those given, compares with net itself, and writes the bundle as folder dir. rows are
// the user's: the first 64 become test_data_set_0, and columns feed the inputs of the same
// name. How columns and outputs are distributed over them is stored, for a comparison with rows that come later (see
// evaluate.Reference), if there are 100 rows or more and results are of one row each: give rows that the function is to see,
// such as those of a validation.
//
// The folder appears whole or not at all; an existing bundle is kept until the new one is
// in its place. If the file differs from what was trained, nothing is written and the
// error is a *verify.MismatchError that names the layer and its line. If too little of the
// outputs can be compared to tell, it is a *verify.UndeterminedError. Without a runtime
// besides Lamina's own the files go to dir+".unverified" and the error wraps ErrUnverified:
// Promote makes them a bundle.
//
// Other errors: a parameter, or an output on the given rows, that is not finite; those of
// the export, of the rows and of ctx; dir exists and is not a bundle; a folder that cannot
// be written.
func Write(ctx context.Context, dir string, net *engine.Net, rows dataset.Source, runtimes ...verify.Runtime) (*Report, error) {
	if net == nil {
		return nil, errors.New("bundle: there is no trained function")
	}
	if err := net.Err(); err != nil {
		return nil, err
	}
	if net.Narrow() {
		return nil, errors.New("bundle: the products of this Net are in bf16, and what ships is FP32: write the Net of the Result itself, without In")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	place, err := newPlace(dir)
	if err != nil {
		return nil, err
	}
	if err := finite(net); err != nil {
		return nil, place.notWritten(err)
	}
	model, err := onnxexport.BuildNet(net, onnxexport.Options{})
	if err != nil {
		return nil, err
	}
	w := &writer{net: net, model: model, inputs: verify.Inputs(net.Graph())}
	if err := w.sets(ctx, rows); err != nil {
		return nil, err
	}
	if err := w.finite(); err != nil {
		return nil, place.notWritten(err)
	}
	rep, err := verify.Verify(ctx, verify.Subject{Graph: net.Graph(), Params: net.Params(), Model: model.Bytes, Taps: model.Taps,
		Run: net.Run, Trained: trained(), Sets: []verify.Set{w.stored[0].set, w.stored[1].set}}, executions(runtimes)...)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := rep.Err(); err != nil {
		return nil, place.notWritten(err)
	}
	out := &Report{Dir: place.dir, Precision: net.Record().Precision, Rows: w.stored[0].set.Rows, Verification: rep}
	unverified := !independent(rep.Runtimes)
	if unverified {
		rep.Status, rep.Reason = "unverified", "no runtime besides Lamina's own is available"
		out.Dir += Unverified
	}
	if w.reference, err = newReference(ctx, net, rows); err != nil {
		return nil, err
	}
	files, err := w.files(ctx, rep)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := place.put(out.Dir, files); err != nil {
		return nil, err
	}
	out.Tolerance = w.atol
	out.Files = slices.Sorted(maps.Keys(files))
	for _, b := range files {
		out.Bytes += int64(len(b))
	}
	if unverified {
		why := errors.Join(rep.Missing...)
		if why == nil {
			why = verify.ErrUnavailable
		}
		return out, fmt.Errorf("bundle: %w: the files are in %s; install onnxruntime and run lamina promote on it: %w", ErrUnverified, out.Dir, why)
	}
	return out, nil
}

// writer gathers what a bundle holds.
type writer struct {
	net    *engine.Net
	model  *onnxexport.Model
	inputs []*ir.Value
	stored []stored
	atol   float64
	byOut  map[string]float64
	layers []layer
	taps   []*ir.Value // of the layers
	values []*ir.Tensor
	inner  []*ir.Tensor // tolerances of values

	tolerances []map[string]*ir.Tensor // of the stored sets' outputs
	reference  *evaluate.Reference
}

// stored is a set with what the trained function gives for it.
type stored struct {
	set  verify.Set
	want map[string]*ir.Tensor
	atol float64
}

// sets makes the two stored sets, their results, their tolerances, and the
// layers' values.
func (w *writer) sets(ctx context.Context, rows dataset.Source) error {
	capacity := w.net.Graph().Capacity
	first, err := given(w.inputs, capacity, rows)
	if err != nil {
		return err
	}
	other, err := otherLengths(w.inputs, first.In, capacity)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	spans := map[string]span{}
	for name, r := range w.net.Record().Columns {
		spans[name] = span{r.Min, r.Max}
	}
	drawn := spanned(w.inputs, spans, first, other, ops.MayLack(w.net.Graph()))
	drawn.Drawn = true
	w.byOut = map[string]float64{}
	g := w.net.Graph()
	for k, set := range []verify.Set{first, drawn} {
		want, err := w.net.Run(ctx, set.In)
		if err != nil {
			return fmt.Errorf("bundle: running what was trained on the %s: %w", set.Name, err)
		}
		est, err := w.bound(set.In, set.Rows)
		if err != nil {
			return err
		}
		widest, tols := 0.0, map[string]*ir.Tensor{}
		for _, v := range g.Outputs {
			tol, e := 0.0, est[v]
			tols[v.Name] = tolerance(e, e.Value.Shape)
			for i := range e.Value.Len() {
				if t := e.Tolerance(i); !math.IsInf(t, 0) {
					tol = max(tol, t)
				}
			}
			w.byOut[v.Name] = max(w.byOut[v.Name], tol)
			widest = max(widest, tol)
		}
		w.atol = max(w.atol, widest)
		w.stored = append(w.stored, stored{set, want, widest})
		w.tolerances = append(w.tolerances, tols)
		if k == 1 {
			w.takeLayers(est)
		}
	}
	return nil
}

// finite returns an error for a parameter that is not.
func finite(net *engine.Net) error {
	params := net.Params()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for i, x := range params[name] {
			if x-x != 0 {
				return fmt.Errorf("parameter %q holds %v at element %d", name, x, i)
			}
		}
	}
	return nil
}

// finite returns an error if an output of the given rows is not, with the first op
// that made such a number of them.
func (w *writer) finite() error {
	s := w.stored[0]
	for _, v := range w.net.Outputs() {
		t := s.want[v.Name]
		row := max(t.Len()/s.set.Rows, 1)
		for i := range t.Len() {
			x := t.At(i)
			if x-x == 0 {
				continue
			}
			err := fmt.Errorf("output %q is %v in row %d, element %d, of the given rows", v.Name, x, i/row, i%row)
			f, ferr := w.net.FirstNonFinite(s.set.In)
			switch {
			case ferr != nil:
				return errors.Join(err, ferr)
			case f != nil:
				return fmt.Errorf("%w; the first value that is not finite is made by %v", err, f)
			}
			return err
		}
	}
	return nil
}

func (w *writer) bound(in map[string]*ir.Tensor, rows int) (map[*ir.Value]verify.Estimate, error) {
	g := w.net.Graph()
	at, err := w.net.Lengths(in)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	at = at.WithRows(rows)
	feed := maps.Clone(in)
	params := w.net.Params()
	for _, v := range g.Params {
		feed[v.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Lengths(), F32: params[v.Name]}
	}
	for _, s := range g.State {
		feed[s.In.Name] = &ir.Tensor{DType: ir.F32, Shape: s.In.Type.Shape.Lengths(), F32: params[s.In.Name]}
	}
	for _, v := range g.Inputs {
		if feed[v.Name] == nil { // no output needs it
			feed[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(at)...)
		}
	}
	return verify.Bound(g, &ir.Env{Binding: at, UpdateRows: rows}, feed)
}

// takeLayers keeps the results of the last node of each use of a layer for the first
// rows.
func (w *writer) takeLayers(est map[*ir.Value]verify.Estimate) {
	last := map[string]int{}
	for i, t := range w.model.Taps {
		last[t.Layer] = i
	}
	uses := map[string]int{}
	for i, t := range w.model.Taps {
		if j := i + 1; j < len(w.model.Taps) && w.model.Taps[j].Layer == t.Layer && w.model.Taps[j].IR.Def != t.IR.Def {
			continue
		}
		e, ok := est[t.IR]
		if !ok || t.Layer == "" || !t.IR.Type.DType.Float() || !t.IR.Type.Shape.RowWise() {
			continue
		}
		shape := append([]int{layerRows}, e.Value.Shape[1:]...)
		n := ir.Elems(shape)
		l := layer{Name: t.Layer, Position: t.Pos, Value: t.Value}
		if uses[t.Layer]++; last[t.Layer] != i {
			l.Array = fmt.Sprintf("%s#%d", t.Layer, uses[t.Layer])
		}
		for i := range n {
			if tol := e.Tolerance(i); !math.IsInf(tol, 0) {
				l.Tolerance = max(l.Tolerance, tol)
			}
		}
		w.values = append(w.values, &ir.Tensor{DType: ir.F64, Shape: shape, F64: e.Value.F64[:n]})
		w.inner = append(w.inner, tolerance(e, shape))
		w.layers, w.taps = append(w.layers, l), append(w.taps, t.IR)
	}
}

// files returns the contents of every file by name.
func (w *writer) files(ctx context.Context, rep *verify.Report) (map[string][]byte, error) {
	files := map[string][]byte{modelFile: w.model.Bytes}
	ver := &verification{Format: Format, Report: rep, Outputs: w.byOut, Layers: w.layers, Files: map[string]string{}}
	for _, v := range w.inputs {
		ver.Inputs = append(ver.Inputs, v.Name)
	}
	for _, v := range w.net.Graph().Outputs {
		ver.Results = append(ver.Results, v.Name)
	}
	for k, s := range w.stored {
		folder := fmt.Sprintf("%s%d", setPrefix, k)
		ver.Stored = append(ver.Stored, storedSet{folder, s.set.Name, s.set.Rows})
		b, err := encode(tolerances{ATol: s.atol})
		if err != nil {
			return nil, fmt.Errorf("bundle: %w", err)
		}
		files[folder+"/"+dataFile] = b
		for _, part := range []struct {
			kind  string
			names []string
			from  map[string]*ir.Tensor
		}{{"input", ver.Inputs, s.set.In}, {"output", ver.Results, s.want}} {
			for i, file := range ver.files(folder, part.kind, len(part.names)) {
				b, err := onnxexport.MarshalTensor(part.names[i], part.from[part.names[i]])
				if err != nil {
					return nil, fmt.Errorf("bundle: %s %q: %w", part.kind, part.names[i], err)
				}
				files[file] = b
			}
		}
	}
	var err error
	var inner arrays
	for i, l := range w.layers {
		inner.add(l.array(), w.values[i])
	}
	if files[layersFile], err = inner.pack(); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", layersFile, err)
	}
	if files[boundsFile], err = w.bounds(ctx, ver); err != nil {
		return nil, err
	}
	if files[dataFile], err = encode(tolerances{ATol: w.atol}); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", dataFile, err)
	}
	type training struct {
		Format int `json:"format"`
		engine.Record
	}
	rec, chosen := split(w.net.Record())
	if files[trainingFile], err = encode(training{Format, rec}); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", trainingFile, err)
	}
	if n := len(files[trainingFile]); n > maxTraining {
		return nil, fmt.Errorf("bundle: %s would have %d bytes, more than the %d that are read: the schema has too many or too long values; ignore fields of free text", trainingFile, n, maxTraining)
	}
	if w.reference != nil {
		if files[driftFile], err = encode(reference{Format, w.reference}); err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", driftFile, err)
		}
	}
	if len(chosen.Lists) > 0 {
		if files[rowsFile], err = encode(chosen); err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", rowsFile, err)
		}
	}
	for name, b := range files {
		ver.Files[name] = digest(b)
	}
	if files[verificationFile], err = encode(ver); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", verificationFile, err)
	}
	return files, nil
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
