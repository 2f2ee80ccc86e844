package engine_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// netOf compiles a graph that has no parameters.
func netOf(t *testing.T, b *ir.Builder) *engine.Net {
	t.Helper()
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// Run converts floats to the type of the input, which the graph says, and to no
// other.
func TestNetFloats(t *testing.T) {
	doubles := &ir.Tensor{DType: ir.F64, Shape: []int{5, 2}, F64: []float64{1e8 + .125, 1, 2, 3, 4, 5, 6, 7, 8, -1e8 - .25}}
	for _, d := range []ir.DType{ir.F64, ir.F32} {
		b := ir.NewBuilder("shift")
		x := b.Input("x", ir.T(d, ir.Rows(), ir.Fixed(2)))
		b.Output(b.Op(ops.Sub{}, x, b.Const(d, 1e8)))
		net := netOf(t, b)
		name := b.Graph.Outputs[0].Name
		for _, in := range []*ir.Tensor{doubles, doubles.To(ir.F32)} {
			out, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": in})
			if err != nil {
				t.Fatalf("%v for %v: %v", in.DType, d, err)
			}
			want := ir.NewTensor(d, 5, 2)
			for i := range doubles.Len() {
				v := in.To(d).At(i) - 1e8
				if d == ir.F64 {
					want.F64[i] = v
				} else {
					want.F32[i] = float32(v)
				}
			}
			if y := out[name]; y.DType != d || !slices.Equal(y.F64, want.F64) || !slices.Equal(y.F32, want.F32) {
				t.Errorf("%v for %v: got %v %v %v", in.DType, d, y.Type(), y.F64, y.F32)
			}
		}
	}
	b := ir.NewBuilder("same")
	b.Output(b.Op(ops.Neg{}, b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))))
	net := netOf(t, b)
	if _, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F64, Shape: []int{1, 2}, F64: []float64{math.Inf(1), 1e300}}}); err == nil || !strings.Contains(err.Error(), `input "x": element 1 is 1e+300, which is too large for f32`) {
		t.Errorf("got %v", err)
	}
	if _, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F64, Shape: []int{1, 2}, F64: []float64{1}}}); err == nil {
		t.Error("a tensor of too few elements ran")
	}
}

// An output may have the batch of an input whose elements nothing reads.
func TestNetRowsOfWhatIsNotRead(t *testing.T) {
	b := ir.NewBuilder("ones")
	b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	b.Output(b.Op(ops.Expand{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(3)})}, b.Const(ir.F32, 1)))
	net := netOf(t, b)
	out, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 9, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if y := out[b.Graph.Outputs[0].Name]; y.Len() != 27 || y.F32[26] != 1 {
		t.Errorf("got %v %v", y.Type(), y.F32)
	}
}
