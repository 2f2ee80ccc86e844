package yardstick

import "github.com/lamina-ml/lamina/spec"

// motion is how the windows of a watch differ at random in training, and in training alone:
// others wear it on the other arm, further up, or turned.
type motion struct {
	Mirror bool    `json:"mirror"` // every other window is of the other arm
	Turn   float64 `json:"turn"`   // standard deviation of the angles by which the axes are turned, radians
	Scale  float64 `json:"scale"`  // and of the factor of each channel around 1
}

// of moves windows f32[6 steps].
func (m motion) of(x *spec.Value) *spec.Value {
	one := x.Then(spec.Slice(1, 0, 1), spec.Scale(0), spec.Shift(1)) // f32[6 1]
	if m.Mirror {
		kept := one.Then(spec.Slice(0, 0, 1), spec.MaskingNoise(0.5))
		x = mirrored(x, kept.Then(spec.Scale(2), spec.Shift(-1)))
	}
	if m.Turn > 0 {
		x = turned(x, one.Then(spec.Slice(0, 0, 3), spec.Scale(0), spec.GaussianNoise(m.Turn)))
	}
	if m.Scale > 0 {
		x = spec.Mul(x, one.Then(spec.GaussianNoise(m.Scale)))
	}
	return x
}

// mirrored gives windows as the other arm has them where sign f32[1 1] is -1: the first axis
// of acceleration points the other way, and the second and third of rotation turn
// the other way.
func mirrored(x, sign *spec.Value) *spec.Value {
	channel := func(from, to int) *spec.Value { return x.Then(spec.Slice(0, from, to)) }
	return spec.Concat(0, spec.Mul(channel(0, 1), sign), channel(1, 4), spec.Mul(channel(4, 6), sign))
}

// turned adds to acceleration and rotation their cross products with angle f32[3 1], which
// turns both by a small angle.
func turned(x, angle *spec.Value) *spec.Value {
	of := func(x *spec.Value, i int) *spec.Value { return x.Then(spec.Slice(0, i, i+1)) }
	var parts []*spec.Value
	for _, first := range []int{0, 3} {
		for i := range 3 {
			j, k := (i+1)%3, (i+2)%3
			parts = append(parts, spec.Sub(spec.Mul(of(x, first+k), of(angle, j)), spec.Mul(of(x, first+j), of(angle, k))))
		}
	}
	return spec.Add(x, spec.Concat(0, parts...))
}
