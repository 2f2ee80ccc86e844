package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

func matrix(r *rand.Rand, rows, cols int) *ir.Tensor {
	t := ir.NewTensor(ir.F32, rows, cols)
	for i := range t.F32 {
		t.F32[i] = float32(2*r.Float64() - 1)
	}
	return t
}

// TestProductBound sums products in float32 in several orders and holds the
// errors against the variance: none may pass six sigma, and they may not all be
// far inside it either.
func TestProductBound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, k := range []int{1, 8, 100, 784} {
		b := ir.NewBuilder("g")
		x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(k)))
		w := b.Param("w", ir.T(ir.F32, ir.Fixed(k), ir.Fixed(40)))
		y := b.Op(ops.MatMul{}, x, w)
		b.Output(y)
		xs, ws := matrix(r, 8, k), matrix(r, k, 40)
		est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(8), UpdateRows: 8}, map[string]*ir.Tensor{"x": xs, "w": ws})
		if err != nil {
			t.Fatal(err)
		}
		e := est[y]
		var square float64
		for trial := range 4 {
			for i := range 8 {
				for j := range 40 {
					order := r.Perm(k)
					var lanes [4]float32
					for _, p := range order {
						l := 0
						if trial%2 == 1 {
							l = p % 4
						}
						lanes[l] += xs.F32[i*k+p] * ws.F32[p*40+j]
					}
					got := float64(lanes[0] + lanes[1] + (lanes[2] + lanes[3]))
					d := (got - e.Value.F64[i*40+j]) / math.Sqrt(e.Var[i*40+j])
					square += d * d / (4 * 8 * 40)
					if math.Abs(d) > Sigmas {
						t.Errorf("k %d: an error of %.1f sigma", k, d)
					}
				}
			}
		}
		if rms := math.Sqrt(square); rms < 0.1 || rms > 1 {
			t.Errorf("k %d: errors come to %.2f sigma, the bound is too wide or too narrow", k, rms)
		}
	}
}

func TestCompare(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	est := func(v float64, n int) Estimate {
		e := Estimate{Value: ir.NewTensor(ir.F64, n), Var: make([]float64, n)}
		for i := range e.Var {
			e.Var[i] = v
		}
		return e
	}
	sigma := 1e-3
	for name, c := range map[string]struct {
		got, want []float64
		variance  float64
		bad       int
	}{
		"equal":                {[]float64{1, 2}, []float64{1, 2}, 0, 0},
		"within":               {[]float64{1, 2 + 5*sigma}, []float64{1, 2}, sigma * sigma, 0},
		"outside":              {[]float64{1, 2 + 9*sigma}, []float64{1, 2}, sigma * sigma, 1},
		"NaN meets NaN":        {[]float64{nan, 2}, []float64{nan, 2}, 0, 0},
		"NaN for a number":     {[]float64{nan, 2}, []float64{1, 2}, 1, 1},
		"number for NaN":       {[]float64{1, 2}, []float64{nan, 2}, 1, 1},
		"infinity meets it":    {[]float64{inf, -inf}, []float64{inf, -inf}, 0, 0},
		"other infinity":       {[]float64{inf, 1}, []float64{-inf, 1}, 1, 1},
		"infinity for numbers": {[]float64{inf, -inf}, []float64{3e38, -3e38}, 1, 2},
		"NaN elsewhere":        {[]float64{nan, 1}, []float64{1, nan}, 1, 2},
		"open":                 {[]float64{nan, 7}, []float64{1, inf}, inf, 0},
		"zeros of both signs":  {[]float64{0, math.Copysign(0, -1)}, []float64{math.Copysign(0, -1), 0}, 0, 0},
	} {
		got := (&ir.Tensor{DType: ir.F64, Shape: []int{len(c.got)}, F64: c.got}).To(ir.F32)
		want := (&ir.Tensor{DType: ir.F64, Shape: []int{len(c.want)}, F64: c.want}).To(ir.F32)
		if d := Compare(got, want, est(c.variance, len(c.want))); d.Bad != c.bad {
			t.Errorf("%s: %+v", name, d)
		}
	}
	x := &ir.Tensor{DType: ir.F32, Shape: []int{2, 3}, F32: []float32{0, 1, 2, 3, 4, 5}}
	y := x.Clone()
	y.F32[4], y.F32[1] = 4.5, 1.25
	d := Compare(y, x, est(0, 6))
	if d.Row != 1 || d.Element != 1 || d.WorstAbs != 0.5 || d.Bad != 2 || !strings.Contains(d.First, "row 1, element 1: 4.5 instead of 4") {
		t.Errorf("%+v", d)
	}
	if d := Compare(x, x.To(ir.F64), est(0, 6)); d.Bad == 0 {
		t.Error("another dtype passes")
	}
	if d := Compare(nil, x, est(0, 6)); d.Bad == 0 {
		t.Error("a missing output passes")
	}
	i := &ir.Tensor{DType: ir.I64, Shape: []int{2}, I64: []int64{1, 1 << 60}}
	j := &ir.Tensor{DType: ir.I64, Shape: []int{2}, I64: []int64{1, 1<<60 + 1}}
	if d := Compare(i, j, est(1, 2)); d.Bad != 1 {
		t.Errorf("integers: %+v", d)
	}
}

