package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// penaltyLayer computes a loss of values of its own, whole.
type penaltyLayer struct {
	Base
	build func(b *Builder, x ...*ir.Value) *ir.Value
}

// Build returns the penalty, f32[].
func (l *penaltyLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	for _, v := range x {
		if t := v.Type; t.DType != ir.F32 || t.Rank() < 2 || !t.Shape.RowWise() {
			return b.Errorf("the value must be f32[N units…], got %s", t)
		}
	}
	return l.build(b, x...)
}

func penalty(kind string, build func(b *Builder, x ...*ir.Value) *ir.Value, x ...*Value) *Loss {
	at := callers(1)
	base := newBase(kind)
	base.st.loss, base.st.made = true, at
	v := apply(at, "loss "+kind, &penaltyLayer{base, build}, x)
	return &Loss{sp: v.sp, v: v.v, st: base.st, weight: 1}
}

// rowMean returns the mean over the rows of the sum within each.
func rowMean(b *Builder, y *ir.Value) *ir.Value {
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, rowSum(b, y))
}

// rowSum returns the sum within each row, f32[N].
func rowSum(b *Builder, y *ir.Value) *ir.Value {
	if isBad(y) {
		return y
	}
	var axes []int
	for i := 1; i < y.Type.Rank(); i++ {
		axes = append(axes, i)
	}
	return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(axes...)}, y)
}

// L1 is the sparsity penalty Σ|h|: the sum over the units of a code h f32[N units…],
// averaged over the rows (Olshausen and Field 1996; Ranzato, Boureau and LeCun 2008).
// [Loss.Weight] sets its weight in the total. Mistakes: h is not f32 with an axis
// besides the batch.
func L1(h *Value) *Loss {
	return penalty("L1", func(b *Builder, x ...*ir.Value) *ir.Value {
		return rowMean(b, b.Op(ops.Abs{}, x[0]))
	}, h)
}

// The mean of a unit is kept from 0 and 1, where the divergence ends: by as little as
// f32 allows, for the clamp has no gradient, and a unit that is dead must be revived.
const (
	klLow  = 1e-30
	klHigh = 1 - 0x1p-24
)

// KLSparsity is the divergence of the units' mean activations from a target,
// Σ ρ·log(ρ/ρ̂) + (1-ρ)·log((1-ρ)/(1-ρ̂)), where ρ̂ is the mean of a unit over the rows
// of a step, clamped to [1e-30, 1-2^-24] (Ng 2011, "Sparse autoencoder"; after Lee,
// Ekanadham and Ng 2008). It ignores noise and Dropout on h. Steps should have many
// rows. [Loss.Weight] sets its weight in the total. Mistakes: rho is not in (0, 1); h
// does not come from a Sigmoid, so its mean is not the share of time a unit is active.
func KLSparsity(h *Value, rho float64) *Loss {
	return penalty("KLSparsity", func(b *Builder, x ...*ir.Value) *ir.Value {
		if !(rho > 0 && rho < 1) {
			return b.Errorf("rho must be in (0, 1), got %v", rho)
		}
		h := shipped(x[0])
		if h.Def == nil || h.Def.Op != (ops.Sigmoid{}) {
			return b.Errorf("the value must come from a Sigmoid, so that it is in [0, 1], got %s", origin(h))
		}
		m := b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, h)
		m = b.Op(ops.Min{}, b.Op(ops.Max{}, m, b.Const(klLow)), b.Const(klHigh))
		part := func(rho float64, m *ir.Value) *ir.Value { // ρ·(log ρ - log ρ̂)
			return b.Op(ops.Mul{}, b.Const(rho), b.Op(ops.Sub{}, b.Op(ops.Log{}, b.Const(rho)), b.Op(ops.Log{}, m)))
		}
		return b.Op(ops.ReduceSum{}, b.Op(ops.Add{}, part(rho, m), part(1-rho, b.Op(ops.Sub{}, b.Const(1), m))))
	}, h)
}

// origin says what made a value.
func origin(v *ir.Value) string {
	if v.Def == nil {
		return fmt.Sprintf("%s as it comes in", v.Type)
	}
	return fmt.Sprintf("the result %s of %s", v.Type, v.Def.Op.Name())
}

// Contractive is the squared Frobenius norm of the Jacobian of a layer's code h with
// respect to the layer's own input, averaged over the rows, in closed form (Rifai,
// Vincent, Muller, Glorot and Bengio 2011):
//
//	Σj h'j² · Σi wij²,   h' = h(1-h) for Sigmoid, 1-h² for Tanh, [h > 0] for ReLU
//
// for h = s(x·w + b). If nothing follows the layer, h' is 1, which leaves the squared
// weights. For a stack it covers the last layer alone: a stack is contracted stage by
// stage. [Loss.Weight] sets its weight in the total. Mistakes: h is not the result of a
// Dense or Tied layer, or the Sigmoid, Tanh or ReLU of one; the closed form holds only
// for these.
func Contractive(h *Value) *Loss {
	return penalty("Contractive", func(b *Builder, x ...*ir.Value) *ir.Value {
		y := shipped(x[0])
		w := weightsOf(y)
		if w == nil {
			return b.Errorf("the closed form holds for a Dense layer with a Sigmoid, Tanh, ReLU or nothing after it, got %s", origin(y))
		}
		square := func(v *ir.Value) *ir.Value { return b.Op(ops.Mul{}, v, v) }
		norms := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(0)}, square(w))
		var slope *ir.Value // squared
		switch y.Def.Op.(type) {
		case ops.Sigmoid:
			slope = square(b.Op(ops.Mul{}, y, b.Op(ops.Sub{}, b.Const(1), y)))
		case ops.Tanh:
			slope = square(b.Op(ops.Sub{}, b.Const(1), square(y)))
		case ops.Relu:
			slope = b.Op(ops.Where{}, b.Op(ops.Greater{}, y, b.Const(0)), b.Const(1), b.Const(0))
		default: // 1 for each row, so that the mean is one over rows here too
			slope = b.Op(ops.Where{}, b.Op(ops.Greater{}, y, y), b.Const(0), b.Const(1))
		}
		return rowMean(b, b.Op(ops.Mul{}, slope, norms))
	}, h)
}

// weightsOf returns w of h = s(x·w + b) or x·w + b, nil if h is something else.
func weightsOf(h *ir.Value) *ir.Value {
	if h.Def == nil {
		return nil
	}
	a := h
	switch h.Def.Op.(type) {
	case ops.Sigmoid, ops.Tanh, ops.Relu:
		a = h.Def.In[0]
	}
	if a.Def != nil && a.Def.Op == (ops.Add{}) {
		if bias := a.Def.In[1]; bias.Kind != ir.ParamValue || bias.Type.Rank() != 1 {
			return nil
		}
		a = a.Def.In[0]
	}
	if a.Def == nil || a.Def.Op != (ops.MatMul{}) {
		return nil
	}
	w := a.Def.In[1]
	of := w
	if of.Def != nil {
		if _, ok := of.Def.Op.(ops.Transpose); !ok {
			return nil
		}
		of = of.Def.In[0]
	}
	if of.Kind != ir.ParamValue || w.Type.Rank() != 2 {
		return nil
	}
	return w
}
