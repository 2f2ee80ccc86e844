package verify

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/twoway"
)

// bounding is x, with the bound of a test.
type bounding struct{ how string }

func (bounding) Name() string                                          { return "Bounding" }
func (bounding) Infer(in []ir.Type) ([]ir.Type, error)                 { return in[:1], nil }
func (bounding) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) { return in[:1], nil }

func (o bounding) Bound(c *ir.Call) ([]ir.Estimate, error) {
	v, err := c.Value()
	switch o.how {
	case "wide":
		return []ir.Estimate{{Value: v, Var: []float64{4, 4}}}, err
	case "no result":
		return nil, err
	case "nil":
		return []ir.Estimate{{}}, err
	case "shape":
		return []ir.Estimate{{Value: ir.NewTensor(ir.F64, 2)}}, err
	case "dtype":
		return []ir.Estimate{{Value: v.To(ir.F32)}}, err
	case "variances":
		return []ir.Estimate{{Value: v, Var: []float64{1}}}, err
	}
	return c.In, err // the operand's own memory
}

// TestOwnBound takes the bound that an op of another module states, and refuses one
// that is none.
func TestOwnBound(t *testing.T) {
	for how, want := range map[string]string{
		"wide": "", "operand": "", "no result": "gave 0 results for 1 values", "nil": "of another value", "shape": "of another value",
		"dtype": "of another value", "variances": "1 variances for 2 elements",
	} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
		h := b.Op(ops.Exp{}, x)
		y := b.Op(bounding{how}, h)
		b.Output(y)
		est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 2}, F32: []float32{0, 1}}})
		switch {
		case want != "":
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", how, err)
			}
		case err != nil:
			t.Errorf("%s: %v", how, err)
		case how == "wide" && est[y].Tolerance(0) != Sigmas*math.Sqrt(8):
			t.Errorf("a bound of its own gives the tolerance %v", est[y].Tolerance(0))
		case how == "operand" && (est[y].Tolerance(1) != est[h].Tolerance(1) || est[y].Value == est[h].Value):
			t.Error("an op that returns its operand shares it")
		}
	}
}

// TestOwnBoundOfTwo bounds an op of two results by its facet, and one that is taken
// apart: both know which half an error is in.
func TestOwnBoundOfTwo(t *testing.T) {
	for _, op := range []ir.Op{twoway.Halves{Axis: 1}, twoway.Slices{Axis: 1}} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
		h := b.Ops(op, b.Op(ops.Exp{}, b.Op(ops.Mul{}, x, x)))
		est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 2}, F32: []float32{0, 5}}})
		if err != nil {
			t.Fatal(err)
		}
		small, large := est[h[0]].Tolerance(0), est[h[1]].Tolerance(0)
		if !(small > 0 && small < 1e-5 && large > 1e3) {
			t.Errorf("%s: halves of 1 and e^25 have the tolerances %v and %v", op.Name(), small, large)
		}
	}
}
