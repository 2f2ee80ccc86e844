package optim

import (
	"errors"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// SGDOptimizer is gradient descent, with momentum (Polyak 1964) and Nesterov's look-ahead (Sutskever et al. 2013)
// as in ONNX ai.onnx.preview.training Momentum with beta 1.
//
//	u = μ·u + g
//	w = w - rate·u            or, with Nesterov,   w = w - rate·(g + μ·u)
//
// Slots: momentum, or none if it is zero.
type SGDOptimizer struct {
	common
	momentum, l2 float64
	early        float64 // momentum of the first epochs
	until        int     // their number
	earlyAt      ir.Pos  // where EarlyMomentum was called
	nesterov     bool
	lookAhead    ir.Pos // where Nesterov was called
}

// SGD returns gradient descent with a learning rate. Errors: the rate is not positive and finite.
func SGD(rate float64) *SGDOptimizer { return &SGDOptimizer{common: makeCommon("sgd", rate)} }

// Momentum sets μ, in [0, 1); the default is 0.
func (o *SGDOptimizer) Momentum(mu float64) *SGDOptimizer {
	o.fraction("momentum", mu)
	o.momentum = mu
	return o
}

// EarlyMomentum sets another μ, in [0, 1), for the first epochs. RBMs, for example, use 0.5 for five epochs and then 0.9
// (Hinton 2010, section 9). Errors: mu is not in [0, 1); epochs is not positive; (of Err) the momentum is zero.
func (o *SGDOptimizer) EarlyMomentum(mu float64, epochs int) *SGDOptimizer {
	o.fraction("early momentum", mu)
	if epochs <= 0 {
		o.mistake("the early momentum needs a positive number of epochs, got %d", epochs)
	}
	o.early, o.until, o.earlyAt = mu, epochs, here()
	return o
}

// Nesterov looks ahead along the momentum. Errors (of Err): the momentum is zero.
func (o *SGDOptimizer) Nesterov() *SGDOptimizer {
	o.nesterov, o.lookAhead = true, here()
	return o
}

// Decay adds l2 times the weight to its gradient.
func (o *SGDOptimizer) Decay(l2 float64) *SGDOptimizer {
	o.notNegative("decay", l2)
	o.l2 = l2
	return o
}

// Schedule sets how the rate changes during training; the default is constant.
func (o *SGDOptimizer) Schedule(s Schedule) *SGDOptimizer { o.setSchedule(s); return o }

// Group multiplies the rate by factor for the layers that pattern names (see [Match]).
func (o *SGDOptimizer) Group(pattern string, factor float64) *SGDOptimizer {
	o.addGroup(pattern, factor)
	return o
}

// GroupDecay multiplies the weight decay by factor for the layers that pattern names; 0 is none.
func (o *SGDOptimizer) GroupDecay(pattern string, factor float64) *SGDOptimizer {
	o.addDecay(pattern, factor)
	return o
}

// LayerDecay multiplies a layer's rate by factor once for each layer that the model uses after it: discriminative
// fine-tuning (Howard and Ruder 2018, with a factor of 1/2.6). Groups multiply the result.
func (o *SGDOptimizer) LayerDecay(factor float64) *SGDOptimizer { o.setLayer(factor); return o }

// Err returns every mistake of the declaration, joined.
func (o *SGDOptimizer) Err() error {
	err := o.common.Err()
	if o.until > 0 && o.momentum == 0 {
		err = errors.Join(err, mistake(o.earlyAt, o.kind, "EarlyMomentum needs a momentum for the epochs after it: write .Momentum(0.9)"))
	}
	if o.nesterov && o.momentum == 0 {
		err = errors.Join(err, mistake(o.lookAhead, o.kind, "Nesterov needs a momentum: write .Momentum(0.9)"))
	}
	return err
}

// Slots implements [Optimizer].
func (o *SGDOptimizer) Slots() []string {
	if o.momentum == 0 {
		return nil
	}
	return []string{"momentum"}
}

// Decays implements [Decayer].
func (o *SGDOptimizer) Decays() bool { return o.l2 != 0 }

// Update implements [Optimizer].
func (o *SGDOptimizer) Update(s Step, w, g []float32, slots [][]float32) {
	p := simd.SGDParams{LR: s.LR, Decay: s.decay(o.l2), Scale: s.Scale}
	if o.momentum == 0 {
		simd.SGD(w, g, nil, p)
		return
	}
	p.Momentum, p.Nesterov = float32(o.momentum), o.nesterov
	if s.Epoch < o.until {
		p.Momentum = float32(o.early)
	}
	simd.SGD(w, g, slots[0], p)
}

// Describe implements [Optimizer].
func (o *SGDOptimizer) Describe() any {
	m := map[string]float64{"momentum": o.momentum, "decay": o.l2, "nesterov": 0}
	if o.nesterov {
		m["nesterov"] = 1
	}
	if o.until > 0 {
		m["early_momentum"], m["early_epochs"] = o.early, float64(o.until)
	}
	return o.describe(m)
}
