// Package onnxexport writes graphs as ONNX models. A file uses the default domain
// only, has a symbolic batch, keeps the names the user gave, and records the layer
// and line of each node in its doc_string. The same graph gives the same bytes on
// every machine.
//
// A file holds inference only. What exists only in training (dropout, stopped
// gradients) leaves no trace, and an op that makes sense only in training is an
// error. Nodes and weights that no output needs are not written.
//
// README.md beside this file lists how each op is lowered.
package onnxexport
