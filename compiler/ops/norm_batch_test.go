package ops_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestBatchNormOfRows: statistics are of the rows of the update, so several rows for each of
// them, or none, are refused, and not counted as if there was one.
func TestBatchNormOfRows(t *testing.T) {
	twice, _ := ir.Mul(ir.Fixed(2), ir.Rows())
	for _, first := range []ir.Dim{ir.Rows(), twice, ir.Fixed(8)} {
		_, err := ops.BatchMoments{Axis: 1}.Infer([]ir.Type{ir.T(ir.F32, first, ir.Fixed(3))})
		if ok := first == ir.Rows(); ok != (err == nil) || !ok && !strings.Contains(err.Error(), "a row for each row of the update") {
			t.Errorf("%v rows: %v", first, err)
		}
	}
}
