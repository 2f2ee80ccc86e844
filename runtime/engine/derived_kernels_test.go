package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// TestPanelKernels holds panels, of elements that are not finite too, and products that
// read them to the reference meanings: of small whole numbers, so that sums are exact.
func TestPanelKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	whole := func(shape ...int) *ir.Tensor {
		x := ir.NewTensor(ir.F32, shape...)
		for i := range x.F32 {
			x.F32[i] = float32(rng.IntN(9) - 4)
		}
		return x
	}
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 2}, {7, 16, 16}, {13, 33, 16}, {40, 97, 48}, {5, 200, 112}, {65, 96, 96}} {
		k, n, width := s[0], s[1], s[2]
		for _, turned := range []bool{false, true} {
			x := sprinkled(rng, k, n)
			if turned {
				x = sprinkled(rng, n, k)
			}
			check(t, rng, ops.Panels{Width: width, Turned: turned}, 1, []ir.Type{ir.T(ir.F32, ir.ShapeOf(x.Shape...)...)}, []*ir.Tensor{x}, 0)
		}
		const rows = 11
		count := (n + width - 1) / width
		at := func(columns int) ir.Type { return ir.T(ir.F32, ir.Rows(), ir.Fixed(columns)) }
		types := []ir.Type{at(k), ir.T(ir.F32, ir.Fixed(count), ir.Fixed(k), ir.Fixed(width))}
		in := []*ir.Tensor{whole(rows, k), whole(count, k, width)}
		row, matrix := ir.T(ir.F32, ir.Fixed(n)), at(n)
		for _, c := range []struct {
			op    ops.GemmPanels
			types []ir.Type
			in    []*ir.Tensor
		}{
			{ops.GemmPanels{}, nil, nil},
			{ops.GemmPanels{Relu: true}, nil, nil},
			{ops.GemmPanels{}, []ir.Type{row}, []*ir.Tensor{whole(n)}},
			{ops.GemmPanels{Relu: true}, []ir.Type{row}, []*ir.Tensor{whole(n)}},
			{ops.GemmPanels{}, []ir.Type{matrix}, []*ir.Tensor{whole(rows, n)}},
			{ops.GemmPanels{Relu: true}, []ir.Type{matrix}, []*ir.Tensor{whole(rows, n)}},
			{ops.GemmPanels{Masked: true}, []ir.Type{matrix}, []*ir.Tensor{whole(rows, n)}},
			{ops.GemmPanels{Masked: true}, []ir.Type{matrix, row}, []*ir.Tensor{whole(rows, n), whole(n)}},
			{ops.GemmPanels{Masked: true}, []ir.Type{matrix, matrix}, []*ir.Tensor{whole(rows, n), whole(rows, n)}},
		} {
			c.op.Columns = n
			check(t, rng, c.op, rows, append(slices.Clone(types), c.types...), append(slices.Clone(in), c.in...), 0)
		}
	}
}

// TestInterleaveKernels holds rows and columns in groups to the reference, which moves elements
// that are not finite too.
func TestInterleaveKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, shape := range [][]int{{1}, {12}, {245}, {1, 1}, {6, 1}, {1, 6}, {12, 20}, {35, 48}, {98, 33}, {256, 17}} {
		for axis, n := range shape {
			for groups := 1; groups <= n; groups++ {
				if n%groups > 0 {
					continue
				}
				for _, turned := range []bool{false, true} {
					if turned && len(shape) == 1 {
						continue
					}
					x := sprinkled(rng, shape...)
					check(t, rng, ops.Interleave{Axis: axis, Groups: groups, Turned: turned}, 1, []ir.Type{ir.T(ir.F32, ir.ShapeOf(shape...)...)}, []*ir.Tensor{x}, 0)
				}
			}
		}
	}
}

