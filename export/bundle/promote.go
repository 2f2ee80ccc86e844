package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/export/verify"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Promotion says what Promote did.
type Promotion struct {
	Dir      string   `json:"dir"`      // the bundle
	Replaced bool     `json:"replaced"` // whether a bundle of that name existed
	Verdict  *Verdict `json:"verdict"`
}

// Promote turns the folder NAME.unverified, which Write leaves if it has no runtime
// besides Lamina's own, into the bundle NAME. It replays what is stored, as Verify does,
// and runs the file in all the batches and with all the made-up rows that Write would
// have used, on Lamina's own runtime and on those given. If everything holds,
// verification.json says so and the folder is renamed; an existing bundle NAME is kept
// until then and replaced. Otherwise nothing is changed.
//
// Errors: one that wraps ErrUnverified if no runtime besides Lamina's own was available;
// ErrDiffers if the file differs or too little can be compared to tell, where the verdict
// says which; ErrUnreadable as for Verify; a folder without that suffix; NAME exists and
// is not a bundle; a folder that cannot be renamed.
func Promote(ctx context.Context, dir string, runtimes ...verify.Runtime) (*Promotion, error) {
	name, ok := strings.CutSuffix(filepath.Clean(dir), Unverified)
	if base := filepath.Base(name); !ok || name == "" || base == "." || strings.HasSuffix(name, string(filepath.Separator)) {
		return nil, fmt.Errorf("bundle: %s is not named NAME%s, like an export that was not executed and compared", dir, Unverified)
	}
	place, err := newPlace(name)
	if err != nil {
		return nil, err
	}
	p := &Promotion{Dir: place.dir, Verdict: &Verdict{Status: Holds, Runtimes: []verify.RuntimeInfo{}, Sets: []SetVerdict{}}}
	r := &reader{v: p.Verdict, budget: maxTensor}
	fail := func(err error) (*Promotion, error) {
		return p, fmt.Errorf("bundle: %s is not promoted: %w", filepath.Base(dir), err)
	}
	if err := r.verify(ctx, dir, runtimes); err != nil {
		p.Verdict.Status, p.Verdict.Reason = Unreadable, err.Error()
		return fail(err)
	}
	if p.Verdict.Status != Holds {
		return fail(differs("%s", p.Verdict.Reason))
	}
	if !independent(p.Verdict.Runtimes) {
		return fail(fmt.Errorf("%w: no runtime besides Lamina's own is available: %s", ErrUnverified, strings.Join(p.Verdict.Missing, "; ")))
	}
	report, err := r.again(ctx, runtimes)
	if err != nil {
		return fail(err)
	}
	if err := report.Err(); err != nil {
		p.Verdict.Status, p.Verdict.Reason = report.Status, report.Reason
		p.Verdict.Layer, p.Verdict.Position = report.Layer, report.Position
		return fail(differs("%w", err))
	}
	report.Trained = r.ver.Trained
	r.ver.Report = report
	b, err := encode(r.ver)
	if err != nil {
		return fail(err)
	}
	if err := replaceable(place.dir); err != nil { // it took a while
		return fail(err)
	}
	if _, err := os.Stat(place.dir); err == nil {
		p.Replaced = true
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, verificationFile), b); err != nil {
		return fail(err)
	}
	if err := swap(filepath.Clean(dir), place.dir); err != nil {
		return fail(err)
	}
	return p, atomicfile.SyncDir(place.parent)
}

// again verifies the file as Write does, what Lamina makes of it standing for the
// trained function, whose stored outputs it has given.
func (r *reader) again(ctx context.Context, runtimes []verify.Runtime) (*verify.Report, error) {
	m, err := onnximport.Decode(ctx, r.model, onnximport.Limits{Elements: maxElements})
	if err != nil {
		return nil, r.failed(ctx, "%s: %w", modelFile, err)
	}
	net, err := compiled(m, engine.Record{})
	if err != nil {
		return nil, r.failed(ctx, "%s: %w", modelFile, err)
	}
	s := verify.Subject{Graph: net.Graph(), Params: net.Params(), Model: r.model, Run: net.Run}
	for k, set := range r.sets {
		if set.Folder != hardSet { // which are among the made-up rows
			s.Sets = append(s.Sets, verify.Set{Name: set.Name, Rows: set.Rows, In: set.in, Drawn: k > 0})
		}
	}
	rep, err := verify.Verify(ctx, s, executions(runtimes)...)
	if err == nil && !independent(rep.Runtimes) {
		err = fmt.Errorf("%w: %w", ErrUnverified, errors.Join(rep.Missing...))
	}
	return rep, err
}
