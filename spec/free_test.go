package spec_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// overTime is the mean over the axis after the batch, in a layer of one's own.
type overTime struct{ spec.Base }

func (*overTime) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, x[0])
}

// byLength asks for the number of a length, and owns weights of it.
type byLength struct {
	spec.Base
	param bool
}

func (l *byLength) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	n := 0
	if !l.param {
		n = x[0].Type.Shape[1].Length()
	}
	return b.Op(ops.Mul{}, x[0], b.Param("w", spec.Zeros(), n))
}

// TestFree: what a free length does to the shapes behind it, and to the text.
func TestFree(t *testing.T) {
	x := spec.Input("x", 128, 64).Free("T")
	if x.Dim(0) != 0 || x.Dim(1) != 64 || x.Dim(-1) != 64 {
		t.Errorf("Dim gives %d, %d and %d", x.Dim(0), x.Dim(1), x.Dim(-1))
	}
	h := x.Then(spec.Dense(16), spec.Reshape(0, 4, 4), spec.Softmax(0), spec.Reshape(0, 16))
	if got := h.Type().String(); got != "f32[N T 16]" {
		t.Errorf("got %s", got)
	}
	code := h.Then(&overTime{spec.Here("OverTime")}, spec.Dense(3))
	y := spec.Tokens("y", 128, 5).Free("T")
	m := spec.NewModel("m", spec.CrossEntropy(x.Then(spec.Dense(5)), y), spec.MSE(h.Then(spec.Dense(64)), x), spec.L1(code))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	text := ir.Text(g)
	if n, ok := g.Capacity.Of("T"); !ok || n != 128 || !strings.Contains(text, "lengths (T = 128)") {
		t.Errorf("the capacity is %d:\n%s", n, text)
	}
	again, err := ir.Parse(text, ops.ByName)
	if err != nil || ir.Text(again) != text || again.Capacity != g.Capacity {
		t.Errorf("%v", err)
	}
	for _, s := range []string{"f32[N T 64] x", "i64[N T] y", "f32[N 16]"} {
		if !strings.Contains(text, s) {
			t.Errorf("no %s in\n%s", s, text)
		}
	}
	longer := spec.Input("x", 200, 64).Free("T")
	if n := spec.NewModel("m", spec.MSE(longer.Then(spec.Dense(64)), longer)); n.Hash() == m.Hash() {
		t.Error("another capacity has the same hash")
	}
}

// TestFreeMirror: what is reshaped along a free length is undone.
func TestFreeMirror(t *testing.T) {
	x := spec.Input("x", 9, 6).Free("T")
	enc := spec.Sequential("enc", spec.Reshape(0, 2, 3), spec.Dense(4), spec.Tanh(), spec.Reshape(0, 8), spec.Dense(5))
	y := x.Then(enc, spec.Mirror("dec", enc).Tied())
	if err := y.Err(); err != nil || y.Type().String() != "f32[N T 6]" {
		t.Errorf("got %s, %v", y.Type(), err)
	}
}

// TestFreeMistakes: each is told with its place and what to do.
func TestFreeMistakes(t *testing.T) {
	free := func() *spec.Value { return spec.Input("x", 9, 6).Free("T") }
	for want, v := range map[string]*spec.Value{
		"Labels":                                            nil,
		`input "x" is f32[N]: it has no axis`:               spec.Input("x").Free("T"),
		"N is the name of the batch's length":               spec.Input("x", 4).Free("N"),
		`letters and digits, at most 40 of them, got "T+1"`: spec.Input("x", 4).Free("T+1"),
		`got ""`: spec.Input("x", 4).Free(""),
		`input "x" is free already: its length is T`:                                                                          free().Free("U"),
		"only an input has a length that may be free":                                                                         spec.Input("x", 4, 4).Then(spec.ReLU()).Free("T"),
		"the value is nil":                                                                                                    (*spec.Value)(nil).Free("T"),
		`T has the capacity 9 in input "x", but 8 in input "z" at free_test.go`:                                               spec.Add(spec.Input("z", 8, 6).Free("T"), free()),
		`layer "flatten1": Flatten: x is f32[N T 6]: a free length cannot become part of a width`:                             free().Then(spec.Flatten()),
		`layer "dense1": Dense: the last axis of x must have a known length, that of the weights, but x is f32[N T]`:          spec.Input("x", 9).Free("T").Then(spec.Dense(3)),
		"known length, that of the weights":                                                                                   spec.Input("x", 9).Free("T").Then(spec.KSparse(3)),
		`layer "bylength1": ByLength: the layer needs known lengths, but T is known only when the model runs (x is f32[N T])`: spec.Input("x", 9).Free("T").Then(&byLength{Base: spec.Here("ByLength")}),
		"0 is the Dim of a free length, which nothing that a layer owns can have":                                             spec.Input("x", 9).Free("T").Then(&byLength{spec.Here("ByLength"), true}),
		"6*T elements a row cannot become [54], which are 54":                                                                 free().Then(spec.Reshape(54)),
		"length 2 of [0 6 0] is 0, which keeps the axis at that place":                                                        free().Then(spec.Reshape(0, 6, 0)),
		"lengths must be positive, got [-1]":                                                                                  free().Then(spec.Reshape(0, -1)),
		`Concat`:                                                                                                              spec.Concat(0, free(), spec.Input("z", 6)),
	} {
		if v == nil {
			continue
		}
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "free_test.go:") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := spec.Labels("y", 3).Free("T").Err(); err == nil || !strings.Contains(err.Error(), `input "y" is i64[N]: it has no axis besides the batch`) {
		t.Errorf("labels: %v", err)
	}
	x := spec.Input("x", 9, 6)
	y := x.Then(spec.ReLU())
	if err := x.Free("T").Err(); err == nil || !strings.Contains(err.Error(), `input "x" was read before, at free_test.go`) {
		t.Errorf("read before: %v, %v", err, y)
	}
	sum := spec.Input("x0", 3).Free("T0")
	for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
		sum = spec.Concat(0, sum, spec.Input("x"+name, 3).Free("T"+name))
	}
	if err := sum.Err(); err == nil || !strings.Contains(err.Error(), "T6 is one free length too many; at most 6 are possible") {
		t.Errorf("seven lengths: %v", err)
	}
	var six []*spec.Value
	for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
		six = append(six, spec.Input("x"+name, 3).Free("T"+name).Then(spec.ReLU()))
	}
	if g, _, err := spec.GraphOf("six", six...); err != nil || ir.Verify(g) != nil {
		t.Errorf("six lengths: %v", err)
	}
	v := free()
	if err := spec.Variational("v", v, spec.Dense(4), 2, spec.Dense(6)).Err(); err == nil || !strings.Contains(err.Error(), "the input is f32[N T 6], and the bound weighs") {
		t.Errorf("variational: %v", err)
	}
}
