package verify

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// accuracy is the error of a runtime's approximation: rel roundings of the
// result, and abs roundings of 1 (or of the op's scale near 0).
type accuracy struct{ rel, abs float64 }

// accuracyOf allows for what was measured of onnxruntime on CPU and for the same
// again: tanh 4.5 units, softplus 4.8, logarithm 3.3, exponential 1.2, erf 1.3;
// sigmoid 2.6 units of 1 and cut at ±18; ELU and SELU by exp(x)-1, so that
// results near 0 are off by units of their scale.
func accuracyOf(op ir.Op) accuracy {
	switch op := op.(type) {
	case ops.Exp, ops.Erf:
		return accuracy{3, 0}
	case ops.Log:
		return accuracy{4, 0.01}
	case ops.Tanh:
		return accuracy{6, 0}
	case ops.Softplus:
		return accuracy{6, 1}
	case ops.Sigmoid:
		return accuracy{3, 1}
	case ops.Elu:
		return accuracy{2, 2 * math.Abs(op.Alpha)}
	case ops.Selu:
		return accuracy{2, 2 * ops.SeluAlpha * ops.SeluGamma}
	case ops.LeakyRelu:
		return accuracy{2, 0} // the slope is itself rounded
	case ops.Relu, ops.Neg, ops.Abs:
		return accuracy{0, 0}
	}
	return accuracy{1, 0}
}

// unary bounds a function of one number by its change over one standard
// deviation to both sides.
func (c *call) unary() (Estimate, error) {
	x := c.in[0]
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{v, make([]float64, v.Len())}
	if x.Var != nil {
		for _, side := range []float64{1, -1} {
			y := x.Value.Clone()
			for i := range y.F64 {
				y.F64[i] += side * math.Sqrt(x.Var[i])
			}
			w, err := c.value(y)
			if err != nil {
				return Estimate{}, err
			}
			for i := range e.Var {
				switch d := w.F64[i] - v.F64[i]; {
				case finite(w.F64[i]) != finite(v.F64[i]):
					e.Var[i] = math.Inf(1) // x may be outside the domain
				case finite(v.F64[i]):
					e.Var[i] = max(e.Var[i], d*d)
				}
			}
		}
	}
	if ends := domainOf(c.node.Op); ends != nil && x.Var != nil {
		for i, y := range x.Value.F64 {
			if d := reach(x.Var[i]); x.Var[i] > 0 && ends(y-d, y+d) {
				e.Var[i] = math.Inf(1)
			}
		}
	}
	a := accuracyOf(c.node.Op)
	if a == (accuracy{}) {
		return e, nil
	}
	u, f := unit(c.dtype()), floor(c.dtype())
	for i, y := range v.F64 {
		if finite(y) {
			r := u * (a.rel*math.Abs(y) + a.abs)
			e.Var[i] += r*r + f*f
		}
	}
	return e, nil
}

func finite(x float64) bool { return x-x == 0 }

// reach is how far a value of that variance is followed to a place where a
// function has no finite result.
func reach(variance float64) float64 { return 2 * Sigmas * math.Sqrt(variance) }

// domainOf returns what says whether a function has no finite result somewhere in
// [lo, hi], nil if it has one everywhere.
func domainOf(op ir.Op) func(lo, hi float64) bool {
	switch op.(type) {
	case ops.Reciprocal:
		return func(lo, hi float64) bool { return lo <= 0 && hi >= 0 }
	case ops.Log:
		return func(lo, hi float64) bool { return lo <= 0 && hi >= 0 }
	case ops.Sqrt:
		return func(lo, hi float64) bool { return lo < 0 && hi >= 0 }
	}
	return nil
}

func (c *call) sign() (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{Value: v}
	for i := range v.F64 {
		if s := c.in[0].at(i); s > 0 && math.Abs(c.in[0].Value.F64[i]) <= Sigmas*math.Sqrt(s) {
			e.unknown(i)
		}
	}
	return e, nil
}

// binary bounds an op of two numbers, with broadcasting.
func (c *call) binary() (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	a, b := c.in[0], c.in[1]
	same := c.node.In[0] == c.node.In[1]
	ia, ib := broadcastIndex(a.Value.Shape, v.Shape), broadcastIndex(b.Value.Shape, v.Shape)
	u, f := unit(c.dtype()), floor(c.dtype())
	e := Estimate{v, make([]float64, v.Len())}
	for i := range e.Var {
		p, q := ia.next(), ib.next()
		x, y, sx, sy := a.Value.At(p), b.Value.At(q), a.at(p), b.at(q)
		z := v.At(i)
		near := sx+sy > 0 && math.Abs(x-y) <= Sigmas*math.Sqrt(sx+sy)
		var s float64
		switch c.node.Op.(type) {
		case ops.Add:
			s = sx + sy
			if same {
				s = 4 * sx
			}
		case ops.Sub:
			s = sx + sy
			if same {
				s = 0
			}
		case ops.Mul:
			s = y*y*sx + x*x*sy + sx*sy
			if same {
				s = 4*x*x*sx + 2*sx*sx
			}
		case ops.Div:
			if sy > 0 && math.Abs(y) <= reach(sy) {
				e.Var[i] = math.Inf(1)
				continue
			}
			s = (sx + z*z*sy) / (y * y)
		case ops.Pow:
			if openPower(x, y, sx, sy) {
				e.Var[i] = math.Inf(1)
				continue
			}
			d := func(x, y float64) float64 { r := math.Pow(x, y) - z; return r * r }
			if sx > 0 {
				s += max(d(x+math.Sqrt(sx), y), d(x-math.Sqrt(sx), y))
			}
			if sy > 0 {
				s += max(d(x, y+math.Sqrt(sy)), d(x, y-math.Sqrt(sy)))
			}
			r := u * z * (3 + math.Abs(y*math.Log(math.Abs(x))))
			if !math.IsNaN(r) {
				s += r * r
			}
		case ops.Max, ops.Min:
			switch {
			case near:
				s = sx + sy
			case z == x:
				s = sx
			default:
				s = sy
			}
			e.Var[i] = s
			continue
		default: // comparisons
			if near && !same {
				s = math.Inf(1)
			}
			e.Var[i] = s
			continue
		}
		if !finite(z) {
			if !math.IsInf(sx, 0) && !math.IsInf(sy, 0) {
				s = 0
			}
			e.Var[i] = s
			continue
		}
		e.Var[i] = s + u*u*z*z + f*f
	}
	return e, nil
}

