// Package ort runs ONNX models on onnxruntime.
//
// It is the one package here that needs cgo. Without cgo, and on Windows, it
// still builds, and Runtime answers with verify.ErrUnavailable.
//
// No onnxruntime file is needed to build. The shared library, 1.24 or newer,
// is looked up at first use:
//
//  1. LAMINA_ONNXRUNTIME, a file, or a folder: the library's own, an unpacked
//     release, or a Python environment. A relative path counts from the working
//     directory, or from one above it up to the module's. If set, nothing else is
//     tried, and what is none is an error: see ErrSetting. None does without.
//  2. .cache/python, as make deps fills it, of the module that holds the
//     executable or the working directory.
//  3. The system's library path.
//
// A model with a node that is known to end the process is refused before the library
// sees it.
//
// Sessions use one thread each, all graph optimizations and the CPU provider,
// and onnxruntime prints nothing.
package ort
