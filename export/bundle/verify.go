package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Verify says whether the bundle in dir still computes what was trained: it holds
// every file against its hash and replays every stored set on the runtimes.
//
// A file that was altered, a node that is gone, a set that was edited give the
// status differs, with the first layer that shows it where one does. What is no
// bundle gives the status unreadable and an error that wraps ErrUnreadable; a
// machine without a runtime gives one that wraps verify.ErrUnavailable. The
// folder may be hostile: sizes are held against limits before anything is read,
// and no name in it leads out of it.
func Verify(ctx context.Context, dir string, runtimes ...verify.Runtime) (*Verdict, error) {
	v := &Verdict{Status: Holds, Runtimes: []verify.RuntimeInfo{}, Sets: []SetVerdict{}}
	r := &reader{v: v, budget: maxTensor}
	err := r.verify(ctx, dir, runtimes)
	if err != nil {
		v.Status, v.Reason = Unreadable, err.Error()
		return v, err
	}
	return v, nil
}

// reader verifies one folder.
type reader struct {
	v       *Verdict
	root    *os.Root
	ver     *verification
	digest  string   // of verificationFile
	altered []string // files that are not those that were written
	model   []byte
	sets    []replayed
	budget  int64 // bytes of tensors that may still be read
}

type replayed struct {
	storedSet
	in, want map[string]*ir.Tensor
}

func unreadable(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrUnreadable, fmt.Errorf(format, a...))
}

// start opens the folder, reads what says what is in it, and holds the files
// against it. The root must be closed.
func (r *reader) start(ctx context.Context, dir string) error {
	var err error
	if r.root, err = os.OpenRoot(dir); err != nil {
		return unreadable("%w", err)
	}
	b, err := r.read(verificationFile, maxJSON)
	if err != nil {
		return unreadable("%w", err)
	}
	r.ver, r.digest = &verification{}, digest(b)
	if err := decode(b, r.ver); err != nil {
		return unreadable("%s: %w", verificationFile, err)
	}
	if err := r.ver.validate(); err != nil {
		return unreadable("%s: %w", verificationFile, err)
	}
	return r.hashes(ctx)
}

func (r *reader) close() {
	if r.root != nil {
		r.root.Close()
	}
}

func (r *reader) verify(ctx context.Context, dir string, runtimes []verify.Runtime) error {
	defer r.close()
	err := r.start(ctx, dir)
	if err != nil {
		return err
	}
	if r.model, err = r.read(modelFile, maxModel); err != nil {
		return unreadable("%w", err)
	}
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(r.model); err != nil || m.GetGraph() == nil || len(m.Graph.Output) == 0 {
		return unreadable("%s is no ONNX model", modelFile)
	}
	if slices.Contains(r.altered, dataFile) {
		if b, err := r.read(dataFile, maxJSON); err != nil || decode(b, &tolerances{}) != nil {
			return unreadable("%s is not what was written", dataFile)
		}
	}
	if len(r.altered) > 0 {
		r.v.Status, r.v.Reason = Differs, r.alterations()
	}
	for _, s := range r.ver.Stored {
		set, err := r.set(s)
		if err != nil {
			if r.v.Status == Differs { // known by its hash
				continue
			}
			return unreadable("%w", err)
		}
		r.sets = append(r.sets, set)
	}
	var missing []error
	for _, rt := range runtimes {
		err := r.replay(ctx, rt, m)
		if errors.Is(err, verify.ErrUnavailable) {
			missing = append(missing, err)
		} else if err != nil {
			return err
		}
	}
	if len(r.v.Runtimes) == 0 && r.v.Status == Holds {
		if len(missing) == 0 {
			missing = []error{verify.ErrUnavailable}
		}
		return fmt.Errorf("bundle: %w", errors.Join(missing...))
	}
	return nil
}

// alterations says which files were altered.
func (r *reader) alterations() string {
	s := r.altered[0] + " is not the file that was written"
	if n := len(r.altered) - 1; n > 0 {
		s += fmt.Sprintf(" (nor are %d others)", n)
	}
	return s
}

// read returns a file of at most limit bytes.
func (r *reader) read(name string, limit int64) ([]byte, error) {
	f, err := r.open(name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, err
}

func (r *reader) open(name string, limit int64) (*os.File, error) {
	info, err := r.root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), limit)
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	return f, nil
}

// cause drops the operation and the path of a file error.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// hashes finds the files that are not those that were written.
func (r *reader) hashes(ctx context.Context) error {
	names := make([]string, 0, len(r.ver.Files))
	for name := range r.ver.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := r.open(name, maxModel)
		if errors.Is(err, fs.ErrNotExist) && name != modelFile {
			r.altered = append(r.altered, name)
			continue
		}
		if err != nil {
			return unreadable("%w", err)
		}
		h := sha256.New()
		_, err = io.Copy(h, io.LimitReader(f, maxModel))
		f.Close()
		if err != nil {
			return unreadable("%s: %w", name, cause(err))
		}
		if hex.EncodeToString(h.Sum(nil)) != r.ver.Files[name] {
			r.altered = append(r.altered, name)
		}
	}
	// The model first: a change there explains the others.
	if i := slices.Index(r.altered, modelFile); i > 0 {
		r.altered[0], r.altered[i] = r.altered[i], r.altered[0]
	}
	return nil
}

