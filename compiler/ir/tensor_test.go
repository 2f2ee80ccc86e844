package ir_test

import (
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
)

func TestTensorRows(t *testing.T) {
	x := &ir.Tensor{DType: ir.I32, Shape: []int{3, 2}, Raw: make([]byte, 24)}
	for i := range 6 {
		x.SetInt(i, int64(i))
	}
	r := x.Rows(1, 3)
	if fmt.Sprint(r.Shape, r.At(0), r.At(3)) != "[2 2] 2 5" || r.Check() != nil {
		t.Errorf("rows 1 and 2 are %v", r)
	}
	if r.SetInt(0, 9); x.At(2) != 9 {
		t.Error("the memory is not shared")
	}
	if r = x.Rows(1, 1); r.Len() != 0 || fmt.Sprint(r.Shape) != "[0 2]" {
		t.Errorf("no rows are %v", r)
	}
}
