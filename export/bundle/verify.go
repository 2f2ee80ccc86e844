package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// VerifyOptions says what Verify checks.
type VerifyOptions struct {
	// NumbersOnly ignores the hashes: a file that was rewritten is accepted if it
	// gives the stored numbers.
	NumbersOnly bool
}

// Verify says whether the bundle in dir still computes what was trained: it checks every
// file against its hash and replays every stored set on Lamina's own runtime, even if not
// named, and on those given. The verdict has the runtimes that ran; one that is not
// available is in Missing.
//
// The status is differs for a file that was altered, a missing node, an edited set, or a
// model that one runtime runs and another refuses; it names the first layer that shows the
// difference, if one does. The status is undetermined if less than verify.Enough of an
// output of the first set can be compared. It is unreadable, with an error that wraps
// ErrUnreadable, for a folder that is not a bundle or a model that runs nowhere. The folder
// may be hostile: sizes are checked against limits before anything is read, and no name in
// it leads out of it.
func Verify(ctx context.Context, dir string, runtimes ...verify.Runtime) (*Verdict, error) {
	return VerifyWith(ctx, dir, VerifyOptions{}, runtimes...)
}

// VerifyWith is Verify with options.
func VerifyWith(ctx context.Context, dir string, o VerifyOptions, runtimes ...verify.Runtime) (*Verdict, error) {
	v := &Verdict{Status: Holds, Runtimes: []verify.RuntimeInfo{}, Sets: []SetVerdict{}}
	r := &reader{v: v, budget: maxTensor, numbersOnly: o.NumbersOnly}
	err := r.verify(ctx, dir, runtimes)
	if err != nil {
		v.Status, v.Reason = Unreadable, err.Error()
		return v, err
	}
	return v, nil
}

// reader verifies one folder.
type reader struct {
	v         *Verdict
	root      *os.Root
	ver       *verification
	digest    string   // of verificationFile
	altered   []string // files that are not those that were written
	model     []byte
	sets      []replayed
	bounds    map[string]*ir.Tensor // of boundsFile
	refused   []error               // of runtimes that cannot run the model
	differing string                // the output that was found to differ first
	budget    int64                 // bytes of tensors that may still be read

	numbersOnly bool
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
	// Looked at before it is opened: opening a named pipe waits for a writer.
	fi, err := os.Stat(dir)
	if err == nil && !fi.IsDir() {
		err = &os.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return unreadable("%w", err)
	}
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
	if r.numbersOnly {
		return nil
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
		return unreadable("%s is not an ONNX model", modelFile)
	}
	if slices.Contains(r.altered, dataFile) {
		if b, err := r.read(dataFile, maxJSON); err != nil || decode(b, &tolerances{}) != nil {
			return unreadable("%s is not what was written", dataFile)
		}
	}
	if len(r.altered) > 0 {
		r.v.Status, r.v.Reason = Differs, r.alterations()
	}
	if err := r.stored(); err != nil {
		return err
	}
	r.determined()
	spoke := 0
	for _, rt := range executions(runtimes) {
		ok, err := r.replay(ctx, rt, m)
		switch {
		case errors.Is(err, verify.ErrUnavailable):
			r.v.Missing = append(r.v.Missing, err.Error())
		case err != nil:
			return err
		case ok:
			spoke++
		}
	}
	if len(r.refused) == 0 {
		return nil
	}
	if spoke == 0 && r.v.Status == Holds {
		return unreadable("%w", errors.Join(r.refused...))
	}
	return r.disagree(ctx, m)
}

// stored reads the sets and the bounds.
func (r *reader) stored() error {
	known := func(err error) error {
		if r.v.Status == Differs { // by its hash
			return nil
		}
		return unreadable("%w", err)
	}
	for _, s := range r.ver.Stored {
		set, err := r.set(s)
		if err != nil {
			if err = known(err); err != nil {
				return err
			}
			continue
		}
		r.sets = append(r.sets, set)
	}
	if err := r.readBounds(); err != nil {
		return known(err)
	}
	set, ok, err := r.hardRows()
	if err != nil {
		return known(err)
	}
	if ok {
		r.sets = append(r.sets, set)
		r.v.HardRows = set.Rows
	}
	return nil
}

// determined takes into the verdict how much of the first set can be compared.
func (r *reader) determined() {
	if len(r.sets) == 0 || r.sets[0].Folder != r.ver.Stored[0].Folder {
		return // it was altered
	}
	share, why := r.share(r.sets[0])
	r.v.Determined = share
	if why != "" && r.v.Status == Holds {
		r.v.Status, r.v.Reason = Undetermined, why
	}
}

// share is the least share of an output's elements that are determined, and what
// there is to say if that is not verify.Enough.
func (r *reader) share(set replayed) (least float64, why string) {
	least = 1
	for i, name := range r.ver.Results {
		share, _ := verify.Determined(set.want[name], r.allowed(set, i, set.want[name]))
		if share < verify.Enough && why == "" {
			why = fmt.Sprintf("%s, output %q: only %s of its elements are determined, and at least %s must be",
				set.Folder, name, verify.Percent(share), verify.Percent(verify.Enough))
		}
		least = min(least, share)
	}
	return least, why
}

// readBounds reads boundsFile; bundles of before have none.
func (r *reader) readBounds() error {
	if r.ver.Files[boundsFile] == "" {
		return nil
	}
	b, err := r.read(boundsFile, maxBounds)
	if err == nil {
		r.bounds, err = unpack(b, maxBounds)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", boundsFile, err)
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
		return nil, fmt.Errorf("%s is not a regular file", name)
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
			t, err := onnxexport.ParseTensor(b)
			if err != nil {
				return out, fmt.Errorf("%s: %w", file, err)
			}
			part.to[part.names[i]] = t
		}
	}
	return out, nil
}
