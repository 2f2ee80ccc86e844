package compiler

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// withGrads returns a random model with the gradients of its loss along an input, a
// weight and a value as outputs, and a second loss that is made of the first of them.
func withGrads(t *testing.T, seed uint64) *ir.Graph {
	t.Helper()
	g := randomModel(seed)
	b := ir.Extend(g)
	loss := g.Value("loss")
	out := func(name string, v *ir.Value) *ir.Value {
		v.Name = name
		b.Output(v)
		return v
	}
	b.Layer = "grad1"
	gx := out("gx", b.Op(ops.Grad{}, loss, g.Value("x")))
	b.Layer = "grad2"
	out("gw", b.Op(ops.Grad{}, loss, g.Value("code/w")))
	b.Layer = "grad3"
	out("gtap", b.Op(ops.Grad{}, loss, g.Value("tap")))
	b.Layer = "penalty"
	out("loss2", b.Op(ops.Add{}, loss, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, gx, gx))))
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}

// slopes compares a gradient with central differences of an output of g along elements
// of a tensor of in. It returns how many it could compare, and how many are at kinks.
func slopes(t *testing.T, g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor, of string, x []float64, grad []float64, what string) (checked, kinks int) {
	t.Helper()
	value := func(p *float64, at float64) float64 {
		old := *p
		*p = at
		v := results(t, g, env, in)[of].F64[0]
		*p = old
		return v
	}
	for i := range x {
		slope := func(h float64) float64 {
			return (value(&x[i], x[i]+h) - value(&x[i], x[i]-h)) / (2 * h)
		}
		wide, want := slope(1e-4), slope(1e-5)
		if math.Abs(wide-want) > 1e-5*(1+math.Abs(want)) {
			kinks++
			continue
		}
		checked++
		if math.Abs(grad[i]-want) > 4e-7*(1+math.Abs(want)) {
			t.Errorf("the gradient of %s, element %d, is %v, by differences %v", what, i, grad[i], want)
		}
	}
	return checked, kinks
}

// TestGrad compares gradients that are values with central differences: along inputs,
// weights and values, of what trains and of what ships, and the gradient of a loss that
// a gradient is part of.
func TestGrad(t *testing.T) {
	checked, kinks := 0, 0
	for seed := uint64(1); seed <= 40; seed++ {
		for _, ships := range []bool{false, true} {
			g := withGrads(t, seed)
			before := ir.Format(g)
			h, err := Plain(g, ships)
			if err != nil {
				if strings.Contains(err.Error(), "0 wherever it exists") || strings.Contains(err.Error(), "does not depend") {
					continue // a slice without x
				}
				t.Fatalf("seed %d: %v", seed, err)
			}
			if ir.Format(g) != before {
				t.Fatal("Plain changed the graph it was given")
			}
			env := testEnv()
			in := randgraph.Feed(g, env, seed)
			from := h
			if ships {
				if from, err = Front(g, true); err != nil {
					t.Fatal(err)
				}
				for _, n := range h.Nodes { // differences need the StopGradients, which Front takes away
					if ir.TrainingOnly(n.Op) && !ir.StopsGradient(n.Op) {
						h.Replace(n.Out[0], n.In[0])
					}
				}
			}
			got := results(t, from, env, in)
			still := stopped(t, h, env, in)
			for name, x := range map[string]string{"gx": "x", "gw": "code/w"} {
				if in[x] == nil {
					t.Fatalf("seed %d: no %q", seed, x)
				}
				c, k := slopes(t, still, env, in, "loss", in[x].F64, got[name].F64, name)
				checked, kinks = checked+c, kinks+k
			}
			if !ships {
				d, err := Gradient(g, "loss2")
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				second := results(t, d, env, in)
				for _, p := range g.Params {
					c, k := slopes(t, still, env, in, "loss2", in[p.Name].F64, second["grad/"+p.Name].F64, "loss2 along "+p.Name)
					checked, kinks = checked+c, kinks+k
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, ships %v:\n%s\n%s", seed, ships, ir.Format(g), ir.Format(h))
			}
		}
	}
	if kinks > checked/20 || checked < 2000 {
		t.Errorf("%d elements checked, %d skipped at kinks", checked, kinks)
	}
}

// TestGradOfValue holds the gradient along a value in the middle to that along an input
// in its place.
func TestGradOfValue(t *testing.T) {
	g := withGrads(t, 7)
	h, err := Plain(g, false)
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	in := randgraph.Feed(g, env, 7)
	got := results(t, h, env, in)
	cut, to := h.Clone()
	in["tapped"] = got["tap"]
	b := ir.Extend(cut)
	tapped := b.Input("tapped", h.Value("tap").Type)
	for _, n := range cut.Nodes {
		for i, v := range n.In {
			if v == to[h.Value("tap")] {
				n.In[i] = tapped
			}
		}
	}
	if c, _ := slopes(t, stopped(t, cut, env, in), env, in, "loss", in["tapped"].F64, got["gtap"].F64, "gtap"); c < 4 {
		t.Errorf("only %d elements were checked", c)
	}
}

// TestGradAtKinks pins what the gradient is where a slope leaps.
func TestGradAtKinks(t *testing.T) {
	for _, c := range []struct {
		op   ir.Op
		want float64
	}{{ops.Relu{}, 0}, {ops.Abs{}, 0}, {ops.LeakyRelu{Alpha: 0.1}, 0.1}, {ops.Elu{Alpha: 2}, 2}, {ops.Selu{}, ops.SeluGamma * ops.SeluAlpha}, {ops.HardSwish{}, 0.5}} {
		b := ir.NewBuilder("kink")
		x := b.Input("x", ir.T(ir.F32, ir.Rows()))
		d := b.Op(ops.Grad{}, b.Op(c.op, x), x)
		d.Name = "d"
		b.Output(d)
		g, err := Plain(b.Graph, true)
		if err != nil {
			t.Fatal(err)
		}
		at := &ir.Tensor{DType: ir.F64, Shape: []int{3}, F64: make([]float64, 3)}
		if got := results(t, g, testEnv(), map[string]*ir.Tensor{"x": at})["d"].F64[1]; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("the gradient of %s at 0 is %v, want %v", ir.FormatOp(c.op), got, c.want)
		}
	}
}

