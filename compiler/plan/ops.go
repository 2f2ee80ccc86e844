package plan

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// RowSum is the first half of a sum over everything: from x of rank 2 or more
// the float64 sum of each slice of axis 0, elements in ascending order.
type RowSum struct{}

// Name returns "RowSum".
func (RowSum) Name() string { return "RowSum" }

// Infer returns f64[N] from f32[N …].
func (RowSum) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 1 || in[0].Rank() < 1 || !in[0].DType.Float() {
		return nil, fmt.Errorf("takes one float operand with a first axis, got %v", in)
	}
	return []ir.Type{ir.T(ir.F64, in[0].Shape[0])}, nil
}

// Split makes each slice from the same slice of x.
func (RowSum) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

// Eval is the definition.
func (RowSum) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[0]
	out := ir.NewTensor(ir.F64, x.Shape[0])
	if n := ir.Elems(x.Shape[1:]); n > 0 {
		for i, v := range x.F64 {
			out.F64[i/n] += v
		}
	}
	return []*ir.Tensor{out}, nil
}

// Cost counts one addition for each element.
func (RowSum) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	n, m := int64(in[0].Shape.ElemsAt(at)), int64(out[0].Shape.ElemsAt(at))
	return n, n*int64(in[0].DType.Size()) + 8*m
}

// Total is the second half: the sum of the row sums, rows ascending, divided by
// the number of elements if Mean is set.
type Total struct {
	Mean bool     `attr:"mean"`
	Row  ir.Dim   `attr:"row"` // elements in one row
	To   ir.DType `attr:"to"`
}

// Name returns "Total".
func (Total) Name() string { return "Total" }

// Infer returns a scalar from f64[N].
func (o Total) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 1 || in[0].Rank() != 1 || in[0].DType != ir.F64 {
		return nil, fmt.Errorf("takes one f64 operand of rank 1, got %v", in)
	}
	return []ir.Type{ir.T(o.To)}, nil
}

// Eval is the definition.
func (o Total) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return []*ir.Tensor{ir.Scalar(o.Of(in[0].F64, env.Binding))}, nil
}

// Of returns the total of the row sums.
func (o Total) Of(rows []float64, at ir.Binding) float64 {
	s := 0.0
	for _, v := range rows {
		s += v
	}
	if o.Mean {
		s /= float64(len(rows)) * float64(o.Row.At(at))
	}
	return s
}

// StoreGrad puts a gradient into the store. When a run continues an accumulation
// it is added to what is there, unless it is Continued: then it has started from
// what was there and replaces it.
type StoreGrad struct {
	Continued bool `attr:"continued"`
}

// Name returns "StoreGrad".
func (StoreGrad) Name() string { return "StoreGrad" }

// Infer returns the operand's type.
func (StoreGrad) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }

// Eval is the definition of one that replaces.
func (StoreGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) { return in[:1], nil }

// ContinueSum adds the rows of x [N m] to the stored sums [m], rows ascending.
type ContinueSum struct{}

// Name returns "ContinueSum".
func (ContinueSum) Name() string { return "ContinueSum" }

// Infer returns the type of the stored sums.
func (ContinueSum) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 2 || in[0].Rank() != 2 || in[1].Rank() != 1 || in[0].Shape[1] != in[1].Shape[0] || in[0].DType != in[1].DType {
		return nil, fmt.Errorf("takes a matrix and a sum for each column, got %v", in)
	}
	return in[1:], nil
}

// Split makes each slice from columns of x.
func (ContinueSum) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis1, ir.Axis0}, true
}

// Eval is the definition.
func (ContinueSum) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := in[1].Clone()
	for i, v := range in[0].F64 {
		out.F64[i%len(out.F64)] += v
	}
	return []*ir.Tensor{out}, nil
}

// Assign gives a state variable its next value.
type Assign struct{}

// Split makes each slice of the same slice of the next value.
func (Assign) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

// Name returns "Assign".
func (Assign) Name() string { return "Assign" }

// Infer returns the operand's type.
func (Assign) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }

// Eval is the definition.
func (Assign) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) { return in[:1], nil }

// InPlace returns the operand whose memory the step's first result may take, or
// -1. The op states which; it must have the result's type.
func (p *Plan) InPlace(s *Step) int {
	o, ok := s.Op.(ir.InPlacer)
	if !ok {
		return -1
	}
	in := p.types(s.In)
	i, elementwise := o.InPlace(in)
	if i < 0 || i >= len(s.In) || !in[i].Equal(p.Buffers[s.Out[0]].Type) {
		return -1
	}
	for j, b := range s.In {
		if j != i && p.Root(b) == p.Root(s.In[i]) && (!elementwise || !in[j].Equal(in[i])) {
			return -1
		}
	}
	return i
}
