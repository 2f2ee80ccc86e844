package bundle

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Limits on what an opened bundle takes while it runs.
const (
	openRows    = 256       // rows that run in one part, if the memory allows
	maxArena    = 256 << 20 // bytes of values in one part; a single row may take more
	maxRowArena = 1 << 30   // bytes of values of as few rows as possible
	maxTraining = 64 << 20  // bytes of training.json, and of rows.json
	maxElements = 1 << 28   // of any value, the batch counted as one row
	maxNodes    = 1 << 12   // compiling takes longer than in proportion to them
)

// ErrDiffers is wrapped by the errors of Open and Load for a bundle that is not
// what was written, or that does not compute what was trained.
var ErrDiffers = errors.New("the bundle does not compute what was trained")

// Opened is a bundle that was read and replayed.
type Opened struct {
	Net        *engine.Net
	Sets       []Set
	Tolerances map[string]float64  // of each output, over the stored sets
	Opset      int64               // of the ONNX default domain
	ModelBytes int64               // of model.onnx
	Reference  *evaluate.Reference // how columns and outputs were distributed, for a comparison with later rows; nil if the bundle does not say
	Digest     string              // SHA-256 of verification.json, which has those of all files, in hexadecimal
}

// Set is one stored test set.
type Set struct {
	Name     string
	Rows     int
	In, Want map[string]*ir.Tensor // by input, and by output
}

// Open returns the trained function of the bundle in dir, read without the Go code that
// declared it and without any runtime: see Load, which also returns the rest of the
// bundle.
func Open(ctx context.Context, dir string) (*engine.Net, error) {
	o, err := Load(ctx, dir)
	if err != nil {
		return nil, err
	}
	return o.Net, nil
}

// Load reads a bundle. It checks every file against its hash, reads model.onnx with
// package onnximport, compiles it, and replays every stored set within the stored
// tolerance, so that what it returns computes what was trained. The folder may be
// hostile, as for Verify.
//
// Errors wrap ErrDiffers for a file that was altered or a set that gives something else;
// ErrUnverified for an export that was never executed and compared, or of which too
// little can be compared; ErrUnreadable for what is not a bundle or needs too much memory,
// with an *onnximport.Unsupported for a model with ops that Lamina does not have; or the
// error of ctx.
func Load(ctx context.Context, dir string) (*Opened, error) {
	r := &reader{v: &Verdict{}, budget: maxTensor}
	defer r.close()
	o, err := r.load(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return o, nil
}

func differs(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrDiffers, fmt.Errorf(format, a...))
}

func (r *reader) load(ctx context.Context, dir string) (*Opened, error) {
	if err := r.start(ctx, dir); err != nil {
		return nil, err
	}
	if len(r.altered) > 0 {
		return nil, differs("%s", r.alterations())
	}
	if r.ver.Status != Holds {
		return nil, fmt.Errorf("%w: %s says %q", ErrUnverified, verificationFile, clip(r.ver.Status))
	}
	b, err := r.same(modelFile, maxModel)
	if err != nil {
		return nil, err
	}
	rec, err := r.record()
	if err != nil {
		return nil, err
	}
	m, err := onnximport.Decode(ctx, b, onnximport.Limits{Elements: maxElements})
	if err != nil {
		return nil, r.failed(ctx, "%s: %w", modelFile, err)
	}
	o := &Opened{Opset: m.Opset, ModelBytes: int64(len(b)), Digest: r.digest, Tolerances: r.ver.Outputs}
	if o.Net, err = compiled(m, rec); err != nil {
		return nil, r.failed(ctx, "%s: %w", modelFile, err)
	}
	if o.Reference, err = r.reference(o.Net); err != nil {
		return nil, err
	}
	if err := r.readBounds(); err != nil {
		return nil, unreadable("%w", err)
	}
	hard, ok, err := r.hardRows()
	if err != nil {
		return nil, unreadable("%w", err)
	}
	if ok {
		if err := r.repeat(ctx, o.Net, hard); err != nil {
			return nil, err
		}
	}
	for k, s := range r.ver.Stored {
		set, err := r.set(s)
		if err != nil {
			return nil, unreadable("%w", err)
		}
		if _, why := r.share(set); k == 0 && why != "" {
			return nil, fmt.Errorf("%w: %s", ErrUnverified, why)
		}
		if err := r.repeat(ctx, o.Net, set); err != nil {
			return nil, err
		}
		o.Sets = append(o.Sets, Set{s.Name, s.Rows, set.in, set.want})
	}
	return o, nil
}

// failed is unreadable, unless it is only that ctx ended.
func (r *reader) failed(ctx context.Context, format string, a ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return unreadable(format, a...)
}

// same reads a file that must be the one that was written.
func (r *reader) same(name string, limit int64) ([]byte, error) {
	b, err := r.read(name, limit)
	if err != nil {
		return nil, unreadable("%w", err)
	}
	if digest(b) != r.ver.Files[name] {
		return nil, differs("%s is not the file that was written", name)
	}
	return b, nil
}

// record reads the record of the training.
func (r *reader) record() (engine.Record, error) {
	var t struct {
		Format int `json:"format"`
		engine.Record
	}
	b, err := r.same(trainingFile, maxTraining)
	if err != nil {
		return t.Record, err
	}
	if err := decode(b, &t); err != nil {
		return t.Record, unreadable("%s: %w", trainingFile, err)
	}
	if t.Format != Format {
		return t.Record, unreadable("%s: format %d is not %d, the one this version reads", trainingFile, t.Format, Format)
	}
	if r.ver.Files[rowsFile] == "" {
		return t.Record, nil
	}
	var rows chosenRows
	if b, err = r.same(rowsFile, maxTraining); err != nil {
		return t.Record, err
	}
	if err := decode(b, &rows); err != nil {
		return t.Record, unreadable("%s: %w", rowsFile, err)
	}
	if rows.Format != Format {
		return t.Record, unreadable("%s: format %d is not %d, the one this version reads", rowsFile, rows.Format, Format)
	}
	return rows.join(t.Record), nil
}

// compiled makes a model a function whose values take a bounded memory.
func compiled(m *onnximport.Model, rec engine.Record) (net *engine.Net, err error) {
	// A model that no check of ours foresaw must not end the caller's program.
	defer func() {
		if p := recover(); p != nil {
			net, err = nil, fmt.Errorf("internal error: %v", p)
		}
	}()
	if n := len(m.Graph.Nodes); n > maxNodes {
		return nil, fmt.Errorf("the model becomes %d nodes, at most %d are compiled here", n, maxNodes)
	}
	g, err := compiler.Front(m.Graph, true)
	if err != nil {
		return nil, err
	}
	p, err := compiler.CompileWithin(g, compiler.Options{Rows: openRows}, maxArena)
	if err != nil {
		return nil, err
	}
	if p.Bytes() > maxRowArena {
		return nil, fmt.Errorf("its values take %d bytes for %d rows, more than %d", p.Bytes(), p.Capacity.Rows(), maxRowArena)
	}
	return engine.NewNet(g, p, m.ParamData(), rec)
}

// repeat runs one stored set.
func (r *reader) repeat(ctx context.Context, net *engine.Net, set replayed) error {
	got, err := net.Run(ctx, set.in)
	if err != nil {
		return r.failed(ctx, "set %q: %w", set.Folder, err)
	}
	for i, name := range r.ver.Results {
		want := set.want[name]
		if d := verify.Compare(got[name], want, r.allowed(set, i, want)); d.Bad > 0 {
			return differs("%s, output %q: %s", set.Folder, name, d.First)
		}
	}
	return nil
}

// clip cuts a text from a file to what an error may hold.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
