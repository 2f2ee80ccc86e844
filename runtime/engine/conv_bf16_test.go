package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/float16"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// brainTensor is a tensor in bf16 of normal numbers, of which a few are odd ones if wanted.
func brainTensor(rng *rand.Rand, odd bool, shape ...int) *ir.Tensor {
	x := ir.NewTensor(ir.F64, shape...)
	for i := range x.F64 {
		if x.F64[i] = rng.NormFloat64(); odd && rng.IntN(9) == 0 {
			x.F64[i] = []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1e-39}[rng.IntN(6)]
		}
	}
	return x.To(ir.BF16)
}

// brainAt is an element of an image [h w c] of a tensor in bf16, 0 outside.
func brainAt(x *ir.Tensor, i, y, z, c int) uint16 {
	s := x.Shape
	if y < 0 || y >= s[1] || z < 0 || z >= s[2] {
		return 0
	}
	return float16.BrainOf(float32(x.At(((i*s[1]+y)*s[2]+z)*s[3] + c)))
}

// TestConvBF16 holds convolutions in bf16 to products of patches that are gathered one element
// after the other, bit for bit, whole and in slices, and to the reference meaning within the
// bound of a sum in f32.
func TestConvBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	pair := func(lo, hi int) ir.Axes { return ir.MakeAxes(between(lo, hi), between(lo, hi)) }
	done := map[string]int{}
	for round := range 160 {
		rows, c, o := between(1, 4), between(1, 20), between(1, 20)
		kernel, strides, dilations, pads := pair(1, 4), pair(1, 3), pair(1, 2), ir.Axes{Len: 4}
		for i := range 4 {
			pads.At[i] = between(0, 3)
		}
		size, odd, line := pair(1, 11), round%5 == 0, false
		switch round % 8 {
		case 0: // more rows than are copied at a time
			size, c, kernel, strides = pair(12, 20), 40, pair(2, 4), ir.MakeAxes(1, 1)
		case 1: // one pixel
			kernel, strides, pads, dilations = ir.MakeAxes(1, 1), ir.MakeAxes(1, 1), ir.MakeAxes(0, 0, 0, 0), ir.MakeAxes(1, 1)
		case 2: // windows side by side
			kernel = strides
			pads, dilations = ir.MakeAxes(0, 0, 0, 0), ir.MakeAxes(1, 1)
		case 3: // images of one axis
			line = true
			for _, a := range []*ir.Axes{&size, &kernel, &strides, &dilations} {
				a.At[0] = 1
			}
			pads.At[0], pads.At[2] = 0, 0
		}
		x := ir.T(ir.BF16, ir.Rows(), ir.Fixed(size.At[0]), ir.Fixed(size.At[1]), ir.Fixed(c))
		w := ir.T(ir.BF16, ir.ShapeOf(kernel.At[0], kernel.At[1], c, o)...)
		bias := ir.T(ir.F32, ir.Fixed(o))
		run := func(op ir.Op, types ...ir.Type) {
			out, err := op.Infer(types)
			if err != nil {
				return
			}
			var in []*ir.Tensor
			for _, t := range types {
				v := brainTensor(rng, odd, t.Shape.At(ir.RowsOf(rows))...)
				in = append(in, v.To(ir.F64).To(t.DType))
			}
			want := ir.NewTensor(ir.F32, out[0].Shape.At(ir.RowsOf(rows))...)
			switch op := op.(type) {
			case ops.ConvBF16:
				convByPatches(want, in, op)
			case ops.ConvTransposeBF16:
				transposedByPatches(want, in, op)
			case ops.ConvFilterGradBF16:
				filterGradByPatches(want, in, op)
			}
			done[op.Name()]++
			if line {
				op, types, in = alongOne(op, types, in)
			}
			holdBF16(t, rng, op, rows, types, in, want, odd)
			if conv, ok := op.(ops.ConvBF16); ok {
				var tiles ops.Tiles
				op, tiles = conv.InTiles(types[1].Shape)
				types, in = slices.Clone(types), slices.Clone(in)
				made, err := tiles.Infer([]ir.Type{{DType: ir.F32, Shape: types[1].Shape}})
				if err != nil {
					t.Fatal(err)
				}
				f, err := tiles.Eval(nil, []*ir.Tensor{in[1].To(ir.F64)})
				if err != nil {
					t.Fatal(err)
				}
				types[1], in[1] = made[0], f[0].To(ir.BF16)
				holdBF16(t, rng, op, rows, types, in, want, odd)
			}
		}
		conv := ops.ConvBF16{Strides: strides, Dilations: dilations, Pads: pads, Relu: rng.IntN(2) == 0}
		run(conv, x, w)
		run(conv, x, w, bias)
		up := ops.ConvTransposeBF16{Strides: strides, Dilations: dilations, Pads: pads, OutputPadding: pair(0, strides.At[0]-1), Relu: rng.IntN(2) == 0}
		run(up, x, w)
		run(up, x, w, bias)
		if y, err := conv.Infer([]ir.Type{x, w}); err == nil {
			dy := y[0]
			dy.DType = ir.BF16
			run(ops.ConvFilterGradBF16{Kernel: kernel, Strides: strides, Dilations: dilations, Pads: pads, Parts: between(1, 5)}, x, dy)
		}
	}
	for _, op := range []ir.Op{ops.ConvBF16{}, ops.ConvTransposeBF16{}, ops.ConvFilterGradBF16{}} {
		if done[op.Name()] < 60 {
			t.Errorf("only %d nodes of %s were checked", done[op.Name()], op.Name())
		}
	}
}

