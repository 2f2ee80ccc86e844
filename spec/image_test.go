package spec_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

// factored is a layer of one's own, y = x·u·v + b, whose image is y = x·vᵀ·uᵀ + b.
type factored struct {
	spec.Base
	rank, units int
	of          *factored // whose image it is
	tied        bool
	why         string                          // it has no tied image
	image       func(in ir.Type) spec.Image     // instead of its own
	build       func(b *spec.Builder) *ir.Value // what it does besides
}

func newFactored(rank, units int) *factored {
	return &factored{Base: spec.Here("factored"), rank: rank, units: units}
}

func (l *factored) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	if l.build != nil {
		l.build(b)
	}
	if l.tied {
		turn := func(w *ir.Value) *ir.Value { return b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w) }
		y := b.Op(ops.MatMul{}, b.Op(ops.MatMul{}, x[0], turn(b.Borrow(l.of, "v"))), turn(b.Borrow(l.of, "u")))
		return b.Op(ops.Add{}, y, b.Param("b", spec.Glorot(), l.units))
	}
	u, v := b.Param("u", spec.Glorot(), x[0].Type.Last(), l.rank), b.Param("v", spec.Glorot(), l.rank, l.units)
	if l.of != nil {
		b.StartTransposed(u, l.of, "v")
		b.StartTransposed(v, l.of, "u")
	}
	return b.Op(ops.Add{}, b.Op(ops.MatMul{}, b.Op(ops.MatMul{}, x[0], u), v), b.Param("b", spec.Glorot(), l.units))
}

func (l *factored) Image(in ir.Type, tied bool) spec.Image {
	if l.image != nil {
		return l.image(in)
	}
	if tied && l.why != "" {
		return spec.NoImage(l.why)
	}
	m := newFactored(l.rank, in.Last())
	m.of, m.tied = l, tied
	return spec.UndoneBy(m)
}

// prelu is an activation with a weight.
type prelu struct{ spec.Base }

func newPReLU() *prelu { return &prelu{spec.Here("prelu")} }

func (l *prelu) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	slope := b.Param("slope", spec.Constant(0.25), 1)
	return b.Op(ops.Add{}, b.Op(ops.Relu{}, x[0]), b.Op(ops.Mul{}, slope, b.Op(ops.Min{}, x[0], b.Const(0))))
}
func (l *prelu) Image(ir.Type, bool) spec.Image { return spec.Repeated(newPReLU()) }

// halves turns a row into two, without weights; its image undoes that.
type halves struct{ spec.Base }

func (halves) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Layer(spec.Reshape(2, x[0].Type.Last()/2), x[0])
}
func (halves) Image(in ir.Type, _ bool) spec.Image { return spec.UndoneBy(spec.Reshape(in.Last())) }

// start evaluates a value with the parameters as they start.
func start(t *testing.T, v *spec.Value, width int) []float64 {
	t.Helper()
	g, params, err := spec.GraphOf("start", v)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{}
	for _, p := range params {
		x := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
		for i, e := range p.Initial(random.New(5)) {
			x.F64[i] = float64(e)
		}
		in[p.Name] = x
	}
	x := ir.NewTensor(ir.F64, 2, width)
	for i := range x.F64 {
		x.F64[i] = math.Sin(float64(i))
	}
	in["x"] = x
	vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, in)
	if err != nil {
		t.Fatal(err)
	}
	return vals[g.Outputs[0]].F64
}

