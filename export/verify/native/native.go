// Package native makes Lamina a runtime for ONNX models: the importer, the compiler
// and the engine, behind the interface that verification compares executions
// through. It needs no library and shares no code with the exporter.
package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/export/verify"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Version is the version that reports name.
const Version = "0.1.0"

// The rows that run in one part, the scratch memory that a model may ask for,
// and the nodes of its graph: the time of compiling grows with their square. A
// model that needs more is refused.
const (
	capacity     = 256
	scratchBytes = 1 << 30
	maxNodes     = 1 << 12
)

type runtime struct{}

// Runtime returns Lamina's own execution of ONNX models. It is always available.
func Runtime() verify.Runtime { return runtime{} }

// Name returns "lamina".
func (runtime) Name() string { return "lamina" }

// Version returns Version.
func (runtime) Version() (string, error) { return Version, nil }

// Open reads, compiles and binds a model. The Session also is a
// verify.Inspector, and its method Slow returns an engine.Slow.
//
// Errors: those of onnximport.Decode and compiler.CompileGraph; a model of more
// than 4096 nodes, or whose scratch memory exceeds 1 GiB.
func (runtime) Open(model []byte) (s verify.Session, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("lamina: internal error: %v\n%s", r, debug.Stack())
		}
	}()
	m, err := onnximport.Decode(context.Background(), model, onnximport.Limits{})
	if err != nil {
		return nil, err
	}
	x := &session{m: m, params: m.ParamData()}
	m.Params = nil
	if len(x.free()) == 0 {
		if err := x.fit(ir.RowsOf(1)); err != nil {
			return nil, err
		}
	} else if len(m.Graph.Nodes) > maxNodes {
		return nil, tooManyNodes(m.Graph)
	}
	return x, nil
}

func tooManyNodes(g *ir.Graph) error {
	return fmt.Errorf("lamina: the model becomes %d nodes, at most %d are compiled here", len(g.Nodes), maxNodes)
}

// free returns the names of the open lengths beside the batch.
func (s *session) free() []string {
	return slices.DeleteFunc(s.m.Graph.Symbols(), func(name string) bool { return name == ir.Batch })
}

// fit compiles for as many rows as the scratch memory allows, and for open lengths of at
// least at. What it had for shorter ones is replaced.
func (s *session) fit(at ir.Binding) error {
	g := s.m.Graph
	if len(g.Nodes) > maxNodes {
		return tooManyNodes(g)
	}
	o := compiler.Options{Rows: capacity, Lengths: map[string]int{}}
	for _, name := range s.free() {
		n, _ := at.Of(name)
		if s.p != nil {
			have, _ := s.p.Capacity.Of(name)
			n = max(n, have)
		}
		o.Lengths[name] = max(n, 1)
	}
	p, err := compiler.CompileWithin(g, o, scratchBytes)
	if err == nil && p.Bytes() > scratchBytes {
		err = fmt.Errorf("%d rows need %d bytes of scratch memory, the limit is %d", p.Capacity.Rows(), p.Bytes(), scratchBytes)
	}
	if err != nil {
		return fmt.Errorf("lamina: %w", err)
	}
	net, err := engine.NewNet(g, p, s.params, engine.Record{})
	if err != nil {
		return fmt.Errorf("lamina: %w", err)
	}
	s.p, s.net = p, net
	if len(o.Lengths) == 0 {
		s.params = nil // the Net has its own copy, and is never replaced
	}
	return nil
}

type session struct {
	m      *onnximport.Model
	params map[string][]float32 // nil once no other Net is made

	mu     sync.RWMutex // held for reading while a run uses net
	p      *plan.Plan   // nil until the lengths of a run are known, if some are open
	net    *engine.Net
	closed bool
}

// Slow returns what every run does without a kernel, or nothing if that is trivial.
func (s *session) Slow() engine.Slow {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.net == nil {
		return engine.Slow{}
	}
	return s.net.Slow()
}

// Run computes the outputs. Models that mix rows take as many as run in one
// part.
func (s *session) Run(ctx context.Context, in map[string]*ir.Tensor) (out map[string]*ir.Tensor, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("lamina: running the model: internal error: %v\n%s", r, debug.Stack())
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.given(in); err != nil {
		return nil, fmt.Errorf("lamina: %w", err)
	}
	at, err := s.lengths(in)
	if err != nil {
		return nil, err
	}
	if err := s.ready(at); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	out = make(map[string]*ir.Tensor, len(s.p.Outputs))
	for _, o := range s.p.Outputs {
		t := s.p.Buffers[o.Buffer].Type
		out[o.Name] = ir.NewTensor(t.DType, t.Shape.At(at)...)
	}
	if err := s.net.RunInto(ctx, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

var errClosed = errors.New("lamina: the session is closed")

func (s *session) lengths(in map[string]*ir.Tensor) (ir.Binding, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.net == nil {
		return engine.Lengths(s.m.Graph, in)
	}
	return s.net.Lengths(in)
}

// ready compiles anew if an open length is above what was compiled for.
func (s *session) ready(at ir.Binding) error {
	fits := func() bool {
		if s.p == nil {
			return false
		}
		for _, name := range s.p.Capacity.Free() {
			n, _ := at.Of(name)
			if most, _ := s.p.Capacity.Of(name); n > most {
				return false
			}
		}
		return true
	}
	s.mu.RLock()
	ok, closed := fits(), s.closed
	s.mu.RUnlock()
	if ok || closed {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || fits() {
		return nil
	}
	return s.fit(at)
}

// given refuses inputs that the model does not have.
func (s *session) given(in map[string]*ir.Tensor) error {
	for _, v := range s.m.Graph.Inputs {
		if in[v.Name] == nil {
			return fmt.Errorf("no input %q, which is %v", v.Name, v.Type)
		}
	}
	if len(in) > len(s.m.Graph.Inputs) {
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if v := s.m.Graph.Value(name); v == nil || v.Kind != ir.InputValue {
				return fmt.Errorf("the model has no input %q", name)
			}
		}
	}
	return nil
}

// Close frees the model.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.net, s.closed = nil, true
	return nil
}

// Inputs returns the inputs as the file declares them.
func (s *session) Inputs() []verify.Port { return ports(s.m.Inputs) }

// Outputs returns the outputs as the file declares them.
func (s *session) Outputs() []verify.Port { return ports(s.m.Outputs) }

func ports(list []onnximport.Port) []verify.Port {
	out := make([]verify.Port, len(list))
	for i, p := range list {
		out[i] = verify.Port{Name: p.Name, Elem: p.Elem, Dims: p.Dims}
	}
	return out
}

// Metadata returns what the file says about itself.
func (s *session) Metadata() (verify.Metadata, error) {
	return verify.Metadata{Producer: s.m.Producer, Graph: s.m.Name, Domain: s.m.Domain, Description: s.m.Doc,
		Version: s.m.Version, Props: s.m.Metadata}, nil
}
