package verify

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Verify runs s.Model on each runtime, with the given sets and with inputs chosen
// to break it, in batches of 1, 2, 7, 64 and all rows of the set, and compares
// with what was trained. A runtime that cannot be had is left out; without any
// the error wraps ErrUnavailable.
//
// The report says whether the file holds; Report.Err makes that an error. The
// error returned is about what could not be done: a graph, model or set that is
// not one, ctx.
func Verify(ctx context.Context, s Subject, runtimes ...Runtime) (*Report, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	r := &Report{Status: Holds, Trained: s.Trained}
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
	v := &run{s: &s, r: r, params: tensors(&s), open: open, apart: RowsApart(s.Graph)}
	for _, set := range s.Sets {
		if done, err := v.set(ctx, set, true); done || err != nil {
			return finish(r, err)
		}
	}
	for _, set := range MadeUp(s.Graph, s.Sets) {
		if done, err := v.set(ctx, set, false); done || err != nil {
			return finish(r, err)
		}
	}
	return finish(r, nil)
}

func finish(r *Report, err error) (*Report, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
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
			out[v.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Bind(0), F32: x}
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
	sr := SetReport{Name: set.Name, Rows: set.Rows, Batches: sizes}
	all := 0
	for _, n := range sizes {
		all = max(all, n)
	}
	var whole map[*ir.Value]Estimate
	if v.apart {
		if whole, err = v.bound(set, all); err != nil {
			return false, err
		}
	}
	for _, n := range sizes {
		est := whole
		if est == nil {
			if est, err = v.bound(set, n); err != nil {
				return false, err
			}
		}
		if done, err = v.batch(ctx, set, n, est, &sr); err != nil || done {
			break
		}
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

func (v *run) bound(set Set, n int) (map[*ir.Value]Estimate, error) {
	in := map[string]*ir.Tensor{}
	for name, t := range v.params {
		in[name] = t
	}
	for name, t := range v.feed(set, n) {
		in[name] = t
	}
	// Inputs no output needs are absent from the file and from the sets.
	for _, x := range v.s.Graph.Inputs {
		if in[x.Name] == nil {
			in[x.Name] = ir.NewTensor(x.Type.DType, x.Type.Shape.Bind(n)...)
		}
	}
	return Bound(v.s.Graph, &ir.Env{Rows: n, UpdateRows: n}, in)
}

func (v *run) feed(set Set, n int) map[string]*ir.Tensor {
	in := map[string]*ir.Tensor{}
	for _, x := range Inputs(v.s.Graph) {
		in[x.Name] = take(set.In[x.Name], x, set.Rows, n)
	}
	return in
}

// batch runs n rows of the set on every runtime.
func (v *run) batch(ctx context.Context, set Set, n int, est map[*ir.Value]Estimate, sr *SetReport) (done bool, err error) {
	in := v.feed(set, n)
	var want map[string]*ir.Tensor
	if v.s.Run != nil {
		if want, err = v.s.Run(ctx, in); err != nil {
			return false, fmt.Errorf("verify: running what was trained on set %q, %d rows: %w", set.Name, n, err)
		}
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
			e := rowsOf(est[out], out.Type, n)
			w := want[out.Name]
			if v.s.Run == nil {
				w = e.Value.To(out.Type.DType)
			}
			d := Compare(got[out.Name], w, e)
			sr.note(out.Name, d, w)
			if d.Bad == 0 {
				continue
			}
			v.r.Status = Differs
			if err := v.explain(ctx, o, set, n, in, est, out, got[out.Name], w, d); err != nil {
				return false, err
			}
			return true, nil
		}
	}
	return false, nil
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

// rowsOf returns the first n rows of an estimate of type t.
func rowsOf(e Estimate, t ir.Type, n int) Estimate {
	if e.Value == nil || t.Rank() == 0 || !t.Shape[0].Symbolic() {
		return e
	}
	shape := t.Shape.Bind(n)
	k := ir.Elems(shape)
	if k >= e.Value.Len() {
		return e
	}
	cut := &ir.Tensor{DType: e.Value.DType, Shape: shape}
	switch e.Value.DType {
	case ir.F32:
		cut.F32 = e.Value.F32[:k]
	case ir.F64:
		cut.F64 = e.Value.F64[:k]
	case ir.I64:
		cut.I64 = e.Value.I64[:k]
	case ir.Bool:
		cut.Bool = e.Value.Bool[:k]
	}
	out := Estimate{Value: cut}
	if e.Var != nil {
		out.Var = e.Var[:k]
	}
	return out
}

// RowsApart reports whether no row of any value depends on another row of the
// batch, so that the first rows of a batch are what those rows give alone.
func RowsApart(g *ir.Graph) bool {
	batch := func(t ir.Type) bool { return t.Shape.Symbolic() }
	for _, n := range g.Nodes {
		any := false
		for _, v := range append(append([]*ir.Value{}, n.In...), n.Out...) {
			any = any || batch(v.Type)
		}
		if !any {
			continue
		}
		s, ok := n.Op.(ir.Splitter)
		if !ok {
			return false
		}
		for _, v := range n.Out { // a slice of the first is one of each
			if !v.Type.Shape.RowWise() {
				return false
			}
		}
		types := make([]ir.Type, len(n.In))
		for i, v := range n.In {
			types[i] = v.Type
		}
		access, ok := s.Split(types, n.Out[0].Type)
		if !ok || len(access) != len(types) {
			return false
		}
		for i, t := range types {
			if batch(t) && access[i] != ir.Axis0 {
				return false
			}
		}
	}
	return true
}
