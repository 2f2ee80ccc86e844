package spec_test

import (
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

// shippedValues runs what ships of the values by the reference, with the parameters of the
// start and seeded inputs where in has none.
func shippedValues(t *testing.T, rows int, in map[string]*ir.Tensor, values ...*spec.Value) map[string]*ir.Tensor {
	t.Helper()
	g, params, err := spec.GraphOf("values", values...)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Front(g, true); err != nil {
		t.Fatal(err)
	}
	feed := map[string]*ir.Tensor{}
	maps.Copy(feed, in) // state too
	key := random.New(3)
	for i, v := range g.Inputs {
		if feed[v.Name] != nil {
			continue
		}
		x := ir.NewTensor(v.Type.DType.Reference(), v.Type.Shape.At(ir.RowsOf(rows))...)
		for k := range x.F64 {
			x.F64[k] = key.Derive(uint64(i)).Normal(uint64(k))
		}
		for k := range x.I64 {
			x.I64[k] = int64(k) % 3
		}
		feed[v.Name] = x
	}
	for i, p := range params {
		x := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
		for k, w := range p.Initial(key) {
			x.F64[k] = float64(w) + 0.1*key.Derive(uint64(i), 7).Normal(uint64(k))
		}
		feed[p.Name] = x
	}
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(rows)}, feed)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ir.Tensor{}
	for _, v := range g.Outputs {
		out[v.Name] = vals[v]
	}
	return out
}

// TestGradText holds how gradients look in the text form, in the summary, and that both
// are the same each time.
func TestGradText(t *testing.T) {
	model := func() *spec.Model {
		x := spec.Input("x", 3)
		y := x.Then(spec.Dense(2).Named("head"), spec.Tanh()).Named("y")
		return spec.NewModel("m", spec.MSE(spec.Grad(y, x).Named("slope"), x))
	}
	m := model()
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	if s := m.String(); !strings.Contains(s, "slope = Grad(y, x)  # grad1 grad_test.go:") {
		t.Errorf("the text form is\n%s", s)
	}
	if s := m.Summary(); !strings.Contains(s, "grad1  Grad   f32[N 3]") {
		t.Errorf("the summary is\n%s", s)
	}
	if n := model(); n.Hash() != m.Hash() || n.Summary() != m.Summary() {
		t.Error("a second declaration gives another model")
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ir.Parse(ir.Format(g), ops.ByName)
	if err != nil || ir.Hash(back) != m.Hash() {
		t.Errorf("the text form gives another graph: %v", err)
	}
}

// TestGradMistakes holds what is refused to its line and what it says.
func TestGradMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		declare func() error
		want    []string
	}{
		"integers": {func() error {
			return spec.Grad(spec.Labels("y", 3), spec.Input("x", 2)).Err()
		}, []string{"Grad: the score (i64[N]) does not depend on x (f32[N 2])"}},
		"along integers": {func() error {
			y := spec.Labels("y", 3)
			return spec.Grad(y, y).Err()
		}, []string{"Grad: score must be floating point: what is i64 has no slope"}},
		"elsewhere": {func() error {
			return spec.Grad(spec.Input("z", 2).Then(spec.Dense(3)), spec.Input("x", 2)).Err()
		}, []string{"grad_test.go:", "Grad: the score (f32[N 3]) does not depend on x (f32[N 2]), so it has no gradient along it"}},
		"the wrong way": {func() error {
			x := spec.Input("x", 2)
			return spec.Saliency(x, x.Then(spec.Tanh())).Err()
		}, []string{`"saliency1"`, "does not depend on x"}},
		"nil":            {func() error { return spec.Grad(nil, spec.Input("x", 2)).Err() }, []string{"Grad: the value is nil"}},
		"no weights yet": {func() error { return spec.Borrow(spec.Dense(3), "w").Err() }, []string{"Borrow: the layer made at", "was not placed yet"}},
		"no such weights": {func() error {
			d := spec.Dense(3)
			spec.Input("x", 2).Then(d)
			return spec.Borrow(d, "v").Err()
		}, []string{`Borrow: a layer of kind Dense has no parameter "v": it has ["b" "w"]`}},
		"borrow nil":  {func() error { return spec.Borrow(nil, "w").Err() }, []string{"Borrow: the layer whose weights are used is nil"}},
		"nil loss":    {func() error { var l *spec.Loss; return l.Value().Err() }, []string{"Value: the loss is nil"}},
		"given":       {func() error { return spec.Given("w", 0).Err() }, []string{`Given "w": lengths must be positive`}},
		"given, free": {func() error { return spec.Given("w", 3, 4).Free("T").Err() }, []string{"Free", "given without rows"}},
		"steps":       {func() error { return igOf(0, same).Err() }, []string{"IntegratedGradients: the number of steps must be in [1, 1000], got 0"}},
		"no score":    {func() error { return igOf(3, nil).Err() }, []string{"the score is nil"}},
		"nothing":     {func() error { return igOf(3, func(*spec.Value, ...*spec.Value) *spec.Value { return nil }).Err() }, []string{"the function returned nil"}},
		"score without rows": {func() error {
			return igOf(3, func(x *spec.Value, _ ...*spec.Value) *spec.Value { return spec.MSE(x, x).Value() }).Err()
		}, []string{"the score must be f32[5*N …], as many as there are points, got f32[]"}},
		"score of other rows": {func() error {
			return igOf(3, func(x *spec.Value, _ ...*spec.Value) *spec.Value {
				return spec.Add(x, spec.MSE(x, x).Value())
			}).Err()
		}, []string{"the score of a row must not depend on others, but ReduceMean mixes them"}},
		"baseline": {func() error {
			return spec.Input("x", 4).Then(spec.IntegratedGradients(3, same).Baseline(1, 2)).Err()
		}, []string{"the baseline must be one number or one for each element of a row, got 2 (x is f32[N 4])"}},
		"baseline of nothing": {func() error {
			return spec.Input("x", 4).Then(spec.IntegratedGradients(3, same).Baseline()).Err()
		}, []string{"the baseline must be one number or one for each element of a row, got none"}},
		"baseline not finite": {func() error {
			return spec.Input("x", 4).Then(spec.IntegratedGradients(3, same).Baseline(math.NaN())).Err()
		}, []string{"element 0 of the baseline must be finite"}},
		"constant score": {func() error {
			return igOf(3, func(*spec.Value, ...*spec.Value) *spec.Value { return spec.Input("q", 2) }).Err()
		}, []string{"the score must be f32[5*N …]"}},
	} {
		err := c.declare()
		if err == nil {
			t.Errorf("%s: no mistake", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not contain %q", name, err, want)
			}
		}
		if !strings.Contains(err.Error(), "grad_test.go:") {
			t.Errorf("%s: %q does not say where", name, err)
		}
	}
	// An op without gradient is found when the model is compiled, with its layer.
	x := spec.Input("x", 4)
	y := x.Then(spec.Dense(3), spec.Predicted().Named("best"))
	g, _, err := spec.GraphOf("g", spec.Grad(y, x))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = compiler.Front(g, true); err == nil || !strings.Contains(err.Error(), `ArgMax of layer "best" lets none through`) {
		t.Errorf("a score of steps: %v", err)
	}
}

