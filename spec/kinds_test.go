package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12*(1+math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestPenalties holds every penalty to numbers worked out here.
func TestPenalties(t *testing.T) {
	sig := func(z float64) float64 { return 1 / (1 + math.Exp(-z)) }
	x := spec.Input("x", 2)
	d, u, r, l := spec.Dense(2).Named("d"), spec.Dense(2).Named("u"), spec.Dense(2).Named("r"), spec.Dense(2).Named("l")
	h := x.Then(d, spec.Sigmoid())
	m := spec.NewModel("m",
		spec.L1(x), spec.KLSparsity(h, 0.2), spec.Contractive(h), spec.Contractive(x.Then(u, spec.Tanh())),
		spec.Contractive(x.Then(r, spec.ReLU())), spec.KLNormal(x, x.Then(l)),
		spec.MSE(x.Then(u), x), spec.MSE(x.Then(r), x))
	w := []float64{0.5, -1, 2, 0.25} // by input, then by unit
	b := []float64{0.1, -0.2}
	in := map[string]*ir.Tensor{"x": f64([]int{2, 2}, 1, -2, 0.5, 3)}
	for _, name := range []string{"d", "u", "r", "l"} {
		in[name+"/w"], in[name+"/b"] = f64([]int{2, 2}, w...), f64([]int{2}, b...)
	}
	got := evaluate(t, m, 2, in)
	rows := [][2]float64{{1, -2}, {0.5, 3}}
	norm := [2]float64{0.5*0.5 + 2*2, 1 + 0.25*0.25}
	var rho [2]float64
	var sigmoid, tanh, relu, kl float64
	for _, p := range rows {
		for j := range 2 {
			a := p[0]*w[j] + p[1]*w[2+j] + b[j]
			s, th := sig(a), math.Tanh(a)
			rho[j] += s / 2
			sigmoid += math.Pow(s*(1-s), 2) * norm[j] / 2
			tanh += math.Pow(1-th*th, 2) * norm[j] / 2
			if a > 0 {
				relu += norm[j] / 2
			}
			kl += 0.5 * (p[j]*p[j] + math.Exp(a) - 1 - a) / 2
		}
	}
	var sparse float64
	for j := range 2 {
		sparse += 0.2*math.Log(0.2/rho[j]) + 0.8*math.Log(0.8/(1-rho[j]))
	}
	near(t, "L1", got["loss/l11"].F64[0], (1+2+0.5+3)/2)
	near(t, "KL", got["loss/klsparsity1"].F64[0], sparse)
	near(t, "sigmoid", got["loss/contractive1"].F64[0], sigmoid)
	near(t, "tanh", got["loss/contractive2"].F64[0], tanh)
	near(t, "relu", got["loss/contractive3"].F64[0], relu)
	near(t, "normal", got["loss/klnormal1"].F64[0], kl)
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Outputs {
		mixes := v.Name == "loss" || v.Name == "loss/klsparsity1"
		if err := ir.Separable(g, v); v.Type.Rank() == 0 && (err != nil) != mixes {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// TestContractiveIsTheJacobian compares the closed form with the norm of the
// Jacobian by differences, and the gradient of the ReLU's with differences.
func TestContractiveIsTheJacobian(t *testing.T) {
	for _, name := range []string{"sigmoid", "tanh", "relu", "linear", "no bias", "tied"} {
		x, d, w := spec.Input("x", 3), spec.Dense(4).Named("d"), "d/w"
		var layer spec.Layer = d
		act := func() []spec.Layer { return nil }
		switch name {
		case "sigmoid":
			act = func() []spec.Layer { return []spec.Layer{spec.Sigmoid()} }
		case "tanh":
			act = func() []spec.Layer { return []spec.Layer{spec.Tanh()} }
		case "relu":
			act = func() []spec.Layer { return []spec.Layer{spec.ReLU()} }
		case "no bias":
			d = d.NoBias()
			layer = d
		case "tied": // to a layer from four units to three
			act = func() []spec.Layer { return []spec.Layer{spec.Sigmoid()} }
			of := spec.Dense(3).Named("of")
			spec.Input("c", 4).Then(of)
			layer, w = spec.Tied(of).Named("d"), "of/w"
		}
		// What exists in training only is looked through.
		h := x.Then(layer).Then(act()...).Then(spec.Dropout(0.5)).Named("h")
		m := spec.NewModel("m", spec.Contractive(h), spec.MSE(h.Then(spec.Dense(3).Named("out")), x))
		key := random.New(3)
		in := map[string]*ir.Tensor{"x": f64([]int{1, 3}, 0.3, -0.7, 0.9)}
		for _, p := range m.Params() {
			w := p.Initial(key)
			v := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
			for i := range w {
				v.F64[i] = float64(w[i]) + 0.1*key.Normal(uint64(i))
			}
			in[p.Name] = v
		}
		out := x.Then(layer).Then(act()...).Named("code")
		g, _, err := spec.GraphOf("code", out)
		if err != nil {
			t.Fatal(err)
		}
		code := func() []float64 {
			vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1)}, in)
			if err != nil {
				t.Fatal(err)
			}
			return append([]float64{}, vals[g.Outputs[0]].F64...)
		}
		norm := 0.0
		const step = 1e-6
		for i := range 3 {
			v := &in["x"].F64[i]
			old := *v
			*v = old + step
			up := code()
			*v = old - step
			down := code()
			*v = old
			for j := range up {
				norm += math.Pow((up[j]-down[j])/(2*step), 2)
			}
		}
		if got := evaluate(t, m, 1, in)["loss/contractive1"].F64[0]; math.Abs(got-norm) > 1e-7 {
			t.Errorf("%s: closed form %v, by differences %v", name, got, norm)
		}
		graph, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		grad, err := compiler.Gradient(graph, "loss")
		if err != nil {
			t.Fatal(err)
		}
		env := &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}
		vals, err := ir.Evaluate(grad, env, in)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, o := range grad.Outputs {
			if o.Name != "grad/"+w {
				continue
			}
			found = true
			for i, got := range vals[o].F64 {
				v := &in[w].F64[i]
				old := *v
				*v = old + step
				up := evaluate(t, m, 1, in)["loss"].F64[0]
				*v = old - step
				down := evaluate(t, m, 1, in)["loss"].F64[0]
				*v = old
				if want := (up - down) / (2 * step); math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
					t.Errorf("%s: gradient of w[%d] is %v, by differences %v", name, i, got, want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no gradient of %s", name, w)
		}
	}
}

// TestKLSparsityRevives holds the gradient along the bias of units that are hardly
// ever on or off: ρ̂-ρ, however far. Noise behind the Sigmoid has no part in it.
func TestKLSparsityRevives(t *testing.T) {
	for _, bias := range []float64{-60, -14, -3, 3, 14} {
		x := spec.Input("x", 2)
		h := x.Then(spec.Dense(1).Named("d"), spec.Sigmoid(), spec.GaussianNoise(5))
		g, err := spec.NewModel("m", spec.KLSparsity(h, 0.1)).Graph()
		if err != nil {
			t.Fatal(err)
		}
		grad, err := compiler.Gradient(g, "loss")
		if err != nil {
			t.Fatal(err)
		}
		vals, err := ir.Evaluate(grad, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, map[string]*ir.Tensor{
			"x": f64([]int{2, 2}, 1, 0, 0, 1), "d/w": f64([]int{2, 1}, 0, 0), "d/b": f64([]int{1}, bias)})
		if err != nil {
			t.Fatal(err)
		}
		q := 1 / (1 + math.Exp(-bias))
		for _, o := range grad.Outputs {
			if o.Name == "grad/d/b" && math.Abs(vals[o].F64[0]-(q-0.1)) > 1e-8 {
				t.Errorf("bias %v: the gradient is %v, want %v", bias, vals[o].F64[0], q-0.1)
			}
		}
	}
}

// TestKSparse keeps the two greatest of each row, the first of equal ones, and
// passes their gradient alone.
func TestKSparse(t *testing.T) {
	x := spec.Input("x", 4)
	y := x.Then(spec.KSparse(2)).Named("y")
	got := evaluate(t, spec.NewModel("m", spec.NewLoss("sum", y)), 3, map[string]*ir.Tensor{
		"x": f64([]int{3, 4}, 1, -3, 2, 0.5, 7, 7, 7, 7, -4, -1, -2, -1)})["y"].F64
	for i, want := range []float64{1, 0, 2, 0, 7, 7, 0, 0, 0, -1, 0, -1} {
		if got[i] != want {
			t.Fatalf("got %v", got)
		}
	}
	// The gradient of the sum of the code's squares reaches w where an element is kept.
	in := spec.Input("x", 1)
	code := in.Then(spec.Dense(4).Named("d").NoBias(), spec.KSparse(2))
	g, err := spec.NewModel("m", spec.NewLoss("square", spec.Mul(code, code))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	grad, err := compiler.Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	vals, err := ir.Evaluate(grad, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": f64([]int{1, 1}, 2), "d/w": f64([]int{1, 4}, 3, -5, 4, 3)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{6, 0, 8, 0} { // 2·code·x/4
		if got := vals[grad.Outputs[len(grad.Outputs)-1]].F64[i]; got != want {
			t.Errorf("the gradient of w[%d] is %v, want %v", i, got, want)
		}
	}
}

// TestEmphasis draws one mask for the noise and for the weights of the loss.
func TestEmphasis(t *testing.T) {
	for name, noise := range map[string]spec.Layer{"masking": spec.MaskingNoise(0.5), "dropout": spec.Dropout(0.5), "pepper": spec.SaltAndPepper(0.5).Range(5, 6)} {
		x := spec.Input("x", 6)
		x.Then(spec.MaskingNoise(0.5)) // another stream
		noisy := x.Then(noise).Named("noisy")
		m := spec.NewModel("m", spec.NewLoss("plain", noisy), spec.MSE(noisy, x).Emphasis(noisy, 3, 0.25).Weight(2),
			spec.NewLoss("other", x.Then(spec.MaskingNoise(0.5)).Named("other")))
		v := make([]float64, 24)
		for i := range v {
			v[i] = 1 + float64(i)/100
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(4), UpdateRows: 4, Seed: 7, Update: 2}, map[string]*ir.Tensor{"x": f64([]int{4, 6}, v...)})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]float64{}
		for _, o := range g.Outputs {
			out[o.Name] = vals[o].F64
		}
		want, hits := 0.0, 0
		for i, y := range out["noisy"] {
			e := (y - v[i]) * (y - v[i])
			hit := y != v[i]
			if name == "dropout" {
				hit = y == 0
			}
			if hit {
				hits++
				want += 3 * e / 24
			} else {
				want += 0.25 * e / 24
			}
		}
		if hits < 5 || hits > 19 {
			t.Errorf("%s: %d of 24 elements are corrupted", name, hits)
		}
		near(t, name, out["loss/mse1"][0], want)
		// An evaluation has no noise: the loss is the plain mean, 0 of x and itself.
		p, err := compiler.Compile(m, compiler.Options{Rows: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Eval.Steps {
			if s.Op != nil && (s.Op.Name() == "Bernoulli" || s.Op.Name() == "Where") {
				t.Errorf("%s: an evaluation draws: %s", name, s.Op.Name())
			}
		}
	}
}

// TestEmphasisDrawsOnce compiles a denoising model: noise and weights share one
// mask.
func TestEmphasisDrawsOnce(t *testing.T) {
	x := spec.Input("x", 6)
	noisy := x.Then(spec.MaskingNoise(0.5))
	m := spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(6)), x).Emphasis(noisy, 1, 0))
	p, err := compiler.Compile(m, compiler.Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	draws := 0
	for _, s := range p.Train.Steps {
		if s.Op != nil && s.Op.Name() == "Bernoulli" {
			draws++
		}
	}
	if draws != 1 {
		t.Errorf("a step draws %d masks, want 1", draws)
	}
}

// TestReparameterize computes the mean where nothing is trained, and the bound of a
// variational autoencoder by hand.
func TestReparameterize(t *testing.T) {
	x := spec.Input("x", 3)
	enc := spec.Sequential("encoder", spec.Dense(4), spec.Tanh())
	dec := spec.Sequential("decoder", spec.Dense(3))
	m := spec.Variational("vae", x, enc, 2, dec).Beta(0.5)
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	if got := m.UnitInputs(); len(got) != 1 || got[0] != "x" {
		t.Errorf("inputs in [0, 1]: %v", got)
	}
	p, err := compiler.Compile(m.Model, compiler.Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Eval.Steps {
		if s.Op != nil && s.Op.Name() == "RandomNormal" {
			t.Error("an evaluation draws")
		}
	}
	in := map[string]*ir.Tensor{"x": f64([]int{2, 3}, 0, 1, 0.5, 1, 1, 0)}
	for _, q := range m.Params() {
		v := ir.NewTensor(ir.F64, q.Type.Shape.Lengths()...)
		for i, w := range q.Initial(random.New(1)) {
			v.F64[i] = float64(w)
		}
		in[q.Name] = v
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2, Seed: 3}, in)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float64{}
	for _, o := range g.Outputs {
		out[o.Name] = vals[o].F64
	}
	// Draws are recovered from the code; the decoder is linear.
	w, b := in["decoder/dense1/w"].F64, in["decoder/dense1/b"].F64
	want := 0.0
	for r := range 2 {
		for j := range 3 {
			z := b[j] + out["code"][2*r]*w[j] + out["code"][2*r+1]*w[3+j]
			want += (math.Log1p(math.Exp(z)) - z*in["x"].F64[3*r+j]) / 2
		}
		for k := range 2 {
			mu, s := out["mean"][2*r+k], out["logvar"][2*r+k]
			want += 0.5 * 0.5 * (mu*mu + math.Exp(s) - 1 - s) / 2
			if out["code"][2*r+k] == mu {
				t.Error("the code of a training step is not drawn")
			}
		}
	}
	near(t, "the bound", out["loss"][0], want)
}

// TestUntied starts a mirror as its encoder, transposed, with weights of its own.
func TestStartsEqual(t *testing.T) {
	x := spec.Input("x", 5)
	enc := spec.Sequential("encoder", spec.Dense(4).BiasInit(spec.Constant(0.5)), spec.Tanh(), spec.Dense(3).BiasInit(spec.Constant(0.25)))
	tied := spec.Mirror("tied", enc).Tied()
	own := spec.Mirror("own", enc)
	code := x.Then(enc)
	a := code.Then(tied)
	free := spec.Untie("free", tied)
	m := spec.NewModel("m", spec.MSE(a, x), spec.MSE(code.Then(own), x), spec.MSE(code.Then(free), x))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	root := random.New(9)
	params := map[string]spec.Param{}
	for _, p := range m.Params() {
		params[p.Name] = p
	}
	if len(params) != 4+2+4+4 {
		t.Errorf("%d parameters", len(params))
	}
	for _, c := range []struct {
		name, of string
	}{{"own/dense1", "encoder/dense2"}, {"own/dense2", "encoder/dense1"}, {"free/dense1", "encoder/dense2"}, {"free/dense2", "encoder/dense1"}} {
		p, q := params[c.name+"/w"], params[c.of+"/w"]
		w, v := p.Initial(root), q.Initial(root)
		rows, cols := p.Type.Shape[0].Length(), p.Type.Shape[1].Length()
		for i := range rows {
			for j := range cols {
				if w[i*cols+j] != v[j*rows+i] {
					t.Fatalf("%s does not start as %s", c.name, c.of)
				}
			}
		}
		if like, ok := p.Like(); !ok || !like.Same(q) {
			t.Errorf("%s is like %q", c.name, like.Name)
		}
	}
	for name, of := range map[string]string{"free/dense1/b": "tied/tied1/b", "free/dense2/b": "tied/tied2/b"} {
		if like, ok := params[name].Like(); !ok || like.Name != of {
			t.Errorf("%s is like %q, want %q", name, like.Name, of)
		}
	}
	if _, ok := params["own/dense1/b"].Like(); ok {
		t.Error("the biases of a mirror are its own")
	}
}

// TestKindMistakes makes every mistake of the kinds, each on a line of its own.
func TestKindMistakes(t *testing.T) {
	x := spec.Input("x", 6)
	h := x.Then(spec.Dense(3).Named("h"))
	noisy := x.Then(spec.MaskingNoise(0.5))
	gauss := x.Then(spec.GaussianNoise(0.5))
	enc := spec.Sequential("encoder", spec.Dense(2))
	for _, c := range []struct {
		m    *spec.Model
		want string
	}{
		{spec.NewModel("m", spec.MSE(x.Then(spec.KSparse(7)), x)), `layer "ksparse1": KSparse: k is 7 but a row is only 6 wide (x is f32[N 6])`},
		{spec.NewModel("m", spec.MSE(spec.Input("x", 6).Then(spec.KSparse(0)), x)), `KSparse: k must be positive, got 0`},
		{spec.NewModel("m", spec.KLSparsity(spec.Input("x", 6).Then(spec.Dense(3), spec.Sigmoid()), 1)), `loss KLSparsity: rho must be in (0, 1), got 1`},
		{spec.NewModel("m", spec.KLSparsity(h, 0.1)), `loss KLSparsity: the value must come from a Sigmoid, so that it is in [0, 1], got the result f32[N 3] of Add`},
		{spec.NewModel("m", spec.Contractive(x)), `loss Contractive: the closed form holds for a Dense layer with a Sigmoid, Tanh, ReLU or nothing after it, got f32[N 6] as it comes in`},
		{spec.NewModel("m", spec.Contractive(spec.Add(h, h))), `got the result f32[N 3] of Add`},
		{spec.NewModel("m", spec.Contractive(x.Then(spec.Softplus()))), `of Softplus`},
		{spec.NewModel("m", spec.Contractive(x.Then(spec.Sigmoid()))), `got the result f32[N 6] of Sigmoid`},
		{spec.NewModel("m", spec.L1(spec.Labels("y", 3))), `loss L1: the value must be f32[N units…], got i64[N]`},
		{spec.NewModel("m", spec.L1(nil)), `the value is nil`},
		{spec.NewModel("m", spec.KLNormal(x, h)), `loss KLNormal: mean and logvar must have one type, got f32[N 6] and f32[N 3]`},
		{spec.NewModel("m", spec.NewLoss("l", spec.Reparameterize(x, h))), `mean and logvar must have one type`},
		{spec.Variational("v", spec.Input("x", 3), spec.Tanh(), 2, spec.Dense(3)).Beta(-1).Model, `Variational: beta must be finite and at least 0, got -1`},
		{spec.Variational("v", spec.Input("x", 3), spec.Tanh(), 0, spec.Dense(3)).Model, `units must be positive, got 0`},
		{spec.NewModel("m", spec.MSE(gauss.Then(spec.Dense(6)), x).Emphasis(gauss, 1, 0)), `GaussianNoise corrupts every element`},
		{spec.NewModel("m", spec.MSE(x.Then(spec.Dense(6)), x).Emphasis(noisy, 1, 0)), `the loss does not depend on the corrupted value`},
		{spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(6)), x).Emphasis(noisy, -1, 0)), `the weight of corrupted elements must be finite and at least 0, got -1`},
		{spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(6)), x).Emphasis(noisy, 0, 0)), `the weights are both 0`},
		{spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(6)), x).Emphasis(x, 1, 0)), `must be the result of MaskingNoise, SaltAndPepper or Dropout, got f32[N 6] as it comes in`},
		{spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(6)), x).Emphasis(nil, 1, 0)), `the value is nil`},
		{spec.NewModel("m", spec.L1(noisy).Emphasis(noisy, 1, 0)), `Emphasis of a loss that has no elements`},
		{spec.NewModel("m", spec.NewLoss("l", noisy.Then(spec.Dense(2))).Emphasis(noisy, 1, 0)), `the loss has elements f32[N 2] but the corrupted value is f32[N 6]`},
		{spec.NewModel("m", spec.MSE(x.Then(enc, spec.Untie("u", spec.Mirror("m", enc).Tied())), x)), `was not placed yet, so it has nothing to start from`},
		{spec.NewModel("m", spec.MSE(x.Then(spec.Untie("u", spec.Mirror("m", enc))), x)), `the mirror has weights of its own already`},
		{spec.NewModel("m", spec.MSE(x.Then(spec.Untie("u", nil)), x)), `needs a mirror made by spec.Mirror`},
	} {
		err := c.m.Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
			continue
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if strings.Contains(line, c.want) && !strings.HasPrefix(line, "kinds_test.go:") {
				t.Errorf("no line: %s", line)
			}
		}
	}
}
