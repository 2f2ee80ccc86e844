package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Reparameterize is mean plus exp(logvar/2) times normal draws; for inference it is mean
// (Kingma and Welling 2014, section 2.4).
type Reparameterize struct {
	pointwise
	Stream uint64 `attr:"stream"`
}

// Name returns Reparameterize.
func (Reparameterize) Name() string { return "Reparameterize" }

// ONNX says why there is no counterpart.
func (Reparameterize) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns the type that mean and logvar have in common.
func (Reparameterize) Infer(in []ir.Type) ([]ir.Type, error) {
	return inferTwins(in, "mean", "logvar")
}

// inferTwins returns the one type of two operands.
func inferTwins(in []ir.Type, a, b string) ([]ir.Type, error) {
	if err := floats(in, a, b); err != nil {
		return nil, err
	}
	if !in[0].Equal(in[1]) {
		return nil, fmt.Errorf("%s and %s must have one type %s", a, b, describe(in, []string{a, b}))
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// MixesRows states that rows stay apart if they are on the first axis.
func (Reparameterize) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer].
func (op Reparameterize) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// TrainingOnly states that it is.
func (Reparameterize) TrainingOnly() bool { return true }

// Decompose is the meaning.
func (op Reparameterize) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	sd := b.Op(Exp{}, scale(b, in[1], 0.5))
	draws := b.Op(RandomNormal{Stream: op.Stream}, in[0])
	return []*ir.Value{b.Op(Add{}, in[0], b.Op(Mul{}, sd, draws))}
}

// Emphasis is loss times Hit where the noise with that rate and stream corrupted an
// element of x, and times Rest elsewhere; for inference it is loss (Vincent, Larochelle
// and others 2010, alpha and beta).
type Emphasis struct {
	pointwise
	Hit    float64 `attr:"hit"`
	Rest   float64 `attr:"rest"`
	Rate   float64 `attr:"rate"`
	Stream uint64  `attr:"stream"`
}

// Name returns Emphasis.
func (Emphasis) Name() string { return "Emphasis" }

// ONNX says why there is no counterpart.
func (Emphasis) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns the type that loss and x have in common; Hit and Rest must be
// finite, Rate in [0, 1).
func (op Emphasis) Infer(in []ir.Type) ([]ir.Type, error) {
	if math.IsNaN(op.Hit-op.Rest) || math.IsInf(op.Hit-op.Rest, 0) {
		return nil, fmt.Errorf("hit is %v and rest %v, they must be finite", op.Hit, op.Rest)
	}
	t, err := inferTwins(in, "loss", "x")
	if err != nil {
		return nil, err
	}
	if _, err := inferRate(t, op.Rate); err != nil {
		return nil, err
	}
	return t, nil
}

// MixesRows states that rows stay apart if they are on the first axis.
func (Emphasis) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer]; the stream is that of the noise.
func (op Emphasis) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// TrainingOnly states that it is.
func (Emphasis) TrainingOnly() bool { return true }

// Decompose is the meaning. The mask is that of the noise itself, so that it is
// drawn once.
func (op Emphasis) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	d := in[0].Type.DType
	weight := b.Op(Where{}, kept(b, in[1], op.Rate, op.Stream), b.Const(d, op.Rest), b.Const(d, op.Hit))
	return []*ir.Value{b.Op(Mul{}, in[0], weight)}
}
