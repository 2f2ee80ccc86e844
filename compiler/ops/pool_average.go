package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// AveragePool is the mean of x [N C …] under each place of a window that moves over the axes
// behind the channels. Pads before each axis, then behind each, are zeros that count if
// CountPads is set, and do not exist otherwise.
type AveragePool struct {
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Pads      ir.Axes `attr:"pads"`
	CountPads bool    `attr:"count_include_pad"`
}

// AveragePoolGrad is the gradient of AveragePool along x, whose axes behind the channels have
// the lengths Lengths: each element of dy [N C …] in equal parts to what its place sees.
type AveragePoolGrad struct {
	Lengths   ir.Axes `attr:"lengths"`
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Pads      ir.Axes `attr:"pads"`
	CountPads bool    `attr:"count_include_pad"`
}

// Name returns AveragePool.
func (AveragePool) Name() string { return "AveragePool" }

// Name returns AveragePoolGrad.
func (AveragePoolGrad) Name() string { return "AveragePoolGrad" }

// ONNX returns AveragePool.
func (AveragePool) ONNX() ir.ONNX { return ir.ONNX{Type: "AveragePool", Since: 11} }

// ONNX says what is written.
func (AveragePoolGrad) ONNX() ir.ONNX { return gradONNX }

func (op AveragePool) pool(in []ir.Type) (pool, error) {
	return poolOf(in, []string{"x"}, op.Kernel, op.Strides, ir.Axes{}, op.Pads)
}

func (op AveragePoolGrad) pool(in []ir.Type) (pool, error) {
	names := []string{"dy"}
	if err := floats(in, names...); err != nil {
		return pool{}, err
	}
	_, places, err := spatial(in, names, 0)
	if err != nil {
		return pool{}, err
	}
	if op.Lengths.Len != len(places) {
		return pool{}, fmt.Errorf("lengths has %d entries, dy has %d axes behind its channels %s", op.Lengths.Len, len(places), describe(in, names))
	}
	x := ir.Type{DType: in[0].DType, Shape: append(in[0].Shape[:2:2], ir.ShapeOf(op.Lengths.Slice()...)...)}
	p, err := poolOf([]ir.Type{x}, []string{"x"}, op.Kernel, op.Strides, ir.Axes{}, op.Pads)
	if err == nil && !in[0].Shape.Equal(p.places(x)) {
		err = fmt.Errorf("dy must be %v %s", ir.Type{DType: x.DType, Shape: p.places(x)}, describe(in, names))
	}
	return p, err
}

// Infer returns the places of the window for each channel.
func (op AveragePool) Infer(in []ir.Type) ([]ir.Type, error) {
	p, err := op.pool(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, p.places(in[0]))
}

// Infer returns [N C Lengths…].
func (op AveragePoolGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	p, err := op.pool(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, append(in[0].Shape[:2:2], ir.ShapeOf(p.in...)...))
}

// shares returns what the window sees at each place, and one over how many elements that
// counts as.
func (p *pool) shares(pads bool) (taps [][]tap, share []float64) {
	taps = p.taps(p.in, p.out)
	share = make([]float64, len(taps))
	for i, list := range taps {
		n := len(list)
		if pads {
			n = ir.Elems(p.kernel)
		}
		share[i] = 1 / float64(n)
	}
	return taps, share
}

// Eval is the reference meaning.
func (op AveragePool) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	p, err := op.pool(typesOf(in))
	if err != nil {
		return nil, err
	}
	taps, share := p.shares(op.CountPads)
	y, size := p.made(in[0]), ir.Elems(p.in)
	for at := range y.F64 {
		i, place := at/len(taps), at%len(taps)
		for _, t := range taps[place] {
			y.F64[at] += in[0].F64[i*size+t.x]
		}
		y.F64[at] *= share[place]
	}
	return one(y)
}

