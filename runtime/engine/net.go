package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// Net is a trained function: a graph, its parameters, and the record of the
// training. It may be called by any number of goroutines at once. A row's result
// has the same bits in whatever batch it arrives.
type Net struct {
	err     error
	g       *ir.Graph
	p       *plan.Plan
	s       *Store
	rec     Record
	slow    Slow
	kernels []Maker
	mixes   bool        // some result depends on more than its own row
	draws   *Update     // whose random numbers are drawn, nil for those of no seed
	inputs  []*ir.Value // of the plan, in port order
	given   []given     // where the lengths of a call come from

	warm  atomic.Pointer[Engine] // the one that calls after each other use, nil while it is in use
	lanes chan *Engine           // as many more as there are processors, nil until they are needed
}

// NewNet returns the function that plan p computes with these parameters; g is
// the graph it was compiled from. The parameters are copied. A Net needs no
// closing. kernels are those of [Options].
//
// Errors: a parameter that is absent or of another size; a plan that updates
// parameters, that has state or that does not verify.
func NewNet(g *ir.Graph, p *plan.Plan, params map[string][]float32, rec Record, kernels ...Maker) (*Net, error) {
	if g == nil || p == nil {
		return nil, errors.New("engine: a Net needs a graph and a plan")
	}
	if len(p.States) > 0 {
		return nil, fmt.Errorf("engine: plan %q has the state %q, which a function does not: make a parameter of it", p.Name, p.States[0].Name)
	}
	n := &Net{g: g, p: p, rec: rec, kernels: kernels, mixes: !ir.RowsApart(g), s: NewStore(p.Segments, nil)}
	for i := range p.Segments {
		seg := &p.Segments[i]
		w, ok := params[seg.Name]
		if !ok || len(w) != seg.Len() {
			return nil, fmt.Errorf("engine: parameter %q must have %d elements (shape %v), got %d", seg.Name, seg.Len(), seg.Shape, len(w))
		}
		copy(n.s.Param(seg.Name), w)
	}
	n.s.freeze()
	for i := range p.Steps {
		if p.Steps[i].Param >= 0 {
			return nil, fmt.Errorf("engine: plan %q is one for training; compile the graph for inference", p.Name)
		}
	}
	for _, port := range p.Inputs {
		if s := p.Buffers[port.Buffer].Type.Shape; s.Has(ir.Batch) && !ofRows(s) {
			n.mixes = true // its rows are not contiguous
		}
		n.inputs = append(n.inputs, &ir.Value{Name: port.Name, Type: p.Buffers[port.Buffer].Type})
	}
	var err error
	if n.given, err = lengthsOf(n.inputs, p.Capacity); err != nil {
		return nil, fmt.Errorf("engine: plan %q: %w", p.Name, err)
	}
	if err := n.open(); err != nil {
		return nil, err
	}
	return n, nil
}

// open makes the first engine and the places of the others.
func (n *Net) open() error {
	e, err := n.lane()
	if err != nil {
		return err
	}
	n.slow = e.Slow()
	n.warm.Store(e)
	n.lanes = make(chan *Engine, max(runtime.GOMAXPROCS(0), 1))
	for len(n.lanes) < cap(n.lanes) {
		n.lanes <- nil
	}
	return nil
}

// ErrNet returns a Net that only holds a mistake: every use of it returns err.
func ErrNet(err error) *Net {
	if err == nil {
		err = errors.New("engine: the Net was never made")
	}
	return &Net{err: err, g: &ir.Graph{Data: map[*ir.Value]*ir.Tensor{}}}
}

// Err returns the mistake the Net was made with, or nil.
func (n *Net) Err() error {
	if n == nil {
		return errors.New("engine: the Net is nil")
	}
	return n.err
}

// Graph returns the graph, without nodes if there was a mistake. It must not be
// changed.
func (n *Net) Graph() *ir.Graph { return n.g }

// Params returns the parameters by name. They must not be changed.
func (n *Net) Params() map[string][]float32 {
	out := map[string][]float32{}
	if n.s != nil {
		for i := range n.s.segs {
			out[n.s.segs[i].Name] = n.s.part(n.s.params, n.s.segs[i].Name)
		}
	}
	return out
}

// Record returns the record of the training.
func (n *Net) Record() Record { return n.rec }

