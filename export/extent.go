package onnxexport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// extent is an Extent in a file, where the rows of a run are all there are: each open
// length is a sum of as many ones, which float32 counts up to 2²⁴.
type extent struct{ ops.Extent }

// Decompose counts the elements.
func (e extent) Decompose(b *ir.Builder, _ []*ir.Value) []*ir.Value {
	known := 1.0
	var open []ir.Dim
	for _, d := range e.Of.Shape() {
		if n, ok := d.Known(); ok {
			known *= float64(n)
			continue
		}
		open = append(open, d)
	}
	one := b.Const(e.To, 1)
	count := b.Const(e.To, known)
	for i, d := range open {
		ones := b.Op(ops.ReduceSum{}, b.Op(ops.Expand{Shape: ir.MakeDims(ir.Shape{d})}, one))
		if i == 0 && known == 1 {
			count = ones
			continue
		}
		count = b.Op(ops.Mul{}, count, ones)
	}
	return []*ir.Value{count}
}
