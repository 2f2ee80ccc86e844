package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// declared are models with all that a text must say.
func declared() map[string]*spec.Model {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(6).Init(spec.He()), spec.ReLU(), spec.Dense(3).Init(spec.Orthogonal()).BiasInit(spec.Constant(0.1)))
	mirror := spec.Mirror("decoder", enc).Tied()
	noisy := x.Then(spec.MaskingNoise(0.25))
	tied := spec.NewModel("tied", spec.MSE(noisy.Then(enc, mirror).Named("y"), x).Emphasis(noisy, 1, 0.5))
	code := x.Then(enc).Named("code")
	heat := spec.Scheduled("heat", 0.5, optim.Cosine(2))
	scaled := spec.NewModel("scheduled", spec.MSE(spec.Mul(code, heat), spec.Input("z", 3)))
	average := spec.Average(enc, 0.99).Schedule(optim.Cosine(0))
	queue := spec.Queue(5).Init(spec.LeCun())
	past := code.Then(queue)
	follows := spec.NewModel("average", spec.MSE(code, x.Then(average)), spec.MSE(past.Then(spec.Dense(1)), past.Then(spec.Dense(1).Named("other"))).Weight(0.5))
	untied := spec.NewModel("untied", spec.MSE(x.Then(enc, spec.Untie("decoder2", mirror)), x))
	classes := spec.NewModel("classes", spec.CrossEntropy(x.Then(spec.LayerNorm(), spec.Dense(4)), spec.Labels("label", 4)))
	bits := spec.NewModel("bits", spec.BinaryCrossEntropy(x.Then(enc, spec.Dense(12)), x))
	free := spec.Input("s", 9, 4).Free("T")
	sequence := spec.NewModel("sequence", spec.MSE(free.Then(spec.Dense(4)), free))
	w := spec.Input("w")
	some := spec.NewModel("labels", spec.CrossEntropy(x.Then(spec.Dense(4)), spec.Labels("maybe", 4).Optional()).Named("ce"), spec.MSE(x.Then(spec.Dense(12)), x).WeightedBy(w))
	statistics := spec.NewModel("statistics", spec.MSE(x.Then(spec.Dense(6), spec.BatchNorm(), spec.ReLU(), spec.Dense(12)), x))
	numeric, category := spec.Input("numeric", 3).Optional(), spec.Categories("category", 4, 7)
	filled := numeric.Then(spec.ClipQuantiles(0.01, 0.99), spec.FillMissing().Indicator(), spec.Standardise())
	row := spec.Concat(0, filled, category.Then(spec.Embeddings([]int{4, 7}, 2, 3)), category.Then(spec.Ordinal(4, 7))).Named("row")
	table := spec.NewModel("table", spec.MSE(row.Then(spec.Dense(3)), numeric.Then(spec.MinMax())), spec.BinaryCrossEntropy(row.Then(spec.Dense(2)), spec.Input("rates", 2).Optional()))
	return map[string]*spec.Model{"table": table, "tied": tied, "untied": untied, "scheduled": scaled, "average": follows, "classes": classes, "bits": bits, "sequence": sequence, "labels": some, "statistics": statistics}
}

