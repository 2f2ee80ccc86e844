package verify

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// explain finds the first layer whose result differs: it makes every value of
// the file an output of a temporary copy and runs that.
func (v *run) explain(ctx context.Context, o opened, set Set, at ir.Binding, in map[string]*ir.Tensor, est map[*ir.Value]Estimate, out *ir.Value, got, want *ir.Tensor, d Diff) error {
	r := v.r
	r.Reason = fmt.Sprintf("%s, set %q, %d rows, output %q: %s", o.rt.Name(), set.Name, at.Rows(), out.Name, d.First)
	e := rowsOf(est[out], out.Type, at)
	exact := e.Value.To(out.Type.DType)
	if v.s.Run != nil && Compare(got, exact, e).Bad == 0 && Compare(want, exact, e).Bad > 0 {
		r.Reason += "; the file agrees with the float64 reference, the trained function does not"
		if out.Def != nil {
			r.Layer, r.Position = out.Def.Layer, out.Def.Pos.Portable()
		}
		return nil
	}
	taps := v.s.Taps
	if taps == nil {
		taps = v.match()
	}
	tap, err := firstDifference(ctx, o.rt, v.s.Model, in, taps, func(t onnxexport.Tap, got *ir.Tensor) bool {
		e, ok := est[t.IR]
		if !ok {
			return false
		}
		e = rowsOf(e, t.IR.Type, at)
		return Compare(got, e.Value.To(t.IR.Type.DType), e).Bad > 0
	})
	if err != nil {
		return err
	}
	if tap == nil && out.Def != nil {
		r.Layer, r.Position = out.Def.Layer, out.Def.Pos.Portable()
	}
	if tap != nil {
		r.Layer, r.Position = tap.Layer, tap.Pos
	}
	return nil
}

// match pairs the layers that the file's doc_strings name with the results of the last
// node of each layer of the graph. Where the file's node has more, as that of a TopK
// whose elements nothing reads, the last are meant.
func (v *run) match() []onnxexport.Tap {
	all, err := onnxexport.Layers(v.s.Model)
	if err != nil {
		return nil
	}
	last := map[string][]*ir.Value{}
	for _, n := range v.s.Graph.Nodes {
		last[n.Layer] = n.Out
	}
	var taps []onnxexport.Tap
	for len(all) > 0 {
		k := 1
		for k < len(all) && all[k].Layer == all[0].Layer {
			k++
		}
		of := last[all[0].Layer]
		for i, t := range all[:k] {
			if j := i - k + len(of); j >= 0 {
				t.IR = of[j]
				taps = append(taps, t)
			}
		}
		all = all[k:]
	}
	return taps
}

// firstDifference returns the first tap for which differs is true of the value
// that the file gives, or nil.
func firstDifference(ctx context.Context, rt Runtime, model []byte, in map[string]*ir.Tensor, taps []onnxexport.Tap, differs func(onnxexport.Tap, *ir.Tensor) bool) (*onnxexport.Tap, error) {
	values, err := Values(ctx, rt, model, in, taps)
	if err != nil {
		return nil, err
	}
	for i := range taps {
		if t := values[taps[i].Value]; t != nil && differs(taps[i], t) {
			return &taps[i], nil
		}
	}
	return nil, nil
}

// Values runs model with the value of every tap made an output, and returns all outputs
// by name. Taps whose value is not in the file are skipped.
//
// Errors: a model that cannot be read or run.
func Values(ctx context.Context, rt Runtime, model []byte, in map[string]*ir.Tensor, taps []onnxexport.Tap) (map[string]*ir.Tensor, error) {
	s, err := Shown(rt, model, taps)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(ctx, in)
}

// Shown opens model with the value of every tap made an output. Taps whose value is not
// in the file are skipped.
//
// Errors: a model that cannot be read.
func Shown(rt Runtime, model []byte, taps []onnxexport.Tap) (Session, error) {
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(model); err != nil {
		return nil, fmt.Errorf("verify: reading the model: %w", err)
	}
	g := m.GetGraph()
	if g == nil {
		return nil, fmt.Errorf("verify: the model has no graph")
	}
	shown := map[string]bool{}
	for _, o := range g.Output {
		shown[o.Name] = true
	}
	info := map[string]*onnxpb.ValueInfoProto{}
	for _, x := range g.ValueInfo {
		info[x.Name] = x
	}
	for _, t := range taps {
		if x := info[t.Value]; x != nil && !shown[t.Value] {
			shown[t.Value] = true
			g.Output = append(g.Output, x)
		}
	}
	kept := g.ValueInfo[:0]
	for _, x := range g.ValueInfo {
		if !shown[x.Name] {
			kept = append(kept, x)
		}
	}
	g.ValueInfo = kept
	b, err := m.Marshal()
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	s, err := rt.Open(b)
	if err != nil {
		return nil, fmt.Errorf("verify: %s refuses the model with its inner values shown: %w", rt.Name(), err)
	}
	return s, nil
}
