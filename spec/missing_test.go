package spec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

var nan = math.NaN()

// evaluated returns a value of x f32[N …] for one input, in float64.
func evaluated(t *testing.T, v *spec.Value, in map[string]*ir.Tensor) []float64 {
	t.Helper()
	g, _, err := spec.GraphOf("g", v)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Plain(g, true); err != nil {
		t.Fatal(err)
	}
	rows := in[g.Inputs[0].Name].Shape[0]
	out, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}, in)
	if err != nil {
		t.Fatal(err)
	}
	y := out[g.Outputs[0]]
	if y.DType != ir.F64 {
		return y.To(ir.F64).F64
	}
	return y.F64
}

func sameNumbers(t *testing.T, what string, got []float64, want ...float64) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && (math.Abs(got[i]-want[i]) <= 1e-6*(1+math.Abs(want[i])) || got[i] != got[i] && want[i] != want[i])
	}
	if !ok {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestMissing holds what reads missing numbers to its definition, with statistics that are
// given.
func TestMissing(t *testing.T) {
	x := func() *spec.Value { return spec.Input("x", 2).Optional() }
	in := map[string]*ir.Tensor{"x": f64([]int{3, 2}, 1, nan, nan, 4, -3, 0.5)}
	state := func(name string, v ...float64) { in[name] = f64([]int{2}, v...) }
	state("fillmissing1/fill", 7, 8)
	state("standardise1/mean", 1, 2)
	state("standardise1/deviation", 2, 0.5)
	state("minmax1/least", -3, 0.5)
	state("minmax1/range", 4, 3.5)
	state("clipquantiles1/low", -1, 1)
	state("clipquantiles1/high", 0, 2)
	log := func(v float64) float64 { return math.Copysign(math.Log1p(math.Abs(v)), v) }
	for _, c := range []struct {
		name  string
		layer spec.Layer
		want  []float64
	}{
		{"fill", spec.FillMissing(), []float64{1, 8, 7, 4, -3, 0.5}},
		{"fill and tell", spec.FillMissing().Mean().Indicator(), []float64{1, 8, 0, 1, 7, 4, 1, 0, -3, 0.5, 0, 0}},
		{"fill with", spec.FillMissing().With(-1), []float64{1, -1, -1, 4, -3, 0.5}},
		{"present", spec.Present(), []float64{1, 0, 0, 1, 1, 1}},
		{"standardise", spec.Standardise(), []float64{0, nan, nan, 4, -2, -3}},
		{"min-max", spec.MinMax(), []float64{1, nan, nan, 1, 0, 0}},
		{"clip", spec.Clip(-2, 2), []float64{1, nan, nan, 2, -2, 0.5}},
		{"clip by quantiles", spec.ClipQuantiles(0.1, 0.9), []float64{0, nan, nan, 2, -1, 1}},
		{"log", spec.LogScale(), []float64{log(1), nan, nan, log(4), log(-3), log(0.5)}},
		{"a chain", spec.Layers(spec.LogScale(), spec.Clip(-1, 1), spec.FillMissing().With(9)), []float64{log(1), 9, 9, 1, -1, log(0.5)}},
	} {
		sameNumbers(t, c.name, evaluated(t, x().Then(c.layer), in), c.want...)
	}
	l := spec.LogScale()
	y := spec.Input("x", 2).Then(l)
	whole := map[string]*ir.Tensor{"x": f64([]int{2, 2}, 1, -5, 0, 100)}
	sameNumbers(t, "log and back", evaluated(t, y.Then(spec.Mirror("back", l)), whole), 1, -5, 0, 100)
	s := spec.Standardise()
	in["x"] = whole["x"]
	sameNumbers(t, "standardised and back", evaluated(t, spec.Input("x", 2).Then(s, spec.Mirror("back", s)), in), 1, -5, 0, 100)
	sameNumbers(t, "slope at 0", evaluated(t, func() *spec.Value {
		x := spec.Input("x", 2)
		return spec.Grad(x.Then(spec.LogScale()), x)
	}(), map[string]*ir.Tensor{"x": f64([]int{1, 2}, 0, -1)}), 1, 0.5)
}

// maskedLosses are losses whose target may lack numbers.
func maskedLosses() (x *spec.Value, losses map[string]*spec.Loss) {
	x = spec.Input("x", 3).Optional()
	y := x.Then(spec.FillMissing().With(0.5), spec.Dense(4), spec.Tanh(), spec.Dense(3)).Named("y")
	return x, map[string]*spec.Loss{
		"MSE": spec.MSE(y, x), "MAE": spec.MAE(y, x), "Huber": spec.Huber(y, x, 0.3), "BCE": spec.BinaryCrossEntropy(y, x),
		"weighted": spec.MSE(y, x).WeightedBy(spec.Input("w")), "scaled": spec.MSE(y, x.Then(spec.Clip(-1, 1))),
	}
}

// TestMaskedLosses: the mean is over the elements that are there, the gradient is that of
// differences, and neither sees a NaN.
func TestMaskedLosses(t *testing.T) {
	data := []float64{0.1, nan, 0.9, nan, nan, nan, 0.7, 0.1, 0.2, 0.9, nan, 0.3}
	weights := []float64{0.5, 2, 0, 100}
	element := map[string]func(y, t float64) float64{
		"MSE": func(y, t float64) float64 { return (y - t) * (y - t) },
		"MAE": func(y, t float64) float64 { return math.Abs(y - t) },
		"Huber": func(y, t float64) float64 {
			if a := math.Abs(y - t); a > 0.3 {
				return 0.3 * (a - 0.15)
			}
			return (y - t) * (y - t) / 2
		},
		"BCE": func(y, t float64) float64 { return math.Log1p(math.Exp(y)) - y*t },
	}
	element["weighted"], element["scaled"] = element["MSE"], element["MSE"]
	_, losses := maskedLosses()
	for name, loss := range losses {
		m := spec.NewModel("m", loss)
		g, err := m.Graph()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := ir.Separable(g, g.Outputs[0]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d, err := compiler.Gradient(g, "loss")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key := random.New(3)
		in := map[string]*ir.Tensor{"x": f64([]int{4, 3}, data...), "w": f64([]int{4}, weights...)}
		for i, p := range g.Params {
			v := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
			for j := range v.F64 {
				v.F64[j] = key.Derive(uint64(i)).Normal(uint64(j))
			}
			in[p.Name] = v
		}
		at := func(what string) []float64 {
			vals, err := ir.Evaluate(d, &ir.Env{Binding: ir.RowsOf(4), UpdateRows: 4}, in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return append([]float64{}, vals[d.Value(what)].F64...)
		}
		sum, n := 0.0, 0.0
		for i, y := range at("y") {
			w := 1.0
			if name == "weighted" {
				w = weights[i/3]
			}
			if !math.IsNaN(data[i]) {
				sum, n = sum+w*element[name](y, data[i]), n+w
			}
		}
		if got := at("loss")[0]; !(math.Abs(got-sum/n) <= 1e-12*(1+sum/n)) {
			t.Errorf("%s is %v, want %v", name, got, sum/n)
		}
		for _, p := range g.Params {
			grad := at("grad/" + p.Name)
			for j := range grad {
				const h = 1e-6
				was := in[p.Name].F64[j]
				in[p.Name].F64[j] = was + h
				up := at("loss")[0]
				in[p.Name].F64[j] = was - h
				down := at("loss")[0]
				in[p.Name].F64[j] = was
				if want := (up - down) / (2 * h); !(math.Abs(grad[j]-want) <= 1e-6*(1+math.Abs(want))) {
					t.Errorf("%s: the gradient of %s[%d] is %v, want %v", name, p.Name, j, grad[j], want)
				}
			}
		}
		in["x"] = f64([]int{4, 3}, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan)
		if got := at("loss")[0]; got != 0 {
			t.Errorf("%s is %v with no target at all, want 0", name, got)
		}
		for _, p := range g.Params {
			for _, v := range at("grad/" + p.Name) {
				if v != 0 {
					t.Errorf("%s has a gradient with no target at all: %v", name, v)
				}
			}
		}
	}
}

// TestGradientOfMissing: the gradient along an input is 0 where it is missing, and that of
// differences elsewhere, through layers that leave numbers missing.
func TestGradientOfMissing(t *testing.T) {
	x := spec.Input("x", 3).Optional()
	score := x.Then(spec.LogScale(), spec.Clip(-5, 5), spec.Standardise(), spec.FillMissing().With(2).Indicator(), spec.Dense(2), spec.Tanh())
	g, params, err := spec.GraphOf("g", spec.Grad(score, x).Named("slope"), score.Named("score"))
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Plain(g, true); err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": f64([]int{2, 3}, 0.3, nan, -2, nan, nan, 0.1), "standardise1/mean": f64([]int{3}, 0.1, 0.2, 0.3), "standardise1/deviation": f64([]int{3}, 2, 3, 0.5)}
	key := random.New(5)
	for i, p := range params {
		v := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
		for j := range v.F64 {
			v.F64[j] = key.Derive(uint64(i)).Normal(uint64(j))
		}
		in[p.Name] = v
	}
	at := func(name string) []float64 {
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, in)
		if err != nil {
			t.Fatal(err)
		}
		return append([]float64{}, vals[g.Value(name)].F64...)
	}
	sum := func() (s float64) {
		for _, v := range at("score") {
			s += v
		}
		return s
	}
	slope := at("slope")
	for i, was := range append([]float64{}, in["x"].F64...) {
		const h = 1e-6
		in["x"].F64[i] = was + h
		up := sum()
		in["x"].F64[i] = was - h
		down := sum()
		in["x"].F64[i] = was
		want := (up - down) / (2 * h) // 0 of a NaN, which stays one
		if !(math.Abs(slope[i]-want) <= 1e-7*(1+math.Abs(want))) {
			t.Errorf("the gradient at %d is %v, want %v", i, slope[i], want)
		}
	}
}

// reads is a layer of one's own that reads numbers without a word on missing ones, and one
// that asks.
type reads struct {
	spec.Base
	asks bool
}

func (l *reads) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if !l.asks {
		return b.Op(ops.Neg{}, x[0])
	}
	return b.Op(ops.Where{}, b.Present(x[0]), x[0], b.Const(0))
}

// TestMissingMistakes: whatever reads numbers that may be missing, and does not say what
// that means, is a mistake with its line.
func TestMissingMistakes(t *testing.T) {
	x := func() *spec.Value { return spec.Input("x", 3).Optional() }
	own := func(asks bool) spec.Layer { return &reads{spec.Here("reads"), asks} }
	const why = `the numbers of the input "x" may be missing, and this does not say what a missing one means`
	for name, c := range map[string]struct {
		made func() error
		want string
	}{
		"dense":            {func() error { return x().Then(spec.Dense(2)).Err() }, "Dense: " + why},
		"behind one":       {func() error { return x().Then(spec.Standardise(), spec.ReLU()).Err() }, "ReLU: " + why},
		"in a stack":       {func() error { return x().Then(spec.Sequential("s", spec.Clip(0, 1), spec.Dense(2))).Err() }, `layer "s/dense1": Dense: ` + why},
		"in a residual":    {func() error { return x().Then(spec.Residual("s", spec.FillMissing())).Err() }, why},
		"a sum":            {func() error { v := x(); return spec.Add(v, spec.Const(1)).Err() }, "Add: " + why},
		"a shape":          {func() error { return x().Then(spec.Flatten()).Err() }, why},
		"one's own":        {func() error { return x().Then(own(false)).Err() }, "reads: " + why},
		"a prediction":     {func() error { v := x(); return spec.NewModel("m", spec.MSE(v, v.Then(spec.FillMissing()))).Err() }, why},
		"a loss":           {func() error { v := x(); return spec.NewModel("m", spec.NewLoss("own", v)).Err() }, why},
		"probabilities":    {func() error { return spec.NewModel("m", spec.CrossEntropy(spec.Input("z", 3), x())).Err() }, "the target may lack values, which MSE, MAE, Huber"},
		"weights":          {func() error { v := spec.Input("z", 3); return spec.NewModel("m", spec.MSE(v, v).WeightedBy(x())).Err() }, why},
		"what is no input": {func() error { return spec.Input("x", 3).Then(spec.Abs()).Optional().Err() }, "only an Input, Labels, Tokens and Categories may be absent, got f32[N 3]"},
		"too late":         {func() error { v := spec.Input("x", 3); v.Then(spec.Abs()); return v.Optional().Err() }, `input "x" was read before`},
		"bytes":            {func() error { return spec.Bytes("x", 3).Optional().Err() }, "only an Input, Labels"},
		"a number":         {func() error { return x().Then(spec.FillMissing().With(math.Inf(1))).Err() }, "the number must be finite in f32, got +Inf"},
		"present of bytes": {func() error { return spec.Bytes("x", 3).Then(spec.Present()).Err() }, "x must be floating point or i64, got u8[N 3]"},
		"limits":           {func() error { return x().Then(spec.Clip(1, 1)).Err() }, "the limits must be finite in f32 and the first below the second, got 1 and 1"},
		"shares":           {func() error { return x().Then(spec.ClipQuantiles(0.5, 1.5)).Err() }, "the shares must be from 0 to 1 and the first below the second, got 0.5 and 1.5"},
		"no columns":       {func() error { return spec.Input("x").Then(spec.Standardise()).Err() }, "x must be f32[N … c], got f32[N]"},
		"an axis":          {func() error { return x().Then(spec.FillMissing().Axis(1)).Err() }, "axis 1 does not exist"},
		"an open length":   {func() error { return spec.Input("x", 5, 2).Free("T").Then(spec.MinMax().Axis(0)).Err() }, "the number of columns must be known, x is f32[N T 2]"},
		"emphasis": {func() error {
			v := x()
			n := v.Then(spec.FillMissing(), spec.MaskingNoise(0.5))
			return spec.NewModel("m", spec.MSE(n.Then(spec.Dense(3)), v).Emphasis(n, 1, 0.5)).Err()
		}, "Emphasis of a loss whose target may lack values"},
		"asked": {func() error { return x().Then(own(true), spec.Dense(2)).Err() }, ""},
		"a target": {func() error {
			v := x()
			return spec.NewModel("m", spec.MSE(v.Then(spec.FillMissing(), spec.Dense(3)), v.Then(spec.Standardise()))).Err()
		}, ""},
	} {
		err := c.made()
		var e *spec.Error
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		case err != nil && (!errors.As(err, &e) || !strings.HasSuffix(e.Made.File, "missing_test.go") && !strings.HasSuffix(e.From.File, "missing_test.go")):
			t.Errorf("%s: %v is not at a line of this file", name, err)
		}
	}
}
