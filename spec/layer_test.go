package spec_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

// TestNamed names a layer of every kind and looks for the name.
func TestNamed(t *testing.T) {
	x := spec.Input("x", 4)
	tied := spec.Dense(4)
	h := x.Then(tied)
	for i, l := range []any{
		spec.Dense(4), spec.Tied(tied), spec.ReLU(), spec.SELU(), spec.GELU(), spec.SiLU(), spec.HardSwish(),
		spec.Sigmoid(), spec.Tanh(), spec.Softplus(), spec.LayerNorm(), spec.RMSNorm(), spec.GroupNorm(2),
		spec.LeakyReLU(), spec.ELU(), spec.Softmax(0), spec.Dropout(0), spec.Flatten(), spec.Reshape(2, 2), spec.L2Normalize(),
		spec.MaskingNoise(0), spec.GaussianNoise(0), spec.SaltAndPepper(0),
		spec.Sequential("s", spec.ReLU()), spec.Residual("r", spec.ReLU()), spec.Mirror("m", tied),
		spec.Func("f", func(x *spec.Value) *spec.Value { return x.Then(spec.ReLU()) }),
	} {
		name := fmt.Sprintf("me%d", i)
		out := reflect.ValueOf(l).MethodByName("Named").Call([]reflect.Value{reflect.ValueOf(name)})[0]
		g, _, err := spec.GraphOf("g", h.Then(out.Interface().(spec.Layer)))
		if err != nil {
			t.Error(err)
			continue
		}
		if g.Outputs[0].Name != name || !strings.HasPrefix(g.Outputs[0].Def.Layer+"/", name+"/") {
			t.Errorf("%T: the output is %s of layer %s", l, g.Outputs[0].Name, g.Outputs[0].Def.Layer)
		}
	}
}

