package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// epsilon is what normalisations add to a variance unless told otherwise, the default
// of ONNX.
const epsilon = 1e-5

// epsilonRule returns the rule that an epsilon breaks, or "".
func epsilonRule(e float64) string {
	if !(e > 0) || math.IsInf(e, 0) {
		return fmt.Sprintf("epsilon must be finite and above 0, got %v", e)
	}
	return ""
}

// lineOf returns the lengths of x from an axis on, the batch not counted, and that
// axis with it counted, or the rule that is broken.
func lineOf(x ir.Type, axis int) (dims []int, from int, rule string) {
	if x.DType != ir.F32 || x.Rank() < 2 {
		return nil, 0, fmt.Sprintf("x must be f32[N … in], got %s", x)
	}
	from, rule = axisOf(x, axis)
	if rule != "" {
		return nil, 0, rule
	}
	dims, ok := x.Shape[from:].Fixed()
	if !ok {
		return nil, 0, fmt.Sprintf("the lengths it normalises over must be known, x is %s", x)
	}
	return dims, from, ""
}

// LayerNormLayer is made by [LayerNorm].
type LayerNormLayer struct {
	Base
	axis      int
	epsilon   float64
	noBias    bool
	scaleInit Init
	biasInit  Init
}

// LayerNorm gives each row of the last axis mean 0 and variance 1, then a scale and a
// bias of its own for each element (Ba, Kiros and Hinton 2016): (x - mean)/sqrt(variance
// + epsilon)·scale + bias, LayerNormalization of ONNX from opset 17 on.
//
// Shapes: x and y f32[N … in]. Parameters: scale f32[in], one unless ScaleInit is given,
// and bias f32[in], zero unless BiasInit is given. Epsilon is 1e-5, the default of ONNX,
// unless given. Mistakes: x is not f32 or has no axis besides the batch; a length that is
// normalised over is not known.
func LayerNorm() *LayerNormLayer {
	return &LayerNormLayer{newBase("LayerNorm"), -1, epsilon, false, Constant(1), Zeros()}
}

// Named gives the layer a name.
func (l *LayerNormLayer) Named(name string) *LayerNormLayer { return Named(l, name) }

// Axis sets the first of the axes that are normalised over together; they extend to the
// last one. The batch is not counted; -1 is the last axis. Scale and bias have the lengths
// of these axes.
// Mistakes: the axis does not exist.
func (l *LayerNormLayer) Axis(axis int) *LayerNormLayer {
	return Option(l, "Axis", func(l *LayerNormLayer) { l.axis = axis })
}

// Epsilon sets what is added to the variance. It must be finite and above 0.
func (l *LayerNormLayer) Epsilon(e float64) *LayerNormLayer {
	return Option(l, "Epsilon", func(l *LayerNormLayer) { l.epsilon = e })
}

// NoBias leaves the bias out.
func (l *LayerNormLayer) NoBias() *LayerNormLayer {
	return Option(l, "NoBias", func(l *LayerNormLayer) { l.noBias = true })
}

// ScaleInit sets the initializer of the scale.
func (l *LayerNormLayer) ScaleInit(i Init) *LayerNormLayer {
	return Option(l, "ScaleInit", func(l *LayerNormLayer) { l.scaleInit = i })
}

// BiasInit sets the initializer of the bias.
func (l *LayerNormLayer) BiasInit(i Init) *LayerNormLayer {
	return Option(l, "BiasInit", func(l *LayerNormLayer) { l.biasInit = i })
}

func (l *LayerNormLayer) args() string { return epsilonRule(l.epsilon) }

