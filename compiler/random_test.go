package compiler

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// randomModel returns a model with two inputs, branches, a dense layer on both
// branches, a tied layer, a dropout and a tap; its outputs are loss and tap.
func randomModel(seed uint64) *ir.Graph {
	d := randgraph.NewDice(seed)
	b := ir.NewBuilder(fmt.Sprintf("model%d", seed))
	width := func() int { return 2 + d.N(4) }
	f32 := func(dims ...ir.Dim) ir.Type { return ir.T(ir.F32, dims...) }
	in := width()
	x := b.Input("x", f32(ir.Rows(), ir.Fixed(in)))
	y := b.Input("y", f32(ir.Rows(), ir.Fixed(in)))
	line := 10
	at := func(layer string) {
		line++
		b.Layer, b.Pos = layer, ir.Pos{Made: ir.Frame{File: "model.go", Line: line}}
	}
	dense := func(layer string, n int, units int) func(*ir.Value) *ir.Value {
		w := b.Param(layer+"/w", f32(ir.Fixed(n), ir.Fixed(units)))
		c := b.Param(layer+"/b", f32(ir.Fixed(units)))
		return func(v *ir.Value) *ir.Value {
			at(layer)
			return b.Op(ops.Add{}, b.Op(ops.MatMul{}, v, w), c)
		}
	}
	act := func(layer string, v *ir.Value) *ir.Value {
		at(layer)
		choices := []ir.Op{ops.Relu{}, ops.Tanh{}, ops.Sigmoid{}, ops.Softplus{}, ops.Gelu{}, ops.Elu{Alpha: 1}, ops.LeakyRelu{Alpha: 0.1},
			ops.Softmax{Axis: 1}, ops.LogSoftmax{Axis: 1}, ops.Abs{}, ops.Identity{}, ops.Neg{}}
		return b.Op(choices[d.N(len(choices))], v)
	}
	hidden := width()
	shared := dense("shared", in, hidden)
	p, q := act("act1", shared(x)), act("act2", shared(y))
	at("drop")
	p = b.Op(ops.Dropout{Rate: 0.25, Stream: seed}, p)
	var h *ir.Value
	at("join")
	switch d.N(4) {
	case 0:
		h = b.Op(ops.Add{}, p, q)
	case 1:
		h = b.Op(ops.Mul{}, p, b.Op(ops.Add{}, q, b.Const(ir.F32, 0.5)))
	case 2:
		h = b.Op(ops.Sub{}, b.Op(ops.Add{}, b.Const(ir.F32, 0), p), q)
	case 3:
		h = b.Op(ops.Concat{Axis: 1}, p, q)
		h = b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(d.N(hidden)), End: h.Type.Shape[1]}, h)
	}
	for i := range d.N(3) {
		name := fmt.Sprintf("block%d", i+1)
		inner := dense(name, h.Type.Last(), h.Type.Last())(h)
		if d.N(2) == 0 {
			inner = act(name+"/act", inner)
		}
		at(name)
		h = b.Op(ops.Add{}, h, inner)
	}
	code := dense("code", h.Type.Last(), in)(h)
	tap := act("code/act", code)
	at("tied")
	wt := b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, b.Graph.Value("code/w"))
	back := b.Op(ops.MatMul{}, tap, wt) // N x width of h
	at("loss1")
	diff := b.Op(ops.Sub{}, back, b.Op(ops.StopGradient{}, h))
	l1 := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, diff, diff))
	at("loss2")
	err := b.Op(ops.Sub{}, tap, y)
	l2 := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Softplus{}, err))
	at("loss")
	loss := b.Op(ops.Add{}, l1, b.Op(ops.Mul{}, b.Const(ir.F32, 0.7), l2))
	if b.Err() != nil {
		panic(b.Err())
	}
	loss.Name, tap.Name = "loss", "tap"
	b.Output(loss)
	b.Output(tap)
	return b.Graph
}

// tiedAutoencoder is a dense layer with Relu, its tied mirror and mean squared
// error.
func tiedAutoencoder() *ir.Graph {
	b := ir.NewBuilder("tied")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(6)))
	w := b.Param("encoder/w", ir.T(ir.F32, ir.Fixed(6), ir.Fixed(3)))
	c := b.Param("encoder/b", ir.T(ir.F32, ir.Fixed(3)))
	d := b.Param("decoder/b", ir.T(ir.F32, ir.Fixed(6)))
	b.Layer = "encoder"
	h := b.Op(ops.Relu{}, b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), c))
	b.Layer = "decoder"
	y := b.Op(ops.Add{}, b.Op(ops.MatMul{}, h, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w)), d)
	b.Layer = "mse"
	e := b.Op(ops.Sub{}, y, x)
	l := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, e, e))
	l.Name = "loss"
	b.Output(l)
	return b.Graph
}

// testEnv has fewer rows than the update they are a part of, as under
// accumulation.
func testEnv() *ir.Env { return &ir.Env{Binding: ir.RowsOf(3), UpdateRows: 3, Seed: 5, Update: 2} }