// TestGradOfMeans: rows that a mean divides by are those of the run in what ships, and
// such a function says that its rows are not apart.
func TestGradOfMeans(t *testing.T) {
	b := ir.NewBuilder("mean")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	d := b.Op(ops.Grad{}, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, x, x)), x)
	d.Name = "d"
	b.Output(d)
	g, err := Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	if ir.RowsApart(g) {
		t.Errorf("the rows of a function that divides by their number are said to be apart:\n%s", ir.Format(g))
	}
	for _, rows := range []int{1, 4} {
		in := ir.NewTensor(ir.F64, rows, 2)
		for i := range in.F64 {
			in.F64[i] = float64(i + 1)
		}
		got := results(t, g, &ir.Env{Binding: ir.RowsOf(rows)}, map[string]*ir.Tensor{"x": in})["d"].F64
		for i, v := range got {
			if want := 2 * float64(i+1) / float64(2*rows); math.Abs(v-want) > 1e-12 {
				t.Errorf("%d rows: element %d is %v, want %v", rows, i, v, want)
			}
		}
	}
}

// TestGradsInGrads: gradients of gradients are as many as asked for, up to a bound.
func TestGradsInGrads(t *testing.T) {
	for depth, fails := range map[int]bool{4: false, 40: true} {
		b := ir.NewBuilder("deep")
		x := b.Input("x", ir.T(ir.F32, ir.Rows()))
		y := b.Op(ops.Tanh{}, x)
		for range depth {
			b.Layer = "grad"
			y = b.Op(ops.Grad{}, y, x)
		}
		y.Name = "y"
		b.Output(y)
		g, err := Front(b.Graph, true)
		if fails {
			if err == nil || !strings.Contains(err.Error(), "Grad: with it the graph has") {
				t.Errorf("%d gradients in each other: %v", depth, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		in := &ir.Tensor{DType: ir.F64, Shape: []int{3}, F64: []float64{0, 0.5, -1}}
		for i, got := range results(t, g, testEnv(), map[string]*ir.Tensor{"x": in})["y"].F64 {
			h := math.Tanh(in.F64[i]) // the fourth derivative, of which the third is -2(1-h²)(1-3h²)
			if want := (1 - h*h) * (16*h - 24*h*h*h); math.Abs(got-want) > 1e-12 {
				t.Errorf("the fourth derivative of Tanh at %v is %v, want %v", in.F64[i], got, want)
			}
		}
	}
}

// TestGradErrors holds what is refused to its layer, line, op and reason.
func TestGradErrors(t *testing.T) {
	vec := ir.T(ir.F32, ir.Rows(), ir.Fixed(2))
	at := func(b *ir.Builder, layer string, line int) {
		b.Layer, b.Pos = layer, ir.Pos{Made: ir.Frame{File: "main.go", Line: line}}
	}
	for name, c := range map[string]struct {
		build func(b *ir.Builder, x *ir.Value) *ir.Value
		want  []string
	}{
		"opaque": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(opaque{}, x) },
			[]string{"main.go:5", `layer "odd"`, "Opaque", `the score of "grad1" cannot be traced back`, "nobody knows it"}},
		"stopped": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.StopGradient{}, x) },
			[]string{"main.go:9", `layer "grad1"`, "Grad", `StopGradient of layer "odd" lets none through`}},
		"steps": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Cast{To: ir.F32}, b.Op(ops.Greater{}, x, x))
		},
			[]string{"main.go:9", `Greater of layer "odd"`, "the result is bool"}},
		"elsewhere": {func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Neg{}, b.Input("z", vec)) },
			[]string{"main.go:9", "does not depend on x", "f32[N 2]"}},
		"constant slope": {func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Grad{}, b.Op(ops.Neg{}, x), x)
		}, []string{"main.go:9", "0 wherever it exists", "the same for every x"}},
	} {
		for _, ships := range []bool{false, true} {
			b := ir.NewBuilder("g")
			x := b.Input("x", vec)
			at(b, "odd", 5)
			score := c.build(b, x)
			at(b, "grad1", 9)
			b.Output(b.Op(ops.Grad{}, score, x))
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			_, err := Front(b.Graph, ships)
			if err == nil {
				t.Errorf("%s: no error", name)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %q does not contain %q", name, err, want)
				}
			}
		}
	}
	b := ir.NewBuilder("g")
	x := b.Input("x", vec)
	b.Output(b.Op(ops.Grad{}, b.Op(ops.Neg{}, x), x))
	_, err := ir.Evaluate(b.Graph, testEnv(), map[string]*ir.Tensor{"x": ir.NewTensor(ir.F64, 3, 2)})
	if err == nil || !strings.Contains(err.Error(), "pass grad") {
		t.Errorf("the reference evaluates a graph that has a Grad: %v", err)
	}
}

