package ops_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// list returns n numbers from least on, fewer than count of them, or no list.
func (r draw) list(n, least, count int) ir.Axes {
	a := ir.Axes{Len: n}
	for i := range n {
		a.At[i] = least + r.IntN(count)
	}
	if r.IntN(3) == 0 {
		return ir.Axes{}
	}
	return a
}

// convolution returns a convolution of any strides, dilations, pads and groups, and
// operands that mostly fit, nil for another op.
func (r draw) convolution(kind ir.Op) (ir.Op, []ir.Type) {
	n := 1 + r.IntN(2)
	strides, dilations, pads := r.list(n, 1, 3), r.list(n, 1, 2), r.list(2*n, 0, 3)
	group := 1 + r.IntN(2)
	c, o := group*(1+r.IntN(2)), group*(1+r.IntN(2))
	d := []ir.DType{ir.F32, ir.F32, ir.F64}[r.IntN(3)]
	lengths := func(first ...int) ir.Shape {
		s := ir.ShapeOf(first...)
		for range n {
			s = append(s, ir.Fixed(1+r.IntN(5)))
		}
		return s
	}
	of := func(s ir.Shape) ir.Type { return ir.Type{DType: d, Shape: s} }
	rows := func(channels int) ir.Type { return of(append(ir.Shape{ir.Rows()}, lengths(channels)...)) }
	bias := func(in []ir.Type, channels int) []ir.Type {
		if r.IntN(2) == 0 {
			in = append(in, of(ir.ShapeOf(channels)))
		}
		return in
	}
	switch kind.(type) {
	case ops.Conv:
		return ops.Conv{Strides: strides, Dilations: dilations, Pads: pads, Group: group}, bias([]ir.Type{rows(c), of(lengths(o, c/group))}, o)
	case ops.ConvTranspose:
		op := ops.ConvTranspose{Strides: strides, Dilations: dilations, Pads: pads, OutputPadding: r.list(n, 0, 2), Group: group}
		return op, bias([]ir.Type{rows(o), of(lengths(o, c/group))}, c)
	case ops.AveragePool, ops.AveragePoolGrad:
		pool := ops.AveragePool{Kernel: ir.Axes{Len: n}, Strides: strides, Pads: r.list(2*n, 0, 2), CountPads: r.IntN(2) == 0}
		x := rows(c)
		for i := range n {
			pool.Kernel.At[i] = 1 + r.IntN(3)
		}
		if _, grad := kind.(ops.AveragePoolGrad); !grad {
			return pool, []ir.Type{x}
		}
		y, err := pool.Infer([]ir.Type{x})
		if err != nil {
			y = []ir.Type{x}
		}
		lengths, _ := x.Shape[2:].Fixed()
		return ops.AveragePoolGrad{Lengths: ir.MakeAxes(lengths...), Kernel: pool.Kernel, Strides: strides, Pads: pool.Pads, CountPads: pool.CountPads}, y
	case ops.MaxPool, ops.MaxPoolOf, ops.MaxPoolGrad:
		pool := ops.MaxPool{Kernel: ir.Axes{Len: n}, Strides: strides, Dilations: dilations, Pads: r.list(2*n, 0, 2)}
		for i := range n {
			pool.Kernel.At[i] = 1 + r.IntN(3)
		}
		x := rows(c)
		switch kind.(type) {
		case ops.MaxPoolOf:
			return ops.MaxPoolOf(pool), []ir.Type{x, x}
		case ops.MaxPoolGrad:
			y, err := pool.Infer([]ir.Type{x})
			if err != nil {
				y = []ir.Type{x}
			}
			return ops.MaxPoolGrad(pool), []ir.Type{x, y[0]}
		}
		return pool, []ir.Type{x}
	case ops.ConvFilterGrad:
		op := ops.Conv{Strides: strides, Dilations: dilations, Pads: pads, Group: group}
		x, w := rows(c), of(lengths(o, c/group))
		y, err := op.Infer([]ir.Type{x, w})
		if err != nil {
			y = []ir.Type{x}
		}
		k, _ := w.Shape[2:].Fixed()
		return ops.ConvFilterGrad{Kernel: ir.MakeAxes(k...), Strides: strides, Dilations: dilations, Pads: pads, Group: group}, []ir.Type{x, y[0]}
	}
	return nil, nil
}

