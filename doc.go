// Package lamina is the root of a compiler and trainer for encoders: models are
// declared with package spec, trained natively on the CPU by package
// runtime/train, exported to ONNX, and the exported file is proven on
// onnxruntime by package export/bundle. It holds no code of its own.
package lamina
