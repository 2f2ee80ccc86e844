package verify_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// gradientOf is a graph of an op's case with the gradients of its results along its
// operands as outputs, and the gradients of those as more.
func gradientOf(c opcase.Case) (*ir.Graph, bool) {
	for i := range c.In {
		c.In[i].Type = strings.Replace(c.In[i].Type, "f64", "f32", 1) // runtimes have few ops of f64
	}
	as := slices.Clone(c.Out)
	for i := range c.Out {
		c.Out[i].Type = strings.Replace(c.Out[i].Type, "f64", "f32", 1)
	}
	given, err := c.Graph(ops.ByName)
	if err != nil { // an op whose results are f64 whatever the operands are
		c.Out = as
		given, err = c.Graph(ops.ByName)
	}
	if err != nil {
		return nil, false
	}
	op := given.Nodes[0].Op
	if _, none := op.(ir.NotDifferentiable); none {
		return nil, false
	}
	b := ir.NewBuilder("gradient")
	b.Layer = "layer"
	var in []*ir.Value
	for _, v := range given.Inputs {
		if !simple(v.Type.Shape) {
			return nil, false
		}
		if !v.Type.DType.Float() && v.Type.DType != ir.I64 && v.Type.DType != ir.Bool {
			return nil, false
		}
		if v.Type.DType == ir.F32 && !v.Type.Shape.Symbolic() {
			in = append(in, b.Param(v.Name, v.Type)) // as weights are
			continue
		}
		in = append(in, b.Input(v.Name, v.Type))
	}
	var score *ir.Value
	for i, y := range b.Ops(op, in...) {
		if b.Err() != nil || y.Type.DType != ir.F32 || !simple(y.Type.Shape) {
			continue
		}
		part := b.Op(ops.ReduceSum{}, b.Op(ops.Mul{}, y, b.Input(fmt.Sprintf("dy%d", i), y.Type)))
		if score == nil {
			score = part
			continue
		}
		score = b.Op(ops.Add{}, score, part)
	}
	if score == nil || b.Err() != nil {
		return nil, false
	}
	for _, x := range in {
		if x.Type.DType == ir.F32 {
			b.Layer = "grad-" + x.Name
			output(b, b.Op(ops.Grad{}, score, x), "d-"+x.Name)
		}
	}
	return b.Graph, b.Err() == nil && len(b.Graph.Outputs) > 0
}

// simple reports whether a shape has elements, known lengths, and rows on the first axis
// if it has any.
func simple(s ir.Shape) bool {
	if s.RowWise() {
		s = s[1:]
	}
	return !s.Symbolic() && s.Count() > 0
}

// slopeless reports whether a gradient is refused since it is 0 for every operand.
func slopeless(err error) bool {
	return strings.Contains(err.Error(), "0 wherever it exists") || strings.Contains(err.Error(), "does not depend on x")
}

// withSlopes returns the outputs of g that have a slope, in what the front end makes.
func withSlopes(t *testing.T, g *ir.Graph) *ir.Graph {
	t.Helper()
	all := g.Outputs
	var kept []*ir.Value
	for _, v := range all {
		h, to := g.Clone()
		h.Outputs = []*ir.Value{to[v]}
		var nodes []*ir.Node // the other gradients must not be asked for
		for _, n := range h.Nodes {
			if n.Op != (ops.Grad{}) || n.Out[0] == to[v] || used(h, n.Out[0]) {
				nodes = append(nodes, n)
			}
		}
		h.Nodes = nodes
		if _, err := compiler.Front(h, true); err == nil {
			kept = append(kept, v)
		} else if !slopeless(err) {
			t.Errorf("%s: %v", ir.Format(g), err)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	var nodes []*ir.Node
	for _, n := range g.Nodes {
		drop := false
		for _, v := range all {
			drop = drop || n.Out[0] == v && !contains(kept, v)
		}
		if !drop {
			nodes = append(nodes, n)
		}
	}
	g.Nodes, g.Outputs = nodes, kept
	h, err := compiler.Front(g, true)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func contains(vs []*ir.Value, v *ir.Value) bool {
	for _, w := range vs {
		if w == v {
			return true
		}
	}
	return false
}

func used(g *ir.Graph, v *ir.Value) bool { return len(g.Uses()[v]) > 0 }

// holds exports a graph and holds onnxruntime and
// Lamina's engine against the float64 reference, and both against each other.
func holds(t *testing.T, what string, h *ir.Graph, params map[string][]float32, set verify.Set, rt verify.Runtime) {
	t.Helper()
	m, err := onnxexport.Build(h, params, onnxexport.Options{})
	if err != nil {
		t.Errorf("%s: %v\n%s", what, err, ir.Format(h))
		return
	}
	pl, err := compiler.CompileGraph(h, compiler.Options{Rows: 128})
	if err != nil {
		t.Errorf("%s: %v\n%s", what, err, ir.Format(h))
		return
	}
	net, err := engine.NewNet(h, pl, params, engine.Record{})
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, s := range []verify.Subject{{Run: net.Run}, {}} {
		s.Graph, s.Params, s.Model, s.Taps, s.Sets = h, params, m.Bytes, m.Taps, []verify.Set{set}
		r, err := verify.Verify(t.Context(), s, rt)
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			t.Errorf("%s, by the engine %v: %v\n%s", what, s.Run != nil, err, ir.Format(h))
			return
		}
	}
}

// positive is a set of rows without zeros and without equal elements.
func positive(g *ir.Graph, n int, seed uint64) verify.Set {
	r := rand.New(rand.NewPCG(seed, 4))
	s := verify.Set{Name: "rows", Rows: n, In: map[string]*ir.Tensor{}}
	for _, v := range g.Inputs {
		t := ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(n))...)
		for i := range t.F32 {
			t.F32[i] = float32(0.25 + r.Float64())
		}
		for i := range t.I64 {
			t.I64[i] = int64(r.IntN(2))
		}
		for i := range t.Bool {
			t.Bool[i] = r.IntN(2) == 0
		}
		s.In[v.Name] = t
	}
	return s
}

