package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Normalize is (x - mean)/deviation with a mean and a deviation for each channel of x
// f32[N C …], its first axis after the batch; one of each serves all channels. The numbers
// are constants of the model, such as dataset.ChannelMoments or dataset.Table.Moments
// measures, and they ship in its file. So does the scaling of bytes before it, and whoever
// runs the file gives pixels as they are:
//
//	image := spec.Bytes("image", 3, 32, 32)
//	x := image.Then(spec.Floats().Times(1.0/255), spec.Normalize(mean, deviation))
//
// Sub and Div of ONNX. A [Mirror] undoes it. Mistakes: there are not as many numbers as
// channels; a mean is not finite in f32; a deviation, or one divided by it, is not
// positive and finite in f32; x is not f32 or has no axis besides the batch.
func Normalize(mean, deviation []float64) *FormulaLayer {
	mean, deviation = slices.Clone(mean), slices.Clone(deviation)
	l := &FormulaLayer{Base: newBase("Normalize"), rule: normalizeRule(mean, deviation)}
	l.build = ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		shape, rule := channelShape(x.Type, len(mean))
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		m, d := b.sp.array(ir.T(ir.F32, fixed(shape)...), floatsOf(shape, mean)), b.sp.array(ir.T(ir.F32, fixed(shape)...), floatsOf(shape, deviation))
		return b.Op(ops.Div{}, b.Op(ops.Sub{}, x, m), d)
	})
	l.image = func() Image {
		// y·deviation + mean, written as (y - (-mean/deviation))/(1/deviation).
		m, d := make([]float64, len(mean)), make([]float64, len(mean))
		for i := range m {
			m[i], d[i] = -mean[i]/deviation[i], 1/deviation[i]
		}
		if rule := normalizeRule(m, d); rule != "" {
			return NoImage("its inverse cannot be written: " + rule)
		}
		return UndoneBy(Normalize(m, d))
	}
	return l
}

// normalizeRule returns the rule that means and deviations break, or "".
func normalizeRule(mean, deviation []float64) string {
	if len(mean) == 0 || len(mean) != len(deviation) {
		return fmt.Sprintf("means and deviations must be as many, one for each channel, got %d and %d", len(mean), len(deviation))
	}
	for i, v := range mean {
		if f := float32(v); f-f != 0 {
			return fmt.Sprintf("means must be finite in f32, got %v at %d", v, i)
		}
	}
	for i, v := range deviation {
		if f, g := float32(v), float32(1/v); !(f > 0 && g > 0) || f-f != 0 || g-g != 0 {
			return fmt.Sprintf("deviations must be positive and finite in f32, and so must one divided by them, got %v at %d", v, i)
		}
	}
	return ""
}

// channelShape returns the shape of n constants that go along the channels of x, or the
// rule that is broken.
func channelShape(x ir.Type, n int) (shape []int, rule string) {
	if x.DType != ir.F32 || !rowsFirst(x.Shape) || x.Rank() < 2 {
		return nil, fmt.Sprintf("x must be f32[N C …], got %s", x)
	}
	if c, known := x.Shape[1].Known(); n != 1 && (!known || c != n) {
		return nil, fmt.Sprintf("there are %d means and deviations, but %s channels (x is %s)", n, x.Shape[1], x)
	}
	shape = slices.Repeat([]int{1}, x.Rank()-1)
	shape[0] = n
	return shape, ""
}

func fixed(shape []int) []ir.Dim {
	dims := make([]ir.Dim, len(shape))
	for i, n := range shape {
		dims[i] = ir.Fixed(n)
	}
	return dims
}

// floatsOf is a tensor of numbers as f32 has them.
func floatsOf(shape []int, values []float64) *ir.Tensor {
	t := &ir.Tensor{DType: ir.F64, Shape: shape}
	for _, v := range values {
		t.F64 = append(t.F64, float64(float32(v)))
	}
	return t
}