// TestOpenElements states where the bound lets rounding decide.
func TestOpenElements(t *testing.T) {
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	y := b.Op(ops.Exp{}, x) // rounded, so it has a variance
	less := b.Op(ops.Less{}, y, b.Const(ir.F32, 1))
	best := b.Op(ops.ArgMax{Axis: 1}, y)
	big := b.Op(ops.Mul{}, b.Op(ops.Mul{}, x, b.Const(ir.F32, 1e30)), b.Const(ir.F32, 1e30))
	est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, map[string]*ir.Tensor{
		"x": {DType: ir.F32, Shape: []int{2, 3}, F32: []float32{0, 1, -1, 2, 2, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	var open []bool
	for i := range 6 {
		open = append(open, math.IsInf(est[less].At(i), 1))
	}
	if fmt.Sprint(open) != "[true false false false false false]" {
		t.Errorf("exp(x) < 1 is open at %v", open)
	}
	if e := est[best]; e.At(0) != 0 || !math.IsInf(e.At(1), 1) {
		t.Errorf("argmax: %v", e.Var)
	}
	if v := est[big].Value.F64; v[0] != 0 || !math.IsInf(v[1], 1) || !math.IsInf(v[2], -1) {
		t.Errorf("overflow: %v", v)
	}
}

// TestTrial bounds an op that has no rule.
func TestTrial(t *testing.T) {
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	y := b.Op(ops.SigmoidGrad{}, x, b.Op(ops.Sigmoid{}, x))
	est, err := Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, map[string]*ir.Tensor{
		"x": {DType: ir.F32, Shape: []int{1, 3}, F32: []float32{0.5, 1, -1}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if s := math.Sqrt(est[y].At(i)); s < 0x1p-26 || s > 0x1p-18 {
			t.Errorf("element %d has sigma %g", i, s)
		}
	}
}

func TestMistakes(t *testing.T) {
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	b.Output(b.Op(ops.Relu{}, x))
	set := func(t *ir.Tensor) []Set { return []Set{{Name: "s", Rows: 2, In: map[string]*ir.Tensor{"x": t}}} }
	for name, c := range map[string]struct {
		s    Subject
		want string
	}{
		"no graph":  {Subject{}, "no graph"},
		"no model":  {Subject{Graph: b.Graph}, "no model"},
		"no input":  {Subject{Graph: b.Graph, Model: []byte{1}, Sets: []Set{{Name: "s", Rows: 2}}}, `no input "x" (f32[N 3]); it has none`},
		"width":     {Subject{Graph: b.Graph, Model: []byte{1}, Sets: set(ir.NewTensor(ir.F32, 2, 4))}, "is f32[2 3], got f32[2 4]"},
		"dtype":     {Subject{Graph: b.Graph, Model: []byte{1}, Sets: set(ir.NewTensor(ir.F64, 2, 3))}, "got f64[2 3]"},
		"no row":    {Subject{Graph: b.Graph, Model: []byte{1}, Sets: []Set{{Name: "s"}}}, "has 0 rows"},
		"no engine": {Subject{Graph: b.Graph, Model: []byte{1}}, "runtime is not available"},
	} {
		if _, err := Verify(context.Background(), c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Verify(context.Background(), Subject{Graph: b.Graph, Model: []byte{1}})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}
