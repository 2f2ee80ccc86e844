package compiler

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/spec"
)

// digits is the encoder 784-100-30 with its tied mirror.
func digits() *spec.Model {
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	return spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
}

func TestCompileAutoencoder(t *testing.T) {
	m := digits()
	p, err := Compile(m, Options{Rows: 256})
	if err != nil {
		t.Fatal(err)
	}
	if p.Hash != m.Hash() || p.Name != "digits" {
		t.Errorf("program is %q %s", p.Name, p.Hash)
	}
	if len(p.Params) != 6 || len(p.Train.Segments) != 6 || len(p.Eval.Segments) != 6 {
		t.Errorf("%d parameters, segments %d and %d, want 6: tied weights are one", len(p.Params), len(p.Train.Segments), len(p.Eval.Segments))
	}
	if p.Losses[0] != "loss" || !strings.HasPrefix(p.Losses[1], "loss/") {
		t.Errorf("losses are %v", p.Losses)
	}
	count := map[string]int{}
	for _, s := range p.Train.Steps {
		if s.Op != nil {
			count[s.Op.Name()]++
		}
	}
	// Three hidden layers with Relu and the output forward; backward three input
	// gradients and four products for two weights. The squared error with its
	// gradient, and the scale of that, which is a scalar.
	if count["GemmRelu"] != 3 || count["GemmReluGrad"] != 3 || count["Gemm"] != 5 || count["MatMul"] != 0 || count["ReluGrad"] != 0 ||
		count["SquaredError"] != 1 || count["Mul"] != 1 || count["Expand"] != 0 {
		t.Errorf("steps are %v\n%s", count, plan.Format(p.Train))
	}
	for _, want := range []string{"model digits", "training passes: infer, grad, canonical", "autodiff", "GemmRelu", "plan digits", "evaluation passes: infer, grad, freeze"} {
		if !strings.Contains(p.Explain(), want) {
			t.Errorf("Explain does not contain %q", want)
		}
	}
	if got := p.ExplainWith(func(*plan.Plan, int) string { return "kernel7" }); !strings.Contains(got, "kernel7") || !strings.Contains(got, "MFLOP") {
		t.Error("ExplainWith does not name the kernels")
	}
}

// TestCompileEverything compiles every layer and every loss and compares the
// gradients of the model with central differences.
func TestCompileEverything(t *testing.T) {
	hidden := func() []spec.Layer {
		return []spec.Layer{spec.ReLU(), spec.LeakyReLU(), spec.ELU(), spec.SELU(), spec.GELU(), spec.Sigmoid(), spec.Tanh(), spec.Softplus(),
			spec.Softmax(-1), spec.Dropout(0.3), spec.MaskingNoise(0.3), spec.GaussianNoise(0.2), spec.SaltAndPepper(0.2).Range(-1, 1),
			spec.Layers(spec.Reshape(2, 2), spec.Flatten()), spec.L2Normalize()}
	}
	losses := map[string]func(y, x *spec.Value) *spec.Loss{
		"mse":   spec.MSE,
		"mae":   spec.MAE,
		"huber": func(y, x *spec.Value) *spec.Loss { return spec.Huber(y, x, 0.7) },
		"bce":   func(y, x *spec.Value) *spec.Loss { return spec.BinaryCrossEntropy(y, spec.Mul(x, x)) },
		"ce":    func(y, _ *spec.Value) *spec.Loss { return spec.CrossEntropy(y, spec.Labels("label", 3)).Weight(0.5) },
	}
	for name, loss := range losses {
		for i := range hidden() {
			x := spec.Input("x", 3)
			y := x.Then(spec.Dense(4).Named("in"), hidden()[i], spec.Dense(3).Named("out")).Named("y")
			m := spec.NewModel(fmt.Sprintf("%s%d", name, i), loss(y, x))
			p, err := Compile(m, Options{Rows: 4})
			if err != nil {
				t.Errorf("%s, layer %d: %v", name, i, err)
				continue
			}
			g, err := m.Graph()
			if err != nil {
				t.Fatal(err)
			}
			differences(t, g)
			if ports(p.Eval.Outputs) != "loss "+p.Losses[1]+" y" {
				t.Errorf("%s, layer %d: evaluation has outputs %s", name, i, ports(p.Eval.Outputs))
			}
		}
	}
}

// differences checks the gradient of a small model in one random direction.
func differences(t *testing.T, g *ir.Graph) {
	t.Helper()
	d, err := Gradient(g, "loss")
	if err != nil {
		t.Errorf("%s: %v", g.Name, err)
		return
	}
	env := testEnv()
	in, way := randgraph.Feed(g, env, 9), randgraph.Feed(g, env, 10)
	got := results(t, d, env, in)
	want, slope := 0.0, func(h float64) float64 {
		at := map[string]*ir.Tensor{}
		for k, v := range in {
			at[k] = v
		}
		for _, p := range g.Params {
			at[p.Name] = in[p.Name].Clone()
			for i := range at[p.Name].F64 {
				at[p.Name].F64[i] += h * way[p.Name].F64[i]
			}
		}
		return results(t, g, env, at)["loss"].F64[0]
	}
	const h = 1e-6
	want = (slope(h) - slope(-h)) / (2 * h)
	sum := 0.0
	for _, p := range g.Params {
		for i, x := range got["grad/"+p.Name].F64 {
			sum += x * way[p.Name].F64[i]
		}
	}
	if math.Abs(sum-want) > 1e-7*(1+math.Abs(want)) {
		t.Errorf("%s: slope is %v, by differences %v\n%s", g.Name, sum, want, ir.Format(g))
	}
}

func TestCompileErrors(t *testing.T) {
	var e *ir.Error
	if _, err := Compile(nil, Options{Rows: 1}); !errors.As(err, &e) {
		t.Errorf("nil model: %v", err)
	}
	x := spec.Input("x", 3)
	bad := spec.NewModel("bad", spec.MSE(x.Then(spec.Dense(0)), x), spec.MSE(x.Then(spec.Dense(-1)), x))
	_, err := Compile(bad, Options{Rows: 1})
	if !errors.As(err, &e) || strings.Count(err.Error(), "model_test.go:") < 2 {
		t.Errorf("two mistakes: %v", err)
	}
	if _, err := Compile(digits(), Options{}); err == nil {
		t.Error("0 rows: no error")
	}
}