// Run computes the outputs, by name, for inputs by name. Inputs have the batch
// as their first axis, all with the same number of rows. Other lengths that they share by
// name must be equal too. Floats may be of any floating-point type and are converted to
// that of the input; other elements are taken as they are. Any number of
// rows is split into parts of the plan's capacity that run on as many goroutines as
// there are processors. It returns soon after ctx ends.
//
// Errors: an input that is missing or of another type or shape; that of the context; more
// rows than the capacity for a function whose rows depend on each other; another
// length above its capacity.
func (n *Net) Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	fed, err := n.converted(in)
	if err != nil {
		return nil, err
	}
	at, err := n.lengths(fed)
	if err != nil {
		return nil, err
	}
	out := n.outputs(at)
	return out, n.run(ctx, fed, out, at, 0)
}

// outputs makes memory for the outputs at these lengths.
func (n *Net) outputs(at ir.Binding) map[string]*ir.Tensor {
	out := make(map[string]*ir.Tensor, len(n.p.Outputs))
	for _, o := range n.p.Outputs {
		t := n.p.Buffers[o.Buffer].Type
		out[o.Name] = ir.NewTensor(t.DType, t.Shape.At(at)...)
	}
	return out
}

// converted returns the inputs with floats of the type that the graph has.
//
// Errors: a number that is finite and not in the type of the input.
func (n *Net) converted(in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	fed := maps.Clone(in)
	for _, v := range n.inputs {
		t, d := in[v.Name], v.Type.DType
		if t == nil || t.DType == d || !t.DType.Float() || !d.Float() {
			continue
		}
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("engine: input %q: %w", v.Name, err)
		}
		c := t.To(d)
		for i := range c.Len() {
			if x := t.At(i); math.IsInf(c.At(i), 0) && !math.IsInf(x, 0) {
				return nil, fmt.Errorf("engine: input %q: element %d is %v, which is too large for %v", v.Name, i, x, d)
			}
		}
		fed[v.Name] = c
	}
	return fed, nil
}

// RunInto is like Run but writes into the caller's tensors, which must have the types and
// lengths of the outputs; inputs must have the plan's dtype. It allocates nothing
// when the rows fit the plan's capacity.
func (n *Net) RunInto(ctx context.Context, in, out map[string]*ir.Tensor) error {
	return n.runFrom(ctx, in, out, 0)
}

// runFrom is RunInto of rows that others come before.
func (n *Net) runFrom(ctx context.Context, in, out map[string]*ir.Tensor, first int) error {
	if err := n.Err(); err != nil {
		return err
	}
	at, err := n.lengths(in)
	if err != nil {
		return err
	}
	for _, o := range n.p.Outputs {
		t, have := n.p.Buffers[o.Buffer].Type, out[o.Name]
		if have == nil || have.DType != t.DType || have.Len() != t.Shape.ElemsAt(at) {
			return fmt.Errorf("engine: output %q needs a tensor of %v with %v", o.Name, t, at)
		}
	}
	return n.run(ctx, in, out, at, first)
}

// ofRows reports whether a value is rows of the batch, one behind the other.
func ofRows(s ir.Shape) bool {
	axis, ok := ir.BatchAxis(s)
	return ok && axis == 0
}

// Capacity returns the rows that run in one part.
func (n *Net) Capacity() int {
	if n.p == nil {
		return 0
	}
	return n.p.Capacity.Rows()
}

// unread returns the number of rows where the plan reads no input that has them:
// the outputs may still have the batch, as constants of its length. Without any
// such input it is 1.
func (n *Net) unread(in map[string]*ir.Tensor) int {
	for _, v := range n.g.Inputs {
		t := in[v.Name]
		for i, d := range v.Type.Shape {
			unit, times := d.Unit()
			if m, ok := times.Known(); ok && m > 0 && unit == ir.Rows() && t != nil && i < len(t.Shape) {
				return t.Shape[i] / m
			}
		}
	}
	return 1
}

