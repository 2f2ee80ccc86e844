package optim

import (
	"math"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// AdamOptimizer is Adam: gradients divided by the root of their running mean square, both bias-corrected
// (Kingma and Ba 2015, algorithm 1; ONNX ai.onnx.preview.training Adam except for the place of epsilon).
//
//	m = β1·m + (1-β1)·g
//	v = β2·v + (1-β2)·g²
//	w = w - rate/(1-β1^t) · m / (√v/√(1-β2^t) + ε)
//
// Slots: m, v. By default β1 is 0.9, β2 0.999 and ε 1e-8.
type AdamOptimizer struct {
	common
	beta1, beta2, epsilon, l2 float64
	hat                       bool // epsilon is added before the bias correction
}

// Adam returns Adam with a learning rate. Errors: the rate is not positive and finite.
func Adam(rate float64) *AdamOptimizer {
	return &AdamOptimizer{common: makeCommon("adam", rate), beta1: 0.9, beta2: 0.999, epsilon: 1e-8}
}

// Betas sets how slowly the two running means forget; each must be in [0, 1).
func (o *AdamOptimizer) Betas(beta1, beta2 float64) *AdamOptimizer {
	o.fraction("beta1", beta1)
	o.fraction("beta2", beta2)
	o.beta1, o.beta2 = beta1, beta2
	return o
}

// Epsilon sets the number added to the root, which prevents division by zero; it must be positive.
func (o *AdamOptimizer) Epsilon(epsilon float64) *AdamOptimizer {
	o.positive("epsilon", epsilon)
	o.epsilon, o.hat = epsilon, false
	return o
}

// EpsilonHat sets the number added to the root before bias correction, ε̂ at the end of section 2 of the paper:
//
//	w = w - rate·√(1-β2^t)/(1-β1^t) · m / (√v + ε̂)
//
// Keras, TensorFlow and ONNX do it this way; Keras's default is 1e-7. Where gradients are small, the first updates are
// smaller than with Epsilon.
func (o *AdamOptimizer) EpsilonHat(epsilon float64) *AdamOptimizer {
	o.positive("epsilon hat", epsilon)
	o.epsilon, o.hat = epsilon, true
	return o
}

// epsilonAt returns what stands beside the corrected root in update t.
func epsilonAt(t int64, epsilon, beta2 float64, hat bool) float32 {
	if hat {
		epsilon /= math.Sqrt(1 - math.Pow(float64(float32(beta2)), float64(max(t, 1)))) // as the kernel corrects
	}
	return float32(epsilon)
}

// adamNumbers describes both kinds of Adam.
func adamNumbers(beta1, beta2, epsilon, decay float64, hat bool) map[string]float64 {
	n := map[string]float64{"beta1": beta1, "beta2": beta2, "decay": decay}
	if hat {
		n["epsilon_hat"] = epsilon
	} else {
		n["epsilon"] = epsilon
	}
	return n
}

// Decay adds l2 times the weight to its gradient. For decay decoupled from the gradient use [AdamW].
func (o *AdamOptimizer) Decay(l2 float64) *AdamOptimizer {
	o.notNegative("decay", l2)
	o.l2 = l2
	return o
}

// Schedule sets how the rate changes during training; the default is constant.
func (o *AdamOptimizer) Schedule(s Schedule) *AdamOptimizer { o.setSchedule(s); return o }

// Group multiplies the rate by factor for the layers that pattern names (see [Match]).
func (o *AdamOptimizer) Group(pattern string, factor float64) *AdamOptimizer {
	o.addGroup(pattern, factor)
	return o
}

// GroupDecay multiplies the weight decay by factor for the layers that pattern names; 0 is none.
func (o *AdamOptimizer) GroupDecay(pattern string, factor float64) *AdamOptimizer {
	o.addDecay(pattern, factor)
	return o
}

// LayerDecay multiplies a layer's rate by factor once for each layer that the model uses after it: discriminative
// fine-tuning (Howard and Ruder 2018, with a factor of 1/2.6). Groups multiply the result.
func (o *AdamOptimizer) LayerDecay(factor float64) *AdamOptimizer { o.setLayer(factor); return o }

// Slots implements [Optimizer].
func (o *AdamOptimizer) Slots() []string { return []string{"m", "v"} }

// Decays implements [Decayer].
func (o *AdamOptimizer) Decays() bool { return o.l2 != 0 }

// Update implements [Optimizer].
func (o *AdamOptimizer) Update(s Step, w, g []float32, slots [][]float32) {
	simd.Adam(w, g, slots[0], slots[1], simd.AdamParams{
		LR: s.LR, Beta1: float32(o.beta1), Beta2: float32(o.beta2), Eps: epsilonAt(s.T, o.epsilon, o.beta2, o.hat),
		Decay: s.decay(o.l2), Step: int(s.T), Scale: s.Scale,
	})
}

// Describe implements [Optimizer].
func (o *AdamOptimizer) Describe() any {
	return o.describe(adamNumbers(o.beta1, o.beta2, o.epsilon, o.l2, o.hat))
}
