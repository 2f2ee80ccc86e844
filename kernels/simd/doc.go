// Package simd holds the float32 kernels of the engine: matrix product, elementwise functions, reductions, optimizers.
package simd

//go:generate go run ./gen
