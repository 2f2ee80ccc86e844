package engine

// makeKernel returns a kernel and its name, or nil when it does not do this step.
type makeKernel func(b *binding) (kernel, string)

// maker returns the fast form of an op, or nil. An op that is not here is run by
// its reference meaning.
func maker(op string) makeKernel {
	switch op {
	case "Gemm", "GemmRelu", "GemmReluGrad", "MatMul":
		return gemm
	case "SquaredError":
		return squaredErrorKernel
	case "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "ReluGrad", "SigmoidGrad", "TanhGrad":
		return binaryKernel
	case "Greater", "Less", "Equal":
		return compareKernel
	case "Where":
		return whereKernel
	case "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Neg", "Abs", "Sign", "Sqrt", "Erf", "Reciprocal",
		"LeakyRelu", "Elu", "Selu", "Softplus", "Gelu":
		return unaryKernel
	case "SoftplusSum":
		return softplusSumKernel
	case "ReduceSum", "ReduceMean":
		return reduceKernel
	case "ReduceMax":
		return reduceMaxKernel
	case "ArgMax":
		return argMaxKernel
	case "ContinueSum":
		return continueSumKernel
	case "RowSum":
		return rowSumKernel
	case "Total":
		return totalKernel
	case "Extent":
		return extentKernel
	case "Softmax", "LogSoftmax":
		return softmaxKernel
	case "Expand":
		return expandKernel
	case "Transpose":
		return transposeKernel
	case "Concat":
		return concatKernel
	case "Slice":
		return sliceKernel
	case "Pad":
		return padKernel
	case "Identity", "StopGradient", "Reshape", "Flatten", "Assign":
		return copyKernel
	case "Lerp":
		return lerpKernel
	case "Push":
		return pushKernel
	case "StoreGrad":
		return storeGradKernel
	case "Bernoulli", "RandomNormal", "Sample", "MaskingNoise", "GaussianNoise", "SaltAndPepper":
		return randomKernel
	case "Cast":
		return castKernel
	case "OneHot":
		return oneHotKernel
	case "TopK":
		return topKKernel
	}
	return nil
}
