package ops

import (
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// All returns one op of each kind, its attributes zero, in the order of the
// families.
func All() []ir.Op {
	return []ir.Op{
		Add{}, Sub{}, Mul{}, Div{}, Pow{}, Max{}, Min{},
		Greater{}, Less{}, Equal{}, Where{},
		Neg{}, Abs{}, Sign{}, Sqrt{}, Exp{}, Log{}, Erf{}, Reciprocal{},
		Identity{}, StopGradient{},
		Relu{}, LeakyRelu{}, Elu{}, Selu{}, Gelu{}, Silu{}, HardSwish{}, Sigmoid{}, Tanh{}, Softplus{},
		ReluGrad{}, SigmoidGrad{}, TanhGrad{},
		Transpose{}, Flip{}, Reshape{}, Flatten{}, Expand{}, Concat{}, Slice{}, Pad{},
		ReduceSum{}, ReduceMean{}, ReduceMax{}, Extent{}, ArgMax{}, TopK{}, KSparse{},
		Conv{}, ConvTranspose{}, ConvFilterGrad{}, MaxPool{}, MaxPoolOf{}, MaxPoolGrad{}, AveragePool{}, AveragePoolGrad{},
		ConvLast{}, ConvTransposeLast{}, ConvFilterGradLast{}, SumParts{}, ConvBF16{}, ConvTransposeBF16{}, ConvFilterGradBF16{}, MaxPoolLast{}, MaxPoolGradLast{}, AveragePoolLast{}, AveragePoolGradLast{},
		MaxPoolWinnersLast{}, MaxPoolWinnersGradLast{},
		MatMul{}, Gemm{}, GemmRelu{}, GemmReluGrad{}, ReluGradSums{}, SquaredError{}, WeightedSquaredError{}, SoftplusSum{}, Panels{}, GemmPanels{}, GemmBF16{}, Tiles{}, Interleave{},
		Softmax{}, LogSoftmax{},
		LayerNorm{}, RMSNorm{}, NormGrad{}, NormSums{}, GroupNorm{}, InstanceNorm{}, GroupNormGrad{},
		BatchNorm{}, BatchNormTraining{}, BatchMoments{}, BatchApply{}, BatchNormSums{}, BatchNormGrad{}, FirstPart{},
		BatchApplyRelu{}, RowMoments{}, JoinMoments{}, RowDots{}, JoinDots{},
		OneHot{}, Gather{}, ScatterSum{}, Cast{},
		Bernoulli{}, RandomNormal{}, Sample{}, Dropout{}, ChannelDropout{}, MaskingNoise{}, GaussianNoise{}, SaltAndPepper{}, Reparameterize{}, Emphasis{},
		Lerp{}, Push{},
		Grad{},
	}
}

// byName finds the ops of All; a text asks for one at each node.
var byName = sync.OnceValue(func() map[string]ir.Op {
	named := map[string]ir.Op{}
	for _, op := range All() {
		named[op.Name()] = op
	}
	return named
})

// ByName returns the op of that name, its attributes zero.
func ByName(name string) (ir.Op, bool) {
	op, ok := byName()[name]
	return op, ok
}