// TestMeaning compares layers with numbers worked out by hand.
func TestMeaning(t *testing.T) {
	in := []float64{1, -2, 3, -4}
	sig := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	each := func(f func(float64) float64) (out []float64) {
		for _, x := range in {
			out = append(out, f(x))
		}
		return out
	}
	relu := func(x float64) float64 { return max(x, 0) }
	for _, c := range []struct {
		name  string
		layer spec.Layer
		want  []float64
	}{
		{"ReLU", spec.ReLU(), each(relu)},
		{"LeakyReLU", spec.LeakyReLU(), each(func(x float64) float64 { return max(x, 0.01*x) })},
		{"LeakyReLU.Alpha", spec.LeakyReLU().Alpha(0.5), each(func(x float64) float64 { return max(x, 0.5*x) })},
		{"ELU", spec.ELU().Alpha(2), []float64{1, 2 * math.Expm1(-2), 3, 2 * math.Expm1(-4)}},
		{"Softplus", spec.Softplus(), each(func(x float64) float64 { return math.Log1p(math.Exp(x)) })},
		{"Sigmoid", spec.Sigmoid(), each(sig)},
		{"Tanh", spec.Tanh(), each(math.Tanh)},
		{"GELU", spec.GELU(), each(func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) })},
		{"SiLU", spec.SiLU(), each(func(x float64) float64 { return x * sig(x) })},
		{"HardSwish", spec.HardSwish(), []float64{2.0 / 3, -1.0 / 3, 3, 0}},
		{"Softmax", spec.Softmax(-1), []float64{sig(3), sig(-3), sig(7), sig(-7)}},
		{"Softmax(0)", spec.Softmax(0), []float64{sig(-2), sig(2), sig(2), sig(-2)}},
		{"L2Normalize", spec.L2Normalize(), []float64{1 / math.Sqrt(5), -2 / math.Sqrt(5), 0.6, -0.8}},
		{"Residual", spec.Residual("r", spec.ReLU()), each(func(x float64) float64 { return x + relu(x) })},
		{"Reshape", spec.Reshape(4), in},
		{"Flatten", spec.Flatten(), in},
		{"Dropout(0)", spec.Dropout(0), in},
		{"Dropout(0).ByChannel", spec.Dropout(0).ByChannel(), in},
		{"MaskingNoise(0)", spec.MaskingNoise(0), in},
		{"GaussianNoise(0)", spec.GaussianNoise(0), in},
		{"SaltAndPepper(0)", spec.SaltAndPepper(0), in},
		{"Layers", spec.Layers(spec.ReLU(), spec.Tanh()), each(func(x float64) float64 { return math.Tanh(relu(x)) })},
		{"Shared", spec.Shared(spec.ReLU()), each(relu)},
		{"Sequential", spec.Sequential("s"), in},
		{"SELU", spec.Layers(spec.ReLU(), spec.SELU()), each(func(x float64) float64 { return 1.0507009873554804934 * relu(x) })},
	} {
		g, _, err := spec.GraphOf("g", spec.Input("x", 2, 2).Then(c.layer).Named("y"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkGraph(t, g)
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": f64([]int{1, 2, 2}, in...)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := vals[g.Outputs[0]]
		for i, want := range c.want {
			if math.Abs(got.F64[i]-want) > 1e-6 {
				t.Errorf("%s: got %v, want %v", c.name, got.F64, c.want)
				break
			}
		}
	}
}

// TestNormMeaning compares normalisations with numbers worked out here: x has the mean
// -0.5 and the variance 7.25, its rows -0.5 and 2.25, -0.5 and 12.25.
func TestNormMeaning(t *testing.T) {
	root := math.Sqrt
	for _, c := range []struct {
		name, params string
		layer        spec.Layer
		want         []float64
	}{
		{"LayerNorm", "scale f32[2] bias f32[2]", spec.LayerNorm().Epsilon(1e-12), []float64{2, -3, 2, -3}},
		{"LayerNorm.Epsilon", "scale f32[2] bias f32[2]", spec.LayerNorm().Epsilon(1.75), []float64{3*1.5/2 - 1, -2*1.5/2 - 1, 3*3.5/root(14) - 1, -2*3.5/root(14) - 1}},
		{"LayerNorm.NoBias", "scale f32[2]", spec.LayerNorm().Epsilon(1e-12).NoBias(), []float64{3, -2, 3, -2}},
		{"LayerNorm.Axis", "scale f32[2 2]", spec.LayerNorm().Epsilon(1e-12).NoBias().Axis(0), []float64{3 * 1.5 / root(7.25), 2 * -1.5 / root(7.25), 3 * 3.5 / root(7.25), 2 * -3.5 / root(7.25)}},
		{"RMSNorm", "scale f32[2]", spec.RMSNorm().Epsilon(1e-12), []float64{3 / root(2.5), -4 / root(2.5), 9 / root(12.5), -8 / root(12.5)}},
		{"RMSNorm.Axis", "scale f32[2 2]", spec.RMSNorm().Epsilon(0.5).Axis(0), []float64{3 / root(8), -4 / root(8), 9 / root(8), -8 / root(8)}},
		{"GroupNorm(1)", "scale f32[2] bias f32[2]", spec.GroupNorm(1).Epsilon(1e-12), []float64{3*1.5/root(7.25) - 1, 3*-1.5/root(7.25) - 1, 2*3.5/root(7.25) - 1, 2*-3.5/root(7.25) - 1}},
		{"GroupNorm(2)", "scale f32[2] bias f32[2]", spec.GroupNorm(2).Epsilon(1e-12), []float64{2, -4, 1, -3}},
		{"InstanceNorm", "scale f32[2] bias f32[2]", spec.InstanceNorm().Epsilon(1e-12), []float64{2, -4, 1, -3}},
	} {
		g, ps, err := spec.GraphOf("g", spec.Input("x", 2, 2).Then(c.layer).Named("y"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkGraph(t, g)
		in := map[string]*ir.Tensor{"x": f64([]int{1, 2, 2}, 1, -2, 3, -4)}
		var list []string
		for _, p := range ps {
			name := p.Name[strings.LastIndex(p.Name, "/")+1:]
			list = append(list, name+" "+p.Type.String())
			if got := p.Initial(random.New(1)); got[0] != map[string]float32{"scale": 1, "bias": 0}[name] {
				t.Errorf("%s: %s starts as %v", c.name, name, got)
			}
			v := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
			for i := range v.F64 {
				v.F64[i] = map[string]float64{"scale": 3 - float64(i%2), "bias": -1}[name]
			}
			in[p.Name] = v
		}
		if got := strings.Join(list, " "); got != c.params {
			t.Errorf("%s has the parameters %s, want %s", c.name, got, c.params)
		}
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, got := range vals[g.Outputs[0]].F64 {
			if math.Abs(got-c.want[i]) > 1e-6 {
				t.Errorf("%s: got %v, want %v", c.name, vals[g.Outputs[0]].F64, c.want)
				break
			}
		}
	}
}

// TestTiedMeaning multiplies with the transposed weights.
func TestTiedMeaning(t *testing.T) {
	enc := spec.Dense(1).NoBias()
	y := spec.Input("x", 2).Then(enc, spec.Tied(enc).BiasInit(spec.Constant(1)))
	g, ps, err := spec.GraphOf("g", y, spec.Input("z", 1).Then(spec.Tied(enc).NoBias().Named("plain")))
	if err != nil {
		t.Fatal(err)
	}
	if got := paramNames(ps); got != "dense1/w tied1/b" || ps[1].Init.Name() != "Constant(1)" {
		t.Errorf("parameters are %s", got)
	}
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{
		"x": f64([]int{1, 2}, 1, 2), "z": f64([]int{1, 1}, 2),
		"dense1/w": f64([]int{2, 1}, 3, 5), "tied1/b": f64([]int{2}, 10, 20)})
	if err != nil {
		t.Fatal(err)
	}
	if got := vals[g.Outputs[0]].F64; got[0] != 13*3+10 || got[1] != 13*5+20 {
		t.Errorf("got %v", got)
	}
	if got := vals[g.Outputs[1]].F64; got[0] != 6 || got[1] != 10 {
		t.Errorf("got %v", got)
	}
}

// own is a layer of one's own whose Build is a function.
type own struct {
	spec.Base
	build func(b *spec.Builder, x []*ir.Value) *ir.Value
}

func (l *own) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x) }

