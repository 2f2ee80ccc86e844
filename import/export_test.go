package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// DecodeTensor decodes a tensor of a test set.
func DecodeTensor(p *onnxpb.TensorProto) (*ir.Tensor, error) {
	return (&importer{limits: Limits{}.withDefaults()}).tensor(p)
}
