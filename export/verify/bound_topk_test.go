package verify

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// TestTopKBound computes ranks as a k-sparse code does: an element is open where one
// as near as the errors could take its place across the border, and nowhere else.
func TestTopKBound(t *testing.T) {
	for k, want := range map[int]string{
		2: "[false true true false false false]", // one of the two in the middle is kept
		5: "[false false false false false false]",
	} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(6)))
		y := b.Op(ops.Exp{}, x) // rounded, so it has a variance
		order := b.Op(ops.TopK{K: 6, Axis: 1, Largest: true}, y)
		rank := b.Op(ops.Cast{To: ir.F32}, b.Op(ops.TopK{K: 6, Axis: 1}, order))
		kept := b.Op(ops.Less{}, rank, b.Const(ir.F32, float64(k)-0.5))
		code := b.Op(ops.Where{}, kept, y, b.Const(ir.F32, 0))
		whole := b.Op(ops.KSparse{K: k}, y, y)
		est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{
			"x": {DType: ir.F32, Shape: []int{1, 6}, F32: []float32{3, 2, 2, 1, 0, -1}}})
		if err != nil {
			t.Fatal(err)
		}
		var open []bool
		for i := range 6 {
			if got := est[whole].Tolerance(i); got != est[code].Tolerance(i) {
				t.Errorf("k %d: the tolerance of element %d is %v as one op, %v as its parts", k, i, got, est[code].Tolerance(i))
			}
			open = append(open, math.IsInf(est[kept].At(i), 1))
			if wide := est[code].Tolerance(i) > 1e-3; wide != open[i] {
				t.Errorf("k %d: the tolerance of element %d is %v", k, i, est[code].Tolerance(i))
			}
		}
		if fmt.Sprint(open) != want {
			t.Errorf("k %d: open at %v, want %s", k, open, want)
		}
	}
}
