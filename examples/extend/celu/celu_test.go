package celu_test

import (
	"math"
	"strings"
	"testing"

	"example.com/extend/celu"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestLayer(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return celu.New(0.75) }, 5)
	spectest.Layer(t, func() spec.Layer { return spec.Layers(spec.Dense(7), celu.New(2), spec.Dense(3)) }, 4)
}

// TestMeanings compares the reference with the decomposition.
func TestMeanings(t *testing.T) {
	op := celu.Op{Alpha: 0.5}
	x := &ir.Tensor{DType: ir.F64, Shape: []int{5}, F64: []float64{-700, -1, 0, 1e-3, 80}}
	want, err := op.Eval(nil, []*ir.Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	b := ir.NewBuilder("celu")
	v := b.Input("x", ir.T(ir.F64, ir.Fixed(5)))
	y := op.Decompose(b, []*ir.Value{v})[0]
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	vals, err := ir.Evaluate(b.Graph, &ir.Env{}, map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want[0].F64 {
		if got := vals[y].F64[i]; math.Abs(got-w) > 1e-15 {
			t.Errorf("celu(%v) is %v by its parts, %v by the reference", x.F64[i], got, w)
		}
	}
}

func TestMistake(t *testing.T) {
	err := spec.Input("x", 5).Then(celu.New(0)).Err()
	if err == nil || !strings.HasSuffix(err.Error(), `layer "celu1": celu: alpha must be positive, got 0`) {
		t.Errorf("got %v", err)
	}
}
