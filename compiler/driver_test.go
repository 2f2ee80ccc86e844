package compiler

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestOrder checks every reason against the table, and that a pass of the table
// has one.
func TestOrder(t *testing.T) {
	at := map[string]int{}
	last := front
	for i, p := range passes() {
		if _, twice := at[p.name]; twice {
			t.Errorf("two passes are named %q", p.name)
		}
		if p.stage < last {
			t.Errorf("pass %q stands after a later stage", p.name)
		}
		if p.doc == "" || p.run == nil {
			t.Errorf("pass %q lacks a sentence or a function", p.name)
		}
		at[p.name], last = i, p.stage
	}
	named := map[string]bool{}
	for _, r := range reasons() {
		i, ok := at[r.first]
		j, also := at[r.then]
		if !ok || !also {
			t.Errorf("%q before %q: no such pass", r.first, r.then)
			continue
		}
		if i >= j {
			t.Errorf("%q must run before %q: %s", r.first, r.then, r.why)
		}
		if r.why == "" {
			t.Errorf("%q before %q: no reason", r.first, r.then)
		}
		named[r.first], named[r.then] = true, true
	}
	for name := range at {
		if !named[name] {
			t.Errorf("no reason says where %q stands", name)
		}
	}
}

// TestReadme checks that every pass is in the README's table.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range PassNames() {
		if base, late := strings.CutPrefix(name, "late-"); late {
			name = base
		}
		if !strings.Contains(string(data), "\n| `"+name+"` |") {
			t.Errorf("README.md has no row for pass %q", name)
		}
	}
}

// small is a graph with one node.
func small() *ir.Graph {
	b := ir.NewBuilder("small")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	b.Layer, b.Pos = "act", ir.Pos{Made: ir.Frame{File: "main.go", Line: 3}}
	y := b.Op(ops.Relu{}, x)
	y.Name = "y"
	b.Output(y)
	return b.Graph
}

func TestPanicIsInternalError(t *testing.T) {
	s := &state{rows: []pass{{"broken", front, nil, func(g *ir.Graph, _ *state) error {
		g.Nodes = nil
		panic("out of cheese")
	}, "panics"}}}
	_, err := s.front(small())
	var e *InternalError
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if e.Pass != "broken" || !strings.Contains(e.What, "out of cheese") || !strings.Contains(e.Stack, "driver_test.go") {
		t.Errorf("got pass %q, %q", e.Pass, e.What)
	}
	for _, want := range []string{"internal error in pass broken", "Relu(x)", "out of cheese"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
}

func TestBrokenGraphIsInternalError(t *testing.T) {
	s := &state{rows: []pass{{"breaks", front, nil, func(g *ir.Graph, _ *state) error {
		g.Nodes[0].Out[0].Type = ir.T(ir.F64)
		return nil
	}, "gives a value a wrong type"}}}
	_, err := s.front(small())
	var e *InternalError
	if !errors.As(err, &e) || e.Pass != "breaks" {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(e.Graph, "Relu") {
		t.Errorf("no graph in %v", err)
	}
}

func TestErrorNamesPassLayerAndLine(t *testing.T) {
	g := small()
	g.Nodes[0].In[0].Type = ir.T(ir.I64, ir.Rows(), ir.Fixed(2))
	_, err := Front(g, true)
	var e *ir.Error
	var p *PassError
	if !errors.As(err, &e) || !errors.As(err, &p) {
		t.Fatalf("got %v", err)
	}
	if p.Pass != "infer" || e.Layer != "act" || e.Made.Line != 3 {
		t.Errorf("got %v", err)
	}
}

func TestHostileGraphs(t *testing.T) {
	loop := small()
	n := loop.Nodes[0]
	n.In[0] = n.Out[0]
	bare := small()
	bare.Nodes[0].Op = nil
	missing := small()
	missing.Nodes[0].In[0] = nil
	stranger := small()
	stranger.Nodes[0].In[0] = small().Nodes[0].Out[0]
	for name, g := range map[string]*ir.Graph{"nil": nil, "loop": loop, "no op": bare, "nil operand": missing, "stranger": stranger} {
		if _, err := Front(g, true); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOptions(t *testing.T) {
	if _, err := CompileGraph(small(), Options{}); err == nil || !strings.Contains(err.Error(), "capacity") {
		t.Errorf("0 rows: %v", err)
	}
	_, err := CompileGraph(small(), Options{Rows: 1, Dump: &bytes.Buffer{}, DumpAfter: "nonsense"})
	if err == nil || !strings.Contains(err.Error(), "canonical") {
		t.Errorf("an unknown pass to dump: %v", err)
	}
	b := ir.NewBuilder("open")
	b.Output(b.Op(ops.Relu{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Of("T")))))
	if _, err := CompileGraph(b.Graph, Options{Rows: 1}); err == nil || !strings.Contains(err.Error(), "bind") {
		t.Errorf("an unbound length: %v", err)
	}
	b = ir.NewBuilder("large")
	b.Output(b.Op(ops.Relu{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(1<<18), ir.Fixed(1<<18)))))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if _, err := CompileGraph(b.Graph, Options{Rows: 256}); err == nil || !strings.Contains(err.Error(), "bind") {
		t.Errorf("a value of 2^44 elements: %v", err)
	}
}

func TestDump(t *testing.T) {
	var one, all bytes.Buffer
	if _, err := CompileGraph(randomModel(1), Options{Rows: 2, Dump: &one, DumpAfter: "canonical"}); err != nil {
		t.Fatal(err)
	}
	if got := one.String(); strings.Count(got, "# after ") != 1 || !strings.HasPrefix(got, "# after canonical, inference\n") {
		t.Errorf("got %s", got)
	}
	if _, err := CompileGraph(randomModel(1), Options{Rows: 2, Dump: &all, DumpAfter: "all"}); err != nil {
		t.Fatal(err)
	}
	for _, p := range passes() {
		ran := p.when == nil || p.when(&state{inference: true, planned: true})
		if got := strings.Contains(all.String(), "# after "+p.name+","); got != ran {
			t.Errorf("dump after %q: %v, want %v", p.name, got, ran)
		}
	}
	if !strings.Contains(all.String(), "# after "+lowerPass+",") {
		t.Error("the plan was not dumped")
	}
	if _, err := CompileGraph(small(), Options{Rows: 2, Dump: full{}, DumpAfter: "all"}); err == nil {
		t.Error("a dump that cannot be written gives no error")
	}
}

// full is a writer without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left") }