// TestConvGradients holds the gradients of convolutions, and of these, to central
// differences over a grid of strides, pads, dilations, groups and odd sizes.
func TestConvGradients(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(21, 22))}
	checked := 0
	for stride := 1; stride <= 3; stride++ {
		for dilation := 1; dilation <= 2; dilation++ {
			for _, pads := range [][]int{{0, 0, 0, 0}, {1, 0, 2, 1}, {2, 2, 2, 2}} {
				for _, group := range []int{1, 2, 4} {
					op := ops.Conv{Strides: ir.MakeAxes(stride, 3-stride/2), Dilations: ir.MakeAxes(dilation, 1), Pads: ir.MakeAxes(pads...), Group: group}
					types := parseTypes(t, fmt.Sprintf("f32[N 4 7 5] f32[4 %d 3 2] f32[4]", 4/group))
					checkGradient(t, r, op, types, "", 2)
					y, err := op.Infer(types[:2])
					if err != nil {
						t.Fatal(err)
					}
					checkGradient(t, r, ops.ConvFilterGrad{Kernel: ir.MakeAxes(3, 2), Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, Group: group}, []ir.Type{types[0], y[0]}, "", 2)
					for extra := range stride {
						checkGradient(t, r, ops.ConvTranspose{Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads, OutputPadding: ir.MakeAxes(extra, 0), Group: group},
							parseTypes(t, fmt.Sprintf("f32[N 4 5 4] f32[4 %d 3 2] f32[%d]", 4/group, 4)), "", 1)
						checked++
					}
				}
			}
		}
	}
	if checked != 108 {
		t.Errorf("%d transposed convolutions were checked, want 108", checked)
	}
}

// TestPoolLimits has windows far longer than what they see, which cost no more than that, and
// some that see too much to be listed or written.
func TestPoolLimits(t *testing.T) {
	long := 1 << 24
	x := ir.NewTensor(ir.F64, 1, 1, 3)
	copy(x.F64, []float64{2, 7, 1})
	for _, op := range []ir.Op{
		ops.MaxPool{Kernel: ir.MakeAxes(long), Pads: ir.MakeAxes(long/2, long/2)},
		ops.MaxPool{Kernel: ir.MakeAxes(2), Dilations: ir.MakeAxes(long / 2), Pads: ir.MakeAxes(long/2, 0)},
	} {
		y, err := ir.EvalOp(&ir.Env{Binding: ir.RowsOf(1)}, op, []ir.Type{ir.T(ir.F64, ir.Fixed(1), ir.Fixed(1), ir.Fixed(3))}, []*ir.Tensor{x})
		if err != nil || y[0].F64[0] != 7 && y[0].F64[0] != 2 {
			t.Errorf("%s: %v, %v", ir.FormatOp(op), y, err)
		}
	}
	image := parseTypes(t, "f32[N 1 4096 4096]")
	_, err := ops.AveragePool{Kernel: ir.MakeAxes(99, 99)}.Infer(image)
	if err == nil || !strings.Contains(err.Error(), "more than 67108864 elements of a channel are seen") {
		t.Errorf("got %v", err)
	}
	_, err = ops.MaxPool{Kernel: ir.MakeAxes(2), Dilations: ir.MakeAxes(9), Pads: ir.MakeAxes(5, 5)}.Infer(parseTypes(t, "f32[N 1 3]"))
	if err == nil || !strings.Contains(err.Error(), "sees no element of x") {
		t.Errorf("got %v", err)
	}
	b := ir.NewBuilder("g")
	op := ops.MaxPoolGrad{Kernel: ir.MakeAxes(70, 70)}
	op.Decompose(b, []*ir.Value{b.Input("x", parseTypes(t, "f32[N 1 70 70]")[0]), b.Input("dy", parseTypes(t, "f32[N 1 1 1]")[0])})
	if err := b.Err(); err == nil || !strings.Contains(err.Error(), "over a window of 4900 elements is too long") {
		t.Errorf("got %v", err)
	}
}
