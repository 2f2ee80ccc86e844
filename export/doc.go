// Package onnxexport writes graphs as ONNX models: the default domain only, a
// symbolic batch, the names the user gave, the layer and line of each node in
// its doc_string, and the same bytes for the same graph on every machine.
//
// A file has inference only: what exists in training alone (dropout, stopped
// gradients) leaves no trace, and an op that makes sense in training alone is
// an error. Nodes and weights that no output needs are not written.
//
// README.md beside this file lists how each op is lowered.
package onnxexport
