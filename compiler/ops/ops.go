package ops

import "github.com/lamina-ml/lamina/compiler/ir"

// All returns one op of each kind, its attributes zero, in the order of the
// families.
func All() []ir.Op {
	return []ir.Op{
		Add{}, Sub{}, Mul{}, Div{}, Pow{}, Max{}, Min{},
		Greater{}, Less{}, Equal{}, Where{},
		Neg{}, Abs{}, Sign{}, Sqrt{}, Exp{}, Log{}, Erf{}, Reciprocal{},
		Identity{}, StopGradient{},
		Relu{}, LeakyRelu{}, Elu{}, Selu{}, Gelu{}, Sigmoid{}, Tanh{}, Softplus{},
		ReluGrad{}, SigmoidGrad{}, TanhGrad{},
		Transpose{}, Reshape{}, Flatten{}, Expand{}, Concat{}, Slice{}, Pad{},
		ReduceSum{}, ReduceMean{}, ReduceMax{}, Extent{}, ArgMax{}, TopK{},
		MatMul{}, Gemm{}, GemmRelu{}, GemmReluGrad{}, SquaredError{}, SoftplusSum{},
		Softmax{}, LogSoftmax{},
		OneHot{}, Cast{},
		Bernoulli{}, RandomNormal{}, Sample{}, Dropout{}, MaskingNoise{}, GaussianNoise{}, SaltAndPepper{}, Reparameterize{}, Emphasis{},
		Lerp{}, Push{},
	}
}

// ByName returns the op of that name, its attributes zero.
func ByName(name string) (ir.Op, bool) {
	for _, op := range All() {
		if op.Name() == name {
			return op, true
		}
	}
	return nil, false
}
