// Package bundle writes and checks what ships: a folder with the model, rows to
// replay on any ONNX test runner, every layer's output for some rows, and the
// record of how it was verified and trained. An export that was not executed and
// compared is not a bundle.
//
// README.md beside this file lists the files.
package bundle
