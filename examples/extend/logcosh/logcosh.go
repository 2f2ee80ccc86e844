// Package logcosh is a loss of one's own, written as a formula.
package logcosh

import (
	"math"

	"github.com/lamina-ml/lamina/spec"
)

// Loss is the mean of log cosh(prediction - target): a square near 0, an absolute
// value far from it, and smooth between. It is |d| + softplus(-2|d|) - log 2, which
// cannot overflow.
//
// Shapes: both f32[N …]. Mistakes: the shapes do not go with each other.
func Loss(prediction, target *spec.Value) *spec.Loss {
	d := spec.Sub(prediction, target).Then(spec.Abs())
	tail := d.Then(spec.Scale(-2), spec.Softplus(), spec.Shift(-math.Ln2))
	return spec.NewLoss("logcosh", spec.Add(d, tail))
}
