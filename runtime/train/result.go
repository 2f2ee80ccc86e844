package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Result is a finished training.
type Result struct {
	History []Epoch
	Best    int // number of the best epoch, by the loss or Options.BestBy

	model    *spec.Model
	prog     *compiler.Program
	params   map[string][]float32
	states   map[string][]float32
	averaged bool           // params are the averages
	cut      bool           // the program took the result before the training ended
	narrow   *compiler.BF16 // of a Net's products, nil for FP32
	folded   bool           // a BatchNorm of a Net is a part of its product
	drawing  bool           // Dropout and noise are in a Net as in training
	err      error          // why there is nothing to make a Net of
	rows     dataset.Source
	opt      Options
	kernels  string
	starts   []InitReport
	measured *measured // of rows

	earlier []Earlier // phases of the program, this one included; none without one
	program string    // all phases as a table
}

// Last returns the last epoch, or the zero Epoch if none was trained. With validation
// rows what ships is the weights of the best epoch, History[Best-1], unless
// Options.KeepLast is set.
func (r *Result) Last() Epoch {
	if len(r.History) == 0 {
		return Epoch{}
	}
	return r.History[len(r.History)-1]
}

// Param returns a copy of the trained parameter of that name, or nil if there is
// none.
func (r *Result) Param(name string) []float32 { return append([]float32(nil), r.params[name]...) }

// Precision returns what the training computed its products in.
func (r *Result) Precision() optim.Precision { return r.opt.Precision }

// netRows is the capacity of a Net's plan; more rows are run in parts.
const netRows = 256

// Net returns the trained function that computes these values and nothing else.
// They may be declared after the training, on a fresh input, with added layers that have
// no parameters. Inputs and outputs keep their names. State, such as the weights of a
// [spec.Average], becomes parameters that never change.
//
// A mistake is kept in the Net and returned by its Err and by whatever uses it:
// no value; values that do not belong together; a layer that was not trained.
func (r *Result) Net(values ...*spec.Value) *engine.Net {
	net, err := r.net(values)
	if err != nil {
		return engine.ErrNet(err)
	}
	return net
}

// Folded returns a result in whose Nets, and in their exports, each [spec.BatchNorm] is
// folded into the weights and bias of the product or convolution before it, or else after
// it. That saves an operation and gives the same rows up to rounding. A BatchNorm without
// such a neighbour of its own stays, as does one next to tied weights, or one before a
// convolution that pads.
func (r *Result) Folded() *Result {
	out := *r
	out.folded = true
	return &out
}

// Drawing returns a result in whose Nets Dropout and noise draw, as they do in training; all else is as in what ships, such as
// the statistics of a [spec.BatchNorm]. [engine.Net.Draw] chooses the random numbers. Many draws say how sure a classifier is
// (Gal and Ghahramani 2016). The Nets are for looking at and cannot be exported.
func (r *Result) Drawing() *Result {
	out := *r
	out.drawing = true
	return &out
}

// settle makes parameters of the state that g, the graph of the values, depends on, and
// returns its elements: what it was at the end of the training, or when the weights
// that the result has were best.
func (r *Result) settle(g *ir.Graph, values []*spec.Value) (map[string][]float32, error) {
	states, err := spec.StatesOf(values...)
	if err != nil {
		return nil, err
	}
	own := map[string][]float32{}
	for i, s := range states {
		x := r.state(s)
		if x == nil {
			return nil, fmt.Errorf("train: Net: the values depend on the state %q, which is not part of model %q", s.Name, r.prog.Name)
		}
		own[g.State[i].In.Name] = slices.Clone(x)
	}
	compiler.StateAsParams(g)
	return own, nil
}

// In returns a result whose Nets compute their products in precision p, as a training with it does. They are for looking
// at, and do not ship: what ships is FP32, in which Nets are without this. The record of a Net of a training in BF16 has
// what the difference is on the user's rows: see [engine.Precision].
func (r *Result) In(p optim.Precision) *Result {
	out, o := *r, r.opt
	o.Precision = p
	out.narrow = o.bf16()
	return &out
}

// comparedRows is how many of the user's rows say what a precision changes.
const comparedRows = 1024

// precision says what the precision of the training changes in a Net of these values: on the validation rows, or else on
// those of the training. made makes the Net with a record. It is nil in FP32.
func (r *Result) precision(made func(engine.Record) (*engine.Net, error), values []*spec.Value) (*engine.Precision, error) {
	if !r.opt.Precision.Narrow() || r.narrow != nil || r.drawing {
		return nil, nil
	}
	net, err := made(engine.Record{})
	if err != nil {
		return nil, err
	}
	p := &engine.Precision{Products: r.opt.Precision.String()}
	rows := r.rows
	if r.opt.Valid != nil {
		rows = r.opt.Valid
	}
	if !net.Fits(rows) {
		return p, nil
	}
	other, err := r.In(r.opt.Precision).net(values)
	if err != nil {
		return nil, err
	}
	p.Outputs, p.Rows, err = net.Compare(context.Background(), other, rows, comparedRows)
	return p, err
}

func (r *Result) net(values []*spec.Value) (*engine.Net, error) {
	if r.err != nil {
		return nil, r.err
	}
	g, params, err := spec.GraphOf(r.prog.Name, values...)
	if err != nil {
		return nil, err
	}
	ships := ir.FormatNoted(g, func(*ir.Value) string { return "" })
	own, err := r.settle(g, values)
	if err != nil {
		return nil, err
	}
	for _, p := range params {
		w, ok := r.value(p)
		if !ok {
			return nil, &spec.Error{Layer: p.Layer, Made: p.Pos.Made, From: p.Pos.From, Op: "Net",
				Rule: fmt.Sprintf("parameter %q was not trained: the layer is not part of model %q", p.Name, r.prog.Name)}
		}
		own[p.Name] = append([]float32{}, w...)
	}
	if r.drawing {
		if err := compiler.KeepDraws(g); err != nil {
			return nil, err
		}
	}
	if g, err = compiler.Front(g, true); err != nil {
		return nil, err
	}
	if r.folded {
		if err := compiler.FoldNorms(g, own); err != nil {
			return nil, err
		}
	}
	o := compiler.Options{Rows: netRows}
	if r.narrow != nil { // the products that the training narrows
		o.BF16, o.UpdateRows = r.narrow, r.opt.Batch*r.opt.Accumulate
	}
	pl, err := compiler.CompileGraph(g, o)
	if err != nil {
		return nil, err
	}
	rec, err := newRecord(r)
	if err != nil {
		return nil, err
	}
	rec.Ships = ships
	made := func(rec engine.Record) (*engine.Net, error) {
		return engine.NewNet(g, pl, own, rec, r.opt.Kernels...)
	}
	if rec.Precision, err = r.precision(made, values); err != nil {
		return nil, err
	}
	return made(rec)
}
