package optim

import "github.com/lamina-ml/lamina/kernels/simd"

// AdamWOptimizer is Adam with decay decoupled from the gradient: before its step a weight is multiplied by
// 1 - rate·decay (Loshchilov and Hutter 2019). Slots, β1, β2 and ε are as in [AdamOptimizer].
type AdamWOptimizer struct {
	common
	beta1, beta2, epsilon, decay float64
	hat                          bool // epsilon is added before the bias correction
}

// AdamW returns AdamW with a learning rate and a decay; 0.01 is a common decay.
// Errors: the rate is not positive and finite; the decay is negative or not finite, or rate·decay is above 1.
func AdamW(rate, decay float64) *AdamWOptimizer {
	o := &AdamWOptimizer{common: makeCommon("adamw", rate), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: decay}
	o.notNegative("decay", decay)
	if rate*decay > 1 {
		o.mistake("rate times decay must be at most 1, got %v times %v", rate, decay)
	}
	return o
}

// Betas sets how slowly the two running means forget; each must be in [0, 1).
func (o *AdamWOptimizer) Betas(beta1, beta2 float64) *AdamWOptimizer {
	o.fraction("beta1", beta1)
	o.fraction("beta2", beta2)
	o.beta1, o.beta2 = beta1, beta2
	return o
}

// Epsilon sets the number added to the root, which prevents division by zero; it must be positive.
func (o *AdamWOptimizer) Epsilon(epsilon float64) *AdamWOptimizer {
	o.positive("epsilon", epsilon)
	o.epsilon, o.hat = epsilon, false
	return o
}

// EpsilonHat sets the number added to the root before bias correction, as in [AdamOptimizer.EpsilonHat].
func (o *AdamWOptimizer) EpsilonHat(epsilon float64) *AdamWOptimizer {
	o.positive("epsilon hat", epsilon)
	o.epsilon, o.hat = epsilon, true
	return o
}

// Schedule sets how the rate changes during training; the default is constant.
func (o *AdamWOptimizer) Schedule(s Schedule) *AdamWOptimizer { o.setSchedule(s); return o }

// Group multiplies the rate by factor for the layers that pattern names (see [Match]). Errors: the rate times the decay
// exceeds 1.
func (o *AdamWOptimizer) Group(pattern string, factor float64) *AdamWOptimizer {
	o.addGroup(pattern, factor)
	if o.rate*factor*o.decay > 1 {
		o.mistake("group %q: rate times decay must be at most 1, got %v times %v times %v", pattern, o.rate, factor, o.decay)
	}
	return o
}

// GroupDecay multiplies the weight decay by factor for the layers that pattern names; 0 is none. Errors: the rate times the
// decay exceeds 1.
func (o *AdamWOptimizer) GroupDecay(pattern string, factor float64) *AdamWOptimizer {
	o.addDecay(pattern, factor)
	if o.rate*o.decay*factor > 1 {
		o.mistake("group %q: rate times decay must be at most 1, got %v times %v times %v", pattern, o.rate, o.decay, factor)
	}
	return o
}

// LayerDecay multiplies a layer's rate by factor once for each layer that the model uses after it: discriminative
// fine-tuning (Howard and Ruder 2018, with a factor of 1/2.6). Groups multiply the result.
func (o *AdamWOptimizer) LayerDecay(factor float64) *AdamWOptimizer { o.setLayer(factor); return o }

// Slots implements [Optimizer].
func (o *AdamWOptimizer) Slots() []string { return []string{"m", "v"} }

// Decays implements [Decayer].
func (o *AdamWOptimizer) Decays() bool { return o.decay != 0 }

// Update implements [Optimizer].
func (o *AdamWOptimizer) Update(s Step, w, g []float32, slots [][]float32) {
	simd.Adam(w, g, slots[0], slots[1], simd.AdamParams{
		LR: s.LR, Beta1: float32(o.beta1), Beta2: float32(o.beta2), Eps: epsilonAt(s.T, o.epsilon, o.beta2, o.hat),
		Decay: s.decay(o.decay), Decoupled: true, Step: int(s.T), Scale: s.Scale,
	})
}

// Describe implements [Optimizer].
func (o *AdamWOptimizer) Describe() any {
	return o.describe(adamNumbers(o.beta1, o.beta2, o.epsilon, o.decay, o.hat))
}
