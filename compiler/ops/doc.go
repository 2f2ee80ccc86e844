// Package ops defines what operations mean: the shape rule, a reference evaluation
// in float64, the gradient as a graph, and the ONNX counterpart. Making an op fast
// is the engine's job. README.md is the generated table of all ops.
//
// An op is a comparable struct. Each file holds one family; ops.go has the list.
// Axes count from 0 and are never negative. Float ops keep the dtype of their
// operands, which must all have the same one. Broadcasting is NumPy's, except that
// the batch N broadcasts only with N or with a fixed 1.
//
// NaN propagates as IEEE 754 specifies: Relu, Max, Min, ReduceMax and Softmax of
// NaN are NaN.
package ops
