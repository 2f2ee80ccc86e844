package ir_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

// TestTo holds conversions between all element types, two by two, against what
// NumPy makes of edge values.
func TestTo(t *testing.T) {
	table, err := opcase.Conversions("../../testdata/cast/cast.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range table {
		if d := c.Differs(c.From.To(c.To.DType)); d != "" {
			t.Error(d)
		}
	}
	if n := len(ir.DTypes()); len(table) != n*(n-1) {
		t.Errorf("%d pairs of types, there are %d", len(table), n*(n-1))
	}
}