// openPower reports whether x to the y may be without bounds or no number: beside 0
// it is unless y is a whole number from 0 on, and of a negative number only whole
// powers are numbers.
func openPower(x, y, sx, sy float64) bool {
	whole := y == math.Trunc(y) && sy == 0
	return sx > 0 && math.Abs(x) <= reach(sx) && !(whole && y >= 0) || sy > 0 && x < 0
}

func (c *call) where() (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	k, a, b := c.in[0], c.in[1], c.in[2]
	ik, ia, ib := broadcastIndex(k.Value.Shape, v.Shape), broadcastIndex(a.Value.Shape, v.Shape), broadcastIndex(b.Value.Shape, v.Shape)
	e := Estimate{v, make([]float64, v.Len())}
	// What is open in one row may change together, and errors of a sum by
	// Cauchy-Schwarz no more than √m times the root of their squares.
	together := make([]int, 1)
	row := v.Len()
	if t := c.node.Out[0].Type; t.Rank() > 0 && t.Shape[0].Symbolic() && v.Shape[0] > 0 {
		row = v.Len() / v.Shape[0]
		together = make([]int, v.Shape[0])
	}
	apart := make([]float64, v.Len()) // how far the two are from each other where either may be taken, else 0
	for i := range e.Var {
		j, p, q := ik.next(), ia.next(), ib.next()
		switch {
		case k.at(j) > 0:
			e.Var[i] = max(a.at(p), b.at(q))
			if apart[i] = math.Abs(a.Value.At(p) - b.Value.At(q)); apart[i] != 0 {
				together[i/row]++
			}
		case k.Value.At(j) != 0:
			e.Var[i] = a.at(p)
		default:
			e.Var[i] = b.at(q)
		}
	}
	for i, d := range apart {
		switch {
		case d == 0:
		case !c.dtype().Float():
			e.Var[i] = math.Inf(1)
		default: // so that Tolerance is √m·d and that of the wider one
			s := d*math.Sqrt(float64(together[i/row]))/(Sigmas*math.Sqrt2) + math.Sqrt(e.Var[i])
			e.Var[i] = s * s
		}
	}
	return e, nil
}

func (c *call) cast(op ops.Cast) (Estimate, error) {
	v, err := c.value()
	if err != nil {
		return Estimate{}, err
	}
	x := c.in[0]
	e := Estimate{v, append([]float64(nil), x.Var...)}
	switch {
	case op.To.Float():
		u, from := unit(op.To), c.node.In[0].Type.DType
		_, most := from.Range()
		if from.Float() && u > unit(from) || float64(most)*u > 1 { // else it is exact
			if e.Var == nil {
				e.Var = make([]float64, v.Len())
			}
			for i, y := range v.F64 {
				y = max(math.Abs(y), floor(op.To))
				e.Var[i] += u * u * y * y
			}
		}
	case x.Var != nil:
		for i := range e.Var {
			s := Sigmas * math.Sqrt(x.Var[i])
			y := x.Value.At(i)
			lo, hi := math.Trunc(y-s), math.Trunc(y+s)
			if op.To == ir.Bool {
				lo, hi = y-s, y+s
				if lo > 0 || hi < 0 {
					lo = hi
				}
			}
			e.Var[i] = 0
			if lo != hi {
				e.Var[i] = math.Inf(1)
			}
		}
	}
	return e, nil
}

// broadcastIndex walks the elements of an operand in the order of a result that
// it broadcasts to.
func broadcastIndex(shape, out []int) *walker {
	w := &walker{dims: out, step: make([]int, len(out)), count: make([]int, len(out))}
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		j := len(out) - len(shape) + i
		if shape[i] != 1 {
			w.step[j] = stride
		}
		stride *= shape[i]
	}
	return w
}

type walker struct {
	dims, step, count []int
	at                int
}

func (w *walker) next() int {
	at := w.at
	for i := len(w.dims) - 1; i >= 0; i-- {
		w.count[i]++
		w.at += w.step[i]
		if w.count[i] < w.dims[i] {
			break
		}
		w.at -= w.step[i] * w.dims[i]
		w.count[i] = 0
	}
	return at
}
