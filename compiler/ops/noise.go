package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// RandomNormal is a tensor of draws from the normal distribution with mean 0 and variance
// 1, in x's type: those of random.Key.Normal32. Draws are numbered in the stream as in
// Bernoulli.
type RandomNormal struct {
	Stream uint64 `attr:"stream"`
}

// Name returns RandomNormal.
func (RandomNormal) Name() string { return "RandomNormal" }

// ONNX says why there is no counterpart.
func (RandomNormal) ONNX() ir.ONNX { return ir.ONNX{Why: "ONNX fixes no random stream"} }

// Infer returns x's type.
func (RandomNormal) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// WithStream implements [ir.Drawer].
func (op RandomNormal) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// ShapeOnly states that it is: the draws do not depend on x.
func (RandomNormal) ShapeOnly() bool { return true }

// Key returns the stream of one update.
func (op RandomNormal) Key(seed, update uint64) random.Key {
	return random.New(seed).DeriveString("normal").Derive(op.Stream, update)
}

// Eval is the reference meaning.
func (op RandomNormal) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := ir.NewTensor(ir.F64, in[0].Shape...)
	k := op.Key(env.Seed, env.Update)
	eachDraw(env, in[0], func(i int, n uint64) { out.F64[i] = k.Normal32(n) })
	return one(out)
}

// WhyNoGradient gives the reason.
func (RandomNormal) WhyNoGradient() string { return "the draws do not depend on x" }

// MixesRows states that rows stay apart if they are on the first axis.
func (RandomNormal) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// Split states that rows stay apart.
func (RandomNormal) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitBroadcast(in, out)
}

// Cost counts one draw for each element; x is not read.
func (RandomNormal) Cost(_, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(nil, out, at)
}

// MaskingNoise is x with each element set to 0 with probability Rate and the others
// unchanged; for inference it is x (Vincent, Larochelle and others 2010, masking noise).
type MaskingNoise struct {
	pointwise
	Rate   float64 `attr:"rate"`
	Stream uint64  `attr:"stream"`
}

// Name returns MaskingNoise.
func (MaskingNoise) Name() string { return "MaskingNoise" }

// ONNX says why there is no counterpart.
func (MaskingNoise) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns x's type; Rate must be in [0, 1).
func (op MaskingNoise) Infer(in []ir.Type) ([]ir.Type, error) { return inferRate(in, op.Rate) }

// MixesRows states that rows stay apart if they are on the first axis.
func (MaskingNoise) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer].
func (op MaskingNoise) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// Corrupts states that it is Rate of them.
func (op MaskingNoise) Corrupts() float64 { return op.Rate }

// TrainingOnly states that it is.
func (MaskingNoise) TrainingOnly() bool { return true }

// Key returns the stream of one update, that of Bernoulli.
func (op MaskingNoise) Key(seed, update uint64) random.Key {
	return Bernoulli{Stream: op.Stream}.Key(seed, update)
}

// Eval is the reference meaning.
func (op MaskingNoise) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	return corrupt(env, in[0], op.Key(env.Seed, env.Update), op.Rate, func(uint64) float64 { return 0 })
}

// VJP gives the same noise on dy.
func (op MaskingNoise) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(op, dout[0])}
}

// corrupt is x with other elements where the draws are below rate.
func corrupt(env *ir.Env, x *ir.Tensor, k random.Key, rate float64, other func(i uint64) float64) ([]*ir.Tensor, error) {
	out, below := x.Clone(), float32(rate)
	eachDraw(env, x, func(i int, n uint64) {
		if k.Float32(n) < below {
			out.F64[i] = other(n)
		}
	})
	return one(out)
}

// kept is true where a mask leaves x alone.
func kept(b *ir.Builder, x *ir.Value, rate float64, stream uint64) *ir.Value {
	return b.Op(Greater{}, b.Op(Bernoulli{Rate: rate, Stream: stream}, x), b.Const(x.Type.DType, 0))
}

// GaussianNoise is x plus normal draws with standard deviation SD; for inference
// it is x (Vincent, Larochelle and others 2010).
type GaussianNoise struct {
	pointwise
	SD     float64 `attr:"sd"`
	Stream uint64  `attr:"stream"`
}

// Name returns GaussianNoise.
func (GaussianNoise) Name() string { return "GaussianNoise" }

// ONNX says why there is no counterpart.
func (GaussianNoise) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns x's type; SD must be finite and not negative.
func (op GaussianNoise) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if !(op.SD >= 0) || math.IsInf(op.SD, 0) {
		return nil, fmt.Errorf("sd is %v, it must be finite and at least 0 (x is %v)", op.SD, in[0])
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// MixesRows states that rows stay apart if they are on the first axis.
func (GaussianNoise) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer].
func (op GaussianNoise) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// Corrupts states that every element is changed.
func (GaussianNoise) Corrupts() float64 { return 1 }

// TrainingOnly states that it is.
func (GaussianNoise) TrainingOnly() bool { return true }

// Key returns the stream of one update, that of RandomNormal.
func (op GaussianNoise) Key(seed, update uint64) random.Key {
	return RandomNormal{op.Stream}.Key(seed, update)
}

// Eval is the reference meaning.
func (op GaussianNoise) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out, k := in[0].Clone(), op.Key(env.Seed, env.Update)
	eachDraw(env, in[0], func(i int, n uint64) { out.F64[i] += op.SD * k.Normal32(n) })
	return one(out)
}

// VJP gives dy.
func (GaussianNoise) VJP(_ *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value { return dout }

// SaltAndPepper is x with each element set, with probability Rate, to Low or High with
// equal chance; for inference it is x (Vincent, Larochelle and others 2010).
type SaltAndPepper struct {
	pointwise
	Rate   float64 `attr:"rate"`
	Low    float64 `attr:"low"`
	High   float64 `attr:"high"`
	Stream uint64  `attr:"stream"`
}

// Name returns SaltAndPepper.
func (SaltAndPepper) Name() string { return "SaltAndPepper" }

// ONNX says why there is no counterpart.
func (SaltAndPepper) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns x's type; Rate must be in [0, 1), Low and High finite.
func (op SaltAndPepper) Infer(in []ir.Type) ([]ir.Type, error) {
	if math.IsNaN(op.Low-op.High) || math.IsInf(op.Low-op.High, 0) {
		return nil, fmt.Errorf("low is %v and high %v, they must be finite (x is %v)", op.Low, op.High, in)
	}
	return inferRate(in, op.Rate)
}

// MixesRows states that rows stay apart if they are on the first axis.
func (SaltAndPepper) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer].
func (op SaltAndPepper) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// Corrupts states that it is Rate of them.
func (op SaltAndPepper) Corrupts() float64 { return op.Rate }

// TrainingOnly states that it is.
func (SaltAndPepper) TrainingOnly() bool { return true }

// Keys returns the streams of one update: that of Bernoulli, and of the coin, the
// complement, which no other op has: streams are numbered from 1.
func (op SaltAndPepper) Keys(seed, update uint64) (noise, coin random.Key) {
	return Bernoulli{Stream: op.Stream}.Key(seed, update), Bernoulli{Stream: ^op.Stream}.Key(seed, update)
}

// Eval is the reference meaning.
func (op SaltAndPepper) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	noise, coin := op.Keys(env.Seed, env.Update)
	return corrupt(env, in[0], noise, op.Rate, func(i uint64) float64 {
		if coin.Float32(i) < 0.5 {
			return op.Low
		}
		return op.High
	})
}

// VJP gives dy where x was left alone.
func (op SaltAndPepper) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(MaskingNoise{Rate: op.Rate, Stream: op.Stream}, dout[0])}
}
