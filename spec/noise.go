package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// rateRule returns the rule that a probability breaks, or "".
func rateRule(rate float64) string {
	if !(rate >= 0 && rate < 1) {
		return fmt.Sprintf("rate must be in [0, 1), got %v", rate)
	}
	return ""
}

// MaskingNoiseLayer is made by [MaskingNoise].
type MaskingNoiseLayer struct {
	Base
	rate float64
}

// MaskingNoise sets each element to 0 with probability rate, in training only
// (Vincent et al. 2010). Unlike [Dropout] it leaves the others unchanged: it corrupts
// the input of a denoising autoencoder, whose target is the uncorrupted value.
// Mistakes: rate is not in [0, 1).
func MaskingNoise(rate float64) *MaskingNoiseLayer {
	return &MaskingNoiseLayer{newBase("MaskingNoise"), rate}
}

// Named gives the layer a name.
func (l *MaskingNoiseLayer) Named(name string) *MaskingNoiseLayer { return Named(l, name) }

func (l *MaskingNoiseLayer) args() string { return rateRule(l.rate) }

// String returns the kind and the rate.
func (l *MaskingNoiseLayer) String() string { return fmt.Sprintf("MaskingNoise(%v)", l.rate) }

// Build returns x with elements masked.
func (l *MaskingNoiseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.MaskingNoise{Rate: l.rate}, x[0])
}

// Image says that a mirror leaves the layer out.
func (l *MaskingNoiseLayer) Image(ir.Type, bool) Image { return PassedOver() }

// GaussianNoiseLayer is made by [GaussianNoise].
type GaussianNoiseLayer struct {
	Base
	sd float64
}

// GaussianNoise adds normal draws with mean 0 and standard deviation sd, in
// training only (Vincent et al. 2010). Mistakes: sd is negative or not finite.
func GaussianNoise(sd float64) *GaussianNoiseLayer {
	return &GaussianNoiseLayer{newBase("GaussianNoise"), sd}
}

// Named gives the layer a name.
func (l *GaussianNoiseLayer) Named(name string) *GaussianNoiseLayer { return Named(l, name) }

func (l *GaussianNoiseLayer) args() string {
	if !(l.sd >= 0) || math.IsInf(l.sd, 0) {
		return fmt.Sprintf("sd must be finite and at least 0, got %v", l.sd)
	}
	return ""
}

// String returns the kind and the standard deviation.
func (l *GaussianNoiseLayer) String() string { return fmt.Sprintf("GaussianNoise(%v)", l.sd) }

// Build returns x with noise added.
func (l *GaussianNoiseLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.GaussianNoise{SD: l.sd}, x[0])
}

// Image says that a mirror leaves the layer out.
func (l *GaussianNoiseLayer) Image(ir.Type, bool) Image { return PassedOver() }

// SaltAndPepperLayer is made by [SaltAndPepper].
type SaltAndPepperLayer struct {
	Base
	rate, low, high float64
}

// SaltAndPepper sets each element, with probability rate, to 0 or 1 with equal chance,
// in training only (Vincent et al. 2010). Range sets values other than 0 and 1.
// Mistakes: rate is not in [0, 1).
func SaltAndPepper(rate float64) *SaltAndPepperLayer {
	return &SaltAndPepperLayer{newBase("SaltAndPepper"), rate, 0, 1}
}

// Named gives the layer a name.
func (l *SaltAndPepperLayer) Named(name string) *SaltAndPepperLayer { return Named(l, name) }

// Range sets the two values, usually the least and the greatest of the data. Mistakes:
// one is not finite, low is not below high.
func (l *SaltAndPepperLayer) Range(low, high float64) *SaltAndPepperLayer {
	return Option(l, "Range", func(l *SaltAndPepperLayer) { l.low, l.high = low, high })
}

func (l *SaltAndPepperLayer) args() string {
	if !(l.low < l.high) || math.IsInf(l.high-l.low, 0) {
		return fmt.Sprintf("the range must be finite with low below high, got %v to %v", l.low, l.high)
	}
	return rateRule(l.rate)
}

// String returns the kind, the rate and, if they are not 0 and 1, the values.
func (l *SaltAndPepperLayer) String() string {
	if l.low == 0 && l.high == 1 {
		return fmt.Sprintf("SaltAndPepper(%v)", l.rate)
	}
	return fmt.Sprintf("SaltAndPepper(%v).Range(%v, %v)", l.rate, l.low, l.high)
}

// Build returns x with elements replaced.
func (l *SaltAndPepperLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.SaltAndPepper{Rate: l.rate, Low: l.low, High: l.high}, x[0])
}

// Image says that a mirror leaves the layer out.
func (l *SaltAndPepperLayer) Image(ir.Type, bool) Image { return PassedOver() }