func newOwn(build func(b *spec.Builder, x []*ir.Value) *ir.Value) *own {
	return &own{spec.Here("own"), build}
}

func TestBuilderMistakes(t *testing.T) {
	var stolen *ir.Value
	spec.Input("other", 3).Then(newOwn(func(_ *spec.Builder, x []*ir.Value) *ir.Value { stolen = x[0]; return x[0] }))
	var nilOp *pointerOp
	for _, c := range []struct {
		want  string
		build func(b *spec.Builder, x []*ir.Value) *ir.Value
	}{
		{"own: Build returned nil", func(b *spec.Builder, x []*ir.Value) *ir.Value { return nil }},
		{"own: Build returned a value without a type", func(b *spec.Builder, x []*ir.Value) *ir.Value { return &ir.Value{} }},
		{"own: Build returned a value that belongs to no value", func(b *spec.Builder, x []*ir.Value) *ir.Value { return stolen }},
		{"own: the op is nil", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(nil, x...) }},
		{"own: the op is nil", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(nilOp, x...) }},
		{"Add: operand 2 is nil", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(ops.Add{}, x[0], nil) }},
		{"Add: operand 2, a f32[N 3], belongs to no value", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(ops.Add{}, x[0], stolen) }},
		{"Relu: takes 1 operand", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(ops.Relu{}) }},
		{"own: the op has no result", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Op(&pointerOp{}, x...) }},
		{"own: a constant must be finite", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Const(math.NaN()) }},
		{`own: parameter "w": lengths must be positive, got [3 0]`, func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Param("w", spec.He(), 3, 0) }},
		{`own: parameter "w": lengths [1048576 1048576] make more than 2^31 elements`, func(b *spec.Builder, x []*ir.Value) *ir.Value {
			return b.Param("w", spec.He(), 1<<20, 1<<20)
		}},
		{`own: parameter "w": at most 8 axes`, func(b *spec.Builder, x []*ir.Value) *ir.Value {
			return b.Param("w", spec.He(), 1, 1, 1, 1, 1, 1, 1, 1, 1)
		}},
		{"own: parameter: a name is a letter", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Param("a/b", spec.He(), 3) }},
		{`own: parameter "w": the constant 1e+39 is beyond f32`, func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Param("w", spec.Constant(1e39), 3) }},
		{`own: parameter "w" is f32[3], but f32[4] is needed here`, func(b *spec.Builder, x []*ir.Value) *ir.Value {
			return b.Op(ops.Add{}, b.Param("w", spec.He(), 3), b.Param("w", spec.He(), 4))
		}},
		{"layer 1 of 1 is nil", func(b *spec.Builder, x []*ir.Value) *ir.Value { return b.Layer(nil, x...) }},
		{"own: first", func(b *spec.Builder, x []*ir.Value) *ir.Value {
			b.Errorf("first")
			b.Const(1)
			b.Param("w", spec.He(), 0)
			b.Layer(nil)
			b.Op(nil)
			return b.Errorf("second")
		}},
	} {
		err := spec.Input("x", 3).Then(newOwn(c.build)).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\nlayer_test.go") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	// A second place may not need another parameter, even where ops would bear it.
	wide := newOwn(func(b *spec.Builder, x []*ir.Value) *ir.Value {
		return b.Op(ops.Add{}, x[0], b.Param("scale", spec.He(), x[0].Type.Shape[1].Length()))
	})
	spec.Input("x", 1).Then(wide)
	err := spec.Input("y", 3).Then(wide).Err()
	if err == nil || !strings.Contains(err.Error(), `parameter "scale" is f32[1], but f32[3] is needed here`) {
		t.Errorf("got %v", err)
	}
}

