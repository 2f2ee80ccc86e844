package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestColumnErrors holds the parts of an error to their definitions: a missing number and what is certain add nothing.
func TestColumnErrors(t *testing.T) {
	nan := math.NaN()
	in := map[string]*ir.Tensor{"y": f64([]int{2, 3}, 1, 2, 3, 4, 5, 6), "x": f64([]int{2, 3}, 3, nan, 3, nan, 4, 8),
		"z": f64([]int{2, 8}, 0, 0, 0, 1, 1, 1, 1, 1, 0, 900, 0, 0, 0, 900, 0, 0),
		"k": {DType: ir.I64, Shape: []int{2, 2}, I64: []int64{2, 0, 1, 3}}}
	x := spec.Input("x", 3).Optional()
	sameNumbers(t, "numbers", evaluated(t, spec.ColumnErrors(spec.Input("y", 3), x), in), 4, 0, 0, 0, 1, 4)
	sameNumbers(t, "ids", evaluated(t, spec.CategoryErrors(spec.Input("z", 8), spec.Categories("k", 3, 5), 3, 5), in), math.Log(3), math.Log(5), 0, 900)
	sameNumbers(t, "one column", evaluated(t, spec.CategoryErrors(spec.Input("w", 2), spec.Categories("j", 2), 2),
		map[string]*ir.Tensor{"w": f64([]int{1, 2}, 5, 5), "j": {DType: ir.I64, Shape: []int{1, 1}, I64: []int64{1}}}), math.Log(2))
	for want, v := range map[string]*spec.Value{
		"prediction and target must be f32 of the same shape, got f32[N 2] and f32[N 3]": spec.ColumnErrors(spec.Input("y", 2), spec.Input("x", 3)),
		"logits must be f32[N 8], one for each id of every column, got f32[N 7]":         spec.CategoryErrors(spec.Input("z", 7), spec.Categories("k", 3, 5), 3, 5),
		"the number of ids of each column is needed, got none":                           spec.CategoryErrors(spec.Input("z", 7), spec.Categories("k", 3, 5)),
		`column 1 of input "k" has ids below 5, but here they are below 4`:               spec.CategoryErrors(spec.Input("z", 7), spec.Categories("k", 3, 5), 3, 4),
	} {
		if err := v.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "surprise_test.go:") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
