package ops

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// one wraps the only result of an evaluation.
func one(t *ir.Tensor) ([]*ir.Tensor, error) { return []*ir.Tensor{t}, nil }

// apply evaluates a unary float op.
func apply(in []*ir.Tensor, f func(x float64) float64) ([]*ir.Tensor, error) {
	out := ir.NewTensor(ir.F64, in[0].Shape...)
	for i, x := range in[0].F64 {
		out.F64[i] = f(x)
	}
	return one(out)
}

// apply2 evaluates a binary float op with broadcasting.
func apply2(in []*ir.Tensor, f func(a, b float64) float64) ([]*ir.Tensor, error) {
	shape := broadcastLengths(in)
	out := ir.NewTensor(ir.F64, shape...)
	ia, ib := broadcastIndex(in[0].Shape, shape), broadcastIndex(in[1].Shape, shape)
	for i := range out.F64 {
		out.F64[i] = f(in[0].F64[ia[i]], in[1].F64[ib[i]])
	}
	return one(out)
}

// applyInts evaluates a unary op on numbers: f on floats, g on integers, of which
// the low bits are kept.
func applyInts(in []*ir.Tensor, f func(x float64) float64, g func(x int64) int64) ([]*ir.Tensor, error) {
	if in[0].DType.Float() {
		return apply(in, f)
	}
	out := ir.NewTensor(in[0].DType, in[0].Shape...)
	for i := range out.Len() {
		out.SetInt(i, g(in[0].Int(i)))
	}
	return one(out)
}

// applyInts2 is applyInts for two operands with broadcasting.
func applyInts2(in []*ir.Tensor, f func(a, b float64) float64, g func(a, b int64) int64) ([]*ir.Tensor, error) {
	if in[0].DType.Float() {
		return apply2(in, f)
	}
	shape := broadcastLengths(in)
	out := ir.NewTensor(in[0].DType, shape...)
	ia, ib := broadcastIndex(in[0].Shape, shape), broadcastIndex(in[1].Shape, shape)
	for i := range ia {
		out.SetInt(i, g(in[0].Int(ia[i]), in[1].Int(ib[i])))
	}
	return one(out)
}

// broadcastLengths returns the shape of an elementwise result.
func broadcastLengths(in []*ir.Tensor) []int {
	rank := 0
	for _, t := range in {
		rank = max(rank, len(t.Shape))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
		for _, t := range in {
			if k := i - (rank - len(t.Shape)); k >= 0 && t.Shape[k] != 1 {
				out[i] = t.Shape[k]
			}
		}
	}
	return out
}

// strides returns the elements between neighbours of each axis.
func strides(shape []int) []int {
	st := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		st[i] = n
		n *= shape[i]
	}
	return st
}

// walk returns for each element of shape, in row-major order, the sum of its
// coordinates times the strides.
func walk(shape, stride []int) []int {
	idx := []int{0}
	for a, n := range shape {
		next := make([]int, 0, len(idx)*n)
		for _, base := range idx {
			for j := range n {
				next = append(next, base+j*stride[a])
			}
		}
		idx = next
	}
	return idx
}

// broadcastIndex returns for each element of shape the element of an operand of
// shape from that it reads.
func broadcastIndex(from, shape []int) []int {
	st := make([]int, len(shape))
	own := strides(from)
	for i := range from {
		if from[i] != 1 {
			st[len(shape)-len(from)+i] = own[i]
		}
	}
	return walk(shape, st)
}

// put copies an element between tensors of one dtype.
func put(dst *ir.Tensor, i int, src *ir.Tensor, j int) {
	switch dst.DType {
	case ir.F64:
		dst.F64[i] = src.F64[j]
	case ir.F32:
		dst.F32[i] = src.F32[j]
	case ir.I64:
		dst.I64[i] = src.I64[j]
	case ir.Bool:
		dst.Bool[i] = src.Bool[j]
	default:
		k := dst.DType.Size()
		copy(dst.Raw[i*k:(i+1)*k], src.Raw[j*k:])
	}
}

// rankOf returns an integer element as one of int64 in the same order.
func rankOf(t *ir.Tensor, i int) int64 {
	if t.DType == ir.U64 {
		return t.Int(i) ^ math.MinInt64
	}
	return t.Int(i)
}

// gather returns a tensor of that shape whose element i is element idx[i] of t.
func gather(t *ir.Tensor, shape, idx []int) *ir.Tensor {
	out := ir.NewTensor(t.DType, shape...)
	for i, j := range idx {
		put(out, i, t, j)
	}
	return out
}

// reshaped returns a copy of t in another shape.
func reshaped(t *ir.Tensor, shape []int) *ir.Tensor {
	out := t.Clone()
	out.Shape = append([]int{}, shape...)
	return out
}
