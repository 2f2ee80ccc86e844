package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// Options are the choices of an engine.
type Options struct {
	Workers int  // goroutines that take tasks, including the caller of Run; 0 means GOMAXPROCS
	Spin    Spin // what waiting workers do
	Profile bool // measure each step, for Times; it costs two clock readings per task and step

	// Kernels make kernels of ops of other modules: the first that makes one is taken.
	// They are asked for steps that have none here, which nothing else makes fast.
	Kernels []Maker
}

// Feed holds the inputs of a run by name, in the dtype of the port.
type Feed map[string]*ir.Tensor

// Update says what a run depends on besides its inputs, and what is done with the
// gradients. A nil *Update is an evaluation: it changes nothing.
type Update struct {
	Opt        optim.Optimizer // nil: parameters are not updated
	T          int64           // number of the update, from 1, for the optimizer
	Epoch      int             // under way, from 0, for the optimizer
	Rate       float32         // learning rate
	Rates      []float32       // learning rate of each segment of the store, instead of Rate
	Decays     []float32       // factor of the weight decay of each; nil for 1
	Scale      float32         // multiplies the gradients; 0 means 1
	Accumulate bool            // add to the stored gradients instead of replacing them
	UpdateRows int             // rows of the whole update; 0 means those of the run
	FirstRow   int             // position of row 0 in the whole update
	Shard      int             // the first of the plan's shards whose rows the run has, where shards meet,
	OwnShards  int             // and how many they are; 0 means all
	Seed       uint64          // of the run of training
	Step       uint64          // number of the update, from 0, for random streams
}

// NonFinite is the error of a run whose loss is not finite. Nothing was updated.
type NonFinite struct{ Loss float64 }

// Error returns the value of the loss.
func (e *NonFinite) Error() string { return fmt.Sprintf("engine: the loss is %v", e.Loss) }

// view is a buffer's elements; the slice of the buffer's dtype is set.
type view struct {
	f32 []float32
	f64 []float64
	i64 []int64
	b   []bool
	raw []byte // of the types that tensors hold as bytes
}

// viewOf shows the elements of a tensor.
func viewOf(t *ir.Tensor) view { return view{t.F32, t.F64, t.I64, t.Bool, t.Raw} }

// part returns the elements [from,to) of a buffer of dtype d as a tensor that
// shares their memory.
func (v *view) part(d ir.DType, from, to int) *ir.Tensor {
	t := &ir.Tensor{DType: d, F32: v.f32, F64: v.f64, I64: v.i64, Bool: v.b, Raw: v.raw}
	return t.Part(from, to)
}

// boundStep is a step with its kernel.
type boundStep struct {
	run    kernel
	of     []kernel // of each worker, where each has some values in memory of its own
	name   string
	takes  []taken // what it writes and others have read
	update bool
	kept   bool // its result changes with the parameters alone, and an update makes it again
	units  *int // length of the result's axis 0
	times  *int // indices of it for one unit of the step's group
	id     int
}

type boundGroup struct {
	length *int
	grain  int
	whole  bool
	steps  []boundStep
	gather []*gathered // the inputs whose rows its tasks fetch before their steps
	locals []local     // that each task makes in its worker's memory
	cost   float64     // of a unit of length, for the division among workers
}

type boundPhase struct {
	once   bool
	kept   bool // all its steps are
	after  bool // run by Apply
	alone  bool // run by one worker
	groups []boundGroup
	tail   []boundStep
	joins  []int // steps whose results are of all rows of the update
	division
}

// Engine executes one plan on one store. It is not safe for concurrent use.
type Engine struct {
	p      *plan.Plan
	s      *Store
	views  []view
	phases []boundPhase
	lossAt int // phase after which the loss is known

	local        locals
	inputAliases []int // buffers that are inputs under another shape
	gathered     []*gathered

	env     ir.Env
	sizes   sizes
	elems   []*int    // of each buffer
	names   []bounded // the lengths beside the batch
	defined []ir.Dim  // the lengths that follow from them
	u       Update
	train   bool            // this run changes the store
	random  Update          // stands in for the update in an evaluation that repeats a training run
	checked optim.Optimizer // fits the store's slots
	version uint64          // of the parameters that the phases run once have seen
	sized   int             // rows of the update that they have seen
	keptAt  uint64          // … and of those that what is kept has seen
	fresh   bool            // in this run what is kept has seen them
	stays   map[int]bool    // results that stay turned
	lanes   int             // floats of the sums of rows whose columns come in parts
	scratch int             // floats that some kernel takes of a worker's own
	makers  []Maker
	given   []string // names of the kernels they made, in order
	workers int
	lasting bool // an update leaves nothing of those phases to be made again
	ran     bool
	outs    map[string]*ir.Tensor

	derivations map[int]plan.Derivation // of each buffer that is derived
	follows     map[int]follow          // how an update makes it again tile by tile, for those that it does

	current *boundPhase
	context context.Context // of the caller of a Net, nil for others; its end stops the run
	err     atomic.Pointer[error]
	norm    norm
	shards  shards

	joints  map[int]*joint
	ranks   Ranks    // nil without
	apartAt int      // phase from which on shards are run one after the other
	windows []window // buffers with rows
	whole   []view   // of each window, while a shard is run

	ctxs []*ctx
	pool pool
	task func(c *ctx, i int)
}

