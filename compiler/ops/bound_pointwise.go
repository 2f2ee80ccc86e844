package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

func finite(x float64) bool { return x-x == 0 }

// open reports whether a value of that variance may be anything: what is made of it may be
// too, also where the reference has no number.
func open(variance float64) bool { return math.IsInf(variance, 1) }

// reach is how far a value of that variance is followed to a place where a
// function has no finite result.
func reach(variance float64) float64 { return 2 * ir.Sigmas * math.Sqrt(variance) }

// pair is an element of each of two operands, with their variances, and of the result.
type pair struct {
	x, y, sx, sy, z float64
	u               float64 // relative error of a rounding
	same            bool    // the operands are one value
}

// near reports whether the two are nearer than their errors.
func (p pair) near() bool {
	return p.sx+p.sy > 0 && math.Abs(p.x-p.y) <= ir.Sigmas*math.Sqrt(p.sx+p.sy)
}

// whole reports whether the result is a sum or difference of whole numbers that have no error, and small enough to have none
// itself. What compares it with another whole number, as where ids are told apart, is then not left open.
func (p pair) whole() bool {
	return p.sx == 0 && p.sy == 0 && p.x == math.Trunc(p.x) && p.y == math.Trunc(p.y) && math.Abs(p.z)*p.u <= 1
}

// boundPairs bounds an op of two numbers, with broadcasting: f returns the variance of
// a result and whether a rounding is to be added to it.
func boundPairs(c *ir.Call, f func(p pair) (variance float64, rounds bool)) ([]ir.Estimate, error) {
	if c.DType().Integer() {
		return c.Whole()
	}
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	a, b := c.In[0], c.In[1]
	same := c.Node.In[0] == c.Node.In[1]
	ia, ib := broadcastIndex(a.Value.Shape, v.Shape), broadcastIndex(b.Value.Shape, v.Shape)
	u, fl := c.Rounding()
	e := ir.Estimate{Value: v, Var: make([]float64, v.Len())}
	for i := range e.Var {
		p, q := ia[i], ib[i]
		k := pair{x: a.Value.At(p), y: b.Value.At(q), sx: a.At(p), sy: b.At(q), z: v.At(i), u: u, same: same}
		if open(k.sx) || open(k.sy) {
			e.Open(i)
			continue
		}
		s, rounds := f(k)
		switch {
		case !rounds:
		case finite(k.z):
			s = s + u*u*k.z*k.z + fl*fl
		default:
			s = 0
		}
		e.Var[i] = s
	}
	return []ir.Estimate{e}, nil
}

// boundChoice bounds the greater or the lesser of two.
func boundChoice(c *ir.Call) ([]ir.Estimate, error) {
	return boundPairs(c, func(p pair) (float64, bool) {
		switch {
		case p.near():
			return p.sx + p.sy, false
		case p.z == p.x:
			return p.sx, false
		}
		return p.sy, false
	})
}

// openPower reports whether x to the y may be without bounds or no number: beside 0
// it is unless y is a whole number from 0 on, and of a negative number only whole
// powers are numbers.
func openPower(p pair) bool {
	whole := p.y == math.Trunc(p.y) && p.sy == 0
	return p.sx > 0 && math.Abs(p.x) <= reach(p.sx) && !(whole && p.y >= 0) || p.sy > 0 && p.x < 0
}

// openFrom is Pointwise that leaves a result open if the function has no finite one
// somewhere in what the operand may be.
func openFrom(c *ir.Call, rel, abs float64, ends func(lo, hi float64) bool) ([]ir.Estimate, error) {
	out, err := c.Pointwise(rel, abs)
	if x := c.In[0]; err == nil && x.Var != nil {
		for i, y := range x.Value.F64 {
			if d := reach(x.Var[i]); x.Var[i] > 0 && ends(y-d, y+d) {
				out[0].Open(i)
			}
		}
	}
	return out, err
}
