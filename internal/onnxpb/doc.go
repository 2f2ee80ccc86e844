// Package onnxpb holds the wire types of the ONNX file format: ModelProto,
// GraphProto, NodeProto, TensorProto and what they are made of.
//
// onnx.proto3 is the file of that name of ONNX 1.22.0, unchanged;
// onnx.proto3.pb.go is generated from it and committed, so a build needs no
// protoc.
//
// What the generated code does not say:
//
//   - AttributeProto.Type is not derived from the field that is set; readers
//     reject an attribute without it.
//   - TensorProto.RawData is little-endian. An absent field decodes to nil, a
//     present but empty one to an empty slice. An empty slice is not written.
//   - Unmarshal copies every byte field and drops fields this schema does not
//     know, so a decoded model that is written again has lost them.
//   - Unmarshal has no limits, not even on nesting: bytes from outside go
//     through UnmarshalModel and UnmarshalTensor.
//
// The gogo registry that these types enter is separate from that of
// github.com/golang/protobuf, so another package may register the same proto
// names there.
//
// To regenerate: protoc 3.21 or newer, and
// go install github.com/gogo/protobuf/protoc-gen-gogofaster@v1.3.2.
package onnxpb

//go:generate protoc -I. --gogofaster_out=paths=source_relative,import_path=onnxpb,Monnx.proto3=github.com/lamina-ml/lamina/internal/onnxpb:. onnx.proto3
