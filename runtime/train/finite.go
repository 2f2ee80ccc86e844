package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// ErrNotFinite is what a training that went out of bounds returns, wrapped: its loss, the norm of a gradient, a parameter or the
// validation loss is not finite. Often a smaller learning rate helps.
var ErrNotFinite = errors.New("not finite")

// early is how many updates of a training are watched from its first: what is wrong
// with a declaration or with the data mostly shows there.
const early = 8

// watch keeps the parameters as they are before an update after which every one of
// them is looked at: the first few, the last of an epoch, and those before a
// checkpoint. Of the others the loss alone tells.
func (t *Trainer) watch(runs int) bool {
	every := int64(t.opt.CheckpointEvery)
	if t.cursor.Update >= early && t.cursor.Step+runs < t.batches.Steps() && (every == 0 || (t.cursor.Update+1)%every != 0) {
		return false
	}
	t.keep(&t.before)
	return true
}

// settled returns an error if a watched update left a parameter that is not finite,
// with the op and the layer that made the first such number.
func (t *Trainer) settled() error {
	name := t.badParam()
	if name == "" {
		return nil
	}
	what := notFinite("train: epoch %d, step %d: parameter %q is not finite after update %d", t.cursor.Epoch+1, t.cursor.Step+1, name, t.cursor.Update+1)
	was := engine.NewStore(t.prog.Train.Segments, nil, t.prog.Train.States...)
	for name, x := range t.before.params {
		copy(was.Param(name), x)
	}
	for name, x := range t.before.states {
		copy(was.State(name), x)
	}
	f, err := engine.FirstNonFinite(t.prog.Train, was, t.feed.whole(), t.feed.lengths(t.feed.batch), &t.update, t.opt.Kernels...)
	if err != nil {
		return errors.Join(what, err)
	}
	if f == nil && t.opt.pieces() == 1 {
		return fmt.Errorf("%w: its gradient is finite, but the step of %s with the learning rate %v is too large for float32; try a smaller learning rate%s",
			what, t.opt.Optimizer.Name(), t.state.Rate, t.lastGood())
	}
	return fmt.Errorf("%w; %s%s%s", what, made(f), t.advice(t.prog.Train, t.feed, besideEdge), t.lastGood())
}

// explain turns a loss or a norm that is not finite into an error that names the
// epoch, the step and the first layer that made a value that is not finite.
func (t *Trainer) explain(err error, what string) error {
	var nf *engine.NonFinite
	if !errors.As(err, &nf) {
		return fmt.Errorf("train: epoch %d, step %d: %w", t.cursor.Epoch+1, t.cursor.Step+1, err)
	}
	where := ""
	if name := t.badParam(); name != "" {
		// What it was before is gone.
		where = fmt.Sprintf("parameter %q is not finite after update %d; run it again with a Dir and CheckpointEvery 1 to learn which op made it", name, t.cursor.Update)
	} else if f, ferr := engine.FirstNonFinite(t.prog.Train, t.store, t.feed.whole(), t.feed.lengths(t.feed.batch), &t.update, t.opt.Kernels...); ferr != nil {
		where = ferr.Error()
	} else {
		where = made(f) + t.advice(t.prog.Train, t.feed, slower)
	}
	return &unbounded{fmt.Sprintf("train: epoch %d, step %d: the %s is %v; %s%s", t.cursor.Epoch+1, t.cursor.Step+1, what, nf.Loss, where, t.lastGood()), err}
}

// unbounded is the engine's error in words that already say what that one says.
type unbounded struct {
	text string
	err  error
}

func (e *unbounded) Error() string { return e.text }

func (e *unbounded) Unwrap() error { return e.err }

// Is makes it an ErrNotFinite too.
func (e *unbounded) Is(target error) bool { return target == ErrNotFinite }

// notFinite is an ErrNotFinite that says what is not.
func notFinite(format string, a ...any) error {
	return &unbounded{text: fmt.Sprintf(format, a...)}
}

// made says where a value that is not finite came from.
func made(f *engine.Fault) string {
	if f == nil {
		return "no layer's value is without bounds by itself"
	}
	return "the first value that is not finite is made by " + f.String()
}

// farOut is a magnitude of data beyond which it is they that want a smaller scale.
const farOut = 1e6

// What else may help.
const (
	slower     = "try a smaller learning rate or ClipNorm"
	besideEdge = "a square root or a quotient near 0 has no finite gradient: keep its operand away from 0, or try a smaller learning rate"
)

// advice is what may help, and nothing that cannot: a learning rate has no part in
// what the first update gives, or in data far out.
func (t *Trainer) advice(p *plan.Plan, f *feed, otherwise string) string {
	name, most := "", 0.0
	for _, port := range p.Inputs {
		x := f.whole()[port.Name]
		if x.DType != ir.F32 || slices.Contains(f.given, port.Name) {
			continue
		}
		for _, v := range x.F32 {
			if a := math.Abs(float64(v)); a > most {
				name, most = port.Name, a
			}
		}
	}
	switch {
	case most >= farOut:
		return fmt.Sprintf("; column %q reaches %.3g: scale the data", name, most)
	case t.cursor.Update == 0:
		return "; the parameters are as they began, so the declaration is where to look: a square root or a quotient near 0, an exponential of much, an initializer"
	}
	return "; " + otherwise
}

// badParam returns the first parameter that is not finite, or "".
func (t *Trainer) badParam() string {
	for _, p := range t.prog.Params {
		for _, x := range t.store.Param(p.Name) {
			if x-x != 0 {
				return p.Name
			}
		}
	}
	return ""
}

// invalid explains a validation loss that is not finite, after a batch that gave one.
func (t *Trainer) invalid(loss float64) error {
	p := t.eval.losses
	f, err := engine.FirstNonFinite(t.prog.Eval, t.eval.store, p.feed.whole(), p.feed.lengths(p.feed.batch), nil, t.opt.Kernels...)
	if err != nil {
		return err
	}
	return notFinite("train: epoch %d: the validation loss is %v; %s%s%s", t.cursor.Epoch+1, loss, made(f), t.advice(t.prog.Eval, p.feed, slower), t.lastGood())
}