// alongOne is an op of two axes, the first of length 1, as one of the second alone.
func alongOne(op ir.Op, types []ir.Type, in []*ir.Tensor) (ir.Op, []ir.Type, []*ir.Tensor) {
	second := func(a ir.Axes) ir.Axes {
		if a.Len == 4 {
			return ir.MakeAxes(a.At[1], a.At[3])
		}
		return ir.MakeAxes(a.At[1])
	}
	at := []int{1, 0} // where the axis is in the operands
	switch o := op.(type) {
	case ops.ConvBF16:
		o.Strides, o.Dilations, o.Pads = second(o.Strides), second(o.Dilations), second(o.Pads)
		op = o
	case ops.ConvTransposeBF16:
		o.Strides, o.Dilations, o.Pads, o.OutputPadding = second(o.Strides), second(o.Dilations), second(o.Pads), second(o.OutputPadding)
		op = o
	case ops.ConvFilterGradBF16:
		o.Kernel, o.Strides, o.Dilations, o.Pads = second(o.Kernel), second(o.Strides), second(o.Dilations), second(o.Pads)
		op, at[1] = o, 1
	}
	types, in = slices.Clone(types), slices.Clone(in)
	for i, a := range at {
		types[i].Shape = slices.Delete(types[i].Shape.Clone(), a, a+1)
		v := *in[i]
		v.Shape = slices.Delete(slices.Clone(v.Shape), a, a+1)
		in[i] = &v
	}
	return op, types, in
}

// holdBF16 runs the kernel of an op whole and in slices, and compares it with these bits and
// with the reference meaning.
func holdBF16(t *testing.T, rng *rand.Rand, op ir.Op, rows int, types []ir.Type, in []*ir.Tensor, want *ir.Tensor, odd bool) {
	t.Helper()
	k := bindOp(t, op, rows, types, in)
	what := fmt.Sprintf("%s of %v, %d rows", ir.FormatOp(op), types, rows)
	if k.name == reference {
		t.Fatalf("%s has no kernel", what)
	}
	units, c := want.Shape[0], &ctx{e: k.e}
	each := want.Len() / max(units, 1)
	same := func(how string) {
		t.Helper()
		for i, v := range k.out.f32[:want.Len()] {
			if w := want.F32[i]; math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) {
				t.Fatalf("%s, %s: element %d is %v, the product of the patches has %v", what, how, i, v, want.F32[i])
			}
		}
	}
	for i := range k.out.f32 {
		k.out.f32[i] = -77
	}
	k.run(c, 0, units)
	same("whole")
	for i := range k.out.f32 {
		k.out.f32[i] = -77
	}
	for lo := 0; lo < units; {
		for i := range c.tmp[:cap(c.tmp)] { // what another kernel has left
			c.tmp[:cap(c.tmp)][i] = float32(math.NaN())
		}
		hi := min(units, lo+1+rng.IntN(3))
		k.run(c, lo, hi)
		for _, v := range k.out.f32[hi*each:] {
			if v != -77 {
				t.Fatalf("%s: a slice to %d writes behind its end", what, hi)
			}
		}
		lo = hi
	}
	same("in slices")
	if odd {
		return // there is no bound for what is not finite
	}
	wide, sizes := make([]*ir.Tensor, len(in)), make([]*ir.Tensor, len(in))
	for i, v := range in {
		wide[i] = v.To(ir.F64)
		sizes[i] = wide[i].Clone()
		for j, e := range sizes[i].F64 {
			sizes[i].F64[j] = math.Abs(e)
		}
	}
	exact, err := ir.EvalOp(&k.e.env, op, types, wide)
	if err != nil {
		t.Fatal(err)
	}
	most, err := ir.EvalOp(&k.e.env, op, types, sizes)
	if err != nil {
		t.Fatal(err)
	}
	terms := 1 // of a sum
	for _, s := range [][]int{in[0].Shape, in[1].Shape} {
		terms = max(terms, ir.Elems(s)/s[len(s)-1])
	}
	for i, v := range want.F32 {
		if d := math.Abs(float64(v) - exact[0].At(i)); !(d <= float64(terms+8)*0x1p-24*most[0].At(i)+1e-37) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, v, exact[0].At(i))
		}
	}
}

