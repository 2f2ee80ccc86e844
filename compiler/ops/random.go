package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// Bernoulli is a mask of x's type: an element is 0 with probability Rate and
// 1/(1-Rate) otherwise. Element j of row r, a row being an index of axis 0, is
// draw (FirstRow+r)*rowElems+j of the stream of the seed, Stream and the update,
// whatever the values of x: so a mask does not depend on how an update's rows
// are divided. See [Draws] for values with other symbolic lengths.
type Bernoulli struct {
	Rate   float64 `attr:"rate"`
	Stream uint64  `attr:"stream"`
}

// Name returns Bernoulli.
func (Bernoulli) Name() string { return "Bernoulli" }

// ONNX says why there is no counterpart.
func (Bernoulli) ONNX() ir.ONNX { return ir.ONNX{Why: "ONNX fixes no random stream"} }

func inferRate(in []ir.Type, rate float64) ([]ir.Type, error) {
	if err := floats(in, "x"); err != nil {
		return nil, err
	}
	if !(rate >= 0 && rate < 1) {
		return nil, fmt.Errorf("rate is %v, it must be at least 0 and below 1 (x is %v)", rate, in[0])
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// Infer returns x's type; Rate must be in [0, 1).
func (op Bernoulli) Infer(in []ir.Type) ([]ir.Type, error) { return inferRate(in, op.Rate) }

// WithStream implements [ir.Drawer].
func (op Bernoulli) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// ShapeOnly states that it is: the draws do not depend on x.
func (Bernoulli) ShapeOnly() bool { return true }

// Key returns the stream of one update.
func (op Bernoulli) Key(seed, update uint64) random.Key {
	return random.New(seed).DeriveString("bernoulli").Derive(op.Stream, update)
}

// Eval is the reference meaning.
func (op Bernoulli) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := ir.NewTensor(ir.F64, in[0].Shape...)
	k := op.Key(env.Seed, env.Update)
	rate, kept := float32(op.Rate), 1/(1-op.Rate)
	eachDraw(env, in[0], func(i int, n uint64) {
		if k.Float32(n) >= rate {
			out.F64[i] = kept
		}
	})
	return one(out)
}

// WhyNoGradient gives the reason.
func (Bernoulli) WhyNoGradient() string { return "the mask does not depend on x" }

// MixesRows states that rows stay apart if they are on the first axis.
func (Bernoulli) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// Split states that rows stay apart.
func (Bernoulli) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) {
	return splitBroadcast(in, out)
}

// Cost counts one draw for each element; x is not read.
func (Bernoulli) Cost(_, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return count(out, at), traffic(nil, out, at)
}

// Dropout is x times Bernoulli of x; for inference it is x (Srivastava, Hinton and
// others 2014).
type Dropout struct {
	pointwise
	Rate   float64 `attr:"rate"`
	Stream uint64  `attr:"stream"`
}

// Name returns Dropout.
func (Dropout) Name() string { return "Dropout" }

// ONNX says why there is no counterpart.
func (Dropout) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns x's type; Rate must be in [0, 1).
func (op Dropout) Infer(in []ir.Type) ([]ir.Type, error) { return inferRate(in, op.Rate) }

// MixesRows states that rows stay apart if they are on the first axis.
func (Dropout) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [ir.Drawer].
func (op Dropout) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// Corrupts states that it is Rate of them.
func (op Dropout) Corrupts() float64 { return op.Rate }

// TrainingOnly states that it is.
func (Dropout) TrainingOnly() bool { return true }

// Decompose is the meaning.
func (op Dropout) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(Mul{}, in[0], b.Op(Bernoulli{Rate: op.Rate, Stream: op.Stream}, in[0]))}
}

// ChannelDropout is x [N C …] times a mask like Bernoulli's, with one draw for each
// channel of each row; for inference it is x (Tompson and others 2015).
type ChannelDropout struct {
	pointwise
	Rate   float64 `attr:"rate"`
	Stream uint64  `attr:"stream"`
}

// Name returns ChannelDropout.
func (ChannelDropout) Name() string { return "ChannelDropout" }

// ONNX says why there is no counterpart.
func (ChannelDropout) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns x's type; x must have channels, Rate must be in [0, 1).
func (op ChannelDropout) Infer(in []ir.Type) ([]ir.Type, error) {
	out, err := inferRate(in, op.Rate)
	if err == nil && in[0].Rank() < 2 {
		return nil, fmt.Errorf("x must have channels on its second axis (x is %v)", in[0])
	}
	return out, err
}

// MixesRows states that rows stay apart if they are on the first axis.
func (ChannelDropout) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// WithStream implements [Drawn].
func (op ChannelDropout) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// TrainingOnly states that it is x for inference.
func (ChannelDropout) TrainingOnly() bool { return true }

// Decompose is the meaning.
func (op ChannelDropout) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	x := in[0]
	one := x.Type.Shape.Clone()
	for i := range one[2:] {
		one[2+i] = ir.Fixed(1)
	}
	like := b.Op(Expand{Shape: ir.MakeDims(one)}, b.Const(x.Type.DType, 1))
	return []*ir.Value{b.Op(Mul{}, x, b.Op(Bernoulli{Rate: op.Rate, Stream: op.Stream}, like))}
}
