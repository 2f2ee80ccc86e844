package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// ActivationLayer is an elementwise function without options, made by [ReLU],
// [SELU], [GELU], [SiLU], [HardSwish], [Sigmoid], [Tanh] or [Softplus].
type ActivationLayer struct {
	Base
	op ir.Op
}

// Named gives the layer a name.
func (l *ActivationLayer) Named(name string) *ActivationLayer { return Named(l, name) }

// Build returns the function of x.
func (l *ActivationLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return b.Op(l.op, x[0]) }

// Image is a copy.
func (l *ActivationLayer) Image(ir.Type, bool) Image {
	return Repeated(&ActivationLayer{Base: newBase(l.st.kind), op: l.op})
}

// ReLU is max(x, 0) (Nair and Hinton 2010). Its gradient at 0 is 0.
func ReLU() *ActivationLayer { return &ActivationLayer{newBase("ReLU"), ops.Relu{}} }

// SELU is the self-normalizing unit (Klambauer et al. 2017), to be used with
// [LeCun].
func SELU() *ActivationLayer { return &ActivationLayer{newBase("SELU"), ops.Selu{}} }

// GELU is x·Φ(x), where Φ is the normal distribution function, in the exact form with
// erf (Hendrycks and Gimpel 2016).
func GELU() *ActivationLayer { return &ActivationLayer{newBase("GELU"), ops.Gelu{}} }

// SiLU is x·sigmoid(x) (Elfwing, Uchibe and Doya 2018), also known as Swish
// (Ramachandran, Zoph and Le 2017). Files hold its two parts, since the opsets written
// have no operator for it.
func SiLU() *ActivationLayer { return &ActivationLayer{newBase("SiLU"), ops.Silu{}} }

// HardSwish is x·min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019): HardSwish of ONNX,
// since opset 14. Its gradient is 0 at -3 and 1 at 3.
func HardSwish() *ActivationLayer {
	return &ActivationLayer{newBase("HardSwish"), ops.HardSwish{}}
}

// Sigmoid is 1/(1+exp(-x)).
func Sigmoid() *ActivationLayer { return &ActivationLayer{newBase("Sigmoid"), ops.Sigmoid{}} }

// Tanh is the hyperbolic tangent.
func Tanh() *ActivationLayer { return &ActivationLayer{newBase("Tanh"), ops.Tanh{}} }

// Softplus is log(1+exp(x)) (Dugas et al. 2001).
func Softplus() *ActivationLayer { return &ActivationLayer{newBase("Softplus"), ops.Softplus{}} }

// LeakyReLULayer is made by [LeakyReLU].
type LeakyReLULayer struct {
	Base
	alpha float64
}

// LeakyReLU is x for x ≥ 0, else alpha·x (Maas et al. 2013). alpha is 0.01, ONNX's
// default, unless Alpha sets it.
func LeakyReLU() *LeakyReLULayer { return &LeakyReLULayer{newBase("LeakyReLU"), 0.01} }

// Named gives the layer a name.
func (l *LeakyReLULayer) Named(name string) *LeakyReLULayer { return Named(l, name) }

// Alpha sets the slope below 0. It must be finite.
func (l *LeakyReLULayer) Alpha(alpha float64) *LeakyReLULayer {
	return Option(l, "Alpha", func(l *LeakyReLULayer) { l.alpha = alpha })
}

func (l *LeakyReLULayer) args() string { return finite("alpha", l.alpha) }

// Build returns the function of x.
func (l *LeakyReLULayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.LeakyRelu{Alpha: l.alpha}, x[0])
}

// Image is a copy.
func (l *LeakyReLULayer) Image(ir.Type, bool) Image {
	return Repeated(&LeakyReLULayer{newBase(l.st.kind), l.alpha})
}

// ELULayer is made by [ELU].
type ELULayer struct {
	Base
	alpha float64
}

// ELU is x for x ≥ 0, else alpha·(exp(x)-1) (Clevert et al. 2015). alpha is 1 unless
// Alpha sets it.
func ELU() *ELULayer { return &ELULayer{newBase("ELU"), 1} }

// Named gives the layer a name.
func (l *ELULayer) Named(name string) *ELULayer { return Named(l, name) }

// Alpha sets the negative of the limit at -∞. It must be finite.
func (l *ELULayer) Alpha(alpha float64) *ELULayer {
	return Option(l, "Alpha", func(l *ELULayer) { l.alpha = alpha })
}

func (l *ELULayer) args() string { return finite("alpha", l.alpha) }

// Build returns the function of x.
func (l *ELULayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Elu{Alpha: l.alpha}, x[0])
}

// Image is a copy.
func (l *ELULayer) Image(ir.Type, bool) Image {
	return Repeated(&ELULayer{newBase(l.st.kind), l.alpha})
}

func finite(name string, x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprintf("%s must be finite, got %v", name, x)
	}
	return ""
}

// SoftmaxLayer is made by [Softmax].
type SoftmaxLayer struct {
	Base
	axis int
}

// Softmax is exp(x) divided by its sum along an axis, not counting the batch; -1 is the
// last. Mistakes: the axis does not exist.
func Softmax(axis int) *SoftmaxLayer { return &SoftmaxLayer{newBase("Softmax"), axis} }

// Named gives the layer a name.
func (l *SoftmaxLayer) Named(name string) *SoftmaxLayer { return Named(l, name) }

// Build returns the softmax of x.
func (l *SoftmaxLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	axis, rule := axisOf(x[0].Type, l.axis)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	return b.Op(ops.Softmax{Axis: axis}, x[0])
}

// Image is a copy.
func (l *SoftmaxLayer) Image(ir.Type, bool) Image {
	return Repeated(&SoftmaxLayer{newBase(l.st.kind), l.axis})
}