// TestGradOfGrad compares the gradient of a gradient's square with central differences,
// for ops whose gradients are ops of their own or go through several.
func TestGradOfGrad(t *testing.T) {
	c := func(b *ir.Builder, x float64) *ir.Value { return b.Const(ir.F32, x) }
	lengths := ir.T(ir.F32, ir.Fixed(4))
	for name, f := range map[string]func(b *ir.Builder, x *ir.Value) *ir.Value{
		"LayerNorm": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.LayerNorm{Axis: 1, Epsilon: 1e-2}, x, b.Param("scale", lengths), b.Param("bias", lengths))
		},
		"RMSNorm": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.RMSNorm{Axis: 1, Epsilon: 1e-2}, x, b.Param("scale", lengths))
		},
		"GroupNorm": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.GroupNorm{Groups: 2, Epsilon: 1e-2}, x, b.Param("scale", lengths), b.Param("bias", lengths))
		},
		"Softmax":    func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Softmax{Axis: 1}, x) },
		"LogSoftmax": func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.LogSoftmax{Axis: 1}, x) },
		"Gelu":       func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Gelu{}, x) },
		"Silu":       func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Silu{}, x) },
		"Elu":        func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Elu{Alpha: 1.5}, x) },
		"Selu":       func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Selu{}, x) },
		"Softplus":   func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Softplus{}, x) },
		"Erf":        func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Erf{}, x) },
		"Exp":        func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Exp{}, b.Op(ops.Tanh{}, x)) },
		"Sqrt, Log": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Log{}, b.Op(ops.Sqrt{}, b.Op(ops.Add{}, b.Op(ops.Mul{}, x, x), c(b, 1))))
		},
		"Div": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Div{}, x, b.Op(ops.Add{}, b.Op(ops.Mul{}, x, x), c(b, 1)))
		},
		"ReduceMax": func(b *ir.Builder, x *ir.Value) *ir.Value {
			top := b.Op(ops.ReduceMax{Axes: ir.MakeAxes(1), Keep: true}, x)
			return b.Op(ops.Mul{}, x, b.Op(ops.Mul{}, top, top))
		},
		"Concat, Slice": func(b *ir.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Tanh{}, b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(2), End: ir.Fixed(6)}, b.Op(ops.Concat{Axis: 1}, x, b.Op(ops.Mul{}, x, x))))
		},
	} {
		b := ir.NewBuilder(name)
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
		y := f(b, b.Op(ops.MatMul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(4)))))
		dx := b.Op(ops.Grad{}, b.Op(ops.Mul{}, y, b.Op(ops.Mul{}, y, y)), x)
		loss := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, dx, dx))
		loss = b.Op(ops.Add{}, loss, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, y)) // which reaches a bias too
		loss.Name = "loss"
		b.Output(loss)
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		d, err := Gradient(b.Graph, "loss")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h, err := Plain(b.Graph, false)
		if err != nil {
			t.Fatal(err)
		}
		env := testEnv()
		in := randgraph.Feed(b.Graph, env, 4)
		got := results(t, d, env, in)
		for _, p := range b.Graph.Params {
			checked, kinks := slopes(t, h, env, in, "loss", in[p.Name].F64, got["grad/"+p.Name].F64, name+": the loss along "+p.Name)
			if kinks > checked {
				t.Errorf("%s: %d of %d elements of %s are at kinks", name, kinks, kinks+checked, p.Name)
			}
		}
	}
}

// TestGradPermuted: what takes the place of Grads does not depend on the order of nodes.
func TestGradPermuted(t *testing.T) {
	g := withGrads(t, 9)
	for _, ships := range []bool{false, true} {
		var want string
		for permute := uint64(0); permute < 12; permute++ {
			s := &state{inference: ships, opt: Options{Permute: permute}}
			h, err := s.front(g)
			if err != nil {
				t.Fatal(err)
			}
			if got := ir.Format(h); want == "" {
				want = got
			} else if got != want {
				t.Fatalf("with the nodes permuted by %d:\n%s\nwant\n%s", permute, got, want)
			}
		}
	}
}
