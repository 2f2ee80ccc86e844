package ops_test

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// channelsLast returns an op of images with their channels last, drawn as that with its
// channels first, nil for another kind.
func (r draw) channelsLast(kind ir.Op) (ir.Op, []ir.Type) {
	turn := func(t ir.Type, order func(int) ir.Axes) ir.Type {
		out := ir.Type{DType: t.DType}
		for _, a := range order(t.Rank()).Slice() {
			out.Shape = append(out.Shape, t.Shape[a])
		}
		return out
	}
	images := func(in []ir.Type) []ir.Type {
		for i, t := range in {
			in[i] = turn(t, ops.ChannelsLast)
		}
		return in
	}
	narrow := func(in []ir.Type) []ir.Type {
		for i := range in[:2] {
			in[i].DType = ir.BF16
		}
		if len(in) > 2 && in[2].Rank() == 1 {
			in[2].DType = ir.F32
			return in[:3]
		}
		return in[:2] // these ops add nothing and have no mask
	}
	switch kind.(type) {
	case ops.ConvBF16:
		op, in := r.channelsLast(ops.ConvLast{})
		c := op.(ops.ConvLast)
		return ops.ConvBF16{Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, Relu: c.Relu}, narrow(in)
	case ops.ConvTransposeBF16:
		op, in := r.channelsLast(ops.ConvTransposeLast{})
		c := op.(ops.ConvTransposeLast)
		return ops.ConvTransposeBF16{Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, OutputPadding: c.OutputPadding, Relu: c.Relu}, narrow(in)
	case ops.ConvFilterGradBF16:
		op, in := r.channelsLast(ops.ConvFilterGradLast{})
		return ops.ConvFilterGradBF16(op.(ops.ConvFilterGradLast)), narrow(in)
	case ops.ConvLast:
		op, in := r.convolution(ops.Conv{})
		c := op.(ops.Conv)
		in[0], in[1] = turn(in[0], ops.ChannelsLast), turn(in[1], ops.FiltersLast)
		last := ops.ConvLast{Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, Relu: r.IntN(2) == 0}
		in, last.Mask = r.ends(last, in)
		return last, in
	case ops.ConvTransposeLast:
		op, in := r.convolution(ops.ConvTranspose{})
		c := op.(ops.ConvTranspose)
		in[0], in[1] = turn(in[0], ops.ChannelsLast), turn(in[1], ops.FiltersTurned)
		last := ops.ConvTransposeLast{Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, OutputPadding: c.OutputPadding, Relu: r.IntN(2) == 0}
		in, last.Mask = r.ends(last, in)
		return last, in
	case ops.ConvFilterGradLast:
		op, in := r.convolution(ops.ConvFilterGrad{})
		c := op.(ops.ConvFilterGrad)
		return ops.ConvFilterGradLast{Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, Parts: 1 + r.IntN(4)}, images(in)
	case ops.MaxPoolLast:
		op, in := r.convolution(ops.MaxPool{})
		c := op.(ops.MaxPool)
		return ops.MaxPoolLast{Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads}, images(in)
	case ops.MaxPoolGradLast:
		op, in := r.convolution(ops.MaxPoolGrad{})
		c := op.(ops.MaxPoolGrad)
		return ops.MaxPoolGradLast{Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, Relu: r.IntN(2) == 0}, images(in)
	case ops.MaxPoolWinnersLast:
		op, in := r.convolution(ops.MaxPool{})
		c := op.(ops.MaxPool)
		return ops.MaxPoolWinnersLast{Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads, Relu: r.IntN(2) == 0}, images(in)
	case ops.MaxPoolWinnersGradLast:
		op, in := r.convolution(ops.MaxPoolGrad{})
		c := op.(ops.MaxPoolGrad)
		lengths, _ := in[0].Shape[2:].Fixed()
		in[0] = ir.Type{DType: ir.U8, Shape: in[1].Shape}
		return ops.MaxPoolWinnersGradLast{Lengths: ir.MakeAxes(lengths...), Kernel: c.Kernel, Strides: c.Strides, Dilations: c.Dilations, Pads: c.Pads}, images(in)
	case ops.AveragePoolLast:
		op, in := r.convolution(ops.AveragePool{})
		c := op.(ops.AveragePool)
		return ops.AveragePoolLast{Kernel: c.Kernel, Strides: c.Strides, Pads: c.Pads, CountPads: c.CountPads}, images(in)
	case ops.AveragePoolGradLast:
		op, in := r.convolution(ops.AveragePoolGrad{})
		c := op.(ops.AveragePoolGrad)
		return ops.AveragePoolGradLast{Lengths: c.Lengths, Kernel: c.Kernel, Strides: c.Strides, Pads: c.Pads, CountPads: c.CountPads}, images(in)
	}
	return nil, nil
}

// ends draws what is added to a convolution, and a mask.
func (r draw) ends(op ir.Op, in []ir.Type) ([]ir.Type, bool) {
	out, err := op.Infer(in)
	if err != nil {
		return in, false
	}
	given := r.IntN(4)
	for range given&1 + given>>1 {
		in = append(in, out[0])
	}
	return in, given&2 != 0
}
