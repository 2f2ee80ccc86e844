package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
)

// makeKernel returns a kernel and its name, or nil when it does not do this step.
type makeKernel func(b *binding) (kernel, string)

// maker returns the fast form of an op of Lamina, or nil. It goes by types, since an op
// of another module may have the name of one of ours. An op that is not here has a
// kernel of its own (see [Maker]) or is run by its reference meaning.
func maker(op ir.Op) makeKernel {
	switch op.(type) {
	case ops.Gemm, ops.GemmRelu, ops.GemmReluGrad, ops.MatMul:
		return gemm
	case ops.GemmPanels:
		return panelGemm
	case ops.GemmBF16:
		return bf16Gemm
	case ops.Tiles:
		return tilesKernel
	case ops.Panels:
		return panelsKernel
	case ops.Conv:
		return convKernel
	case ops.ConvTranspose:
		return convTransposeKernel
	case ops.ConvFilterGrad:
		return convFilterGradKernel
	case ops.MaxPool, ops.MaxPoolOf, ops.MaxPoolGrad, ops.AveragePool, ops.AveragePoolGrad:
		return poolKernel
	case ops.ConvLast:
		return convLastKernel
	case ops.ConvTransposeLast:
		return convTransposeLastKernel
	case ops.ConvFilterGradLast:
		return convFilterGradLastKernel
	case ops.ConvBF16:
		return convBF16Kernel
	case ops.ConvTransposeBF16:
		return convTransposeBF16Kernel
	case ops.ConvFilterGradBF16:
		return convFilterGradBF16Kernel
	case ops.SumParts:
		return sumPartsKernel
	case ops.MaxPoolLast, ops.MaxPoolGradLast, ops.AveragePoolLast, ops.AveragePoolGradLast:
		return poolLastKernel
	case ops.MaxPoolWinnersLast, ops.MaxPoolWinnersGradLast:
		return poolWinnersKernel
	case ops.ReluGradSums:
		return reluGradSumsKernel
	case ops.Flip:
		return flipKernel
	case ops.Interleave:
		return interleaveKernel
	case ops.SquaredError:
		return squaredErrorKernel
	case ops.WeightedSquaredError:
		return weightedSquaredErrorKernel
	case ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Pow, ops.Max, ops.Min, ops.ReluGrad, ops.SigmoidGrad, ops.TanhGrad:
		return binaryKernel
	case ops.Greater, ops.Less, ops.Equal:
		return compareKernel
	case ops.Where:
		return whereKernel
	case ops.Relu, ops.Sigmoid, ops.Tanh, ops.Exp, ops.Log, ops.Neg, ops.Abs, ops.Sign, ops.Sqrt, ops.Erf, ops.Reciprocal,
		ops.LeakyRelu, ops.Elu, ops.Selu, ops.Softplus, ops.Gelu, ops.HardSwish:
		return unaryKernel
	case ops.SoftplusSum:
		return softplusSumKernel
	case ops.ReduceSum, ops.ReduceMean:
		return reduceKernel
	case ops.ReduceMax:
		return reduceMaxKernel
	case ops.ArgMax:
		return argMaxKernel
	case plan.ContinueSum:
		return continueSumKernel
	case plan.RowSum:
		return rowSumKernel
	case plan.Total:
		return totalKernel
	case ops.Extent:
		return extentKernel
	case ops.Softmax, ops.LogSoftmax:
		return softmaxKernel
	case ops.LayerNorm, ops.RMSNorm:
		return normKernel
	case ops.NormGrad:
		return normGradKernel
	case ops.NormSums:
		return normSumsKernel
	case ops.GroupNorm, ops.InstanceNorm:
		return groupNormKernel
	case ops.GroupNormGrad:
		return groupNormGradKernel
	case ops.BatchMoments:
		return batchMomentsKernel
	case ops.BatchNorm, ops.BatchApply, ops.BatchApplyRelu:
		return batchNormKernel
	case ops.BatchNormSums:
		return batchNormSumsKernel
	case ops.BatchNormGrad:
		return batchNormGradKernel
	case ops.RowMoments:
		return rowMomentsKernel
	case ops.RowDots:
		return rowDotsKernel
	case ops.JoinMoments:
		return joinMomentsKernel
	case ops.JoinDots:
		return joinDotsKernel
	case ops.FirstPart:
		return firstPartKernel
	case ops.Expand:
		return expandKernel
	case ops.Transpose:
		return transposeKernel
	case ops.Concat:
		return concatKernel
	case ops.Slice:
		return sliceKernel
	case ops.Pad:
		return padKernel
	case plan.Assign:
		return copyKernel
	case ops.Lerp:
		return lerpKernel
	case ops.Push:
		return pushKernel
	case plan.StoreGrad:
		return storeGradKernel
	case ops.Bernoulli, ops.RandomNormal, ops.Sample, ops.MaskingNoise, ops.GaussianNoise, ops.SaltAndPepper:
		return randomKernel
	case ops.Cast:
		return castKernel
	case ops.OneHot:
		return oneHotKernel
	case ops.Gather:
		return gatherKernel
	case ops.ScatterSum:
		return scatterSumKernel
	case ops.TopK:
		return topKKernel
	case ops.KSparse:
		return kSparseKernel
	}
	return nil
}
