package compiler

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// TestGradientOfModels compares the gradients of whole random models with
// central differences of the model as declared, in float64.
func TestGradientOfModels(t *testing.T) {
	checked, skipped := 0, 0
	for seed := uint64(1); seed <= randomModels; seed++ {
		g := randomModel(seed)
		d, err := Gradient(g, "loss")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		env := testEnv()
		in := randgraph.Feed(g, env, seed)
		got := results(t, d, env, in)
		still := stopped(t, g, env, in)
		loss := func(x *float64, at float64) float64 {
			old := *x
			*x = at
			l := results(t, still, env, in)["loss"].F64[0]
			*x = old
			return l
		}
		for _, p := range g.Params {
			w, grad := in[p.Name].F64, got["grad/"+p.Name]
			if grad == nil {
				t.Fatalf("seed %d: no output grad/%s", seed, p.Name)
			}
			for i := range w {
				slope := func(h float64) float64 {
					return (loss(&w[i], w[i]+h) - loss(&w[i], w[i]-h)) / (2 * h)
				}
				wide, want := slope(1e-4), slope(1e-5)
				if math.Abs(wide-want) > 1e-5*(1+math.Abs(want)) {
					skipped++ // a kink is between the points
					continue
				}
				checked++
				if a := grad.F64[i]; math.Abs(a-want) > 2e-7*(1+math.Abs(want)) {
					t.Errorf("seed %d: gradient of %s[%d] is %v, by differences %v", seed, p.Name, i, a, want)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("model:\n%s\ngradient:\n%s", ir.Format(g), ir.Format(d))
		}
	}
	if skipped > checked/50 || checked < 1000 {
		t.Errorf("%d elements checked, %d skipped at kinks", checked, skipped)
	}
}

// stopped returns g with the result of each StopGradient as an input, which in
// then holds: what the gradient takes for constant is constant.
func stopped(t *testing.T, g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor) *ir.Graph {
	t.Helper()
	vals, err := ir.Evaluate(g, env, in)
	if err != nil {
		t.Fatal(err)
	}
	h, to := g.Clone()
	b := ir.Extend(h)
	for _, n := range g.Nodes {
		if n.Op == (ops.StopGradient{}) {
			fixed := b.Input("stopped", n.Out[0].Type)
			in[fixed.Name] = vals[n.Out[0]]
			h.Replace(to[n.Out[0]], fixed)
		}
	}
	return h
}

// TestGradientOutputs checks the contract of names and order.
func TestGradientOutputs(t *testing.T) {
	g := randomModel(3)
	before := ir.Format(g)
	d, err := Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	if ir.Format(g) != before {
		t.Error("Gradient changed the graph it was given")
	}
	want := []string{"loss", "tap"}
	for _, p := range g.Params {
		want = append(want, "grad/"+p.Name)
	}
	var got []string
	for _, v := range d.Outputs {
		got = append(got, v.Name)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("outputs are %v, want %v", got, want)
	}
	for _, n := range d.Nodes {
		if n.Layer == "" {
			t.Errorf("%s %s has no layer", n.Op.Name(), n.Out[0].Name)
		}
	}
}

// opaque is an op without gradient.
type opaque struct{}

func (opaque) Name() string                          { return "Opaque" }
func (opaque) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (opaque) WhyNoGradient() string                 { return "nobody knows it" }
func (opaque) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return in[:1], nil
}

func TestGradientErrors(t *testing.T) {
	vec := ir.T(ir.F32, ir.Rows(), ir.Fixed(2))
	sum := func(b *ir.Builder, v *ir.Value) {
		l := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0, 1)}, v)
		l.Name = "loss"
		b.Output(l)
	}
	at := func(b *ir.Builder, layer string, line int) {
		b.Layer, b.Pos = layer, ir.Pos{Made: ir.Frame{File: "/home/someone/main.go", Line: line}}
	}
	tests := []struct {
		name  string
		build func(b *ir.Builder)
		want  []string
	}{
		{"unreached", func(b *ir.Builder) {
			x := b.Input("x", vec)
			w := b.Param("used/w", ir.T(ir.F32, ir.Fixed(2)))
			v := b.Param("side/w", ir.T(ir.F32, ir.Fixed(2)))
			at(b, "side", 7)
			side := b.Op(ops.Mul{}, x, v)
			b.Output(side)
			at(b, "used", 9)
			sum(b, b.Op(ops.Mul{}, x, w))
		}, []string{"autodiff", "main.go:7", `layer "side"`, "never reached by the loss"}},
		{"unused", func(b *ir.Builder) {
			b.Param("lost/w", ir.T(ir.F32, ir.Fixed(2)))
			sum(b, b.Input("x", vec))
		}, []string{"autodiff", `layer "lost"`, "never reached by the loss"}},
		{"stopped", func(b *ir.Builder) {
			w := b.Param("fc/w", vec)
			w.Type.Shape[0] = ir.Fixed(2)
			at(b, "fc", 5)
			sum(b, b.Op(ops.StopGradient{}, w))
		}, []string{"main.go:5", "never reached by the loss"}},
		{"opaque", func(b *ir.Builder) {
			x := b.Input("x", vec)
			w := b.Param("fc/w", ir.T(ir.F32, ir.Fixed(2)))
			at(b, "fc", 4)
			v := b.Op(ops.Mul{}, x, w)
			at(b, "odd", 6)
			sum(b, b.Op(opaque{}, v))
		}, []string{"autodiff", "main.go:6", `layer "odd"`, "Opaque", "nobody knows it"}},
		{"no loss", func(b *ir.Builder) {
			b.Output(b.Input("x", vec))
		}, []string{"autodiff", `no output named "loss"`}},
		{"not scalar", func(b *ir.Builder) {
			x := b.Input("loss", vec)
			b.Output(x)
		}, []string{"autodiff", "float scalar", "f32["}},
		{"integer parameter", func(b *ir.Builder) {
			b.Param("ids", ir.T(ir.I64, ir.Fixed(2)))
			sum(b, b.Input("x", vec))
		}, []string{"ids", "only floats"}},
	}
	for _, test := range tests {
		b := ir.NewBuilder(test.name)
		test.build(b)
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		_, err := Gradient(b.Graph, "loss")
		if err == nil {
			t.Errorf("%s: no error", test.name)
			continue
		}
		var internal *InternalError
		if errors.As(err, &internal) {
			t.Errorf("%s: a user's mistake is an internal error: %v", test.name, err)
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not contain %q", test.name, err, want)
			}
		}
		if strings.Contains(err.Error(), "/home") {
			t.Errorf("%s: %q contains a path", test.name, err)
		}
	}
}

// TestGradientOfConstantPaths: an op without gradient is no error where no
// parameter is behind it.
func TestGradientOfConstantPaths(t *testing.T) {
	b := ir.NewBuilder("m")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(2)))
	l := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0, 1)}, b.Op(ops.Mul{}, b.Op(opaque{}, x), w))
	l.Name = "loss"
	b.Output(l)
	d, err := Gradient(b.Graph, "loss")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	in := randgraph.Feed(b.Graph, env, 1)
	got := results(t, d, env, in)["grad/w"].F64
	for j := range got {
		want := 0.0
		for r := range env.Binding.Rows() {
			want += in["x"].F64[2*r+j]
		}
		if math.Abs(got[j]-want) > 1e-14 {
			t.Errorf("gradient %d is %v, want %v", j, got[j], want)
		}
	}
}
