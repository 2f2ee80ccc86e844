package train

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// steep is an autoencoder whose code is to change little with its input, by a penalty of
// the gradient's square (Drucker and LeCun 1992), with Dropout on the way.
func steep(weight float64) (m *spec.Model, slope, code *spec.Value) {
	x := spec.Input("x", 12)
	code = x.Then(spec.Dense(6), spec.Tanh(), spec.Dropout(0.1), spec.Dense(4), spec.GELU())
	slope = spec.Grad(code, x).Named("slope")
	m = spec.NewModel("steep", spec.MSE(code.Then(spec.Dense(12)), x), spec.NewLoss("slope", spec.Mul(slope, slope)).Weight(weight))
	return m, slope, code
}

// TestGradIsTrained trains a model whose loss has a gradient in it: the penalty does
// what it is for, the bits are those of any number of workers, and accumulated parts
// come to the same as whole updates. What ships has the slope that differences find.
func TestGradIsTrained(t *testing.T) {
	fit := func(weight float64, o Options) (*Result, *spec.Value, *spec.Value) {
		m, slope, code := steep(weight)
		o.Optimizer, o.Epochs, o.Seed = optim.SGD(0.05), 8, 3
		r, err := Fit(context.Background(), m, rows(64), o)
		if err != nil {
			t.Fatal(err)
		}
		return r, slope, code
	}
	penalty := func(r *Result) float64 { return r.Last().Train.Losses["loss/slope1"] }
	plain, _, _ := fit(0, Options{Batch: 32})
	one, slope, code := fit(1, Options{Batch: 32, Workers: 1})
	if p, q := penalty(plain), penalty(one); !(q < 0.8*p) || q <= 0 {
		t.Errorf("the mean square of the slope is %v with the penalty and %v without", q, p)
	}
	three, _, _ := fit(1, Options{Batch: 32, Workers: 3})
	parts, _, _ := fit(1, Options{Batch: 16, Accumulate: 2})
	for name, w := range one.Net(code).Params() {
		if !slices.Equal(w, three.Net(codeOf(three)).Params()[name]) {
			t.Errorf("three workers train %s to other bits than one", name)
		}
		for i, v := range parts.Net(codeOf(parts)).Params()[name] {
			if math.Abs(float64(v-w[i])) > 1e-5 {
				t.Errorf("parts of an update train %s[%d] to %v, whole ones to %v", name, i, v, w[i])
				break
			}
		}
	}
	x := ir.NewTensor(ir.F32, 1, 12)
	for i := range x.F32 {
		x.F32[i] = float32(i%5) / 4
	}
	at := func() float64 {
		out, err := one.Net(code.Named("code")).Run(t.Context(), map[string]*ir.Tensor{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range out["code"].F32 {
			sum += float64(v)
		}
		return sum
	}
	out, err := one.Net(slope).Run(t.Context(), map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range out["slope"].F32 {
		const h = 1.0 / 64
		was := x.F32[i]
		x.F32[i] = was + h
		up := at()
		x.F32[i] = was - h
		down := at()
		x.F32[i] = was
		if want := (up - down) / (2 * h); math.Abs(float64(d)-want) > 1e-3*(1+math.Abs(want)) {
			t.Errorf("the slope along x[%d] is %v, by differences %v", i, d, want)
		}
	}
}

// codeOf is the code of a result's own model.
func codeOf(r *Result) *spec.Value { return r.model.Tap("slope") }

// TestGradOfGivenIsNotTrained refuses a loss of an input without rows, with its name.
func TestGradOfGivenIsNotTrained(t *testing.T) {
	x, w := spec.Input("x", 12), spec.Given("w", 12, 2)
	m := spec.NewModel("given", spec.MSE(spec.MatMul(x, w).Then(spec.Dense(12)), x))
	_, err := Fit(context.Background(), m, rows(8), Options{Optimizer: optim.SGD(0.1), Epochs: 1})
	if err == nil || !strings.Contains(err.Error(), `"w"`) || !strings.Contains(err.Error(), "f32[12 2]") {
		t.Errorf("a model with an input without rows: %v", err)
	}
}