// axesOr returns the entries of a list, or so many times none.
func axesOr(a ir.Axes, n, none int) []int {
	if a.Len > 0 {
		return a.Slice()
	}
	out := make([]int, n)
	for i := range out {
		out[i] = none
	}
	return out
}

// productOf is one of simd, of matrices one behind the other in memory.
func productOf(m, n, k int, a, b []uint16, turned bool, c []float32, e simd.Epilogue) {
	rsa, csa := k, 1
	if turned {
		rsa, csa = 1, m
	}
	simd.GemmBF16(m, n, k, a, rsa, csa, b, n, 1, c, n, false, e, make([]float32, simd.BF16Scratch(m, n, k)))
}

func epilogue(in []*ir.Tensor, relu bool) simd.Epilogue {
	e := simd.Epilogue{Relu: relu}
	if len(in) > 2 {
		e.Bias = in[2].F32
	}
	return e
}

// filterRows is a tensor in bf16 as numbers.
func filterRows(w *ir.Tensor) []uint16 {
	out := make([]uint16, w.Len())
	for i := range out {
		out[i] = float16.BrainOf(float32(w.At(i)))
	}
	return out
}

// patchesOf are the rows of images under a window at each of so many places.
func patchesOf(x *ir.Tensor, from, to, lines, line int, kernel, stride, dilation, before []int) []uint16 {
	var a []uint16
	for i := from; i < to; i++ {
		for y := range lines {
			for z := range line {
				for ky := range kernel[0] {
					for kz := range kernel[1] {
						for c := range x.Shape[3] {
							a = append(a, brainAt(x, i, y*stride[0]+ky*dilation[0]-before[0], z*stride[1]+kz*dilation[1]-before[1], c))
						}
					}
				}
			}
		}
	}
	return a
}

func convByPatches(y *ir.Tensor, in []*ir.Tensor, op ops.ConvBF16) {
	s, w := y.Shape, in[1].Shape
	a := patchesOf(in[0], 0, s[0], s[1], s[2], w[:2], axesOr(op.Strides, 2, 1), axesOr(op.Dilations, 2, 1), axesOr(op.Pads, 4, 0))
	productOf(s[0]*s[1]*s[2], s[3], w[0]*w[1]*w[2], a, filterRows(in[1]), false, y.F32, epilogue(in, op.Relu))
}

func filterGradByPatches(dw *ir.Tensor, in []*ir.Tensor, op ops.ConvFilterGradBF16) {
	s, d := dw.Shape, in[1].Shape
	each, places, dy := ir.Elems(s[1:]), d[1]*d[2], filterRows(in[1])
	for p := range op.Parts {
		from, to := p*d[0]/op.Parts, (p+1)*d[0]/op.Parts
		a := patchesOf(in[0], from, to, d[1], d[2], s[1:3], axesOr(op.Strides, 2, 1), axesOr(op.Dilations, 2, 1), axesOr(op.Pads, 4, 0))
		productOf(s[1]*s[2]*s[3], s[4], (to-from)*places, a, dy[from*places*s[4]:], true, dw.F32[p*each:][:each], simd.Epilogue{})
	}
}

// transposedByPatches makes one pixel after the other.
func transposedByPatches(y *ir.Tensor, in []*ir.Tensor, op ops.ConvTransposeBF16) {
	s, w, x := y.Shape, in[1].Shape, in[0]
	stride, dilation, before := axesOr(op.Strides, 2, 1), axesOr(op.Dilations, 2, 1), axesOr(op.Pads, 4, 0)
	filters, each := filterRows(in[1]), w[2]*w[3]
	for r := range s[0] * s[1] * s[2] {
		i, at := r/(s[1]*s[2]), []int{r / s[2] % s[1], r % s[2]}
		var a, b []uint16
		for k := range w[0] * w[1] {
			p := [2]int{at[0] + before[0] - k/w[1]*dilation[0], at[1] + before[1] - k%w[1]*dilation[1]}
			if mod(p[0], stride[0]) != 0 || mod(p[1], stride[1]) != 0 {
				continue
			}
			for c := range x.Shape[3] {
				a = append(a, brainAt(x, i, p[0]/stride[0], p[1]/stride[1], c))
			}
			b = append(b, filters[k*each:][:each]...)
		}
		productOf(1, s[3], len(a), a, b, false, y.F32[r*s[3]:][:s[3]], epilogue(in, op.Relu))
	}
}
