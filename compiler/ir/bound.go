package ir

import (
	"fmt"
	"math"
	"slices"
)

// Sigmas is how many standard deviations of accumulated rounding two correct
// executions may differ by.
const Sigmas = 6

// Estimate is a value in float64 with the variance that rounding gives each of
// its elements in the value's own dtype.
type Estimate struct {
	Value *Tensor   // floats are F64
	Var   []float64 // nil if exact; +Inf where the result may be anything
}

// At returns the variance of element i.
func (e Estimate) At(i int) float64 {
	if e.Var == nil {
		return 0
	}
	return e.Var[i]
}

// Open says that element i may be anything.
func (e *Estimate) Open(i int) {
	if e.Var == nil {
		e.Var = make([]float64, e.Value.Len())
	}
	e.Var[i] = math.Inf(1)
}

// Tolerance returns how far element i of two correct executions may be apart:
// each has the variance, so their difference has twice that.
func (e Estimate) Tolerance(i int) float64 { return Sigmas * math.Sqrt(2*e.At(i)) }

// Unit is the relative error of one rounding to d, 0 if d is no float.
func (d DType) Unit() float64 {
	switch d {
	case F32:
		return 0x1p-24
	case F64:
		return 0x1p-53
	case F16:
		return 0x1p-11
	case BF16:
		return 0x1p-8
	}
	return 0
}

// Greatest is the greatest finite number of d, 0 if d is no float.
func (d DType) Greatest() float64 {
	switch d {
	case F32:
		return math.MaxFloat32
	case F64:
		return math.MaxFloat64
	case F16:
		return 65504
	case BF16:
		return 0x1.fep127
	}
	return 0
}

// LeastNormal is the least normal number of d, 0 if d is no float: a runtime may take
// smaller results as 0.
func (d DType) LeastNormal() float64 {
	switch d {
	case F32, BF16:
		return 0x1p-126
	case F16:
		return 0x1p-14
	case F64:
		return 0x1p-1022
	}
	return 0
}

// Bounder is an op that says how far rounding may take its results. Bound returns one
// Estimate for each result: its value in float64, of tensors of its own, and the
// variance of each element, which is what the operands' variances become and what the
// op's own roundings add. An op without it is bounded by what it decomposes into, or
// by trial.
type Bounder interface {
	Bound(c *Call) ([]Estimate, error)
}

// Call is a node with the estimates of its operands.
type Call struct {
	Env  *Env
	Node *Node
	In   []Estimate
}

// DType returns the dtype of the first result.
func (c *Call) DType() DType { return c.Node.Out[0].Type.DType }

// Rounding returns the relative error of one rounding of the first result, and the
// absolute one that flushing small results to 0 may cause.
func (c *Call) Rounding() (unit, floor float64) { return c.DType().Unit(), c.DType().LeastNormal() }

// Value returns the first result for the operands' values, or for these in their
// place.
func (c *Call) Value(in ...*Tensor) (*Tensor, error) {
	out, err := c.Values(in...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// Values returns the results for the operands' values, or for these in their place.
// They share no elements with the operands.
func (c *Call) Values(in ...*Tensor) ([]*Tensor, error) {
	if len(in) == 0 {
		for _, e := range c.In {
			in = append(in, e.Value)
		}
	}
	out, err := EvalOp(c.Env, c.Node.Op, TypesOf(c.Node.In), in)
	if err != nil {
		return nil, err
	}
	if len(out) != len(c.Node.Out) {
		return nil, fmt.Errorf("gave %d results for %d values", len(out), len(c.Node.Out))
	}
	own := make([]*Tensor, len(out))
	for i, v := range c.Node.Out {
		if want := c.Env.Bind(v.Type.Shape); !slices.Equal(want, out[i].Shape) {
			return nil, fmt.Errorf("gave shape %v for %s", out[i].Shape, v.Type)
		}
		own[i] = out[i].Clone()
	}
	return own, nil
}

// Operand is the bound of an op that is its first operand.
func (c *Call) Operand() ([]Estimate, error) {
	return []Estimate{{c.In[0].Value.Clone(), slices.Clone(c.In[0].Var)}}, nil
}

// Exact is the bound of an op whose results have no error.
func (c *Call) Exact() ([]Estimate, error) {
	values, err := c.Values()
	if err != nil {
		return nil, err
	}
	out := make([]Estimate, len(values))
	for i, v := range values {
		out[i].Value = v
	}
	return out, nil
}

// Moved is the bound of an op that moves elements, or chooses among them: the
// variances move as the elements do.
func (c *Call) Moved() ([]Estimate, error) {
	out, err := c.Exact()
	if err != nil {
		return nil, err
	}
	exact := true
	s := make([]*Tensor, len(c.In))
	for i, e := range c.In {
		s[i] = &Tensor{DType: F64, Shape: e.Value.Shape, F64: e.Var}
		if e.Var == nil {
			s[i].F64 = make([]float64, e.Value.Len())
		}
		exact = exact && e.Var == nil
	}
	if exact {
		return out, nil
	}
	moved, err := c.Values(s...)
	if err != nil {
		return nil, err
	}
	for i, t := range moved {
		out[i].Var = t.To(F64).F64
	}
	return out, nil
}

// Whole is the bound of an op of whole numbers: exact, or open if an operand is not.
func (c *Call) Whole() ([]Estimate, error) {
	out, err := c.Exact()
	if err != nil || !slices.ContainsFunc(c.In, func(e Estimate) bool { return e.Var != nil }) {
		return out, err
	}
	for i := range out {
		for k := range out[i].Value.Len() {
			out[i].Open(k)
		}
	}
	return out, nil
}

// Pointwise is the bound of a function of one number, whose result is off by rel
// roundings of itself and abs roundings of 1, by its change over one standard
// deviation to both sides.
func (c *Call) Pointwise(rel, abs float64) ([]Estimate, error) {
	if c.DType().Integer() {
		return c.Whole()
	}
	x := c.In[0]
	v, err := c.Value()
	if err != nil {
		return nil, err
	}
	e := Estimate{v, make([]float64, v.Len())}
	if x.Var != nil {
		for _, side := range []float64{1, -1} {
			y := x.Value.Clone()
			for i := range y.F64 {
				y.F64[i] += side * math.Sqrt(x.Var[i])
			}
			w, err := c.Value(y)
			if err != nil {
				return nil, err
			}
			for i := range e.Var {
				switch d := w.F64[i] - v.F64[i]; {
				case math.IsInf(x.Var[i], 1):
					e.Var[i] = x.Var[i] // x may be NaN, which no bounded function hides
				case finite(w.F64[i]) != finite(v.F64[i]):
					e.Var[i] = math.Inf(1) // x may be outside the domain
				case finite(v.F64[i]):
					e.Var[i] = max(e.Var[i], d*d)
				}
			}
		}
	}
	if rel == 0 && abs == 0 {
		return []Estimate{e}, nil
	}
	u, f := c.Rounding()
	for i, y := range v.F64 {
		if finite(y) {
			r := u * (rel*math.Abs(y) + abs)
			e.Var[i] += r*r + f*f
		}
	}
	return []Estimate{e}, nil
}

func finite(x float64) bool { return x-x == 0 }
