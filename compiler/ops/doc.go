// Package ops says what operations mean: shape rule, reference evaluation in
// float64, gradient as graph, counterpart in ONNX. Making one fast is the
// engine's affair. README.md is the generated table of all of them.
//
// An op is a comparable struct. One file holds one family; the list is in
// ops.go. Axes count from 0 and are never negative. Float ops keep the dtype of
// their operands, which must be the same for all. Broadcasting is NumPy's; the
// batch N broadcasts with N or with a fixed 1 only.
//
// NaN propagates as IEEE 754 says: Relu, Max, Min, ReduceMax and Softmax of NaN
// are NaN.
package ops
