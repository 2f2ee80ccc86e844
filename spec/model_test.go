package spec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

func digits() *spec.Model {
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	return spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
}

// checked returns the graph of a model after the checks that every graph passes.
func checked(t *testing.T, m *spec.Model) *ir.Graph {
	t.Helper()
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	checkGraph(t, g)
	return g
}

func checkGraph(t *testing.T, g *ir.Graph) {
	t.Helper()
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	text := ir.Format(g)
	back, err := ir.Parse(text, ops.ByName)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(text, ir.Format(back)); diff != "" {
		t.Errorf("parsed back (-want +got):\n%s", diff)
	}
}

func paramNames(ps []spec.Param) string {
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func TestAutoencoder(t *testing.T) {
	ae := digits()
	golden(t, "digits.golden", ir.Text(checked(t, ae)))
	golden(t, "digits.summary.golden", ae.Summary())
	for _, p := range ae.Params() {
		if want := strings.HasSuffix(p.Name, "/w"); p.Decay != want {
			t.Errorf("%s: decay is %v", p.Name, p.Decay)
		}
		if p.Layer+"/"+p.Name[len(p.Name)-1:] != p.Name || p.Pos.IsZero() {
			t.Errorf("%s: layer %q, position %v", p.Name, p.Layer, p.Pos)
		}
	}
	// The same model on other lines, beside another model, has the same hash.
	other := digits()
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	moved := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
	if h := ae.Hash(); len(h) != 64 || h != other.Hash() || h != moved.Hash() {
		t.Errorf("hashes are %s, %s and %s", h, other.Hash(), moved.Hash())
	}
}

func TestUntied(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Flatten(), spec.Dense(9).NoBias().Init(spec.He()), spec.ReLU(), spec.Dropout(0.5),
		spec.Dense(4), spec.ELU().Alpha(0.5))
	ae := spec.Autoencoder("image", spec.Input("image", 1, 4, 4), enc, spec.Mirror("decoder", enc))
	golden(t, "untied.golden", ir.Text(checked(t, ae))+"\n"+ae.Summary())
	if p := ae.Params()[5]; p.Name != "decoder/dense2/w" || p.Init.Name() != "He" {
		t.Errorf("parameter 5 is %s with %s", p.Name, p.Init.Name())
	}
	if y := ae.Tap("reconstruction").Type().String(); y != "f32[N 1 4 4]" {
		t.Errorf("the reconstruction is %s", y)
	}
}

func TestGraphOf(t *testing.T) {
	ae := digits()
	hash := ae.Hash()
	g, ps, err := spec.GraphOf("encoder", ae.Tap("code"))
	if err != nil {
		t.Fatal(err)
	}
	checkGraph(t, g)
	if got := paramNames(ps); got != "encoder/dense1/w encoder/dense1/b encoder/dense2/w encoder/dense2/b" {
		t.Errorf("parameters are %s", got)
	}
	if g.Inputs[0].Name != "x" || len(g.Outputs) != 1 || g.Outputs[0].Name != "code" {
		t.Errorf("the signature is wrong:\n%s", ir.Text(g))
	}
	if ae.Hash() != hash {
		t.Error("GraphOf changed the model")
	}
}

// TestFreshInput declares what ships after the model, on another input that has
// the first one's name.
func TestFreshInput(t *testing.T) {
	first := spec.Dense(4)
	x := spec.Input("x", 6)
	h := x.Then(first, spec.Tanh(), spec.Dense(3).Init(spec.Orthogonal()))
	m := spec.NewModel("m", spec.MSE(h.Then(spec.Dense(6)), x))
	if got := paramNames(m.Params()); got != "dense1/w dense1/b dense2/w dense2/b dense3/w dense3/b" {
		t.Fatalf("parameters are %s", got)
	}
	text := m.String()
	fresh := spec.Input("x", 6).Then(first, spec.L2Normalize())
	for _, c := range []struct {
		v            *spec.Value
		out, weights string
	}{
		{fresh, "l2normalize1", "dense1/w dense1/b"},
		{fresh.Named("unit"), "unit", "dense1/w dense1/b"},
		{h, "dense2", "dense1/w dense1/b dense2/w dense2/b"},
		{spec.Sub(h, h), "sub1", "dense1/w dense1/b dense2/w dense2/b"},
		{x, "output1", ""},
		{x.Named("x"), "x", ""},
		{x.Named("y"), "y", ""},
	} {
		g, ps, err := spec.GraphOf("g", c.v)
		if err != nil {
			t.Fatal(err)
		}
		checkGraph(t, g)
		if g.Outputs[0].Name != c.out || paramNames(ps) != c.weights {
			t.Errorf("output %s with parameters %s, want %s with %s", g.Outputs[0].Name, paramNames(ps), c.out, c.weights)
		}
	}
	if m.String() != text || m.Err() != nil {
		t.Error("what was declared later changed the model")
	}
}