// Eval is the reference meaning.
func (op AveragePoolGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	p, err := op.pool(typesOf(in))
	if err != nil {
		return nil, err
	}
	taps, share := p.shares(op.CountPads)
	size := ir.Elems(p.in)
	dx := ir.NewTensor(ir.F64, append(in[0].Shape[:2:2], p.in...)...)
	for at, dy := range in[0].F64 {
		i, place := at/len(taps), at%len(taps)
		for _, t := range taps[place] {
			dx.F64[i*size+t.x] += dy * share[place]
		}
	}
	return one(dx)
}

// Bound adds the variances of what is summed and the roundings of the sums.
func (op AveragePool) Bound(c *ir.Call) ([]ir.Estimate, error) {
	x := c.In[0]
	p, err := op.pool(typesOf([]*ir.Tensor{x.Value}))
	if err != nil {
		return nil, err
	}
	taps, share := p.shares(op.CountPads)
	e := ir.Estimate{Value: p.made(x.Value)}
	e.Var = make([]float64, e.Value.Len())
	u, f := c.Rounding()
	size := ir.Elems(p.in)
	for at := range e.Var {
		i, place := at/len(taps), at%len(taps)
		var sum chain
		anything := false // a term is open
		for _, t := range taps[place] {
			sum.add(x.Value.F64[i*size+t.x])
			e.Var[at] += x.At(i*size + t.x)
			anything = anything || open(x.At(i*size+t.x))
		}
		s := share[place]
		y := sum.sum * s
		e.Value.F64[at] = y
		switch {
		case anything, sum.overflows(c.DType()):
			e.Var[at] = math.Inf(1)
		case !finite(y):
			e.Var[at] = 0
		default:
			e.Var[at] = (e.Var[at]+sum.rounding(u))*s*s + u*u*y*y + f*f
		}
	}
	return []ir.Estimate{e}, nil
}

// Decompose is the meaning as a ConvTranspose of the shares, by a filter of ones for each
// channel.
func (op AveragePoolGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	p, err := op.pool(ir.TypesOf(in))
	if err != nil {
		return in[:1] // Infer has said so
	}
	dy := in[0]
	channels, known := dy.Type.Shape[1].Known()
	if !known {
		b.Fail(fmt.Errorf("the channels of dy must be known (dy is %v)", dy.Type))
		return in[:1]
	}
	_, share := p.shares(op.CountPads)
	shares := &ir.Tensor{DType: ir.F64, Shape: p.out, F64: share}
	ones := ir.NewTensor(ir.F64, append([]int{channels, 1}, p.kernel...)...)
	for i := range ones.F64 {
		ones.F64[i] = 1
	}
	dy = b.Op(Mul{}, dy, b.Data("", dy.Type.DType, shares))
	t := ConvTranspose{Strides: op.Strides, Pads: op.Pads, OutputPadding: p.rest(p.in), Group: channels}
	return []*ir.Value{b.Op(t, dy, b.Data("", dy.Type.DType, ones))}
}

// VJP gives AveragePoolGrad.
func (op AveragePool) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	p, _ := op.pool(ir.TypesOf(n.In)) // Infer took it
	return []*ir.Value{b.Op(AveragePoolGrad{ir.MakeAxes(p.in...), op.Kernel, op.Strides, op.Pads, op.CountPads}, dout[0])}
}

// VJP gives AveragePool.
func (op AveragePoolGrad) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(AveragePool{op.Kernel, op.Strides, op.Pads, op.CountPads}, dout[0])}
}

// MixesRows states that rows stay apart.
func (AveragePool) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (AveragePoolGrad) MixesRows([]ir.Type) bool { return false }

// Linear states that it is.
func (AveragePool) Linear([]bool) bool { return true }

// Linear states that it is.
func (AveragePoolGrad) Linear([]bool) bool { return true }

// Split states that rows stay apart.
func (AveragePool) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, true) }

// Split states that rows stay apart.
func (AveragePoolGrad) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return rows0(in, true) }

// Cost counts one operation for each element of the window.
func (op AveragePool) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return int64(ir.Elems(op.Kernel.Slice())) * count(out, at), traffic(in, out, at)
}

// Cost counts one operation for each element of the window.
func (op AveragePoolGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return int64(ir.Elems(op.Kernel.Slice())) * count(in, at), traffic(in, out, at)
}
