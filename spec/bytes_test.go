package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestBytes declares an input of bytes, and says what may not be done with it.
func TestBytes(t *testing.T) {
	x := spec.Bytes("x", 4, 5)
	y := x.Then(spec.Floats().Times(1.0/255), spec.Flatten())
	if err := y.Err(); err != nil || x.Type().String() != "u8[N 4 5]" || !y.Type().Equal(ir.T(ir.F32, ir.Rows(), ir.Fixed(20))) {
		t.Errorf("%s becomes %s: %v", x.Type(), y.Type(), err)
	}
	for want, v := range map[string]*spec.Value{
		"x is f32 already, got f32[N 3]":            spec.Input("x", 3).Then(spec.Floats()),
		"the scale must be finite and not 0, got 0": spec.Bytes("x", 3).Then(spec.Floats().Times(0)),
		"got NaN":                            spec.Bytes("x", 3).Then(spec.Floats().Times(math.NaN())),
		"x must be floating point":           spec.Bytes("x", 3).Then(spec.ReLU()),
		"got u8[N 3]":                        spec.Bytes("x", 3).Then(spec.Dense(2)),
		"lengths must be positive, got [-3]": spec.Bytes("x", -3),
	} {
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