// TestParseModel reads what Text writes, of declared and of random models: the same
// graph, parameters, state and limits, and so the same training.
func TestParseModel(t *testing.T) {
	models := declared()
	for seed := range uint64(80) {
		m := randmodel.New(seed).Model
		if seed >= 60 {
			m = randmodel.Batched(seed).Model
		}
		models[m.Name()+"-"+string(rune('a'+seed%26))+m.Hash()[:6]] = m
	}
	for seed := range uint64(30) {
		m := randmodel.Images(seed).Model
		models["images-"+m.Name()] = m
	}
	for name, m := range models {
		if err := m.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := m.Text()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := spec.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		again, err := back.Text()
		if err != nil || again != text {
			t.Errorf("%s: %v: reads back as\n%s\nof\n%s", name, err, again, text)
		}
		if back.Hash() != m.Hash() || back.Err() != nil || back.Name() != m.Name() {
			t.Errorf("%s: another model: %v", name, back.Err())
		}
		if !slices.Equal(back.WeightInputs(), m.WeightInputs()) && !slices.Equal(back.UnitInputs(), m.WeightInputs()) {
			t.Errorf("%s: weights %v, want %v", name, back.WeightInputs(), m.WeightInputs())
		}
		if !slices.Equal(back.UnitInputs(), m.UnitInputs()) {
			t.Errorf("%s: inputs in [0, 1]: %v, want %v", name, back.UnitInputs(), m.UnitInputs())
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range g.Inputs {
			if back.Limits()[v.Name] != m.Limits()[v.Name] {
				t.Errorf("%s: input %q is limited by %d, want %d", name, v.Name, back.Limits()[v.Name], m.Limits()[v.Name])
			}
		}
		key := random.New(7)
		p, q := m.Params(), back.Params()
		if len(p) != len(q) {
			t.Fatalf("%s: %d parameters, want %d", name, len(q), len(p))
		}
		for i := range p {
			if p[i].Name != q[i].Name || p[i].Layer != q[i].Layer || p[i].Decay != q[i].Decay || !p[i].Type.Equal(q[i].Type) || !slices.Equal(p[i].Initial(key), q[i].Initial(key)) {
				t.Errorf("%s: parameter %+v, want %+v", name, q[i], p[i])
			}
		}
		s, u := m.States(), back.States()
		if len(s) != len(u) {
			t.Fatalf("%s: %d state variables, want %d", name, len(u), len(s))
		}
		for i := range s {
			if s[i].Name != u[i].Name || s[i].Running() != u[i].Running() || !s[i].Type.Equal(u[i].Type) || !slices.Equal(s[i].Initial(key), u[i].Initial(key)) {
				t.Errorf("%s: state %+v, want %+v", name, u[i], s[i])
			}
			how, ok := s[i].Fitted()
			if is, fits := u[i].Fitted(); is != how || fits != ok {
				t.Errorf("%s: state %q is fitted to %v, want %v", name, s[i].Name, is, how)
			}
		}
		for _, v := range g.Inputs {
			if got, want := slices.Contains(back.OptionalInputs(), v.Name), slices.Contains(m.OptionalInputs(), v.Name); got != want {
				t.Errorf("%s: input %q may be absent: %v, want %v", name, v.Name, got, want)
			}
			if got, want := back.Cardinalities()[v.Name], m.Cardinalities()[v.Name]; !slices.Equal(got, want) {
				t.Errorf("%s: input %q has ids of columns: %v, want %v", name, v.Name, got, want)
			}
		}
		if got, want := fittings(t, back), fittings(t, m); got != want {
			t.Errorf("%s: fits\n%s\nwant\n%s", name, got, want)
		}
	}
}

// fittings writes what a model fits, and of what.
func fittings(t *testing.T, m *spec.Model) string {
	t.Helper()
	s := ""
	for _, f := range m.Fittings() {
		g, _, err := spec.GraphOf("of", f.Of)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range f.States {
			how, _ := st.Fitted()
			s += fmt.Sprintf("%s: %v along %d\n", st.Name, how, f.Axis)
		}
		s += ir.Hash(g) + "\n"
	}
	return s
}

// TestParseTaps takes a function out of a model that was read.
func TestParseTaps(t *testing.T) {
	m := declared()["average"]
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	back, err := spec.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	was, _, err := spec.GraphOf("g", m.Tap("code"))
	if err != nil {
		t.Fatal(err)
	}
	is, params, err := spec.GraphOf("g", back.Tap("code"))
	if err != nil {
		t.Fatal(err)
	}
	if ir.Text(was) != ir.Text(is) || len(params) != 4 || !params[0].Same(back.Params()[0]) {
		t.Errorf("got\n%s\nwant\n%s", ir.Format(is), ir.Format(was))
	}
	if s := back.Summary(); !strings.Contains(s, "encoder/dense1") || !strings.Contains(s, "parameters in") {
		t.Errorf("summary:\n%s", s)
	}
	if back.Tap("codes").Err() == nil {
		t.Error("a value that is not there was found")
	}
}

// TestParserShares reads two texts of one pretraining.
func TestParserShares(t *testing.T) {
	x := spec.Input("x", 5)
	d := spec.Dense(3).Named("shared")
	var p spec.Parser
	var read []*spec.Model
	for _, m := range []*spec.Model{
		spec.NewModel("one", spec.MSE(x.Then(d), spec.Input("y", 3))),
		spec.NewModel("two", spec.MSE(x.Then(d, spec.Dense(2).Named("top")), spec.Input("z", 2))),
	} {
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		back, err := p.Model(text)
		if err != nil {
			t.Fatal(err)
		}
		if back.Hash() != m.Hash() {
			t.Errorf("%s reads back as\n%s", m, back)
		}
		read = append(read, back)
	}
	if !read[0].Params()[0].Same(read[1].Params()[0]) {
		t.Error("one layer became two")
	}
	_, err := p.Model("three (f32[N 5] x) => (loss) <f32[5 4] shared/w = Glorot> {\nf32[N 4] y = MatMul(x, shared/w)\nf32[N] r = ReduceMean<axes = [1], keepdims = false>(y)\nf32[] loss = ReduceMean<axes = [0], keepdims = false>(r)\n}")
	if err == nil || !strings.Contains(err.Error(), `the parameter "shared/w" is f32[5 4] and begins as Glorot, but in a text before it is f32[5 3]`) {
		t.Errorf("got %v", err)
	}
}

func TestParseMistakes(t *testing.T) {
	const body = " {\nf32[N 4] y = MatMul(x, w)\nf32[N] r = ReduceMean<axes = [1], keepdims = false>(y)\nf32[] loss = ReduceMean<axes = [0], keepdims = false>(r)\n}"
	for src, want := range map[string]string{
		"m (f32[N 5] x) => (loss) <f32[5 4] w = Magic>" + body:                                             `the parameter "w" begins as Glorot`,
		"m (f32[N 5] x) => (loss) <f32[5 4] w = \"Constant(NaN)\">" + body:                                 `the parameter "w" begins as Glorot`,
		"m (f32[N 5] x) => (r) <f32[5 4] w>" + body:                                                        `the first output of a model is its loss, f32[] loss; got f32[N] "r"`,
		"m (f32[N 5] x = \"0 to 3\") => (loss) <f32[5 4] w>" + body:                                        `as "0 to 1" or "0 or more" of f32, got "0 to 3"`,
		"m (f32[N 5] x = few) => (loss) <f32[5 4] w>" + body:                                               `"0 to 1" or "0 or more" of f32, got "few"`,
		"m (f32[N 5] x) => (loss) <f32[5 4] w = \"like(v, like(w, Glorot))\">" + body:                      `the parameter "w" begins as itself`,
		"m (f32[N 5] x) => (loss) <f32[5 4] \"a b\">" + strings.ReplaceAll(body, "w)", `"a b")`):           `a name is a letter`,
		"m (f32[N 5] x) => (loss) <f32[5 4] w":                                                             `expected ","`,
		"m (f32[N 5] x = \"0 or more or none\") => (loss) <f32[5 4] w>" + body:                             `"0 to 1 or none" of f32 that may be missing`,
		"m (f32[N 5] x, i64[N 2] k = \"0 to 3, 0 to 4, 0 to 5\") => (loss) <f32[5 4] w>" + body:            `"0 to 9, 0 to 3" of its columns`,
		"m (f32[N 5] x, i64[N 2] k = \"0 to 3, -1 to 4\") => (loss) <f32[5 4] w>" + body:                   `"0 to 9, 0 to 3" of its columns`,
		"m (f32[N 5] x) => (loss) <f32[5 4] w> state (f32[5] s = \"fitted(mode, 1, x)\" => s step)" + body: `is fitted to mean, deviation,`,
		"m (f32[N T] x) => () {\n}":                                                                        ``,
		"m (f32[T N] x) => (loss) lengths (T = 3) <f32[5 4] w>" + body:                                     ``,
	} {
		_, err := spec.Parse(src)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", src, err, want)
		}
	}
	long := "Glorot"
	for range 20 {
		long = "like(w" + string(rune('a'+len(long)%26)) + itoa(len(long)) + ", " + long + ")"
	}
	if _, err := spec.Parse("m (f32[N 5] x) => (loss) <f32[5 4] w = \"" + long + "\">" + body); err == nil || !strings.Contains(err.Error(), "more than 8 times") {
		t.Errorf("got %v", err)
	}
}

