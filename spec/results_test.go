package spec_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/twoway"
	"github.com/lamina-ml/lamina/spec"
)

// ends is a layer with three results: the two halves of x, and x.
type ends struct {
	spec.Base
	also func(b *spec.Builder, r []*ir.Value, x *ir.Value)
}

func newEnds() *ends {
	return &ends{Base: spec.Here("ends"), also: func(b *spec.Builder, r []*ir.Value, x *ir.Value) { b.Also(r[1], b.Op(ops.Neg{}, x)) }}
}

func (l *ends) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	r := b.Ops(twoway.Halves{Axis: 1}, x[0])
	l.also(b, r, x[0])
	return r[0]
}

// TestResults takes every result of a layer, also of one at the end of a container.
func TestResults(t *testing.T) {
	for name, make := range map[string]func() spec.Layer{
		"ends":        func() spec.Layer { return newEnds() },
		"inside/ends": func() spec.Layer { return spec.Sequential("inside", spec.Tanh(), newEnds()) },
	} {
		x := spec.Input("x", 6)
		v := x.Then(make())
		name += "1"
		g, _, err := spec.GraphOf("g", v, v.Result(1), v.Result(2).Named("negative"), v.Result(0).Then(spec.ReLU()))
		if err != nil {
			t.Fatal(name, err)
		}
		var got []string
		for _, o := range g.Outputs {
			got = append(got, fmt.Sprintf("%s %s %s", o.Type, o.Name, o.Def.Layer))
		}
		want := []string{"f32[N 3] " + strings.TrimSuffix(name, "/ends1") + " " + name, "f32[N 3] " + strings.TrimSuffix(name, "/ends1") + ".2 " + name, "f32[N 6] negative " + name, "f32[N 3] relu1 relu1"}
		if !slices.Equal(got, want) {
			t.Errorf("outputs are\n%q, want\n%q", got, want)
		}
	}
	// A layer of which another result alone is used is in the summary, with the name of
	// each of its values, and is the layer's own at a second place.
	l := newEnds()
	x := spec.Input("x", 6)
	second := x.Then(l).Result(1)
	other := spec.Input("z", 6).Then(l).Result(1)
	m := spec.NewModel("m", spec.MSE(spec.Add(second, other).Then(spec.Dense(3)), second))
	if s := m.Summary(); strings.Count(s, "ends1") != 2 || !strings.Contains(m.String(), "f32[N 3] ends1, f32[N 3] ends1.2 = Halves<axis = 1>(x)") {
		t.Errorf("%s\n%s", s, m)
	}
}

func TestResultMistakes(t *testing.T) {
	x := func() *spec.Value { return spec.Input("x", 6) }
	odd := spec.Input("odd", 5).Then(newEnds())
	lost := newEnds()
	lost.also = func(b *spec.Builder, _ []*ir.Value, _ *ir.Value) { b.Also(&ir.Value{Type: ir.T(ir.F32)}) }
	for want, v := range map[string]*spec.Value{
		"Result: the value has no result 3 beside it: the layer that made it has 3, counted from 0": x().Then(newEnds()).Result(3),
		"Result: the value has no result -1 beside it: the layer that made it has 3":                x().Then(newEnds()).Result(-1),
		"Result: the value has no result 1 beside it: the layer that made it has 1":                 x().Then(spec.ReLU()).Result(1),
		"Result: the value was made by no layer, so there is no result 1 beside it":                 x().Result(1),
		"Also: the value belongs to no value of this declaration":                                   x().Then(lost),
		"Result: a zero Value":                             (&spec.Value{}).Result(1),
		"Halves: x must have an even last axis":            odd.Result(1),
		"the op has 300 results, at most 256 are possible": x().Then(of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Ops(many(300), x)[255] })),
		"the op has no result":                             x().Then(of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Ops(many(0), x)[7] })),
	} {
		err := v.Err()
		var e *spec.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "results_test.go:") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// many is an op with so many results.
type many int

func (many) Name() string { return "Many" }
func (op many) Infer(in []ir.Type) ([]ir.Type, error) {
	return slices.Repeat(in[:1], int(op)), nil
}

// free is a layer that is a function.
type free struct {
	spec.Base
	build func(b *spec.Builder, x *ir.Value) *ir.Value
}

func of(build func(b *spec.Builder, x *ir.Value) *ir.Value) *free {
	return &free{spec.Here("free"), build}
}

func (l *free) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }
