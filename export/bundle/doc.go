// Package bundle writes and checks what ships: a folder with the model, rows to
// replay on any ONNX test runner, every layer's output for some rows, and the
// record of how the model was verified and trained. A bundle is only written after
// the exported model has been executed and its results compared.
//
// README.md beside this file lists the files.
package bundle