func itoa(n int) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

// TestTextOfOwn refuses to write what no text can say.
func TestTextOfOwn(t *testing.T) {
	x := spec.Input("x", 5)
	_, err := spec.NewModel("m", spec.MSE(x.Then(spec.Dense(5).Init(ownInit{})), x)).Text()
	if err == nil || !strings.Contains(err.Error(), `"dense1/w": its initializer is Glorot, a spec_test.ownInit, which is not one of Lamina's own`) {
		t.Errorf("got %v", err)
	}
}

// ownInit has the name of another.
type ownInit struct{}

func (ownInit) Name() string                      { return "Glorot" }
func (ownInit) Fill(random.Key, []int, []float32) {}

func FuzzParseModel(f *testing.F) {
	for _, m := range declared() {
		text, err := m.Text()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for seed := range uint64(6) {
		text, err := randmodel.Images(seed).Text()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := spec.Parse(src)
		if err != nil {
			return
		}
		text, err := m.Text()
		if err != nil {
			t.Fatalf("%v: of %q", err, src)
		}
		if back, err := spec.Parse(text); err != nil || back.Hash() != m.Hash() {
			t.Fatalf("%v: %q became %q", err, src, text)
		}
		m.Summary()
		m.Limits()
		for _, p := range m.Params() {
			if p.Type.Shape.Count() < 1<<16 {
				p.Initial(random.New(1))
			}
		}
	})
}
