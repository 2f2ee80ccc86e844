package glu_test

import (
	"strings"
	"testing"

	"example.com/extend/glu"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestGLU(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return glu.New(8) }, 5)
	spectest.Layer(t, func() spec.Layer { return glu.New(3).Init(spec.LeCun()).Named("gate") }, 4, 6)
}

func TestMistake(t *testing.T) {
	y := spec.Input("x", 5).Then(glu.New(-2))
	const want = `glu_test.go:18: layer "glu1": glu: units must be positive, got -2`
	if err := y.Err(); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