// results evaluates the outputs by name.
func results(t *testing.T, g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor) map[string]*ir.Tensor {
	t.Helper()
	vals, err := ir.Evaluate(g, env, in)
	if err != nil {
		t.Fatalf("evaluate: %v\n%s", err, ir.Format(g))
	}
	out := map[string]*ir.Tensor{}
	for _, v := range g.Outputs {
		out[v.Name] = vals[v]
	}
	return out
}

// near fails unless every output of want is in got and equal up to rounding in
// float64.
func near(t *testing.T, what string, got, want map[string]*ir.Tensor) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if g == nil {
			t.Errorf("%s: output %q is gone", what, name)
			continue
		}
		if fmt.Sprint(g.Shape) != fmt.Sprint(w.Shape) {
			t.Errorf("%s: output %q has shape %v, want %v", what, name, g.Shape, w.Shape)
			continue
		}
		for i := range w.Len() {
			a, b := g.At(i), w.At(i)
			if math.IsNaN(b) || math.Abs(a-b) > 1e-11*(1+math.Abs(b)) {
				t.Errorf("%s: output %q element %d is %v, want %v", what, name, i, a, b)
				break
			}
		}
	}
}

const randomModels = 60

// TestPassesKeepMeaning runs every pass of both pipelines and evaluates the
// graph before and after each.
func TestPassesKeepMeaning(t *testing.T) {
	for seed := uint64(1); seed <= randomModels; seed++ {
		for _, inference := range []bool{false, true} {
			g, _ := randomModel(seed).Clone()
			s := &state{opt: Options{Rows: 4, Permute: seed}, inference: inference, planned: true, loss: "loss"}
			env := testEnv()
			in := randgraph.Feed(g, env, seed)
			for _, p := range passes() {
				if p.when != nil && !p.when(s) {
					continue
				}
				before := results(t, g, env, in)
				if err := s.step(g, p); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if p.name == "freeze" {
					continue // it is meant to change what a dropout does
				}
				near(t, fmt.Sprintf("seed %d inference %v pass %s", seed, inference, p.name), results(t, g, env, in), before)
				if t.Failed() {
					t.Fatalf("after %s:\n%s", p.name, ir.Format(g))
				}
			}
			reread(t, g)
		}
	}
}

// reread fails unless a graph's text form reads back as the graph.
func reread(t *testing.T, g *ir.Graph) {
	t.Helper()
	h, err := ir.Parse(ir.Format(g), ops.ByName)
	if err != nil {
		t.Fatalf("%v\n%s", err, ir.Format(g))
	}
	if a, b := ir.Text(g), ir.Text(h); a != b {
		t.Fatalf("the text form changes when read back:\n%s\n%s", a, b)
	}
}

// TestFreezeIsDropoutFree checks that what ships is the model without noise.
func TestFreezeIsDropoutFree(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		g := randomModel(seed)
		front, err := Front(g, true)
		if err != nil {
			t.Fatal(err)
		}
		quiet, _ := g.Clone()
		for _, n := range quiet.Nodes {
			if op, ok := n.Op.(ops.Dropout); ok {
				op.Rate = 0
				n.Op = op
			}
		}
		env := testEnv()
		in := randgraph.Feed(g, env, seed)
		near(t, "freeze", results(t, front, env, in), results(t, quiet, env, in))
		for _, n := range front.Nodes {
			switch n.Op.(type) {
			case ops.Dropout, ops.Bernoulli, ops.StopGradient:
				t.Errorf("seed %d: %s is left", seed, n.Op.Name())
			}
		}
	}
}

// TestPermutation compiles each model with the nodes in many orders and wants
// the same text.
func TestPermutation(t *testing.T) {
	form := func(seed, permute uint64, inference bool) string {
		g, _ := randomModel(seed).Clone()
		s := &state{opt: Options{Rows: 4, Permute: permute}, inference: inference, planned: true, loss: "loss"}
		for _, st := range []stage{front, gradient, back} {
			if err := s.run(g, st); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		return ir.Format(g)
	}
	for seed := uint64(1); seed <= 20; seed++ {
		for _, inference := range []bool{false, true} {
			want := form(seed, 0, inference)
			for permute := uint64(1); permute <= 4; permute++ {
				if got := form(seed, permute, inference); got != want {
					t.Fatalf("seed %d permutation %d:\n%s\nwant\n%s", seed, permute, got, want)
				}
			}
		}
	}
}

// TestPermuteNodes checks that the orders differ and are valid: without that
// TestPermutation could not fail.
func TestPermuteNodes(t *testing.T) {
	g := randomModel(1)
	want := ir.Format(g)
	moved := 0
	for seed := range uint64(10) {
		if err := permuteNodes(g, random.New(seed)); err != nil {
			t.Fatal(err)
		}
		if err := ir.Verify(g); err != nil {
			t.Fatal(err)
		}
		if ir.Format(g) != want {
			moved++
		}
	}
	if moved < 8 {
		t.Errorf("only %d of 10 permutations moved a node", moved)
	}
	if err := sortNodes(g); err != nil {
		t.Fatal(err)
	}
	if got := ir.Format(g); got != want {
		t.Errorf("sorting does not restore the order:\n%s\nwant\n%s", got, want)
	}
}
