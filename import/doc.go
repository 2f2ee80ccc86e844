// Package onnximport reads ONNX files into graphs: files that package onnxexport
// wrote, and ordinary ones made of operators that Lamina's ops can express. Its
// folder is called import, so every importing file names the alias:
//
//	onnximport "github.com/lamina-ml/lamina/import"
//
// A file is assumed hostile until it passes every check, so the work is done in this
// order: check the size before decoding, decode under limits, check names and
// structure, let onnx-go read the topology of a slim copy without tensors and types,
// sort the nodes, and lower each by its row in the operator table. Operators that
// have no row, or are used in a form that cannot be expressed, are all reported at
// once, with their nodes.
//
// The importer shares only the wire types and the ops with the exporter, so a
// misunderstanding in one is not cancelled out by the same one in the other.
package onnximport
