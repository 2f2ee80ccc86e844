package ops

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// Sample is bits in p's type: 1 with probability p and 0 otherwise, so never 1 for p = 0
// and always 1 for p = 1; for inference it is p, their mean. The draws are the uniform
// ones of Bernoulli, each compared with its p.
type Sample struct {
	Stream uint64 `attr:"stream"`
}

// Name returns Sample.
func (Sample) Name() string { return "Sample" }

// ONNX says why there is no counterpart.
func (Sample) ONNX() ir.ONNX { return ir.ONNX{Why: "for inference it is its operand"} }

// Infer returns p's type.
func (Sample) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := floats(in, "p"); err != nil {
		return nil, err
	}
	return result(in[0].DType, in[0].Shape.Clone())
}

// WithStream implements [ir.Drawer].
func (op Sample) WithStream(stream uint64) ir.Op { op.Stream = stream; return op }

// TrainingOnly states that it is.
func (Sample) TrainingOnly() bool { return true }

// Key returns the stream of one update.
func (op Sample) Key(seed, update uint64) random.Key {
	return random.New(seed).DeriveString("sample").Derive(op.Stream, update)
}

// Eval is the reference meaning.
func (op Sample) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := ir.NewTensor(ir.F64, in[0].Shape...)
	k := op.Key(env.Seed, env.Update)
	eachDraw(env, in[0], func(i int, n uint64) {
		if float64(k.Float32(n)) < in[0].F64[i] {
			out.F64[i] = 1
		}
	})
	return one(out)
}

// WhyNoGradient gives the reason.
func (Sample) WhyNoGradient() string { return "a bit is 0 or 1 and jumps as p changes" }

// MixesRows states that rows stay apart if they are on the first axis.
func (Sample) MixesRows(in []ir.Type) bool { return drawnRows(in[0]) }

// Split states that rows stay apart.
func (Sample) Split(in []ir.Type, out ir.Type) ([]ir.Access, bool) { return splitBroadcast(in, out) }

// InPlace states that the bits may overwrite p.
func (Sample) InPlace([]ir.Type) (operand int, elementwise bool) { return 0, true }

// Cost counts a draw and a comparison for each element.
func (Sample) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 2 * count(out, at), traffic(in, out, at)
}