func same(x *spec.Value, _ ...*spec.Value) *spec.Value { return x }

func igOf(steps int, score func(*spec.Value, ...*spec.Value) *spec.Value) *spec.Value {
	return spec.Input("x", 4).Then(spec.IntegratedGradients(steps, score))
}

// TestSaliency holds saliency and gradient times input to the gradient.
func TestSaliency(t *testing.T) {
	x := spec.Input("x", 4)
	y := x.Then(spec.Dense(5), spec.Tanh(), spec.Dense(1)).Named("y")
	got := shippedValues(t, 3, nil, spec.Grad(y, x).Named("d"), spec.Saliency(y, x).Named("s"), spec.GradientTimesInput(y, x).Named("p"), spec.Add(x, x).Named("twice"))
	for i, d := range got["d"].F64 {
		if s := got["s"].F64[i]; s != math.Abs(d) || d == 0 {
			t.Errorf("element %d: saliency %v of the gradient %v", i, s, d)
		}
	}
	for i, p := range got["p"].F64 {
		if want := got["twice"].F64[i] / 2 * got["d"].F64[i]; p != want {
			t.Errorf("element %d: gradient times input is %v, want %v", i, p, want)
		}
	}
}

// completeness returns how far the contributions of any row are from what they should
// add up to, as a share of the largest difference of scores.
func completeness(got map[string]*ir.Tensor) float64 {
	c, score, base := got["c"], got["score"], got["base"]
	worst, largest := 0.0, 0.0
	width := c.Len() / score.Len()
	for r, s := range score.F64 {
		sum := 0.0
		for _, x := range c.F64[r*width : (r+1)*width] {
			sum += x
		}
		worst = max(worst, math.Abs(sum-(s-base.F64[r])))
		largest = max(largest, math.Abs(s-base.F64[r]))
	}
	return worst / largest
}