// TestImageOfOnesOwn mirrors layers that are not of this package: tied, untied and
// parted later, among others that are.
func TestImageOfOnesOwn(t *testing.T) {
	enc := spec.Sequential("encoder", newFactored(2, 5), newPReLU(), spec.Dropout(0.1), spec.Layers(spec.Dense(4), spec.Tanh()), newFactored(3, 3))
	tied := spec.Mirror("tied", enc).Tied()
	x := spec.Input("x", 6)
	code := x.Then(enc)
	y := code.Then(tied)
	own, parted := code.Then(spec.Mirror("own", enc)), code.Then(spec.Untie("parted", tied))
	names := func(v *spec.Value) string {
		t.Helper()
		_, params, err := spec.GraphOf("g", v)
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, p := range params {
			s = append(s, p.Name)
			if of, ok := p.Like(); ok {
				s[len(s)-1] += "=" + of.Name
			}
		}
		return strings.Join(s, " ")
	}
	const encoder = "encoder/factored1/u encoder/factored1/v encoder/factored1/b encoder/prelu1/slope encoder/dense1/w encoder/dense1/b encoder/factored2/u encoder/factored2/v encoder/factored2/b "
	for want, v := range map[string]*spec.Value{
		"tied/factored1/b tied/tied1/b tied/prelu1/slope tied/factored2/b": y,
		"own/factored1/u=encoder/factored2/v own/factored1/v=encoder/factored2/u own/factored1/b own/dense1/w=encoder/dense1/w own/dense1/b " +
			"own/prelu1/slope own/factored2/u=encoder/factored1/v own/factored2/v=encoder/factored1/u own/factored2/b": own,
		"parted/factored1/u=encoder/factored2/v parted/factored1/v=encoder/factored2/u parted/factored1/b=tied/factored1/b parted/dense1/w=encoder/dense1/w parted/dense1/b=tied/tied1/b " +
			"parted/prelu1/slope parted/factored2/u=encoder/factored1/v parted/factored2/v=encoder/factored1/u parted/factored2/b=tied/factored2/b": parted,
	} {
		if got := names(v); got != encoder+want {
			t.Errorf("parameters are\n%s\nwant\n%s", got, encoder+want)
		}
		if got, want := v.Type().String(), "f32[N 6]"; got != want {
			t.Errorf("the mirror gives %s, want %s", got, want)
		}
	}
	if a, b := start(t, y, 6), start(t, parted, 6); !slices.Equal(a, b) {
		t.Errorf("the parted mirror starts as\n%v\nthe tied one as\n%v", b, a)
	}
}

// TestTiedToOnesOwn ties to a single layer.
func TestTiedToOnesOwn(t *testing.T) {
	l := newFactored(2, 5)
	x := spec.Input("x", 6)
	code := x.Then(l)
	image := spec.Tied(l)
	y := code.Then(image)
	if a, b := start(t, y, 6), start(t, code.Then(spec.Mirror("m", l).Tied()), 6); len(a) != len(b) {
		t.Errorf("%d and %d elements", len(a), len(b))
	}
	if _, params, err := spec.GraphOf("g", y); err != nil || len(params) != 4 || params[3].Name != "tied1/factored1/b" {
		t.Errorf("%v %v", params, err)
	}
	again := spec.Input("code", 5).Then(image)
	if _, params, err := spec.GraphOf("g", again); err != nil || len(params) != 3 {
		t.Errorf("at a second place: %v %v", params, err)
	}
}

