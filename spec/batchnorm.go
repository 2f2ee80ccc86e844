package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// BatchNormLayer is made by [BatchNorm].
type BatchNormLayer struct {
	Base
	axis      int
	momentum  float64
	epsilon   float64
	noScale   bool
	noBias    bool
	scaleInit Init
	biasInit  Init
}

// BatchNorm gives each channel mean 0 and variance 1, then a scale and a bias of its own
// (Ioffe and Szegedy 2015). In training, mean and variance are those of the whole update,
// over its rows and all axes except the channels', and gradients flow through them. Once
// per update they move the running statistics, with which evaluations and what ships
// normalise:
//
//	running = momentum·running + (1-momentum)·batch
//
// This is BatchNormalization of ONNX from opset 15 on, including training_mode: the
// variance is that of the rows themselves, without Bessel's correction, as in Keras and
// unlike PyTorch's running variance.
//
// Shapes: x and y f32[N … C]. Parameters: scale f32[C], one unless ScaleInit is given, and
// bias f32[C], zero unless BiasInit is given. State: mean f32[C], which starts at 0, and
// variance f32[C], which starts at 1. Momentum is 0.9 and epsilon 1e-5, the defaults of
// ONNX, unless given. If [train.Options].Freeze names its mean, the layer also normalises
// with the running statistics in training, and leaves them unchanged. Mistakes: C is not
// known, x is not f32 or has no axis besides the batch; a model uses the layer at two
// places, since its running statistics can belong to only one. Accumulating several
// batches is a mistake, as no batch has the statistics of all: [GroupNorm] needs none.
//
// [train.Options]: https://pkg.go.dev/github.com/lamina-ml/lamina/runtime/train#Options
func BatchNorm() *BatchNormLayer {
	return &BatchNormLayer{newBase("BatchNorm"), -1, 0.9, epsilon, false, false, Constant(1), Zeros()}
}

// Named gives the layer a name.
func (l *BatchNormLayer) Named(name string) *BatchNormLayer { return Named(l, name) }

// Axis sets the axis of the channels, not counting the batch: 0 for images of shape
// [N C H W]. -1 is the last. Mistakes: the axis does not exist.
func (l *BatchNormLayer) Axis(axis int) *BatchNormLayer {
	return Option(l, "Axis", func(l *BatchNormLayer) { l.axis = axis })
}

// Momentum sets the share of the running statistics that is kept in an update. It must
// be at least 0 and below 1.
func (l *BatchNormLayer) Momentum(m float64) *BatchNormLayer {
	return Option(l, "Momentum", func(l *BatchNormLayer) { l.momentum = m })
}

// Epsilon sets what is added to the variance. It must be finite and above 0.
func (l *BatchNormLayer) Epsilon(e float64) *BatchNormLayer {
	return Option(l, "Epsilon", func(l *BatchNormLayer) { l.epsilon = e })
}

// NoScale leaves out the scale, which is redundant before a product.
func (l *BatchNormLayer) NoScale() *BatchNormLayer {
	return Option(l, "NoScale", func(l *BatchNormLayer) { l.noScale = true })
}

// NoBias leaves the bias out.
func (l *BatchNormLayer) NoBias() *BatchNormLayer {
	return Option(l, "NoBias", func(l *BatchNormLayer) { l.noBias = true })
}

// ScaleInit sets the initializer of the scale.
func (l *BatchNormLayer) ScaleInit(i Init) *BatchNormLayer {
	return Option(l, "ScaleInit", func(l *BatchNormLayer) { l.scaleInit = i })
}

// BiasInit sets the initializer of the bias.
func (l *BatchNormLayer) BiasInit(i Init) *BatchNormLayer {
	return Option(l, "BiasInit", func(l *BatchNormLayer) { l.biasInit = i })
}

func (l *BatchNormLayer) args() string {
	if !(l.momentum >= 0 && l.momentum < 1) {
		return fmt.Sprintf("the momentum must be at least 0 and below 1, got %v", l.momentum)
	}
	return epsilonRule(l.epsilon)
}

// Build returns x normalised.
func (l *BatchNormLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if t.DType != ir.F32 || t.Rank() < 2 || !rowsFirst(t.Shape) {
		return b.Errorf("x must be f32[N … C], got %s", t)
	}
	axis, rule := axisOf(t, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	c, known := t.Shape[axis].Known()
	if !known {
		return b.Errorf("the number of channels must be known, x is %s", t)
	}
	channel := func(name string, absent bool, init Init, value float64) *ir.Value {
		if !absent {
			return b.Param(name, init, c)
		}
		return b.Op(ops.Expand{Shape: ir.MakeDims(ir.ShapeOf(c))}, b.Const(value))
	}
	scale, bias := channel("scale", l.noScale, l.scaleInit, 1), channel("bias", l.noBias, l.biasInit, 0)
	mean, variance := b.State("mean", Zeros(), c), b.State("variance", Constant(1), c)
	y := b.Ops(ops.BatchNormTraining{Axis: axis, Epsilon: l.epsilon}, x[0], scale, bias, mean, variance)
	var others ir.Shape
	for i, d := range t.Shape {
		if i != axis {
			others = append(others, d)
		}
	}
	single := func(v *ir.Value) *ir.Value { return b.Op(ops.Cast{To: ir.F32}, v) }
	move := func(running, batch *ir.Value) {
		b.follows(running, b.Op(ops.Lerp{}, running, batch, b.Const(1-l.momentum)), y[0])
	}
	move(mean, single(y[1]))
	move(variance, b.Op(ops.Div{}, single(y[2]), b.Op(ops.Extent{Of: ir.MakeDims(others), To: ir.F32})))
	return y[0]
}

// Image is a copy with statistics, a scale and a bias of its own.
func (l *BatchNormLayer) Image(ir.Type, bool) Image {
	c := *l
	c.Base = newBase(l.st.kind)
	return Repeated(&c)
}