// ctx is what belongs to one worker.
type ctx struct {
	e       *Engine
	id      int // from 0
	slots   [][]float32
	tmp     []float32
	columns columnar
	keys    []uint64        // of a row in order
	times   []time.Duration // of each step, if they are measured
}

// New binds a plan to a store and starts the workers. The engine must be closed.
//
// Errors: a plan that does not verify, a store without the plan's parameters, a
// step without a meaning.
func New(p *plan.Plan, s *Store, o Options) (*Engine, error) { return newEngine(p, s, o, false) }

func newEngine(p *plan.Plan, s *Store, o Options, apart bool) (*Engine, error) {
	if err := plan.Verify(p); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := s.fits(p); err != nil {
		return nil, err
	}
	if s.kept != nil {
		s.kept.mu.Lock()
		defer s.kept.mu.Unlock()
	}
	s.room()
	if p.StoreGrads && s.grads == nil {
		s.grads = aligned(len(s.params))
	}
	if o.Workers < 0 {
		return nil, fmt.Errorf("engine: Workers is %d, must be 0 or more", o.Workers)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	e := &Engine{p: p, s: s, lossAt: -1, outs: map[string]*ir.Tensor{}, makers: o.Kernels, workers: o.Workers}
	var dims []ir.Dim
	for i := range p.Buffers {
		e.elems = append(e.elems, e.sizes.elems(p.Buffers[i].Type.Shape))
		dims = append(dims, p.Buffers[i].Type.Shape...)
	}
	e.defined = ir.Defined(dims...)
	for _, name := range p.Capacity.Free() {
		most, _ := p.Capacity.Of(name)
		e.names = append(e.names, bounded{name, ir.Of(name), most})
	}
	derived := e.derivedMemory()
	if !apart {
		e.findLocals()
	}
	e.bindViews(apart, derived)
	if err := e.checkLocals(); err != nil {
		return nil, err
	}
	e.findTurned()
	if err := e.findDerived(); err != nil {
		return nil, err
	}
	for i := range p.Phases {
		ph := &p.Phases[i]
		b := boundPhase{once: ph.Once, after: ph.After, alone: ph.Alone}
		for _, id := range ph.Steps() {
			if s := &p.Steps[id]; s.Op != nil && ir.Joins(s.Op) {
				b.joins = append(b.joins, id)
			}
		}
		for j := range ph.Groups {
			g := &ph.Groups[j]
			bg := boundGroup{length: e.sizes.dim(g.Length), grain: finer(g, p.Capacity, o.Workers), whole: g.Whole(), locals: e.local.groups[g], cost: cost(p, g)}
			for k, id := range g.Steps {
				st, err := e.bind(id, g)
				if err != nil {
					return nil, err
				}
				bg.steps = append(bg.steps, st)
				if p.Steps[id].Behind && o.Workers > 1 {
					e.behind(&bg.steps[k-1], &bg.steps[k], g)
				}
			}
			b.groups = append(b.groups, bg)
		}
		for _, id := range ph.Tail {
			st, err := e.bind(id, nil)
			if err != nil {
				return nil, err
			}
			b.tail = append(b.tail, st)
		}
		if p.Loss >= 0 {
			e.findLoss(i, ph)
		}
		b.kept = ph.Once && !b.contains(func(s *boundStep) bool { return !s.kept })
		e.phases = append(e.phases, b)
		e.phases[i].divisible(p.Capacity, ph, o.Workers)
	}
	if err := e.findApart(); err != nil {
		return nil, err
	}
	e.task = e.runTask
	e.norm.init(e)
	e.shards.init(e)
	for i := range o.Workers {
		c := &ctx{e: e, id: i, slots: make([][]float32, len(s.slots)), tmp: aligned(e.scratch)}
		c.columns.lanes, c.columns.done = aligned(e.lanes), c.columns.tell
		if o.Profile {
			c.times = make([]time.Duration, len(p.Steps))
		}
		e.ctxs = append(e.ctxs, c)
	}
	for _, out := range p.Outputs {
		e.outs[out.Name] = &ir.Tensor{DType: p.Buffers[out.Buffer].Type.DType, Shape: make([]int, p.Buffers[out.Buffer].Type.Rank())}
	}
	if s.kept != nil && e.keptAt == 0 {
		if err := e.makeKept(); err != nil {
			return nil, err
		}
		s.kept.of[p] = derived
	}
	e.pool.prepare(o.Workers, o.Spin)
	for _, c := range e.ctxs[1:] {
		e.pool.start(c)
	}
	return e, nil
}

// contains reports whether some step of the phase is such a one.
func (ph *boundPhase) contains(is func(s *boundStep) bool) bool {
	lists := [][]boundStep{ph.tail}
	for i := range ph.groups {
		lists = append(lists, ph.groups[i].steps)
	}
	for _, steps := range lists {
		for i := range steps {
			if is(&steps[i]) {
				return true
			}
		}
	}
	return false
}

// derivedMemory returns the memory of what is derived from the parameters: of a store
// whose parameters never change again that of the first engine.
func (e *Engine) derivedMemory() []float32 {
	if k := e.s.kept; k != nil && k.of[e.p] != nil {
		e.keptAt = e.s.version.Load()
		return k.of[e.p]
	}
	return aligned((e.p.DerivedBytes + 3) / 4)
}

// wholeRows is the most rows that a lone worker takes as one task: they are one
// cut less, and what they make stays in its cache.
const wholeRows = 128

// nearRows is the grain up to which a plan cuts rows so that the cache holds what is made of
// them (compiler: stepBytes of imageBytes).
const nearRows = 10

// Run executes the plan on the given rows, from 1 to the plan's capacity. A nil
// u is an evaluation. Outputs stay readable until the next Run. Run allocates
// nothing unless a step has no kernel of its own. A plan with lengths other than the batch
// is run by [Engine.RunAt].
//
// Errors: an input that is absent or has another dtype or size; *NonFinite.
func (e *Engine) Run(in Feed, rows int, u *Update) error { return e.RunAt(in, ir.RowsOf(rows), u) }

// RunAt is Run with the given lengths, each from 1 to its capacity.
func (e *Engine) RunAt(in Feed, at ir.Binding, u *Update) error {
	if e.pool.closed.Load() {
		return errors.New("engine: Run after Close")
	}
	if err := e.bindLengths(at); err != nil {
		return err
	}
	if err := e.feed(in); err != nil {
		return err
	}
	return e.execute(u)
}

// execute runs the plan on inputs that are shown already, with the lengths that
// are bound.
func (e *Engine) execute(u *Update) error {
	e.u, e.train = e.random, u != nil
	rows := e.sizes.at.Rows()
	if u != nil {
		e.u = *u
		if err := e.checkUpdate(); err != nil {
			return err
		}
	}
	if e.u.UpdateRows == 0 {
		e.u.UpdateRows = rows
	}
	e.env = ir.Env{Binding: e.sizes.at, Capacity: e.p.Capacity, UpdateRows: e.u.UpdateRows, FirstRow: e.u.FirstRow, Seed: e.u.Seed, Update: e.u.Step}
	e.err.Store(nil)
	e.ran = false
	if e.p.StoreGrads && e.train && !e.u.Accumulate {
		clear(e.s.grads) // where chains start
	}
	version := e.s.version.Load()
	stale := e.version != version || e.sized != e.u.UpdateRows
	e.sized = e.u.UpdateRows
	e.fresh = e.keptAt == version
	if err := e.phasesFrom(0, e.apartAt, version, stale); err != nil {
		return err
	}
	e.version, e.keptAt = version, version
	if e.Joins() {
		return nil // RunShard follows
	}
	if e.u.Opt != nil && !e.p.StoreGrads {
		if now := e.s.version.Add(1); now == version+1 {
			e.keptAt = now
			if e.lasting {
				e.version = now
			}
		}
	}
	e.ran = true
	return nil
}

// phasesFrom runs phases [from,to).
func (e *Engine) phasesFrom(from, to int, version uint64, stale bool) error {
	for i := from; i < to; i++ {
		if ph := &e.phases[i]; !ph.after && (!ph.once || stale && !(ph.kept && e.fresh)) {
			e.runPhase(ph)
		}
		if err := e.err.Load(); err != nil {
			if e.u.Opt != nil && !e.p.StoreGrads {
				e.s.Touch() // some parameters may have changed
			}
			e.version, e.keptAt = 0, 0
			return *err
		}
		if i == e.lossAt && e.train {
			if loss := e.scalar(e.p.Loss); math.IsNaN(loss) || math.IsInf(loss, 0) {
				e.version, e.keptAt = version, version
				return &NonFinite{loss}
			}
		}
	}
	return nil
}

func (e *Engine) checkUpdate() error {
	u := &e.u
	if u.Scale == 0 {
		u.Scale = 1
	}
	if u.Rates != nil && len(u.Rates) != len(e.s.segs) {
		return fmt.Errorf("engine: %d rates for %d parameters", len(u.Rates), len(e.s.segs))
	}
	if u.Decays != nil && len(u.Decays) != len(e.s.segs) {
		return fmt.Errorf("engine: %d factors of the decay for %d parameters", len(u.Decays), len(e.s.segs))
	}
	if u.Opt == nil {
		return nil
	}
	if u.T < 1 {
		return fmt.Errorf("engine: update number is %d, must be at least 1", u.T)
	}
	comparable := reflect.TypeOf(u.Opt).Comparable()
	if comparable && u.Opt == e.checked {
		return nil
	}
	if n := len(u.Opt.Slots()); n != len(e.s.slots) {
		return fmt.Errorf("engine: %s keeps %d values a weight, the store has %d slots", u.Opt.Name(), n, len(e.s.slots))
	}
	if comparable {
		e.checked = u.Opt
	}
	return nil
}

// feed shows the inputs to the kernels.
func (e *Engine) feed(in Feed) error {
	rows := e.sizes.at.Rows()
	for _, port := range e.p.Inputs {
		b := &e.p.Buffers[port.Buffer]
		if rows == 0 && b.Type.Shape.Has(ir.Batch) {
			e.views[port.Buffer] = view{}
			continue
		}
		if g := e.gathers(port.Buffer); g != nil {
			g.show(e, rows)
			continue
		}
		t := in[port.Name]
		if t == nil {
			return fmt.Errorf("engine: plan %q: no input %q (%v)", e.p.Name, port.Name, b.Type)
		}
		if t.DType != b.Type.DType || t.Len() != *e.elems[port.Buffer] {
			return fmt.Errorf("engine: plan %q: input %q must be %v with %v, got %v%v of %d elements",
				e.p.Name, port.Name, b.Type, e.sizes.at, t.DType, t.Shape, t.Len())
		}
		e.views[port.Buffer] = viewOf(t)
	}
	e.reshape()
	return nil
}

// reshape shows the inputs under their other shapes.
func (e *Engine) reshape() {
	for _, i := range e.inputAliases {
		e.views[i] = e.views[e.p.Buffers[i].Alias]
	}
}

// scalar returns element 0 of a float buffer.
func (e *Engine) scalar(b int) float64 {
	switch v := &e.views[b]; {
	case len(v.f32) > 0:
		return float64(v.f32[0])
	case len(v.f64) > 0:
		return v.f64[0]
	case len(v.raw) > 0:
		return v.part(e.p.Buffers[b].Type.DType, 0, 1).At(0)
	}
	return math.NaN()
}

// Output returns the elements of an output of the last Run, or nil. They are
// valid until the next Run and must not be changed.
func (e *Engine) Output(name string) *ir.Tensor {
	t := e.outs[name]
	if t == nil || !e.ran {
		return nil
	}
	i := e.p.Output(name)
	b, v := &e.p.Buffers[i], &e.views[i]
	n := 1
	for j, d := range b.Type.Shape {
		t.Shape[j] = d.At(e.sizes.at)
		n *= t.Shape[j]
	}
	switch b.Type.DType {
	case ir.F32:
		t.F32 = v.f32[:n]
	case ir.F64:
		t.F64 = v.f64[:n]
	case ir.I64:
		t.I64 = v.i64[:n]
	case ir.Bool:
		t.Bool = v.b[:n]
	default:
		t.Raw = v.raw[:n*t.DType.Size()]
	}
	return t
}

// Kernel returns the name of the kernel that executes a step, for plan.Explain.
func (e *Engine) Kernel(step int) string {
	for i := range e.phases {
		for _, g := range e.phases[i].groups {
			for _, s := range g.steps {
				if s.id == step {
					return s.name
				}
			}
		}
		for _, s := range e.phases[i].tail {
			if s.id == step {
				return s.name
			}
		}
	}
	return ""
}

// Plan returns the plan.
func (e *Engine) Plan() *plan.Plan { return e.p }

// Close ends the workers. It may be called twice.
func (e *Engine) Close() { e.pool.close() }
