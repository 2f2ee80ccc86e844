package optim

import "github.com/lamina-ml/lamina/kernels/simd"

// RMSPropOptimizer divides gradients by the root of their running mean square (Tieleman and Hinton 2012, lecture
// 6.5 of "Neural networks for machine learning").
//
//	v = ρ·v + (1-ρ)·g²
//	w = w - rate · g / (√v + ε)
//
// Slots: v. By default ρ is 0.9 and ε 1e-8.
type RMSPropOptimizer struct {
	common
	rho, epsilon, l2 float64
}

// RMSProp returns RMSProp with a learning rate. Errors: the rate is not positive and finite.
func RMSProp(rate float64) *RMSPropOptimizer {
	return &RMSPropOptimizer{common: makeCommon("rmsprop", rate), rho: 0.9, epsilon: 1e-8}
}

// Rho sets how slowly the running mean forgets; it must be in [0, 1).
func (o *RMSPropOptimizer) Rho(rho float64) *RMSPropOptimizer {
	o.fraction("rho", rho)
	o.rho = rho
	return o
}

// Epsilon sets the number added to the root, which prevents division by zero; it must be positive.
func (o *RMSPropOptimizer) Epsilon(epsilon float64) *RMSPropOptimizer {
	o.positive("epsilon", epsilon)
	o.epsilon = epsilon
	return o
}

// Decay adds l2 times the weight to its gradient.
func (o *RMSPropOptimizer) Decay(l2 float64) *RMSPropOptimizer {
	o.notNegative("decay", l2)
	o.l2 = l2
	return o
}

// Schedule sets how the rate changes during training; the default is constant.
func (o *RMSPropOptimizer) Schedule(s Schedule) *RMSPropOptimizer { o.setSchedule(s); return o }

// Group multiplies the rate by factor for the layers that pattern names (see [Match]).
func (o *RMSPropOptimizer) Group(pattern string, factor float64) *RMSPropOptimizer {
	o.addGroup(pattern, factor)
	return o
}

// GroupDecay multiplies the weight decay by factor for the layers that pattern names; 0 is none.
func (o *RMSPropOptimizer) GroupDecay(pattern string, factor float64) *RMSPropOptimizer {
	o.addDecay(pattern, factor)
	return o
}

// LayerDecay multiplies a layer's rate by factor once for each layer that the model uses after it: discriminative
// fine-tuning (Howard and Ruder 2018, with a factor of 1/2.6). Groups multiply the result.
func (o *RMSPropOptimizer) LayerDecay(factor float64) *RMSPropOptimizer { o.setLayer(factor); return o }

// Slots implements [Optimizer].
func (o *RMSPropOptimizer) Slots() []string { return []string{"v"} }

// Decays implements [Decayer].
func (o *RMSPropOptimizer) Decays() bool { return o.l2 != 0 }

// Update implements [Optimizer].
func (o *RMSPropOptimizer) Update(s Step, w, g []float32, slots [][]float32) {
	simd.RMSProp(w, g, slots[0], simd.RMSPropParams{
		LR: s.LR, Rho: float32(o.rho), Eps: float32(o.epsilon), Decay: s.decay(o.l2), Scale: s.Scale,
	})
}

// Describe implements [Optimizer].
func (o *RMSPropOptimizer) Describe() any {
	return o.describe(map[string]float64{"rho": o.rho, "epsilon": o.epsilon, "decay": o.l2})
}
