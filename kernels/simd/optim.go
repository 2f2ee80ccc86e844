package simd

import "math"

// AdamParams are the hyperparameters of one Adam or AdamW update.
type AdamParams struct {
	LR, Beta1, Beta2, Eps float32
	Decay                 float32 // weight decay; 0 for none
	Decoupled             bool    // AdamW: w shrinks by LR·Decay; otherwise Decay·w is added to the gradient
	Step                  int     // the number of this update, from 1: the bias correction's exponent
	Scale                 float32 // multiplies the gradient first (mean over rows, clipping); 0 means 1
}

// adamConsts is what the kernels read, in this order; gen/optim.go has the same offsets.
type adamConsts struct {
	scale, decay, beta1, grow1, beta2, grow2, rootFix, eps, keep, negStep float32

	ahead uint64 // see fetchAhead
}

func (p AdamParams) consts() adamConsts {
	step := float64(max(p.Step, 1))
	c := adamConsts{
		scale: orOne(p.Scale), decay: p.Decay,
		beta1: p.Beta1, grow1: float32(1 - float64(p.Beta1)),
		beta2: p.Beta2, grow2: float32(1 - float64(p.Beta2)),
		rootFix: float32(1 / math.Sqrt(1-math.Pow(float64(p.Beta2), step))),
		eps:     p.Eps, keep: 1,
		negStep: float32(-float64(p.LR) / (1 - math.Pow(float64(p.Beta1), step))),
		ahead:   fetchAhead,
	}
	if p.Decoupled {
		c.decay, c.keep = 0, float32(1-float64(p.LR)*float64(p.Decay))
	}
	return c
}

// fetchAhead is how many bytes before it reads them Adam asks for weights, gradients and moments, which in large layers
// come from beyond L2. That saves a fifth of the update's time on Intel's servers, and costs as much on AMD's, whose own
// prefetching does better: 0 asks for what is read at once.
var fetchAhead = aheadOf(cpuid().Vendor)

func aheadOf(vendor string) uint64 {
	if vendor == "GenuineIntel" {
		return 2048
	}
	return 0
}

func orOne(s float32) float32 {
	if s == 0 {
		return 1
	}
	return s
}

// AdamStep is one update's constants, computed once for many slices: bias correction costs two powers.
type AdamStep struct{ c adamConsts }

// Prepare computes the constants of the update p describes.
func (p AdamParams) Prepare() AdamStep { return AdamStep{p.consts()} }

// Adam updates weights w and moments m and v from gradient g, each element on its own, so that a range may be split
// anywhere (Kingma and Ba 2015; decoupled decay: Loshchilov and Hutter 2019):
//
//	g = g·Scale + Decay·w;  m = Beta1·m + (1-Beta1)·g;  v = Beta2·v + (1-Beta2)·g²
//	w = w·(1-LR·Decay) - LR/(1-Beta1^t) · m/(sqrt(v)/sqrt(1-Beta2^t) + Eps)
//
// with only one of the two decays in effect. m and v are flushed ([FlushSubnormals]) before w is computed. Square root and division are exact. It works on len(w) elements and panics
// when another slice is shorter.
func Adam(w, g, m, v []float32, p AdamParams) {
	s := p.Prepare()
	s.Update(w, g, m, v)
}

// Update is Adam with prepared constants.
func (s *AdamStep) Update(w, g, m, v []float32) {
	need("g", g, len(w))
	need("m", m, len(w))
	need("v", v, len(w))
	if len(w) > 0 {
		callAdam(selected.Load().isa[opAdam], w, g[:len(w)], m[:len(w)], v[:len(w)], &s.c)
	}
}

