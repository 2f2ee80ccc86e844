package bundle

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// executions returns the runtimes that a file is run on: Lamina's own, and those
// that were named.
func executions(named []verify.Runtime) []verify.Runtime {
	own := native.Runtime()
	all := []verify.Runtime{own}
	for _, rt := range named {
		if rt != nil && rt.Name() != own.Name() {
			all = append(all, rt)
		}
	}
	return all
}

// independent reports whether a runtime that is not ours took part.
func independent(list []verify.RuntimeInfo) bool {
	for _, rt := range list {
		if rt.Name != native.Runtime().Name() {
			return true
		}
	}
	return false
}

// trained names the execution that gave the stored outputs.
func trained() *verify.RuntimeInfo {
	return &verify.RuntimeInfo{Name: "training engine", Version: native.Version + ", " + simd.Active() + " kernels"}
}

// replay runs every set on one runtime; ok means that it could.
func (r *reader) replay(ctx context.Context, rt verify.Runtime, m *onnxpb.ModelProto) (ok bool, err error) {
	version, err := rt.Version()
	if err != nil {
		return false, err
	}
	s, err := rt.Open(r.model)
	if errors.Is(err, verify.ErrUnavailable) {
		return false, err
	}
	r.v.Runtimes = append(r.v.Runtimes, verify.RuntimeInfo{Name: rt.Name(), Version: version})
	if err != nil {
		r.refused = append(r.refused, fmt.Errorf("%s refuses %s: %w", rt.Name(), modelFile, err))
		return false, ctx.Err()
	}
	defer s.Close()
	ok = true
	for _, set := range r.sets {
		got, err := s.Run(ctx, set.in)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			r.refused = append(r.refused, fmt.Errorf("%s cannot run set %q: %w", rt.Name(), set.Name, err))
			ok = false
			continue
		}
		r.compare(rt, set, got)
	}
	if r.v.Status == Differs && (len(r.altered) == 0 || r.altered[0] == modelFile) && r.v.Layer == "" {
		return ok, r.locate(ctx, rt, m)
	}
	return ok, nil
}

// disagree is the verdict on a model that a runtime refuses and another runs, or
// that was altered.
func (r *reader) disagree(ctx context.Context, m *onnxpb.ModelProto) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range r.refused {
		if r.v.Reason != "" {
			r.v.Reason += "; "
		}
		r.v.Reason += err.Error()
	}
	r.v.Status = Differs
	if r.v.Layer == "" {
		r.missingNode(m)
	}
	return nil
}

// compare holds the results of one set against what was stored.
func (r *reader) compare(rt verify.Runtime, set replayed, got map[string]*ir.Tensor) {
	sv := SetVerdict{Name: set.Folder, Rows: set.Rows}
	for i, name := range r.ver.Results {
		want := set.want[name]
		d := verify.Compare(got[name], want, r.allowed(set, i, want))
		if d.WorstAbs > sv.WorstAbs {
			sv.WorstAbs, sv.WorstRow = d.WorstAbs, d.Row
		}
		if set.Folder != hardSet {
			r.v.Tolerance = max(r.v.Tolerance, r.ver.Outputs[name])
		}
		if d.Bad > 0 && (r.v.Status == Holds || r.v.Status == Undetermined) {
			r.v.Status, r.differing = Differs, name
			r.v.Reason = fmt.Sprintf("%s, %s, output %q: %s", rt.Name(), set.Folder, name, d.First)
		}
	}
	if set.Folder == hardSet { // its numbers are of another order
		return
	}
	if sv.WorstAbs >= r.v.WorstAbs {
		r.v.WorstAbs, r.v.WorstRow = sv.WorstAbs, sv.WorstRow
	}
	for i := range r.v.Sets { // another runtime had this set before
		if r.v.Sets[i].Name == sv.Name {
			if sv.WorstAbs > r.v.Sets[i].WorstAbs {
				r.v.Sets[i] = sv
			}
			return
		}
	}
	r.v.Sets = append(r.v.Sets, sv)
}

// locate finds the first layer whose output for the stored rows is another. If
// only an output shows it, that is the layer.
func (r *reader) locate(ctx context.Context, rt verify.Runtime, m *onnxpb.ModelProto) error {
	b, err := r.read(layersFile, maxLayers)
	if err != nil {
		return nil // it is among the altered
	}
	wants, err := unpack(b, maxLayers)
	if err != nil {
		return nil
	}
	var taps []onnxexport.Tap
	for _, l := range r.ver.Layers {
		taps = append(taps, onnxexport.Tap{Layer: l.Name, Pos: l.Position, Value: l.Value})
	}
	shown, err := verify.Shown(rt, r.model, taps)
	if err != nil {
		r.missingNode(m)
		return ctx.Err()
	}
	defer shown.Close()
	differs := make([]bool, len(r.ver.Layers))
	for _, set := range r.sets {
		// layersFile holds the first rows of the last stored set.
		if set.Folder != hardSet && set.Folder != r.ver.Stored[len(r.ver.Stored)-1].Folder {
			continue
		}
		values, err := shown.Run(ctx, set.in)
		if err != nil {
			r.missingNode(m)
			return ctx.Err()
		}
		for i, l := range r.ver.Layers {
			want, tol := wants[l.array()], r.bounds[fmt.Sprintf(layerBound, i)]
			if set.Folder == hardSet {
				want, tol = r.bounds[fmt.Sprintf(hardLayer, i)], r.bounds[fmt.Sprintf(hardInner, i)]
			}
			if want == nil || len(want.Shape) == 0 {
				continue
			}
			if verify.Compare(firstRows(values[l.Value], want.Shape[0]), want, bounded(want, tol, l.Tolerance)).Bad > 0 {
				differs[i] = true
			}
		}
	}
	for i, l := range r.ver.Layers {
		if differs[i] || l.Value == r.differing && r.v.Layer == "" {
			r.v.Layer, r.v.Position = l.Name, l.Position
		}
		if differs[i] {
			break
		}
	}
	return nil
}

// missingNode names the first layer whose value no node makes any more.
func (r *reader) missingNode(m *onnxpb.ModelProto) {
	made := map[string]bool{}
	for _, n := range m.GetGraph().GetNode() {
		for _, s := range n.GetOutput() {
			made[s] = true
		}
	}
	for _, l := range r.ver.Layers {
		if !made[l.Value] && r.v.Layer == "" {
			r.v.Layer, r.v.Position = l.Name, l.Position
		}
	}
}
