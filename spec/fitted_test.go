package spec_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestFitted: what is fitted has no bearing on the hash, is in the text and the summary, and
// comes in an order in which it can be fitted.
func TestFitted(t *testing.T) {
	x := spec.Input("x", 3)
	second := spec.Standardise().Named("second")
	h := x.Then(spec.ClipQuantiles(0.25, 0.75).Named("first"), second)
	y := h.Then(spec.Dense(3))
	target := spec.Input("y", 3).Then(spec.Shared(second)) // fitted where it stands first
	m := spec.NewModel("m", spec.MSE(y, target))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`f32[3] first/low = "fitted(quantile(0.25), 1, x)" => first/low`, `f32[3] second/mean = "fitted(mean, 1, first)"`, `f32[3] second/deviation = "fitted(deviation, 1, first)"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	const line = "fitted to the training rows before the first update: first/low (quantile(0.25)), first/high (quantile(0.75)), second/mean (mean), second/deviation (deviation)\n"
	if s := m.Summary(); !strings.HasSuffix(s, "12 elements of state, which no gradient trains, in 4 tensors\n"+line) {
		t.Error(s)
	}
	fits := m.Fittings()
	if len(fits) != 2 || fits[0].States[0].Name != "first/low" || len(fits[1].States) != 2 || fits[1].Axis != 1 || fits[1].States[0].Name != "second/mean" {
		t.Errorf("fits %+v", fits)
	}
	for _, s := range m.States() {
		if !s.Carried() || s.Running() {
			t.Errorf("%s: carried %v, running %v", s.Name, s.Carried(), s.Running())
		}
	}
	other := spec.NewModel("m", spec.MSE(spec.Input("x", 3).Then(spec.ClipQuantiles(0.1, 0.75).Named("first"), spec.Standardise().Named("second"), spec.Dense(3)), spec.Input("y", 3)))
	same := spec.NewModel("m", spec.MSE(spec.Input("x", 3).Then(spec.ClipQuantiles(0.25, 0.75).Named("first"), spec.Standardise().Named("second"), spec.Dense(3)), spec.Input("y", 3)))
	if other.Hash() != same.Hash() {
		t.Error("how constants are fitted changes the hash")
	}
}

// fits is a layer that fits in some way.
type fits struct {
	spec.Base
	build func(b *spec.Builder, x *ir.Value) *ir.Value
}

func (l *fits) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }

func TestFitMistakes(t *testing.T) {
	for want, build := range map[string]func(b *spec.Builder, x *ir.Value) *ir.Value{
		`fitted "a": x must be f32[N …] and the axis one from 1 to its last, got f32[N 3] and 2`: func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Fit("a", x, spec.FitMean(), 2) },
		`got f32[N 3] and 0`: func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Fit("a", x, spec.FitMean(), 0) },
		`fitted "a": a zero Statistic: make it with FitMean, FitQuantile and so on`: func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Fit("a", x, spec.Statistic{}, 1) },
		`the share of a quantile must be from 0 to 1, got 2`:                        func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Fit("a", x, spec.FitQuantile(2), 1) },
		`fitted "a" is the mean along axis 1, but the least along axis 1 is needed here`: func(b *spec.Builder, x *ir.Value) *ir.Value {
			b.Fit("a", x, spec.FitMean(), 1)
			return b.Fit("a", x, spec.FitLeast(), 1)
		},
		`state: a name is a letter`: func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Fit("a b", x, spec.FitMean(), 1) },
		`state "a" is fitted before the first update, so nothing else can become of it`: func(b *spec.Builder, x *ir.Value) *ir.Value {
			v := b.Fit("a", x, spec.FitMean(), 1)
			b.Becomes(v, b.Op(ops.Neg{}, v))
			return b.Op(ops.Sub{}, x, v)
		},
		`state "a" changes with the updates, so nothing can be fitted`: func(b *spec.Builder, x *ir.Value) *ir.Value {
			v := b.State("a", spec.Zeros(), 3)
			b.Becomes(v, b.Op(ops.Neg{}, v))
			return b.Op(ops.Sub{}, x, b.Fit("a", x, spec.FitMean(), 1))
		},
	} {
		err := spec.Input("x", 3).Then(&fits{spec.Here("fits"), build}).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "fitted_test.go:") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// placeless finds the line of the declaration behind a node's layer.
var placeless = regexp.MustCompile(` github\.com/[^ \n]*:\d+`)

// TestTableText holds the text of layers of tables and signals to a golden file.
func TestTableText(t *testing.T) {
	models := declared()
	x := spec.Input("x", 3).Optional()
	k := spec.Tokens("k", 4, 7)
	filled := x.Then(spec.LogScale(), spec.Clip(-3, 3), spec.FillMissing().Mean(), spec.MinMax())
	more := spec.NewModel("more", spec.Huber(spec.Concat(0, filled, x.Then(spec.Present()), k.Then(spec.Embedding(7, 2), spec.Mean(0))).Then(spec.Dense(3)), x.Then(spec.Standardise()), 1),
		spec.L1(spec.Categories("c", 3, 4).Then(spec.OneHotIDs(3, 4))), spec.L1(spec.Input("s", 9).Then(spec.LogMel(4, 4, 5, 1))))
	all := ""
	for _, m := range []*spec.Model{models["table"], more} {
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		all += placeless.ReplaceAllString(text, "") + "\n" + m.Summary() + "\n"
	}
	golden(t, "tables.golden", all)
}

// TestFittedApart: what is fitted to one value along two axes are two fittings, and what undoes an indicator gives the numbers alone.
func TestFittedApart(t *testing.T) {
	x := spec.Input("x", 3, 4)
	m := spec.NewModel("m", spec.MSE(x.Then(spec.Standardise().Axis(0)), x.Then(spec.Standardise().Axis(1))))
	if fits := m.Fittings(); len(fits) != 2 || fits[0].Axis != 1 || fits[1].Axis != 2 || len(fits[0].States) != 2 || len(fits[1].States) != 2 {
		t.Errorf("fits %+v, %v", fits, m.Err())
	}
	l := spec.FillMissing().With(0).Indicator()
	filled := spec.Input("z", 3).Optional().Then(l)
	if back := filled.Then(spec.Mirror("back", l)); filled.Type().String() != "f32[N 6]" || back.Type().String() != "f32[N 3]" {
		t.Errorf("%s is undone as %s: %v", filled.Type(), back.Type(), back.Err())
	}
}
