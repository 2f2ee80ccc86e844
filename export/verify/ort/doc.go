// Package ort runs ONNX models on onnxruntime.
//
// It is the only package here that needs cgo. Without cgo, and on Windows, it still
// builds, and Runtime returns verify.ErrUnavailable.
//
// No onnxruntime file is needed to build. The shared library, version 1.24 or newer,
// is located at first use, in this order:
//
//  1. LAMINA_ONNXRUNTIME: the library file, its folder, an unpacked release, or a
//     Python environment. A relative path is resolved against the working directory
//     and then its parents, up to the module root. If the variable is set, nothing
//     else is tried, and a path that holds no library is an error: see ErrSetting.
//     The value "none" does without onnxruntime: see None.
//  2. .cache/python, as make deps fills it, in the module that holds the executable
//     or the working directory.
//  3. The system's library path.
//
// A model with a node that is known to crash the process is refused before the
// library sees it.
//
// Sessions use one thread each, all graph optimizations and the CPU provider, and
// onnxruntime prints nothing.
package ort
