package ir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// probe is an op with one attribute of each kind.
type probe struct {
	I  int     `attr:"i"`
	F  float64 `attr:"f"`
	B  bool    `attr:"b"`
	S  string  `attr:"s"`
	A  Axes    `attr:"a"`
	D  Dims    `attr:"d"`
	T  DType   `attr:"t"`
	U  uint64  `attr:"u"`
	In int     // no attribute
}

func (probe) Name() string { return "Probe" }
func (probe) Infer(in []Type) ([]Type, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("one operand, got %d", len(in))
	}
	return in, nil
}
func (probe) Eval(_ *Env, in []*Tensor) ([]*Tensor, error) {
	out := in[0].Clone()
	for i := range out.F64 {
		out.F64[i]++
	}
	return []*Tensor{out}, nil
}

// pair gives two results and means two probes.
type pair struct{}

func (pair) Name() string { return "Pair" }
func (pair) Infer(in []Type) ([]Type, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("one operand, got %d", len(in))
	}
	return []Type{in[0], in[0]}, nil
}
func (pair) Decompose(b *Builder, in []*Value) []*Value {
	x := b.Op(probe{}, in[0])
	return []*Value{x, b.Op(probe{}, x)}
}

func byName(s string) (Op, bool) {
	switch s {
	case "Probe":
		return probe{}, true
	case "Pair":
		return pair{}, true
	}
	return nil, false
}

func times4(d Dim) Dim {
	p, _ := Mul(Fixed(4), d)
	return p
}

func sample() *Graph {
	b := NewBuilder("sample")
	x := b.Input("x", T(F32, Rows(), Fixed(3)))
	b.Param("enc/w \"odd\"", T(F32, Fixed(3), Fixed(2)))
	b.Data("c", F32, &Tensor{DType: F32, Shape: []int{2}, F32: []float32{0.1, -3e38}})
	b.Layer = "enc/a"
	b.Pos = Pos{Made: Frame{File: "main.go", Line: 10}, From: Frame{File: "main.go", Line: 23}}
	y := b.Op(probe{I: -3, F: 0.1, B: true, S: "a \"b\" #", A: MakeAxes(1, 0), D: MakeDims(Shape{Rows(), Fixed(4), times4(Of("T"))}), T: I64, U: 1 << 63}, x)
	b.Layer = ""
	b.Pos = Pos{}
	p := b.Ops(pair{}, y)
	b.Output(p[1])
	b.Output(x)
	s := &Value{Name: "mean", Type: y.Type, Kind: StateValue}
	b.Graph.State = []StateVar{{In: s, Out: p[0], When: AfterUpdate}}
	return b.Graph
}

func TestRoundTrip(t *testing.T) {
	g := sample()
	if err := Verify(g); err != nil {
		t.Fatal(err)
	}
	text := Format(g)
	h, err := Parse(text, byName)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := Format(h); got != text {
		t.Fatalf("Format(Parse(text)) is\n%s\nwant\n%s", got, text)
	}
	if strings.Contains(Text(g), "main.go") || Hash(g) != Hash(h) {
		t.Fatal("positions must be no part of the text that is hashed")
	}
	c, _ := g.Clone()
	if err := Verify(c); err != nil || Format(c) != text {
		t.Fatalf("a clone differs: %v\n%s", err, Format(c))
	}
}