func TestClassifier(t *testing.T) {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder",
		spec.Dense(1000), spec.Sigmoid(),
		spec.Dense(500), spec.Sigmoid(),
		spec.Dense(250), spec.Sigmoid())
	logits := x.Then(enc, spec.Dense(10).Named("head"))
	m := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	golden(t, "classifier.golden", ir.Text(checked(t, m))+"\n"+m.Summary())
	ship := logits.Then(spec.Softmax(-1)).Named("probabilities")
	g, ps, err := spec.GraphOf("digits", ship)
	if err != nil {
		t.Fatal(err)
	}
	checkGraph(t, g)
	if len(g.Inputs) != 1 || paramNames(ps) != paramNames(m.Params()) {
		t.Errorf("inputs %v, parameters %s", g.Inputs, paramNames(ps))
	}
}

// TestWiring has two inputs, a layer on two branches, functions, residuals,
// repetition, joins and several losses.
func TestWiring(t *testing.T) {
	a, b := spec.Input("a", 6), spec.Input("b", 6)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.GELU(), spec.Dropout(0.1))
	q, k := spec.Dense(4).Named("q"), spec.Dense(4).Named("k")
	attend := spec.Func("attention", func(x *spec.Value) *spec.Value { // f32[N 2 4]
		d := x.Dim(-1)
		w := spec.MatMul(x.Then(q), x.Then(k, spec.Reshape(d, 2))).Then(spec.Softmax(-1))
		return spec.MatMul(w, x.Then(spec.Reshape(2, d)))
	})
	za := a.Then(enc, spec.Reshape(2, 4), attend, spec.Flatten())
	zb := b.Then(enc, spec.Reshape(2, 4), attend, spec.Flatten()).Named("zb")
	mixed := spec.Concat(-1, za, zb, spec.Mul(za, zb)).Then(
		spec.Repeat("block", 2, func(i int) spec.Layer {
			return spec.Layers(spec.Residual("res", spec.Dense(24), spec.LeakyReLU()), spec.Dropout(0.2))
		}), spec.Dense(6))
	same := spec.Dense(6)
	m := spec.NewModel("wiring",
		spec.MSE(mixed, a), spec.MSE(mixed.Then(same, spec.Tanh(), spec.Shared(same)), b).Weight(0.5), spec.MAE(za, zb))
	g := checked(t, m)
	golden(t, "wiring.golden", ir.Text(g)+"\n"+m.Summary())
	streams := map[uint64]bool{}
	for _, n := range g.Nodes {
		if d, ok := n.Op.(ops.Dropout); ok {
			if streams[d.Stream] {
				t.Errorf("stream %d is used twice", d.Stream)
			}
			streams[d.Stream] = true
		}
	}
	if len(streams) != 4 {
		t.Errorf("%d uses of Dropout, want 4", len(streams))
	}
}

func TestMadeInside(t *testing.T) {
	f := spec.Func("f", func(x *spec.Value) *spec.Value { return x.Then(spec.Dense(3)) })
	x := spec.Input("x", 3)
	if y := x.Then(f); y.Err() != nil {
		t.Fatal(y.Err())
	}
	err := spec.Input("y", 3).Then(f).Err()
	if err == nil || !strings.Contains(err.Error(), `layer "f/dense1": made anew at the second place`) {
		t.Errorf("got %v", err)
	}
	var g spec.Layer
	g = spec.Func("g", func(x *spec.Value) *spec.Value { return x.Then(g) })
	if err := x.Then(g).Err(); err == nil || !strings.Contains(err.Error(), `layer "g": placed inside itself`) {
		t.Errorf("got %v", err)
	}
	var deep func() spec.Layer
	deep = func() spec.Layer {
		return spec.Func("deep", func(x *spec.Value) *spec.Value { return x.Then(deep()) })
	}
	if err := x.Then(deep()).Err(); err == nil {
		t.Error("layers without end are accepted")
	}
}

