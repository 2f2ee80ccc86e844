// Package native is Lamina as a runtime of ONNX models: the importer, the
// compiler and the engine, behind the interface by which executions are
// compared. It needs no library and shares no code with the exporter.
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
	p, err := fit(m.Graph)
	if err != nil {
		return nil, fmt.Errorf("lamina: %w", err)
	}
	net, err := engine.NewNet(m.Graph, p, m.ParamData(), engine.Record{})
	if err != nil {
		return nil, fmt.Errorf("lamina: %w", err)
	}
	// The Net has its own copy of the parameters.
	m.Params = nil
	return &session{m: m, p: p, net: net}, nil
}

// fit compiles for as many rows as the scratch memory allows.
func fit(g *ir.Graph) (*plan.Plan, error) {
	if len(g.Nodes) > maxNodes {
		return nil, fmt.Errorf("the model becomes %d nodes, at most %d are compiled here", len(g.Nodes), maxNodes)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: capacity})
	if err != nil || p.ArenaBytes <= scratchBytes {
		return p, err
	}
	rows := max(1, int(float64(capacity)*scratchBytes/float64(p.ArenaBytes)))
	if p, err = compiler.CompileGraph(g, compiler.Options{Rows: rows}); err != nil {
		return nil, err
	}
	if p.ArenaBytes > scratchBytes {
		return nil, fmt.Errorf("%d rows need %d bytes of scratch memory, the limit is %d", rows, p.ArenaBytes, scratchBytes)
	}
	return p, nil
}

type session struct {
	m *onnximport.Model
	p *plan.Plan

	mu  sync.RWMutex // held for reading while a run uses net
	net *engine.Net
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
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.net == nil {
		return nil, errors.New("lamina: the session is closed")
	}
	rows, err := s.rows(in)
	if err != nil {
		return nil, fmt.Errorf("lamina: %w", err)
	}
	out = make(map[string]*ir.Tensor, len(s.p.Outputs))
	for _, o := range s.p.Outputs {
		t := s.p.Buffers[o.Buffer].Type
		out[o.Name] = ir.NewTensor(t.DType, t.Shape.At(ir.RowsOf(rows))...)
	}
	if err := s.net.RunInto(ctx, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// rows checks the inputs against the model's and returns their number of rows.
func (s *session) rows(in map[string]*ir.Tensor) (int, error) {
	rows, first := -1, ""
	for _, v := range s.m.Graph.Inputs {
		t := in[v.Name]
		if t == nil {
			return 0, fmt.Errorf("no input %q, which is %v", v.Name, v.Type)
		}
		if err := t.Check(); err != nil {
			return 0, fmt.Errorf("input %q: %w", v.Name, err)
		}
		fits := t.DType == v.Type.DType && len(t.Shape) == v.Type.Rank()
		for i := 0; fits && i < len(t.Shape); i++ {
			if n, known := v.Type.Shape[i].Known(); known {
				fits = t.Shape[i] == n
			} else if rows < 0 {
				rows, first = t.Shape[i], v.Name
			} else if rows != t.Shape[i] {
				return 0, fmt.Errorf("input %q is %v%v, input %q has %d rows", v.Name, t.DType, t.Shape, first, rows)
			}
		}
		if !fits {
			return 0, fmt.Errorf("input %q must be %v, got %v%v", v.Name, v.Type, t.DType, t.Shape)
		}
	}
	if len(in) > len(s.m.Graph.Inputs) {
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if v := s.m.Graph.Value(name); v == nil || v.Kind != ir.InputValue {
				return 0, fmt.Errorf("the model has no input %q", name)
			}
		}
	}
	if rows < 0 {
		rows = 1
	}
	return rows, nil
}

// Close frees the model.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.net = nil
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
