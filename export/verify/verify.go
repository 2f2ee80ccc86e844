package verify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Verify runs s.Model on each runtime, with the given sets and with inputs chosen to break
// it, in batches of 1, 2, 7, 64 and all rows of the set, and compares with what was
// trained. A runtime that is not available is left out; without any, the error wraps
// ErrUnavailable.
//
// The report says whether the file holds; Report.Err turns that into an error. It holds
// only if Enough of each output's elements on each of the given sets is determined. The
// returned error is about what could not be done: an invalid graph, model or set, or the
// end of ctx.
func Verify(ctx context.Context, s Subject, runtimes ...Runtime) (*Report, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	r := &Report{Status: Holds, Trained: s.Trained, Determined: 1}
	var open []opened
	defer func() {
		for _, o := range open {
			o.session.Close()
		}
	}()
	for _, rt := range runtimes {
		version, err := rt.Version()
		if err == nil {
			var sess Session
			if sess, err = rt.Open(s.Model); err == nil {
				open = append(open, opened{rt, sess})
				r.Runtimes = append(r.Runtimes, RuntimeInfo{rt.Name(), version})
				continue
			}
		}
		if !errors.Is(err, ErrUnavailable) {
			return nil, fmt.Errorf("verify: %s refuses the model: %w", rt.Name(), err)
		}
		r.Missing = append(r.Missing, err)
	}
	if len(open) == 0 {
		if len(r.Missing) == 0 {
			r.Missing = []error{ErrUnavailable}
		}
		return nil, fmt.Errorf("verify: %w", errors.Join(r.Missing...))
	}
	v := &run{s: &s, r: r, params: tensors(&s), open: open, apart: ir.RowsApart(s.Graph)}
	if err := v.sets(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// sets runs every set until one differs.
func (v *run) sets(ctx context.Context) error {
	for _, set := range v.s.Sets {
		if done, err := v.set(ctx, set, true); done || err != nil {
			return err
		}
	}
	for _, set := range madeUp(v.s.Graph, v.s.Sets, varied) {
		if done, err := v.set(ctx, set, false); done || err != nil {
			return err
		}
	}
	return nil
}

type opened struct {
	rt      Runtime
	session Session
}

type run struct {
	s      *Subject
	r      *Report
	params map[string]*ir.Tensor
	open   []opened
	apart  bool
}

// tensors returns the parameters as tensors of their shapes.
func tensors(s *Subject) map[string]*ir.Tensor {
	out := map[string]*ir.Tensor{}
	put := func(v *ir.Value) {
		if x, ok := s.Params[v.Name]; ok {
			out[v.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Lengths(), F32: x}
		}
	}
	for _, v := range s.Graph.Params {
		put(v)
	}
	for _, st := range s.Graph.State {
		put(st.In)
	}
	return out
}

// set runs one set in every batch size; done means that a difference was found.
func (v *run) set(ctx context.Context, set Set, given bool) (done bool, err error) {
	sizes := append([]int{}, batches[:]...)
	if set.Rows != 1 && set.Rows != 2 && set.Rows != 7 && set.Rows != 64 {
		sizes = append(sizes, set.Rows)
	}
	at, err := set.lengths(Inputs(v.s.Graph))
	if err != nil {
		return false, fmt.Errorf("verify: set %q: %w", set.Name, err)
	}
	sr := SetReport{Name: set.Name, Rows: set.Rows, Batches: sizes, Lengths: lengthsOf(at)}
	all := 0
	for _, n := range sizes {
		all = max(all, n)
	}
	var whole map[*ir.Value]Estimate
	if v.apart {
		if whole, err = v.bound(set, at.WithRows(all)); err != nil {
			return false, err
		}
	}
	for _, n := range sizes {
		est := whole
		if est == nil {
			if est, err = v.bound(set, at.WithRows(n)); err != nil {
				return false, err
			}
		}
		if done, err = v.batch(ctx, set, at.WithRows(n), est, given, &sr); err != nil || done {
			break
		}
	}
	if err != nil {
		return false, err
	}
	v.r.Sets = append(v.r.Sets, sr)
	if given {
		v.r.Rows += set.Rows
		v.r.Batches = merge(v.r.Batches, sizes)
		if sr.WorstAbs >= v.r.WorstAbs {
			v.r.WorstAbs, v.r.WorstRow, v.r.WorstElement = sr.WorstAbs, sr.WorstRow, sr.WorstElement
		}
		v.r.Tolerance = max(v.r.Tolerance, sr.Tolerance)
		if sr.Largest > 0 {
			v.r.Relative = max(v.r.Relative, sr.Tolerance/sr.Largest)
		}
	}
	return done, err
}

// lengthsOf returns the free lengths by name, nil if there are none.
func lengthsOf(at ir.Binding) map[string]int {
	var out map[string]int
	for _, name := range at.Free() {
		if out == nil {
			out = map[string]int{}
		}
		out[name], _ = at.Of(name)
	}
	return out
}

// merge adds the numbers of b that a lacks.
func merge(a, b []int) []int {
	for _, n := range b {
		has := false
		for _, m := range a {
			has = has || m == n
		}
		if !has {
			a = append(a, n)
		}
	}
	return a
}

func (v *run) bound(set Set, at ir.Binding) (map[*ir.Value]Estimate, error) {
	in := map[string]*ir.Tensor{}
	for name, t := range v.params {
		in[name] = t
	}
	for name, t := range v.feed(set, at) {
		in[name] = t
	}
	// Inputs no output needs are absent from the file and from the sets.
	for _, x := range v.s.Graph.Inputs {
		if in[x.Name] == nil {
			in[x.Name] = ir.NewTensor(x.Type.DType, x.Type.Shape.At(at)...)
		}
	}
	return Bound(v.s.Graph, &ir.Env{Binding: at, UpdateRows: at.Rows()}, in)
}

func (v *run) feed(set Set, at ir.Binding) map[string]*ir.Tensor {
	in := map[string]*ir.Tensor{}
	for _, x := range Inputs(v.s.Graph) {
		in[x.Name] = take(set.In[x.Name], x, set.Rows, at)
	}
	return in
}

// batch runs n rows of the set on every runtime.
func (v *run) batch(ctx context.Context, set Set, at ir.Binding, est map[*ir.Value]Estimate, given bool, sr *SetReport) (done bool, err error) {
	n, in := at.Rows(), v.feed(set, at)
	var want map[string]*ir.Tensor
	if v.s.Run != nil {
		if want, err = v.s.Run(ctx, in); err != nil {
			return false, fmt.Errorf("verify: running what was trained on set %q, %d rows: %w", set.Name, n, err)
		}
	}
	if given && n == set.Rows && sr.Determined == nil {
		v.determine(set, at, est, want, sr)
	}
	for _, o := range v.open {
		got, err := o.session.Run(ctx, in)
		if err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			return false, fmt.Errorf("verify: %s on set %q, %d rows: %w", o.rt.Name(), set.Name, n, err)
		}
		for _, out := range v.s.Graph.Outputs {
			e := rowsOf(est[out], out.Type, at)
			w := wanted(want, out, e)
			d := Compare(got[out.Name], w, e)
			sr.note(out.Name, d, w)
			if d.Bad == 0 {
				continue
			}
			v.r.Status, v.r.Layer, v.r.Position = Differs, "", ""
			if err := v.explain(ctx, o, set, at, in, est, out, got[out.Name], w, d); err != nil {
				return false, err
			}
			return true, nil
		}
	}
	return false, nil
}

// wanted is what out should be: that of the trained function, else the reference.
func wanted(run map[string]*ir.Tensor, out *ir.Value, e Estimate) *ir.Tensor {
	if run == nil {
		return e.Value.To(out.Type.DType)
	}
	return run[out.Name]
}

// determine takes into the report how much of a given set can be compared.
func (v *run) determine(set Set, at ir.Binding, est map[*ir.Value]Estimate, want map[string]*ir.Tensor, sr *SetReport) {
	sr.Determined = map[string]float64{}
	for _, out := range v.s.Graph.Outputs {
		e := rowsOf(est[out], out.Type, at)
		w := wanted(want, out, e)
		if w == nil {
			continue // which the comparison reports
		}
		share, first := Determined(w, e)
		sr.Determined[out.Name] = share
		if set.Drawn {
			continue
		}
		v.r.Determined = min(v.r.Determined, share)
		if share >= Enough || v.r.Status != Holds {
			continue
		}
		row := max(w.Len()/max(set.Rows, 1), 1)
		v.r.Status = Undetermined
		v.r.Reason = fmt.Sprintf("set %q, output %q: only %s of its elements are determined, and at least %s must be; the first that is not is row %d, element %d: %s",
			set.Name, out.Name, Percent(share), Percent(Enough), first/row, first%row, undetermined(w, e, first))
		if n := v.vague(est, at); n != nil {
			v.r.Layer, v.r.Position = n.Layer, n.Pos.Portable()
		}
	}
}

// undetermined says why element i is not determined.
func undetermined(want *ir.Tensor, e Estimate, i int) string {
	x := want.At(i)
	switch tol := e.Tolerance(i); {
	case !finite(x):
		return fmt.Sprintf("it is %v", x)
	case !finite(tol):
		return "rounding decides it"
	default:
		return fmt.Sprintf("it is %.3g and may be off by %.3g", x, tol)
	}
}

// vague returns the first node too little of whose result is determined.
func (v *run) vague(est map[*ir.Value]Estimate, at ir.Binding) *ir.Node {
	for _, n := range v.s.Graph.Nodes {
		for _, out := range n.Out {
			e, ok := est[out]
			if !ok {
				continue
			}
			e = rowsOf(e, out.Type, at)
			if share, _ := Determined(e.Value, e); share < Enough {
				return n
			}
		}
	}
	return nil
}

// note keeps the worst of what was seen.
func (s *SetReport) note(output string, d Diff, want *ir.Tensor) {
	if d.WorstAbs > s.WorstAbs || s.WorstOutput == "" {
		s.WorstAbs, s.WorstRow, s.WorstElement, s.WorstOutput = d.WorstAbs, d.Row, d.Element, output
	}
	s.Tolerance = max(s.Tolerance, d.Tolerance)
	s.Largest = max(s.Largest, d.Largest)
	s.Undetermined += d.Undetermined
	if want != nil && !s.NotFinite {
		for i := range want.Len() {
			if x := want.At(i); math.IsNaN(x) || math.IsInf(x, 0) {
				s.NotFinite = true
				break
			}
		}
	}
}

// rowsOf returns the first rows of an estimate of type t, as many as at says.
func rowsOf(e Estimate, t ir.Type, at ir.Binding) Estimate {
	if e.Value == nil || t.Rank() == 0 || !t.Shape[0].Has(ir.Batch) {
		return e
	}
	shape := t.Shape.At(at)
	k := ir.Elems(shape)
	if k >= e.Value.Len() {
		return e
	}
	out := Estimate{Value: e.Value.Rows(0, shape[0])}
	if e.Var != nil {
		out.Var = e.Var[:k]
	}
	return out
}