// TestFollowKernels changes a slice of an operand, of elements that are not finite too,
// and holds what the kernel for tiles makes of the result that was there against the
// whole result. Beside the result nothing may change.
func TestFollowKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	turn := ops.Transpose{Perm: ir.MakeAxes(1, 0)}
	for _, shape := range [][]int{{1, 1}, {9, 17}, {40, 33}, {64, 48}, {3, 5, 7}, {2, 3, 4, 5}, {3, 64, 17}, {2, 2, 32, 40}, {3, 20, 33}} {
		all := []ir.Op{ops.Cast{To: ir.BF16}, ops.Cast{To: ir.F16}, ops.Flip{}, ops.Flip{Axes: ir.MakeAxes(0)}, ops.Flip{Axes: ir.MakeAxes(1)}, ops.Flip{Axes: ir.MakeAxes(len(shape) - 1)}, ops.Relu{}}
		if len(shape) == 2 {
			all = append(all, turn)
			for axis, n := range shape {
				for _, groups := range []int{1, 3, 8, n} {
					if n%groups == 0 {
						all = append(all, ops.Interleave{Axis: axis, Groups: groups}, ops.Interleave{Axis: axis, Groups: groups, Turned: true})
					}
				}
			}
			for _, width := range []int{1, 4, 16, 48} {
				all = append(all, ops.Panels{Width: width}, ops.Panels{Width: width, Turned: true})
			}
		}
		all = append(all, ops.Tiles{})
		if len(shape) == 2 {
			all = append(all, ops.Tiles{Turned: true})
		}
		for _, op := range all {
			for axis, n := range shape {
				if _, tiles := op.(ops.Tiles); tiles && len(shape) > 2 && axis < len(shape)-1 && (axis < len(shape)-2 || shape[axis]%simd.BF16Block != 0) {
					continue // no slice of tiles holds it
				}
				for range 4 {
					lo := rng.IntN(n)
					hi := lo + 1 + rng.IntN(n-lo)
					if !followed(t, rng, op, shape, axis, lo, hi) {
						break
					}
				}
			}
		}
	}
}

func followed(t *testing.T, rng *rand.Rand, op ir.Op, shape []int, axis, lo, hi int) bool {
	t.Helper()
	const canary = 32
	in := ir.T(ir.F32, ir.ShapeOf(shape...)...)
	types, err := op.Infer([]ir.Type{in})
	if err != nil {
		t.Fatal(err)
	}
	out, what := types[0], fmt.Sprintf("%s of %v, [%d,%d) of axis %d", ir.FormatOp(op), in, lo, hi, axis)
	track, ok := ir.Follow(op, []ir.Type{in}, types, axis)
	if !ok {
		t.Errorf("%s does not follow", what)
		return false
	}
	p := &plan.Plan{Buffers: []plan.Buffer{{Name: "x", Type: in, Alias: -1}, {Name: "y", Type: out, Alias: -1}},
		Steps: []plan.Step{{Op: op, In: []int{0}, Out: []int{1}, Access: []ir.Access{ir.Whole}, Param: -1}}}
	x := sprinkled(rng, shape...)
	var mem *ir.Tensor // the result between canaries
	size := out.Shape.Count()
	views := make([]view, 2)
	views[0] = viewOf(x)
	if mem = ir.NewTensor(out.DType, size+2*canary); out.DType == ir.F32 {
		views[1].f32 = mem.F32[canary:][:size:size]
	} else {
		views[1].raw = mem.Raw[2*canary:][: 2*size : 2*size]
	}
	for i := range mem.Len() {
		mem.Set(i, -77)
	}
	e := &Engine{p: p, s: &Store{}, views: views, workers: 1}
	run, name := e.binding(&p.Steps[0], 0, nil).kernel()
	if name == reference {
		t.Fatalf("%s has no kernel", what)
	}
	f, err := e.follower(plan.Derivation{Axis: axis, Track: track})
	if err != nil {
		t.Fatal(err)
	}
	if f == nil {
		if _, relu := op.(ops.Relu); !relu || axis == 0 {
			t.Errorf("%s has no kernel for tiles", what)
		}
		return false
	}
	c := &ctx{e: e}
	units := out.Shape[0].Length()
	run(c, 0, units)
	fresh, inner := sprinkled(rng, shape...), ir.Elems(shape[axis+1:])
	for i := range x.F32 {
		if at := i / inner % shape[axis]; lo <= at && at < hi {
			x.F32[i] = fresh.F32[i]
		}
	}
	f(c, lo, hi)
	got := mem.Clone()
	run(c, 0, units)
	for i := range mem.Len() {
		if a, b := got.At(i), mem.At(i); a != b && (a == a || b == b) {
			t.Fatalf("%s: element %d is %v, want %v", what, i-canary, a, b)
		}
		if inside := canary <= i && i < canary+size; !inside && mem.At(i) != -77 {
			t.Fatalf("%s: writes beside the result, at %d", what, i-canary)
		}
	}
	wide := x.To(ir.F64)
	exact, err := ir.EvalOp(&ir.Env{}, op, []ir.Type{in}, []*ir.Tensor{wide})
	if err != nil {
		t.Fatal(err)
	}
	for i := range size {
		if a, b := mem.At(canary+i), exact[0].At(i); a != b && (a == a || b == b) {
			t.Fatalf("%s: element %d is %v, by the reference %v", what, i, a, b)
		}
	}
	return true
}
