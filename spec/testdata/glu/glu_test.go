package glu_test

import (
	"strings"
	"testing"

	"example.com/glu"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

func TestGLU(t *testing.T) {
	x := spec.Input("x", 5)
	l := glu.New(8)
	y := x.Then(l, glu.New(3).Named("last"))
	g, params, err := spec.GraphOf("gated", y)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	if got, want := strings.Join(names, " "), "glu1/w glu1/b glu1/v glu1/c last/w last/b last/v last/c"; got != want {
		t.Errorf("parameters are %s, want %s", got, want)
	}
	if p := params[0].Pos.Portable(); p != "example.com/glu_test/glu_test.go:14" {
		t.Errorf("the first layer's position is %s", p)
	}
}

func TestMistakes(t *testing.T) {
	x := spec.Input("x", 5)
	l := glu.New(8)
	x.Then(l, glu.New(0))
	l.Init(spec.He())
	y := x.Then(&glu.Layer{})
	want := strings.Join([]string{
		`glu_test.go:38: layer "glu2": glu: units must be positive, got 0`,
		`glu.go:30 (from glu_test.go:39): layer "glu1": Init after the layer was placed at glu_test.go:38`,
		`glu_test.go:40: layer 1 of 1 is a zero glu.Layer: make it with its constructor`,
	}, "\n")
	if got := y.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