// TestEveryGradient writes the gradient of every op that has one to a file, for the
// operands of its cases, and holds onnxruntime, the engine and the reference against
// each other.
func TestEveryGradient(t *testing.T) {
	rt := orttest.Runtime(t)
	cases, err := opcase.Load("../../testdata/ops")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for i, c := range cases {
		name := strings.TrimSuffix(c.File, ".txt")
		if c.Error != "" || checked[name] >= 6 {
			continue
		}
		g, ok := gradientOf(c)
		if !ok {
			continue
		}
		if h := withSlopes(t, g); h != nil {
			params := map[string][]float32{}
			for _, v := range h.Params {
				for k := range v.Type.Shape.Count() {
					params[v.Name] = append(params[v.Name], 0.5+float32(k)/8)
				}
			}
			holds(t, name+"/"+c.Name, h, params, positive(h, 9, uint64(i)), rt)
			checked[name]++
		}
	}
	for _, op := range ops.All() {
		_, vjp := op.(ir.Differentiable)
		_, parts := op.(ir.Decomposer)
		_, none := op.(ir.NotDifferentiable)
		if name := op.Name(); checked[name] == 0 && (vjp || parts && !none) {
			t.Errorf("no gradient of %s was written", name)
		}
	}
}

// TestGradientsOfFreeLengths does so with means over rows and over a free length, whose
// gradients divide by what both are in a run.
func TestGradientsOfFreeLengths(t *testing.T) {
	rt := orttest.Runtime(t)
	b := ir.NewBuilder("free")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Of("T"), ir.Fixed(4)))
	b.Layer = "dense"
	y := b.Op(ops.Tanh{}, b.Op(ops.MatMul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(4), ir.Fixed(3)))))
	b.Layer = "pool"
	ofRow := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, b.Op(ops.Softmax{Axis: 1}, b.Op(ops.Mul{}, y, y)))
	pooled := b.Op(ops.ReduceMax{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, y, y))
	b.Layer = "grad1"
	output(b, b.Op(ops.Grad{}, b.Op(ops.Mul{}, pooled, b.Op(ops.Add{}, ofRow, pooled)), x), "d")
	b.Layer = "grad2"
	output(b, b.Op(ops.Grad{}, b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, y, y)), x), "dmean")
	b.Layer = "grad3"
	output(b, b.Op(ops.Grad{}, b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, y, y)), b.Graph.Params[0]), "dw")
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	b.Graph.Capacity = b.Graph.Capacity.With("T", 6)
	h, err := compiler.Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	set := verify.Set{Name: "rows", Rows: 7, In: map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 7, 4, 4)}}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range set.In["x"].F32 {
		set.In["x"].F32[i] = float32(2*r.Float64() - 1)
	}
	holds(t, "free lengths", h, weights(h, 3), set, rt)
}

// TestGradientsOfRandomModels does the same with whole models: the gradients of all
// they give along the input and a weight, and the gradient of the squares of the former.
func TestGradientsOfRandomModels(t *testing.T) {
	rt := orttest.Runtime(t)
	determined := 0
	for seed := range uint64(30) {
		g := randomGraph(seed)
		b := ir.Extend(g)
		x, w := g.Inputs[0], g.Params[0]
		score := g.Outputs[len(g.Outputs)-1]
		b.Layer = "grad1"
		dx := b.Op(ops.Grad{}, score, x)
		output(b, dx, "dx")
		b.Layer = "grad2"
		output(b, b.Op(ops.Grad{}, score, w), "dw")
		b.Layer = "grad3"
		output(b, b.Op(ops.Grad{}, b.Op(ops.Mul{}, dx, dx), w), "second")
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		g.Outputs = g.Outputs[len(g.Outputs)-3:]
		h := withSlopes(t, g)
		if h == nil {
			continue
		}
		m, err := onnxexport.Build(h, weights(h, seed), onnxexport.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r, err := verify.Verify(t.Context(), verify.Subject{Graph: h, Params: weights(h, seed), Model: m.Bytes, Taps: m.Taps,
			Sets: []verify.Set{uniform(h, 5, seed)}}, rt)
		if err == nil {
			err = r.Err()
		}
		var vague *verify.UndeterminedError
		if err != nil && !errors.As(err, &vague) {
			t.Errorf("seed %d: %v\n%s", seed, err, ir.Format(h))
		} else if err == nil {
			determined++
		}
	}
	if determined < 20 { // the others end in a Softmax, whose sum is 1 whatever comes in
		t.Errorf("only %d files could be compared", determined)
	}
}