// TestDivideOnesOwn cuts a stack of own layers, of which some have weights without
// beginning a stage and some have none but must be undone.
func TestDivideOnesOwn(t *testing.T) {
	enc := spec.Sequential("encoder", &halves{spec.Here("halves")}, spec.ReLU(), newFactored(2, 4), newPReLU(), spec.Dropout(0.2),
		spec.Flatten(), spec.Tanh(), spec.Dense(6), spec.Sigmoid(), &halves{spec.Here("halves")}, spec.ELU())
	dec := spec.Mirror("decoder", enc)
	x := spec.Input("x", 8)
	y := x.Then(enc, dec)
	if err := y.Err(); err != nil || y.Type().String() != "f32[N 8]" {
		t.Fatal(y.Type(), err)
	}
	s, err := spec.Divide(enc, dec)
	if err != nil {
		t.Fatal(err)
	}
	short := func(list []spec.Layer) string { return strings.NewReplacer("*spec_test.", "").Replace(kinds(list)) }
	var got []string
	got = append(got, short(s.Before))
	for _, st := range s.Stages {
		got = append(got, fmt.Sprintf("%s | %s | %s | %s | %d", st.Name, st.Mirror, short(st.Encode), short(st.Decode), st.Activations))
	}
	want := []string{
		"halves Activation",
		"encoder/factored1 | decoder/factored1 | factored prelu Dropout | factored Activation | 1",
		"encoder/dense1 | decoder/dense1 | Flatten Activation Dense Activation halves ELU | Reshape Activation Dense Activation Reshape prelu | 1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// What the stages decode, the last first, is the mirror.
	var stages []spec.Layer
	for _, st := range slices.Backward(s.Stages) {
		stages = append(stages, st.Decode...)
	}
	_, all, err := spec.GraphOf("all", y)
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := spec.GraphOf("stages", x.Then(append(append(append(slices.Clone(s.Before), s.Stages[0].Encode...), s.Stages[1].Encode...), stages...)...))
	if err != nil || len(params) != len(all) {
		t.Errorf("the stages have %d parameters, the mirror %d: %v", len(params), len(all), err)
	}
	for _, p := range all {
		owners := 0
		for _, st := range s.Stages {
			if st.Encodes(p) {
				owners++
			}
			if st.Decodes(p) {
				owners++
			}
		}
		if owners != 1 {
			t.Errorf("%s belongs to %d stages", p.Name, owners)
		}
	}
}

// TestImageMistakes holds what a mirror says of layers that do not fit into one.
func TestImageMistakes(t *testing.T) {
	const line = "image_test.go:"
	x := func() *spec.Value { return spec.Input("x", 6) }
	mirror := func(l spec.Layer, tied bool) error {
		m := spec.Mirror("m", l)
		if tied {
			m = m.Tied()
		}
		return x().Then(l, m).Err()
	}
	with := func(image func(in ir.Type) spec.Image) spec.Layer {
		l := newFactored(2, 6)
		l.image = image
		return l
	}
	doing := func(build func(b *spec.Builder) *ir.Value) spec.Layer {
		l := newFactored(2, 6)
		l.build = build
		return l
	}
	loose := newFactored(2, 6)
	loose.why = "its weights have no transpose"
	placed := newFactored(2, 6)
	x().Then(placed)
	dense, relu := spec.Dense(6), spec.ReLU()
	x().Then(dense, relu)
	never := newFactored(1, 1)
	for want, err := range map[string]error{
		"a layer of kind factored has no mirror image: its weights have no transpose":                mirror(loose, true),
		"Image of a layer of kind factored gave a nil layer":                                         mirror(with(func(ir.Type) spec.Image { return spec.UndoneBy(nil) }), false),
		"Image of a layer of kind factored gave a zero spec.DenseLayer":                              mirror(with(func(ir.Type) spec.Image { return spec.UndoneBy(&spec.DenseLayer{}) }), false),
		"gave a layer that was there before: it must make a new one at each call":                    mirror(with(func(ir.Type) spec.Image { return spec.UndoneBy(placed) }), false),
		"a layer of kind factored has no mirror image\n":                                             mirror(with(func(ir.Type) spec.Image { return spec.Image{} }), false),
		"makes f32[N 3] of f32[N 6], but what is repeated or passed over must keep the type":         mirror(spec.Sequential("s", spec.Dense(6), changing()), false),
		"PartByPart: the layer of kind factored made at " + line:                                     mirror(with(func(ir.Type) spec.Image { return spec.PartByPart(never) }), false),
		`a layer of kind Dense has no parameter "v": it has ["b" "w"]`:                               x().Then(doing(func(b *spec.Builder) *ir.Value { return b.Borrow(dense, "v") })).Err(),
		`a layer of kind ReLU has no parameter "v": it has none`:                                     x().Then(doing(func(b *spec.Builder) *ir.Value { return b.Borrow(relu, "v") })).Err(),
		"the layer whose weights are used is nil":                                                    x().Then(doing(func(b *spec.Builder) *ir.Value { return b.Borrow(nil, "v") })).Err(),
		"the layer whose weights are used is a zero spec.DenseLayer":                                 x().Then(doing(func(b *spec.Builder) *ir.Value { return b.Borrow(&spec.DenseLayer{}, "v") })).Err(),
		"was not placed yet, so it has no weights to tie to":                                         x().Then(doing(func(b *spec.Builder) *ir.Value { return b.Borrow(spec.Dense(1), "w") })).Err(),
		"must belong to this layer and come from Param":                                              x().Then(doing(func(b *spec.Builder) *ir.Value { b.StartAs(b.Const(1), dense, "w"); return nil })).Err(),
		`parameter "q" is f32[6 7], so it cannot start as "w" of the other layer, which is f32[6 6]`: x().Then(doing(starting(6, 7, func(b *spec.Builder, w *ir.Value) { b.StartAs(w, dense, "w") }))).Err(),
		`parameter "q" is f32[7 6], so it cannot start as the transpose of "w" of the other`:         x().Then(doing(starting(7, 6, func(b *spec.Builder, w *ir.Value) { b.StartTransposed(w, dense, "w") }))).Err(),
		`only a matrix can be transposed, but "b" of the other layer is f32[6]`:                      x().Then(doing(starting(6, 6, func(b *spec.Builder, w *ir.Value) { b.StartTransposed(w, dense, "b") }))).Err(),
		`parameter "q" starts as "w" of another layer already`:                                       x().Then(doing(starting(6, 6, func(b *spec.Builder, w *ir.Value) { b.StartAs(w, dense, "w"); b.StartTransposed(w, dense, "w") }))).Err(),
		"only a layer with a mirror image can be tied to, got *spec.L2NormalizeLayer":                x().Then(spec.Tied(spec.L2Normalize())).Err(),
		"a layer of kind ReLU cannot be tied to":                                                     x().Then(spec.Tied(relu)).Err(),
		"BiasInit is for a Dense layer, but this is tied to one of kind factored":                    x().Then(spec.Tied(placed).BiasInit(spec.Zeros())).Err(),
	} {
		if err == nil || !strings.Contains(err.Error()+"\n", want) || !strings.Contains(err.Error(), line) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	// A parameter cannot start as itself, over two layers either.
	a := newFactored(6, 6)
	c := newFactored(6, 6)
	c.build = func(b *spec.Builder) *ir.Value { b.StartAs(b.Param("u", spec.Zeros(), 6, 6), a, "u"); return nil }
	first := x().Then(a)
	second := first.Then(c)
	a.build = func(b *spec.Builder) *ir.Value { b.StartAs(b.Param("u", spec.Zeros(), 6, 6), c, "u"); return nil }
	if err := spec.Add(second, spec.Input("z", 6).Then(a)).Err(); err == nil || !strings.Contains(err.Error(), `parameter "u" would start as itself`) {
		t.Errorf("got %v", err)
	}
	// What follows from a mistake in the encoder is not told again.
	bad := spec.Dense(0)
	if err := mirror(spec.Sequential("s", newFactored(2, 3), bad), true); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one mistake", err)
	}
}

func starting(rows, cols int, f func(b *spec.Builder, w *ir.Value)) func(b *spec.Builder) *ir.Value {
	return func(b *spec.Builder) *ir.Value { f(b, b.Param("q", spec.Zeros(), rows, cols)); return nil }
}

// changing is passed over and changes the type.
func changing() spec.Layer {
	l := newFactored(2, 3)
	l.image = func(ir.Type) spec.Image { return spec.PassedOver() }
	return l
}