func TestSmallMistakes(t *testing.T) {
	x := spec.Input("x", 4)
	loss := spec.MSE(x.Then(spec.Dense(4)), x)
	m := spec.NewModel("m", loss)
	if m.Err() != nil {
		t.Fatal(m.Err())
	}
	_, _, none := spec.GraphOf("g")
	_, _, twice := spec.GraphOf("g", x.Named("y"), x.Then(spec.ReLU()).Named("y"))
	_, _, tap := spec.GraphOf("g", m.Tap("code"))
	_, _, nilValue := spec.GraphOf("g", nil)
	_, _, badName := spec.GraphOf("a b", x)
	_, zero := (&spec.Model{}).Graph()
	y := spec.Input("a", 2)
	for _, c := range []struct {
		err  error
		want string
	}{
		{none, "GraphOf: at least one value is needed"},
		{twice, `value "y": name already used at model_test.go:`},
		{tap, `Tap: model "m" has no value named "code"`},
		{nilValue, "GraphOf: the value is nil"},
		{badName, "GraphOf: a name is a letter"},
		{zero, "a zero Model"},
		{(*spec.Model)(nil).Err(), "the model is nil"},
		{spec.NewModel("empty").Err(), "a model needs at least one loss"},
		{spec.NewModel("").Err(), "a name must not be empty"},
		{spec.NewModel("m", &spec.Loss{}).Err(), "loss 1 of 1 is a zero Loss"},
		{spec.NewModel("m", spec.MSE(y, spec.Input("a", 2))).Err(), `input "a": name already used at model_test.go:`},
		{spec.Autoencoder("m", nil, nil, nil).Err(), "Autoencoder: the value is nil"},
		{spec.Apply(spec.ReLU()).Err(), "ReLU: needs an operand, got none"},
		{spec.Apply(nil).Err(), "layer 1 of 1 is nil"},
		{spec.Concat(0).Err(), "Concat: needs an operand, got none"},
		{spec.Add(nil, nil).Err(), "Add: the value is nil"},
		{spec.NewModel("m", spec.MSE(nil, nil).Weight(2)).Err(), "loss MSE: the value is nil"},
	} {
		var e *spec.Error
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) || !errors.As(c.err, &e) {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
	// Mistakes of a call leave the declaration as it was.
	if m.Err() != nil {
		t.Errorf("the model has a mistake now: %v", m.Err())
	}
	if spec.NewModel("m", loss, loss).Err() == nil {
		t.Error("a loss given twice is accepted")
	}
	if once := spec.MAE(spec.Input("a", 2), spec.Input("b", 2)); spec.NewModel("m", once, once.Weight(2)).Err() == nil {
		t.Error("a loss given twice, once with a weight, is accepted")
	}
	loss.Weight(2)
	if err := m.Err(); err == nil || !strings.Contains(err.Error(), "Weight after the loss was given to a model at model_test.go:") {
		t.Errorf("got %v", err)
	}
}

// TestNil calls what can be called on nothing at all.
func TestNil(t *testing.T) {
	var v *spec.Value
	var m *spec.Model
	var l *spec.Loss
	var d *spec.DenseLayer
	v.Then().Named("x").Then(nil, d.NoBias().Named("x").Init(nil).BiasInit(nil), spec.Sequential("s", d)).Dim(3)
	if v.Type().DType != ir.Invalid || v.Err() == nil || m.Name() != "" || m.Params() != nil || m.Hash() != "" {
		t.Error("nothing has something")
	}
	m.Tap("x").Then(spec.ReLU())
	if m.Summary() == "" || m.String() == "" || l.Weight(1) != nil {
		t.Error("nothing has something")
	}
	type wrapped struct{ *spec.DenseLayer }
	x := spec.Input("x", 3)
	for _, l := range []spec.Layer{&wrapped{}, wrapped{}, (*wrapped)(nil), &spec.DenseLayer{}, (&spec.DenseLayer{}).Named("x"),
		&spec.MirrorLayer{}, &spec.TiedLayer{}, &spec.FuncLayer{}, &spec.SoftmaxLayer{}} {
		for _, y := range []*spec.Value{
			x.Then(l), x.Then(spec.Shared(l)), x.Then(spec.Layers(l)), x.Then(spec.Tied(l)), x.Then(spec.Mirror("m", l)),
			x.Then(spec.Residual("r", l)), spec.Apply(l, x, x), spec.Apply(l),
		} {
			if y.Err() == nil {
				t.Errorf("%T: no mistake", l)
			}
			if _, _, err := spec.GraphOf("g", y); err == nil {
				t.Errorf("%T: a graph without error", l)
			}
		}
		x = spec.Input("x", 3)
	}
}

func TestInitial(t *testing.T) {
	ps := digits().Params()
	key := random.New(1)
	w, again := ps[0].Initial(key), ps[0].Initial(key)
	if len(w) != 784*100 || !cmp.Equal(w, again) {
		t.Error("two initial values differ")
	}
	if other := ps[2].Initial(key); other[0] == w[0] {
		t.Error("two parameters start alike")
	}
	for _, x := range ps[1].Initial(key) {
		if x != 0 {
			t.Fatal("a bias does not start at 0")
		}
	}
}

func TestSame(t *testing.T) {
	a, b := digits(), digits()
	_, ps, err := spec.GraphOf("g", a.Tap("code"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ps {
		if !p.Same(a.Params()[i]) || p.Same(b.Params()[i]) || p.Same(spec.Param{}) {
			t.Errorf("%s: Same takes it for another", p.Name)
		}
	}
}

// TestFollowUps has one mistake, from which much else follows.
func TestFollowUps(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Dense(10), spec.ReLU(), spec.Dense(-3), spec.Tanh())
	ae := spec.Autoencoder("m", spec.Input("x", 20), enc, spec.Mirror("decoder", enc).Tied())
	y := spec.Input("b", 20).Then(enc, spec.Softmax(0), spec.Flatten())
	z := spec.Input("c", 3).Then(spec.Mirror("other", enc))
	code := ae.Tap("code")
	spec.NewModel("n", spec.MSE(spec.Add(y, z), spec.Concat(0, y, code)), spec.MAE(y, z).Weight(2))
	_, _, err := spec.GraphOf("g", y, z, code, ae.Tap("other"))
	for _, err := range []error{ae.Err(), y.Err(), err} {
		e, ok := err.(interface{ Unwrap() []error })
		if !ok || len(e.Unwrap()) != 1 || !strings.Contains(err.Error(), "units must be positive, got -3") {
			t.Errorf("got %v", err)
		}
	}
}

// TestNames has explicit names between numbered ones, and layers on two inputs
// that only meet later.
func TestNames(t *testing.T) {
	a, b := spec.Input("a", 3), spec.Input("b", 3)
	shared := spec.Dense(3)
	ya := a.Then(spec.Dense(3), spec.Dense(3).Named("dense3"))
	yb := b.Then(spec.Dense(3), spec.Layers(spec.Dense(3), spec.Layers(spec.Dense(3))), shared)
	m := spec.NewModel("m", spec.MSE(spec.Add(ya, yb), a.Then(shared)))
	want := "dense1/w dense1/b dense3/w dense3/b dense2/w dense2/b dense4/w dense4/b dense5/w dense5/b dense6/w dense6/b"
	if got := paramNames(m.Params()); got != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, m.Err())
	}
	// Names stay when a further branch joins, which numbers its own behind them.
	c := spec.Input("c", 3).Then(spec.Dense(3))
	_, ps, err := spec.GraphOf("g", spec.Add(c, yb))
	if err != nil {
		t.Fatal(err)
	}
	if got := paramNames(ps); got != "dense2/w dense2/b dense4/w dense4/b dense5/w dense5/b dense6/w dense6/b dense7/w dense7/b" &&
		got != "dense7/w dense7/b dense2/w dense2/b dense4/w dense4/b dense5/w dense5/b dense6/w dense6/b" {
		t.Errorf("got %s", got)
	}
}

