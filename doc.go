// Package lamina is the root of a compiler and trainer for encoders. Models are
// declared with package spec, trained natively on the CPU by package runtime/train
// and exported to ONNX; package export/bundle proves the exported file on
// onnxruntime. This package holds no code of its own.
package lamina