// TestIntegratedGradients holds the paper's completeness: the contributions of a row
// add up to its score less that of the baseline. Of a smooth score the error falls
// with the square of the steps, of one with kinks it is within 2 percent at 64.
func TestIntegratedGradients(t *testing.T) {
	of := func(steps int, baseline []float64, layers ...spec.Layer) map[string]*ir.Tensor {
		x := spec.Input("x", 2, 6)
		net := spec.Sequential("net", append([]spec.Layer{spec.Flatten(), spec.Dense(20)}, layers...)...)
		ig := spec.IntegratedGradients(steps, func(x *spec.Value, with ...*spec.Value) *spec.Value {
			return spec.Mul(x.Then(net), with[0])
		}).Baseline(baseline...)
		logits := x.Then(net).Named("logits")
		c := spec.Apply(ig, x, logits.Then(spec.Predicted())).Named("c")
		if c.Type().String() != "f32[N 2 6]" {
			t.Fatalf("contributions are %v: %v", c.Type(), c.Err())
		}
		return shippedValues(t, 5, nil, logits, c, c.Result(1).Named("score"), c.Result(2).Named("base"))
	}
	each := make([]float64, 12)
	for i := range each {
		each[i] = 0.1 * float64(i)
	}
	for name, baseline := range map[string][]float64{"black": {0}, "each": each} {
		smooth := func(steps int) float64 {
			got := of(steps, baseline, spec.Tanh(), spec.Dense(4))
			for r, s := range got["score"].F64 { // the score is that of the class that is predicted
				top := math.Inf(-1)
				for _, x := range got["logits"].F64[r*4 : r*4+4] {
					top = max(top, x)
				}
				if math.Abs(s-top) > 1e-12 {
					t.Errorf("%s: row %d has the score %v, its greatest logit is %v", name, r, s, top)
				}
			}
			return completeness(got)
		}
		few, more := smooth(16), smooth(32)
		if !(more > 0 && few/more > 3.5 && few/more < 4.5) || more > 1e-3 {
			t.Errorf("%s: the error of 16 steps is %.3g, of 32 %.3g", name, few, more)
		}
		if kinks := completeness(of(64, baseline, spec.ReLU(), spec.Dense(4))); !(kinks < 0.02) {
			t.Errorf("%s: with kinks the error of 64 steps is %.3g", name, kinks)
		}
	}
	// What is given beside x may be of any type, and lengths may be free.
	free := spec.Input("x", 7, 3).Free("T")
	kind := spec.Labels("kind", 5)
	steep := spec.Dense(2)
	wide := spec.Apply(spec.IntegratedGradients(3, func(x *spec.Value, with ...*spec.Value) *spec.Value {
		return spec.Mul(x.Then(steep, spec.Tanh()), with[0].Then(spec.Floats(), spec.Reshape(1, 1)))
	}), free, kind)
	if err := wide.Err(); err != nil || wide.Type().String() != "f32[N T 3]" {
		t.Errorf("contributions of a free length are %v: %v", wide.Type(), err)
	}
	// Of a linear score it is gradient times input, for any number of steps.
	x := spec.Input("x", 4)
	dense := spec.Dense(1).NoBias()
	c := x.Then(spec.IntegratedGradients(1, func(x *spec.Value, _ ...*spec.Value) *spec.Value { return x.Then(dense) })).Named("c")
	got := shippedValues(t, 3, nil, c, spec.GradientTimesInput(x.Then(dense), x).Named("p"))
	for i, v := range got["c"].F64 {
		if math.Abs(v-got["p"].F64[i]) > 1e-12 {
			t.Errorf("element %d of a linear score is %v, gradient times input is %v", i, v, got["p"].F64[i])
		}
	}
}

// TestUpdateOfHead holds one update of a head, with weights that are given, to the
// closed form of softmax regression.
func TestUpdateOfHead(t *testing.T) {
	const rows, width, classes, rate = 6, 3, 4, 0.3
	code, y := spec.Input("code", width), spec.Labels("y", classes)
	w, b, r := spec.Given("w", width, classes), spec.Given("b", classes), spec.Given("rate")
	logits := spec.Add(spec.MatMul(code, w), b)
	loss := spec.CrossEntropy(logits, y).Value()
	got := shippedValues(t, rows, map[string]*ir.Tensor{"rate": ir.Scalar(rate)},
		spec.Sub(w, spec.Mul(r, spec.Grad(loss, w))).Named("w2"), spec.Sub(b, spec.Mul(r, spec.Grad(loss, b))).Named("b2"), loss.Named("loss"),
		logits.Then(spec.Softmax(-1)).Named("p"), spec.Add(code, code).Named("twice"), spec.Add(w, w).Named("w0"), spec.Add(b, b).Named("b0"))
	want := append([]float64{}, got["b0"].F64...)
	wantW := append([]float64{}, got["w0"].F64...)
	for i := range want {
		want[i] /= 2
	}
	for i := range wantW {
		wantW[i] /= 2
	}
	entropy := 0.0
	for n := range rows {
		label := n % 3
		entropy -= math.Log(got["p"].F64[n*classes+label]) / rows
		for c := range classes {
			d := got["p"].F64[n*classes+c] / rows
			if c == label {
				d -= 1.0 / rows
			}
			want[c] -= rate * d
			for k := range width {
				wantW[k*classes+c] -= rate * d * got["twice"].F64[n*width+k] / 2
			}
		}
	}
	near := func(name string, got, want []float64) {
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-12 {
				t.Errorf("%s[%d] is %v, want %v", name, i, got[i], want[i])
			}
		}
	}
	near("w", got["w2"].F64, wantW)
	near("b", got["b2"].F64, want)
	near("loss", got["loss"].F64, []float64{entropy})
}