// pointerOp is an op that is a pointer, and has no result.
type pointerOp struct{}

func (*pointerOp) Name() string                       { return "own" }
func (*pointerOp) Infer([]ir.Type) ([]ir.Type, error) { return nil, nil }

// TestLayerInside places layers inside a layer of one's own, of two operands.
func TestLayerInside(t *testing.T) {
	inner := spec.Dense(3)
	both := newOwn(func(b *spec.Builder, x []*ir.Value) *ir.Value {
		mask := b.Op(ops.Bernoulli{Rate: 0.5}, x[0])
		return b.Op(ops.Add{}, b.Layer(inner, b.Op(ops.Mul{}, x[0], mask)), b.Op(ops.Mul{}, b.Layer(spec.Tanh(), x[1]), b.Const(2)))
	})
	y := spec.Apply(both, spec.Input("a", 3), spec.Input("b", 3))
	z := spec.Apply(both, spec.Input("c", 3), spec.Input("d", 3))
	g, ps, err := spec.GraphOf("g", spec.Sub(y, z))
	if err != nil {
		t.Fatal(err)
	}
	checkGraph(t, g)
	if got := paramNames(ps); got != "own1/dense1/w own1/dense1/b" {
		t.Errorf("parameters are %s", got)
	}
	var layers []string
	streams := map[uint64]bool{}
	for _, n := range g.Nodes {
		layers = append(layers, n.Layer)
		if op, ok := n.Op.(ops.Bernoulli); ok {
			streams[op.Stream] = true
		}
	}
	one := "own1 own1 own1/dense1 own1/dense1 own1/tanh1 own1 own1"
	if got := strings.Join(layers, " "); got != one+" "+one+" sub1" || len(streams) != 2 {
		t.Errorf("layers are %s, streams %v", got, streams)
	}
}

func TestTokens(t *testing.T) {
	x := spec.Tokens("x", 5, 100)
	if s := x.Type().String(); s != "i64[N 5]" || x.Dim(0) != 5 || x.Err() != nil {
		t.Errorf("Tokens is %s: %v", s, x.Err())
	}
	logits := spec.Input("f", 5, 8).Then(spec.Dense(100))
	if m := spec.NewModel("m", spec.CrossEntropy(logits, x)); m.Err() != nil {
		t.Error(m.Err())
	}
	if m := spec.NewModel("m", spec.CrossEntropy(logits, spec.Tokens("z", 5, 99))); m.Err() == nil {
		t.Error("labels below 99 fit logits for 100")
	}
	if err := x.Then(spec.Dense(3)).Err(); err == nil || !strings.Contains(err.Error(), "x must be f32[N … in], got i64[N 5]") {
		t.Errorf("got %v", err)
	}
}

func TestMirrorOf(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Layers(spec.Reshape(3, 4), spec.Softplus(), spec.Dense(5), spec.Softmax(-1), spec.Flatten(),
		spec.Repeat("block", 2, func(i int) spec.Layer { return spec.Layers(spec.Dense(7-i), spec.LeakyReLU()) }))
	y := x.Then(enc, spec.Mirror("decoder", enc))
	if y.Err() != nil {
		t.Fatal(y.Err())
	}
	if s := y.Type().String(); s != "f32[N 12]" {
		t.Errorf("the mirror image ends as %s", s)
	}
	g, _, err := spec.GraphOf("g", y)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range g.Nodes {
		if last := len(got) - 1; strings.HasPrefix(n.Layer, "decoder/") && (last < 0 || got[last] != n.Layer) {
			got = append(got, n.Layer)
		}
	}
	want := "decoder/dense1 decoder/leakyrelu1 decoder/dense2 decoder/reshape1 decoder/softmax1 decoder/dense3 decoder/softplus1 decoder/reshape2"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	for _, c := range []struct {
		layer spec.Layer
		want  string
	}{
		{spec.Residual("r", spec.Dense(12)), "a layer of kind Residual has no mirror image"},
		{spec.L2Normalize(), "a layer of kind L2Normalize has no mirror image"},
		{spec.ReLU(), "holds no layer that has a mirror image"},
	} {
		x := spec.Input("x", 12)
		err := x.Then(c.layer, spec.Mirror("m", c.layer)).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
