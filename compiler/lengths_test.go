package compiler

import (
	"context"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// parsed reads a graph.
func parsed(t *testing.T, text string) *ir.Graph {
	t.Helper()
	g, err := ir.Parse(text, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestViewsAreNoBarrier: a view that keeps rows together keeps them in one task.
func TestViewsAreNoBarrier(t *testing.T) {
	g := parsed(t, `g (f32[N 16 64] x) => (y) <f32[64 8] w> {
		f32[N 16 64] a = Tanh(x)
		f32[16*N 64] b = Reshape<shape = [16*N 64]>(a)
		f32[16*N 8] c = MatMul(b, w)
		f32[N 128] d = Reshape<shape = [N 128]>(c)
		f32[N 128] y = Softmax<axis = 1>(d)
	}`)
	p, err := CompileGraph(g, Options{Rows: 32})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Phases) != 1 || len(p.Phases[0].Groups) != 1 || p.Phases[0].Groups[0].Length != ir.Rows() {
		t.Errorf("the views are barriers:\n%s", plan.Format(p))
	}
}

// TestVerifyBelowCapacity: buffers whose rows are equal at capacity only may not
// take each other's place.
func TestVerifyBelowCapacity(t *testing.T) {
	for _, c := range []string{"T", "N"} {
		g := parsed(t, `g (f32[N 4] x, f32[N `+c+`] z) => (y) {
			f32[N 4] a = Tanh(x)
			f32[N 1] b = ReduceMean<axes = [1], keepdims = true>(a)
			f32[N `+c+`] c = Add(z, b)
			f32[N `+c+`] d = Tanh(c)
			f32[N `+c+`] y = Mul(d, z)
		}`)
		o := Options{Rows: 4, spread: true}
		if c == "T" {
			o = Options{Rows: 9, Lengths: map[string]int{"T": 4}, spread: true}
		}
		p, err := CompileGraph(g, o)
		if err != nil {
			t.Fatal(err)
		}
		offset := map[string]*int{}
		for i := range p.Buffers {
			offset[p.Buffers[i].Name] = &p.Buffers[i].Offset
		}
		if *offset["a"] == *offset["c"] {
			t.Fatalf("%s: the planner shares them:\n%s", c, plan.Format(p))
		}
		// The place of the longest is free for both.
		for i := range p.Buffers {
			p.Buffers[i].Offset += 4096 * i
		}
		p.ArenaBytes += 4096 * len(p.Buffers)
		if err := plan.Verify(p); err != nil {
			t.Fatal(err)
		}
		*offset["c"] = *offset["a"]
		if err := plan.Verify(p); err == nil || !strings.Contains(err.Error(), "share bytes") {
			t.Errorf("%s: a plan that is right at capacity only: %v", c, err)
		}
	}
}

// TestNetLengths: a function with two lengths takes any up to their capacities,
// rows of any number, and names both inputs that do not agree.
func TestNetLengths(t *testing.T) {
	g := parsed(t, `g (f32[N T 3] x, f32[N T] m) => (y) <f32[3 2] w> {
		f32[N T 2] h = MatMul(x, w)
		f32[N T 1] k = Reshape<shape = [N T 1]>(m)
		f32[N T 2] s = Mul(h, k)
		f32[N 2] y = ReduceSum<axes = [1], keepdims = false>(s)
	}`)
	p, err := CompileGraph(g, Options{Rows: 4, Lengths: map[string]int{"T": 5, "U": 9}})
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := p.Capacity.Of("U"); ok {
		t.Errorf("the plan has %d of a length that the graph does not have", n)
	}
	net, err := engine.NewNet(g, p, map[string][]float32{"w": {1, 2, 3, 4, 5, 6}}, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(shape ...int) *ir.Tensor {
		x := ir.NewTensor(ir.F32, shape...)
		for i := range x.F32 {
			x.F32[i] = float32(i%7) - 3
		}
		return x
	}
	for _, c := range [][2]int{{4, 5}, {1, 1}, {3, 2}, {11, 4}} {
		in := map[string]*ir.Tensor{"x": tensor(c[0], c[1], 3), "m": tensor(c[0], c[1])}
		out, err := net.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		oracle := map[string]*ir.Tensor{"w": {DType: ir.F32, Shape: []int{3, 2}, F32: []float32{1, 2, 3, 4, 5, 6}}}
		for name, x := range in {
			oracle[name] = x
		}
		want := results(t, g, &ir.Env{Binding: ir.RowsOf(c[0]).With("T", c[1])}, oracle)
		within(t, "y", out["y"], want["y"])
	}
	for want, in := range map[string]map[string]*ir.Tensor{
		`input "m" is f32[2 4], so T is 4, but input "x" has 3`: {"x": tensor(2, 3, 3), "m": tensor(2, 4)},
		`input "m" is f32[1 3], so N is 1, but input "x" has 2`: {"x": tensor(2, 3, 3), "m": tensor(1, 3)},
		`length T is 6, plan "g" takes 1 to 5`:                  {"x": tensor(2, 6, 3), "m": tensor(2, 6)},
		`length T is 0, plan "g" takes 1 to 5`:                  {"x": tensor(2, 0, 3), "m": tensor(2, 0)},
		`input "x" must be f32[N T 3], got f32[2 3 4]`:          {"x": tensor(2, 3, 4), "m": tensor(2, 3)},
	} {
		if _, err := net.Run(context.Background(), in); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), " ", ""), strings.ReplaceAll(want, " ", "")) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	k, _ := engineOf(t, p, engine.Feed{"w": {F32: []float32{1, 2, 3, 4, 5, 6}}}, 1)
	for id := range p.Steps {
		if k.Kernel(id) == "reference" {
			t.Errorf("step %d has no kernel:\n%s", id, plan.Format(p))
		}
	}
	in, out := map[string]*ir.Tensor{"x": tensor(3, 4, 3), "m": tensor(3, 4)}, map[string]*ir.Tensor{"y": tensor(3, 2)}
	short := map[string]*ir.Tensor{"x": tensor(2, 5, 3), "m": tensor(2, 5)}
	into := map[string]*ir.Tensor{"y": tensor(2, 2)}
	if n := testing.AllocsPerRun(20, func() {
		if net.RunInto(context.Background(), in, out) != nil || net.RunInto(context.Background(), short, into) != nil {
			t.Error("a run failed")
		}
	}); n > 0 {
		t.Errorf("a call allocates %v times", n)
	}
}

// TestNoInputGivesLength: a length that no shape of a call tells is refused.
func TestNoInputGivesLength(t *testing.T) {
	g := parsed(t, `g (f32[N (T/2)] x) => (y) {
		f32[N (T/2)] y = Tanh(x)
	}`)
	p, err := CompileGraph(g, Options{Rows: 4, Lengths: map[string]int{"T": 6}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.NewNet(g, p, nil, engine.Record{}); err == nil || !strings.Contains(err.Error(), "length T follows from no input") {
		t.Errorf("got %v", err)
	}
}

// TestDrawsAtCapacity: padding moves no mask, and the parts of an update have the
// masks of the whole.
func TestDrawsAtCapacity(t *testing.T) {
	g := parsed(t, `g (f32[N T 3] x, f32[T N] z) => (y, u) {
		f32[N T 3] y = Bernoulli<rate = 0.5, stream = 1>(x)
		f32[T N] u = Bernoulli<rate = 0.5, stream = 2>(z)
	}`)
	p, err := CompileGraph(g, Options{Rows: 6, Lengths: map[string]int{"T": 5}})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := engineOf(t, cutBy(p, 2), nil, 2)
	run := func(rows, steps, first int) (y, u []float32) {
		fed := engine.Feed{"x": ir.NewTensor(ir.F32, rows, steps, 3), "z": ir.NewTensor(ir.F32, steps, rows)}
		up := &engine.Update{UpdateRows: 6, FirstRow: first, Seed: 1, Step: 9}
		if err := e.RunAt(fed, ir.RowsOf(rows).With("T", steps), up); err != nil {
			t.Fatal(err)
		}
		return append([]float32{}, e.Output("y").F32...), append([]float32{}, e.Output("u").F32...)
	}
	y, u := run(6, 5, 0)
	py, pu := run(4, 3, 0)
	qy, _ := run(2, 4, 4)
	for r := range 4 {
		for s := range 3 {
			for k := range 3 {
				if py[(r*3+s)*3+k] != y[(r*5+s)*3+k] {
					t.Fatal("padding moves a mask")
				}
			}
			if pu[s*4+r] != u[s*6+r] {
				t.Fatal("fewer rows on the last axis move a mask")
			}
		}
	}
	for r := range 2 {
		for s := range 4 {
			for k := range 3 {
				if qy[(r*4+s)*3+k] != y[((r+4)*5+s)*3+k] {
					t.Fatal("a part of an update has another mask")
				}
			}
		}
	}
}