// TestLayerNames reads back what a layer may be called, "-" too, which without
// quotes stands for none.
func TestLayerNames(t *testing.T) {
	for _, layer := range []string{"", "-", `"-"`, `"`, " ", "a b", "# a", "a\nb", "\x00", "ä", "a:1", "- main.go:3", "(from main.go:3)", `\`} {
		for _, pos := range []Pos{{}, {Made: Frame{File: "main.go", Line: 7}}, {Made: Frame{File: "a b.go", Line: 7}, From: Frame{File: "main.go", Line: 3}}} {
			g := sample()
			g.Nodes[0].Layer, g.Nodes[0].Pos = layer, pos
			text := Format(g)
			h, err := Parse(text, byName)
			if err != nil {
				t.Fatalf("layer %q: %v\n%s", layer, err, text)
			}
			if n := h.Nodes[0]; n.Layer != layer || n.Pos.String() != pos.String() || Format(h) != text {
				t.Errorf("layer %q at %q is read back as %q at %q", layer, pos, n.Layer, n.Pos)
			}
		}
	}
}

func TestEvaluateDecomposes(t *testing.T) {
	g := sample()
	g.State = nil
	in := map[string]*Tensor{"x": {DType: F32, Shape: []int{1, 3}, F32: []float32{1, 2, 3}}, "enc/w \"odd\"": NewTensor(F32, 3, 2)}
	vals, err := Evaluate(g, &Env{Binding: RowsOf(1)}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got := vals[g.Outputs[0]].F64; got[0] != 4 || got[2] != 6 {
		t.Fatalf("got %v, want the input plus 3", got)
	}
	in["x"].Shape = []int{3, 1}
	if _, err := Evaluate(g, &Env{Binding: RowsOf(1)}, in); err == nil || !strings.Contains(err.Error(), "[1 3]") {
		t.Fatalf("a wrong shape must name both, got %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	breaks := map[string]func(g *Graph){
		"order":         func(g *Graph) { g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0] },
		"twice":         func(g *Graph) { g.Nodes = append(g.Nodes, g.Nodes[0]) },
		"same name":     func(g *Graph) { g.Nodes[0].Out[0].Name = "x" },
		"no name":       func(g *Graph) { g.Inputs[0].Name = "" },
		"type":          func(g *Graph) { g.Nodes[0].Out[0].Type.DType = F64 },
		"results":       func(g *Graph) { g.Nodes[1].Out = g.Nodes[1].Out[:1] },
		"id":            func(g *Graph) { g.Nodes[1].ID = g.Nodes[0].ID },
		"kind":          func(g *Graph) { g.Params[0].Kind = InputValue },
		"foreign out":   func(g *Graph) { g.Outputs[0] = &Value{Name: "z", Type: T(F32)} },
		"nil operand":   func(g *Graph) { g.Nodes[0].In[0] = nil },
		"nil op":        func(g *Graph) { g.Nodes[0].Op = nil },
		"constant":      func(g *Graph) { g.Data[g.Value("c")].Shape = []int{3} },
		"negative":      func(g *Graph) { g.Params[0].Type.Shape[0] = Fixed(-1) },
		"state type":    func(g *Graph) { g.State[0].In.Type = T(F32) },
		"back pointer":  func(g *Graph) { g.Nodes[0].Out[0].Def = nil },
		"invalid dtype": func(g *Graph) { g.Inputs[0].Type.DType = Invalid },
	}
	for name, f := range breaks {
		t.Run(name, func(t *testing.T) {
			g := sample()
			f(g)
			if Verify(g) == nil {
				t.Fatal("Verify accepted it")
			}
		})
	}
}

func TestBuilderIsSticky(t *testing.T) {
	b := NewBuilder("g")
	b.Layer, b.Pos = "enc", Pos{Made: Frame{File: "/a/main.go", Line: 7}}
	x := b.Input("x", T(F32, Fixed(2)))
	bad := b.Op(probe{}, x, x)
	b.Op(probe{}, bad)
	err := b.Err()
	if err == nil || err.Error() != `main.go:7: layer "enc": Probe: one operand, got 2` {
		t.Fatalf("got %v", err)
	}
	if len(b.Graph.Nodes) != 0 {
		t.Fatal("nodes were made after a mistake")
	}
	if b.Unique("x") == "x" {
		t.Fatal("Unique gave a used name")
	}
}

func TestParseErrors(t *testing.T) {
	for src, want := range map[string]string{
		"":                                      "1:1: expected a name",
		"g (f32[N] x) => (y) {}":                `output "y"`,
		"g (f33[N] x) => (x) {}":                "1:4: dtype must be",
		"g (f32[-1] x) => (x) {}":               "a length is",
		"g (f32[N] x, f32[N] x) => (x) {}":      "1:21: two values",
		"g (f32[N] x) => (x) <f32[2] c={1}>{":   `constant "c"`,
		"g () => () {f32[] a = Nope()}":         "unknown op",
		"g () => () {f32[] a = Probe(b)}":       "used before",
		"g () => () {f32[] a = Probe<z=1>()}":   "no attribute",
		"g (f32[1 1 1 1 1 1 1 1 1] x) => () {}": "more than 8",
		"g (f32[4611686018427387904 4] x) => () <f32[4611686018427387904 4] c = {}> {}": "too large",
		"g () => () {} ;":  "no meaning",
		"g () => () {} \"": "does not end",
	} {
		if _, err := Parse(src, byName); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): got %v, want %q", src, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Format(sample()))
	f.Add("g (f32[N] x) => (x) {}")
	f.Add("g (u8[N] x) => (x) <u64[2] a = {0, 18446744073709551615}, i8[1] b = {-128}, f16[1] c = {0.1}, bf16[1] d = {nan}> {}")
	f.Add("lamina 1\ng (f32[N] x) => (x) {}")
	files, _ := filepath.Glob("../../testdata/passes/*/*.txt")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil {
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		g, err := Parse(src, byName)
		if err != nil {
			return
		}
		text := Format(g)
		h, err := Parse(text, byName)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if Format(h) != text {
			t.Fatalf("not stable:\n%s\n%s", text, Format(h))
		}
	})
}

// results is an op with so many results.
type results int

func (results) Name() string                      { return "Results" }
func (n results) Infer(in []Type) ([]Type, error) { return make([]Type, int(n)), nil }

// TestNumberOfResults holds that no number of results, and no mistake before, makes a
// builder panic.
func TestNumberOfResults(t *testing.T) {
	for n, want := range map[int]string{0: "the op has no result", MaxResults + 1: "at most 256 are possible"} {
		b := NewBuilder("g")
		x := b.Input("x", T(F32, Rows()))
		if v := b.Op(results(n), x); v.Type.DType != Invalid || b.Err() == nil || !strings.Contains(b.Err().Error(), want) {
			t.Errorf("%d results: %v, %v", n, v.Type, b.Err())
		}
		second := b.Ops(pair{}, b.Ops(results(n), x)[0])[1]
		if second.Type.DType != Invalid || len(b.Graph.Nodes) != 0 {
			t.Errorf("after a mistake: %v", second.Type)
		}
	}
}