// Build returns x normalised.
func (l *LayerNormLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	dims, axis, rule := lineOf(x[0].Type, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	in := []*ir.Value{x[0], b.Param("scale", l.scaleInit, dims...)}
	if !l.noBias {
		in = append(in, b.Param("bias", l.biasInit, dims...))
	}
	return b.Op(ops.LayerNorm{Axis: axis, Epsilon: l.epsilon}, in...)
}

// Image is a copy with a scale and a bias of its own.
func (l *LayerNormLayer) Image(ir.Type, bool) Image {
	return Repeated(&LayerNormLayer{newBase(l.st.kind), l.axis, l.epsilon, l.noBias, l.scaleInit, l.biasInit})
}

// RMSNormLayer is made by [RMSNorm].
type RMSNormLayer struct {
	Base
	axis      int
	epsilon   float64
	scaleInit Init
}

// RMSNorm divides each row of the last axis by the root of its mean square and gives each
// element a scale of its own (Zhang and Sennrich 2019): x/sqrt(mean(x²) + epsilon)·scale,
// RMSNormalization of ONNX from opset 23 on; files of older opsets hold its parts.
//
// Shapes: x and y f32[N … in]. Parameters: scale f32[in], one unless ScaleInit is given.
// Epsilon is 1e-5, the default of ONNX, unless given. Mistakes: x is not f32 or has no axis
// besides the batch; a length that is normalised over is not known.
func RMSNorm() *RMSNormLayer { return &RMSNormLayer{newBase("RMSNorm"), -1, epsilon, Constant(1)} }

// Named gives the layer a name.
func (l *RMSNormLayer) Named(name string) *RMSNormLayer { return Named(l, name) }

// Axis sets the first of the axes that are normalised over together; they extend to the
// last one. The batch is not counted; -1 is the last axis. The scale has the lengths of
// these axes. Mistakes: the axis does not exist.
func (l *RMSNormLayer) Axis(axis int) *RMSNormLayer {
	return Option(l, "Axis", func(l *RMSNormLayer) { l.axis = axis })
}

// Epsilon sets what is added to the mean square. It must be finite and above 0.
func (l *RMSNormLayer) Epsilon(e float64) *RMSNormLayer {
	return Option(l, "Epsilon", func(l *RMSNormLayer) { l.epsilon = e })
}

// ScaleInit sets the initializer of the scale.
func (l *RMSNormLayer) ScaleInit(i Init) *RMSNormLayer {
	return Option(l, "ScaleInit", func(l *RMSNormLayer) { l.scaleInit = i })
}

func (l *RMSNormLayer) args() string { return epsilonRule(l.epsilon) }

// Build returns x normalised.
func (l *RMSNormLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	dims, axis, rule := lineOf(x[0].Type, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	return b.Op(ops.RMSNorm{Axis: axis, Epsilon: l.epsilon}, x[0], b.Param("scale", l.scaleInit, dims...))
}

// Image is a copy with a scale of its own.
func (l *RMSNormLayer) Image(ir.Type, bool) Image {
	return Repeated(&RMSNormLayer{newBase(l.st.kind), l.axis, l.epsilon, l.scaleInit})
}

// GroupNormLayer is made by [GroupNorm] or [InstanceNorm].
type GroupNormLayer struct {
	Base
	groups    int
	each      bool // a group for each channel
	epsilon   float64
	scaleInit Init
	biasInit  Init
}

// GroupNorm divides the channels of each row into groups, gives each group mean 0 and
// variance 1, then gives each channel a scale and a bias (Wu and He 2018). Unlike with
// batch statistics, no row depends on another. Files hold InstanceNormalization of the
// groups, since runtimes lose digits in GroupNormalization where the mean is far from 0.
//
// Shapes: x and y f32[N C …]. Parameters: scale f32[C], one unless ScaleInit is given, and
// bias f32[C], zero unless BiasInit is given. Epsilon is 1e-5, the default of ONNX, unless
// given. Mistakes: groups is not positive or does not divide C, C is not known, x is not
// f32 or has no axis besides the batch.
func GroupNorm(groups int) *GroupNormLayer {
	return &GroupNormLayer{newBase("GroupNorm"), groups, false, epsilon, Constant(1), Zeros()}
}

// InstanceNorm gives each channel of each row mean 0 and variance 1, then a scale and a
// bias (Ulyanov, Vedaldi and Lempitsky 2016): [GroupNorm] with one group per channel,
// InstanceNormalization of ONNX from opset 6 on.
//
// Shapes: x and y f32[N C H …]. Parameters and options are those of GroupNorm. Mistakes: C
// is not known, x is not f32 or has fewer than two axes besides the batch.
func InstanceNorm() *GroupNormLayer {
	return &GroupNormLayer{newBase("InstanceNorm"), 0, true, epsilon, Constant(1), Zeros()}
}

// Named gives the layer a name.
func (l *GroupNormLayer) Named(name string) *GroupNormLayer { return Named(l, name) }

// Epsilon sets what is added to the variance. It must be finite and above 0.
func (l *GroupNormLayer) Epsilon(e float64) *GroupNormLayer {
	return Option(l, "Epsilon", func(l *GroupNormLayer) { l.epsilon = e })
}

// ScaleInit sets the initializer of the scale.
func (l *GroupNormLayer) ScaleInit(i Init) *GroupNormLayer {
	return Option(l, "ScaleInit", func(l *GroupNormLayer) { l.scaleInit = i })
}

// BiasInit sets the initializer of the bias.
func (l *GroupNormLayer) BiasInit(i Init) *GroupNormLayer {
	return Option(l, "BiasInit", func(l *GroupNormLayer) { l.biasInit = i })
}

func (l *GroupNormLayer) args() string {
	if l.groups <= 0 && !l.each {
		return fmt.Sprintf("groups must be positive, got %d", l.groups)
	}
	return epsilonRule(l.epsilon)
}

// Build returns x normalised.
func (l *GroupNormLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t, axes, want := x[0].Type, 2, "f32[N C …]"
	if l.each {
		axes, want = 3, "f32[N C H …]"
	}
	if t.DType != ir.F32 || t.Rank() < axes {
		return b.Errorf("x must be %s, got %s", want, t)
	}
	channels, known := t.Shape[1].Known()
	if !known {
		return b.Errorf("the number of channels must be known, x is %s", t)
	}
	var op ir.Op = ops.InstanceNorm{Epsilon: l.epsilon}
	if !l.each {
		if channels%l.groups != 0 {
			return b.Errorf("%d channels do not divide into %d groups, x is %s", channels, l.groups, t)
		}
		op = ops.GroupNorm{Groups: l.groups, Epsilon: l.epsilon}
	}
	return b.Op(op, x[0], b.Param("scale", l.scaleInit, channels), b.Param("bias", l.biasInit, channels))
}

// Image is a copy with a scale and a bias of its own.
func (l *GroupNormLayer) Image(ir.Type, bool) Image {
	return Repeated(&GroupNormLayer{newBase(l.st.kind), l.groups, l.each, l.epsilon, l.scaleInit, l.biasInit})
}