// run splits the rows into parts; first is how many rows come before them.
func (n *Net) run(ctx context.Context, in, out map[string]*ir.Tensor, at ir.Binding, first int) error {
	rows, most := at.Rows(), n.p.Capacity.Rows()
	if rows == 0 {
		return ctx.Err()
	}
	parts := (rows + most - 1) / most
	if parts == 1 {
		return n.part(ctx, in, out, at, first, 0, rows)
	}
	if n.mixes {
		return n.tooMany(rows)
	}
	for _, o := range n.p.Outputs {
		if s := n.p.Buffers[o.Buffer].Type.Shape; !ofRows(s) {
			return fmt.Errorf("engine: %d rows are more than the capacity of %d, and output %q %v has no rows", rows, most, o.Name, s)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, min(parts, cap(n.lanes)))
	for w := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < parts && errs[w] == nil; i += len(errs) {
				errs[w] = n.part(ctx, in, out, at, first, i*most, min(rows, (i+1)*most))
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *Net) tooMany(rows int) error {
	return fmt.Errorf("engine: %d rows are more than the capacity of %d, and the rows of %q depend on each other", rows, n.p.Capacity.Rows(), n.p.Name)
}

// part computes rows [lo,hi).
func (n *Net) part(ctx context.Context, in, out map[string]*ir.Tensor, at ir.Binding, first, lo, hi int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e := n.warm.Swap(nil); e != nil {
		defer n.warm.Store(e)
		return n.runOn(e, ctx, in, out, at, first, lo, hi)
	}
	var e *Engine
	select {
	case e = <-n.lanes:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { n.lanes <- e }()
	if e == nil {
		made, err := n.lane()
		if err != nil {
			return err
		}
		e = made
	}
	return n.runOn(e, ctx, in, out, at, first, lo, hi)
}

// runOn computes rows [lo,hi) by an engine that nobody else uses meanwhile.
func (n *Net) runOn(e *Engine, ctx context.Context, in, out map[string]*ir.Tensor, at ir.Binding, first, lo, hi int) error {
	if n.draws != nil {
		e.random = *n.draws
		e.random.FirstRow = first + lo
	}
	if err := e.bindLengths(at.WithRows(hi - lo)); err != nil {
		return err
	}
	for i, v := range n.inputs {
		e.views[n.p.Inputs[i].Buffer] = rowsOf(v, in[v.Name], at, lo, hi)
	}
	e.reshape()
	e.context = ctx
	err := e.execute(nil)
	e.context = nil
	if err == nil {
		n.result(e, out, lo, hi)
	}
	for _, port := range n.p.Inputs {
		e.views[port.Buffer] = view{} // the caller's memory is not kept
	}
	e.reshape()
	return err
}

// result copies what an engine made of rows [lo,hi).
func (n *Net) result(e *Engine, out map[string]*ir.Tensor, lo, hi int) {
	for i := range n.p.Outputs {
		o := &n.p.Outputs[i]
		v, dst, from, elems := &e.views[o.Buffer], out[o.Name], 0, *e.elems[o.Buffer]
		if lo > 0 && n.p.Buffers[o.Buffer].Type.Shape.Has(ir.Batch) {
			from = elems / (hi - lo) * lo
		}
		switch dst.DType {
		case ir.F32:
			copy(dst.F32[from:], v.f32[:elems])
		case ir.F64:
			copy(dst.F64[from:], v.f64[:elems])
		case ir.I64:
			copy(dst.I64[from:], v.i64[:elems])
		case ir.Bool:
			copy(dst.Bool[from:], v.b[:elems])
		default:
			size := dst.DType.Size()
			copy(dst.Raw[from*size:], v.raw[:elems*size])
		}
	}
}

// rowsOf returns rows [lo,hi) of an input, all of one without rows.
func rowsOf(v *ir.Value, t *ir.Tensor, at ir.Binding, lo, hi int) view {
	if hi-lo == at.Rows() || !v.Type.Shape.Has(ir.Batch) {
		return part(t, 0, t.Len())
	}
	row := v.Type.Shape.ElemsAt(at.WithRows(1))
	return part(t, lo*row, hi*row)
}

// part returns the elements [from,to) of t.
func part(t *ir.Tensor, from, to int) view {
	switch t.DType {
	case ir.F32:
		return view{f32: t.F32[from:to]}
	case ir.F64:
		return view{f64: t.F64[from:to]}
	case ir.I64:
		return view{i64: t.I64[from:to]}
	case ir.Bool:
		return view{b: t.Bool[from:to]}
	}
	size := t.DType.Size()
	return view{raw: t.Raw[from*size : to*size]}
}

// lane returns a new engine. One worker has no goroutine, so it needs no closing.
func (n *Net) lane() (*Engine, error) { return New(n.p, n.s, Options{Workers: 1, Kernels: n.kernels}) }

// Inputs returns the names and types of the inputs, in order.
func (n *Net) Inputs() []*ir.Value { return slices.Clone(n.inputs) }

// Outputs returns the names and types of what Run computes, in order.
func (n *Net) Outputs() []*ir.Value {
	if n.p == nil {
		return nil
	}
	out := make([]*ir.Value, len(n.p.Outputs))
	for i, o := range n.p.Outputs {
		out[i] = &ir.Value{Name: o.Name, Type: n.p.Buffers[o.Buffer].Type}
	}
	return out
}