// set reads one stored set.
func (r *reader) set(s storedSet) (replayed, error) {
	out := replayed{s, map[string]*ir.Tensor{}, map[string]*ir.Tensor{}}
	for _, part := range []struct {
		kind  string
		names []string
		to    map[string]*ir.Tensor
	}{{"input", r.ver.Inputs, out.in}, {"output", r.ver.Results, out.want}} {
		for i, file := range r.ver.files(s.Folder, part.kind, len(part.names)) {
			b, err := r.read(file, r.budget)
			if err != nil {
				return out, err
			}
			r.budget -= int64(len(b))
			p := &onnxpb.TensorProto{}
			if err := p.Unmarshal(b); err != nil {
				return out, fmt.Errorf("%s is no tensor: %w", file, err)
			}
			t, err := onnxexport.ParseTensor(p)
			if err != nil {
				return out, fmt.Errorf("%s: %w", file, err)
			}
			part.to[part.names[i]] = t
		}
	}
	return out, nil
}

// replay runs every set on one runtime.
func (r *reader) replay(ctx context.Context, rt verify.Runtime, m *onnxpb.ModelProto) error {
	version, err := rt.Version()
	if err != nil {
		return err
	}
	s, err := rt.Open(r.model)
	if err != nil {
		if r.v.Status == Differs && !errors.Is(err, verify.ErrUnavailable) {
			r.v.Runtimes = append(r.v.Runtimes, verify.RuntimeInfo{Name: rt.Name(), Version: version})
			r.v.Reason += fmt.Sprintf("; %s refuses it: %v", rt.Name(), err)
			r.missingNode(m)
			return nil
		}
		if errors.Is(err, verify.ErrUnavailable) {
			return err
		}
		return unreadable("%s refuses %s: %w", rt.Name(), modelFile, err)
	}
	defer s.Close()
	r.v.Runtimes = append(r.v.Runtimes, verify.RuntimeInfo{Name: rt.Name(), Version: version})
	for _, set := range r.sets {
		got, err := s.Run(ctx, set.in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if r.v.Status == Differs {
				r.v.Reason += fmt.Sprintf("; %s cannot run set %q: %v", rt.Name(), set.Name, err)
				continue
			}
			return unreadable("%s cannot run set %q: %w", rt.Name(), set.Name, err)
		}
		r.compare(rt, set, got)
	}
	if r.v.Status == Differs && (len(r.altered) == 0 || r.altered[0] == modelFile) && r.v.Layer == "" {
		return r.locate(ctx, rt, m)
	}
	return nil
}

// compare holds the results of one set against what was stored.
func (r *reader) compare(rt verify.Runtime, set replayed, got map[string]*ir.Tensor) {
	sv := SetVerdict{Name: set.Folder, Rows: set.Rows}
	for _, name := range r.ver.Results {
		want := set.want[name]
		tol := r.ver.Outputs[name]
		d := verify.Compare(got[name], want, flat(want, tol))
		if d.WorstAbs > sv.WorstAbs {
			sv.WorstAbs, sv.WorstRow = d.WorstAbs, d.Row
		}
		r.v.Tolerance = max(r.v.Tolerance, tol)
		if d.Bad > 0 && r.v.Status == Holds {
			r.v.Status = Differs
			r.v.Reason = fmt.Sprintf("%s, %s, output %q: %s", rt.Name(), set.Folder, name, d.First)
		}
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

// flat is an estimate that allows every element the same tolerance.
func flat(t *ir.Tensor, tol float64) verify.Estimate {
	e := verify.Estimate{Value: t, Var: make([]float64, t.Len())}
	if !(tol >= 0) || math.IsInf(tol, 0) {
		tol = 0
	}
	for i := range e.Var {
		e.Var[i] = tol * tol / (2 * verify.Sigmas * verify.Sigmas) * (1 + 1e-12)
	}
	return e
}

// locate finds the first layer whose output for the stored rows is another.
func (r *reader) locate(ctx context.Context, rt verify.Runtime, m *onnxpb.ModelProto) error {
	b, err := r.read(layersFile, maxLayers)
	if err != nil {
		return nil // it is among the altered
	}
	wants, err := unpackLayers(b, maxLayers)
	if err != nil || len(r.sets) == 0 {
		return nil
	}
	set := r.sets[len(r.sets)-1] // layersFile holds the first rows of the last set
	if set.Folder != r.ver.Stored[len(r.ver.Stored)-1].Folder {
		return nil
	}
	var taps []onnxexport.Tap
	for _, l := range r.ver.Layers {
		taps = append(taps, onnxexport.Tap{Layer: l.Name, Pos: l.Position, Value: l.Value})
	}
	values, err := verify.Values(ctx, rt, r.model, set.in, taps)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.missingNode(m)
		return nil
	}
	for _, l := range r.ver.Layers {
		got, want := values[l.Value], wants[l.Name]
		if want == nil {
			continue
		}
		if got != nil && len(got.Shape) > 0 && len(want.Shape) > 0 && got.Shape[0] > want.Shape[0] && got.DType.Float() {
			cut := got.To(ir.F32)
			got = &ir.Tensor{DType: ir.F32, Shape: append([]int{want.Shape[0]}, got.Shape[1:]...)}
			got.F32 = cut.F32[:min(ir.Elems(got.Shape), len(cut.F32))]
		}
		if verify.Compare(got, want, flat(want, l.Tolerance)).Bad > 0 {
			r.v.Layer, r.v.Position = l.Name, l.Position
			return nil
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
