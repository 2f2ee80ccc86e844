// Package onnximport reads ONNX files into graphs: those that package
// onnxexport writes, and ordinary ones made of operators that Lamina's ops can
// express. Its folder is called import, so every use names the alias:
//
//	onnximport "github.com/lamina-ml/lamina/import"
//
// A file is hostile until shown otherwise. The order of work is therefore: weigh
// the bytes before they are decoded, decode them under limits, check names and
// structure, let onnx-go read the topology of a slim copy without tensors and
// types, sort the nodes, and lower each by its row in the operator table. Every
// operator that has no row, or is used in a form that cannot be expressed, is
// reported at once, with its nodes.
//
// Nothing here is shared with the exporter but the wire types and the ops, so
// that a misunderstanding in one does not cancel itself out in the other.
package onnximport