// flush is x, or +0 if the bits of its exponent are all 0.
func flush(x float32) float32 {
	if math.Float32bits(x)&0x7f800000 == 0 {
		return 0
	}
	return x
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func adamGo(w, g, m, v []float32, c *adamConsts) {
	for i := range w {
		d := fma(c.decay, w[i], float32(g[i]*c.scale))
		m[i] = flush(fma(c.beta1, m[i], float32(c.grow1*d)))
		v[i] = flush(fma(c.beta2, v[i], float32(float32(c.grow2*d)*d)))
		q := m[i] / fma(sqrt32(v[i]), c.rootFix, c.eps)
		w[i] = fma(c.negStep, q, float32(w[i]*c.keep))
	}
}

// SGDParams are the hyperparameters of one update of stochastic gradient descent.
type SGDParams struct {
	LR, Momentum float32
	Nesterov     bool
	Decay        float32 // Decay·w is added to the gradient
	Scale        float32 // multiplies the gradient first; 0 means 1
}

// sgdConsts is what the kernels read, in this order.
type sgdConsts struct {
	scale, decay, momentum, negLR float32
	nesterov                      uint64
}

// SGD updates weights w and velocity vel from gradient g:
//
//	g = g·Scale + Decay·w;  vel = Momentum·vel + g;  w = w - LR·vel, or w - LR·(Momentum·vel + g) with Nesterov
//
// (Sutskever et al. 2013, in the form of the ONNX Momentum operator without dampening). vel is flushed
// ([FlushSubnormals]) before w is computed. With an empty vel it is plain
// descent, w = w - LR·g, and Momentum is not used. It works on len(w) elements and panics when another slice is shorter.
func SGD(w, g, vel []float32, p SGDParams) {
	need("g", g, len(w))
	if len(w) == 0 {
		return
	}
	c := sgdConsts{scale: orOne(p.Scale), decay: p.Decay, momentum: p.Momentum, negLR: -p.LR}
	if p.Nesterov {
		c.nesterov = 1
	}
	if len(vel) != 0 {
		need("vel", vel, len(w))
		vel = vel[:len(w)]
	}
	callSGD(selected.Load().isa[opSGD], w, g[:len(w)], vel, &c)
}

func sgdGo(w, g, vel []float32, c *sgdConsts) {
	for i := range w {
		d := fma(c.decay, w[i], float32(g[i]*c.scale))
		if len(vel) != 0 {
			vel[i] = flush(fma(c.momentum, vel[i], d))
			if c.nesterov != 0 {
				d = fma(c.momentum, vel[i], d)
			} else {
				d = vel[i]
			}
		}
		w[i] = fma(c.negLR, d, w[i])
	}
}

// RMSPropParams are the hyperparameters of one RMSProp update.
type RMSPropParams struct {
	LR, Rho, Eps float32
	Decay        float32 // Decay·w is added to the gradient
	Scale        float32 // multiplies the gradient first; 0 means 1
}

// rmsConsts is what the kernels read, in this order.
type rmsConsts struct{ scale, decay, rho, grow, eps, negLR float32 }

// RMSProp updates weights w and mean square v from gradient g (Tieleman and Hinton 2012):
//
//	g = g·Scale + Decay·w;  v = Rho·v + (1-Rho)·g²;  w = w - LR · g/(sqrt(v)+Eps)
//
// v is flushed ([FlushSubnormals]) before w is computed. It works on len(w) elements and panics when another slice is
// shorter.
func RMSProp(w, g, v []float32, p RMSPropParams) {
	need("g", g, len(w))
	need("v", v, len(w))
	if len(w) == 0 {
		return
	}
	c := rmsConsts{orOne(p.Scale), p.Decay, p.Rho, float32(1 - float64(p.Rho)), p.Eps, -p.LR}
	callRMSProp(selected.Load().isa[opRMSProp], w, g[:len(w)], v[:len(w)], &c)
}

func rmsPropGo(w, g, v []float32, c *rmsConsts) {
	for i := range w {
		d := fma(c.decay, w[i], float32(g[i]*c.scale))
		v[i] = flush(fma(c.rho, v[i], float32(float32(c.grow*d)*d)))
		w[i] = fma(c.negLR, d/(sqrt32(v[i])+c.eps), w[i])
	}
}
