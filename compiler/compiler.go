package compiler

import (
	"fmt"
	"io"
	"path"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// Options are the choices of a compilation. The zero value but for Rows is the
// default.
type Options struct {
	// Rows is the capacity of the plans: they run any number of rows up to it.
	Rows int
	// UpdateRows is the number of rows of a whole update, of which a run of the training plan may
	// have a part; 0 means Rows. It decides what pays only with so many rows and is not to depend
	// on how an update is divided.
	UpdateRows int
	// Lengths is the capacity of each other length that the graph names, such as T,
	// overriding the one that the graph declares.
	Lengths map[string]int
	// StoreGrads keeps the gradients, for clipping and accumulation. Otherwise each is
	// used for the update as soon as a tile of it is made.
	StoreGrads bool
	// Shards is the number of sums into which the sum over an update's rows is divided,
	// a power of two; 0 means 1. More than one needs StoreGrads.
	Shards int
	// Frozen names parameters of a model that are not trained: they get no gradient, and
	// nothing is computed backward that only they would need. If it names all running
	// statistics of an op, training uses the op as it ships.
	Frozen map[string]bool
	// Average, if not 0, is the momentum of a moving average of every trained parameter
	// of a model: state of the training plan, named AveragePrefix plus the name.
	Average float64
	// AverageShare makes 1-Average a state of the training plan with the name AverageShare,
	// a number that is set before each update.
	AverageShare bool
	// BF16, if not nil, makes the training plan of a model, or the plan of a graph, take the
	// operands of products in bf16. The evaluation plan of a model is in FP32, as what ships is.
	BF16 *BF16
	// Dump receives the text form after the pass named by DumpAfter, or after
	// every pass if that is "all".
	Dump      io.Writer
	DumpAfter string
	// Permute, if not 0, seeds a random order of the nodes before each pass.
	// Results do not depend on it; tests set it to see that.
	Permute uint64

	spread bool     // treat the model as a large one; tests set it, so that small ones meet every kind of task
	panels panelUse // where products read panels; tests set it
}

// Front returns the graph that export and every stage after it start from: ops
// whole, the batch still N. With inference set it is the function that ships,
// without what exists in training only and without inputs and parameters that
// nothing reads. g is not changed.
//
// Errors: *PassError with the mistake, an *ir.Error where a layer caused it;
// *InternalError.
func Front(g *ir.Graph, inference bool) (*ir.Graph, error) {
	s := &state{inference: inference}
	return s.front(g)
}

// Plain returns g with markers such as Grad, which have no meaning by themselves, replaced
// by ops, so that ir.Evaluate can run it. Everything else is unchanged. With inference set,
// gradients are those of the function that ships. g is not changed. Its errors are those of
// Front.
func Plain(g *ir.Graph, inference bool) (*ir.Graph, error) {
	s := &state{inference: inference}
	for _, p := range passes() {
		if p.name == "infer" || p.name == (ops.Grad{}).ReplacedBy() {
			s.rows = append(s.rows, p)
		}
	}
	return s.front(g)
}

// Gradient returns g with its gradient: the outputs of g, then one output
// grad/NAME for every parameter, in the order of Params. loss names the output,
// a float scalar, whose gradient is taken. g is not changed.
//
// Errors: as for Front; also a parameter that the loss does not reach, and an op without a
// gradient on the way.
func Gradient(g *ir.Graph, loss string) (*ir.Graph, error) {
	s := &state{loss: loss}
	h, err := s.front(g)
	if err != nil {
		return nil, err
	}
	if err := s.run(h, gradient); err != nil {
		return nil, err
	}
	return h, nil
}

// CompileGraph returns the plan that computes the outputs of any graph, read from a file or
// declared, as it ships: without what exists only in training.
//
// Errors: as for Front; also lengths that nothing bounds and a capacity that is not
// positive.
func CompileGraph(g *ir.Graph, o Options) (*plan.Plan, error) {
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	s := &state{opt: o, inference: true, planned: true}
	h, err := s.front(g)
	if err != nil {
		return nil, err
	}
	return s.finish(h, lowerOptions{capacity: o.capacity(h), segments: segmentsOf(h), spread: o.spread, panels: o.panels})
}

// CompileWithin is CompileGraph for as many rows, up to o.Rows, as keep the values of a
// plan within the given number of bytes, or for one row if even that takes more.
func CompileWithin(g *ir.Graph, o Options, bytes int) (*plan.Plan, error) {
	for {
		p, err := CompileGraph(g, o)
		if err != nil || p.Bytes() <= bytes || o.Rows <= 1 {
			return p, err
		}
		room := max(bytes-p.DerivedBytes, 0) // what is derived takes as much for any number of rows
		o.Rows = max(1, min(o.Rows-1, int(float64(o.Rows)*float64(room)/float64(p.ArenaBytes))))
	}
}

// segmentsOf describes the parameters of a graph that comes without a model.
func segmentsOf(g *ir.Graph) []plan.Segment {
	segs := make([]plan.Segment, len(g.Params))
	for i, p := range g.Params {
		segs[i] = plan.Segment{Name: p.Name, Layer: path.Dir(p.Name), Shape: p.Type.Shape.Lengths(), Decay: p.Type.Rank() > 1}
	}
	return segs
}

// front runs the first stage on a copy of g.
func (s *state) front(g *ir.Graph) (h *ir.Graph, err error) {
	if g == nil {
		return nil, fmt.Errorf("compiler: the graph is nil")
	}
	err = guard("copy", g, func() error {
		h, _ = g.Clone()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, s.run(h, front)
}

// finish runs the stages after the first and lowers g.
func (s *state) finish(g *ir.Graph, o lowerOptions) (*plan.Plan, error) {
	for _, st := range []stage{gradient, back} {
		if err := s.run(g, st); err != nil {
			return nil, err
		}
	}
	return s.lower(g, o)
}