func TestNoModelHasNoLimits(t *testing.T) {
	for what, m := range map[string]*spec.Model{"nil": nil, "zero": {}} {
		if l := m.Limits(); len(l) != 0 || m.Err() == nil {
			t.Errorf("%s: limits %v, error %v", what, l, m.Err())
		}
	}
}

// TestInputsOfOther: two models of one encoder have inputs of the same names, and each knows its own.
func TestInputsOfOther(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Dense(4))
	code := func() *spec.Value {
		return spec.Concat(0, spec.Input("x", 3).Optional().Then(spec.FillMissing().With(0), enc), spec.Categories("k", 3, 5).Then(spec.OneHotIDs(3, 5)))
	}
	first := spec.NewModel("first", spec.CrossEntropy(code().Then(spec.Dense(10)), spec.Labels("y", 10).Optional()))
	plain := spec.Concat(0, spec.Input("x", 3).Then(enc), spec.Categories("k", 7).Then(spec.OneHotIDs(7)))
	second := spec.NewModel("second", spec.CrossEntropy(plain.Then(spec.Dense(2)), spec.Labels("y", 2)))
	for want, m := range map[string]*spec.Model{
		"map[k:5 y:10] map[k:[3 5]] [x y]": first,
		"map[k:7 y:2] map[k:[7]] []":       second,
	} {
		if got := fmt.Sprint(m.Limits(), m.Cardinalities(), m.OptionalInputs()); m.Err() != nil || got != want {
			t.Errorf("%s: got %s, want %s; %v", m.Name(), got, want, m.Err())
		}
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		if y := map[string]string{"first": "-1 to 9", "second": "0 to 1"}[m.Name()]; !strings.Contains(text, `y = "`+y+`"`) {
			t.Errorf("the text form of %s has other labels than %s:\n%s", m.Name(), y, text)
		}
	}
}
