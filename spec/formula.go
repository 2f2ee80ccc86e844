package spec

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// FormulaLayer is a function of one value, without weights or options. Formulas are
// built from such layers, which [Value.Then] applies from left to right:
//
//	v := x.Then(spec.Shift(1e-4), spec.Sqrt(), spec.Mean(0))
//
// It is made by [Exp], [Log], [Sqrt], [Abs], [Square], [Scale], [Shift], [Slice],
// [Permute], [OneHot], [StopGradient], [BatchMean], [BatchSum], [Normalize], [MeanSquare],
// [Above], [Clip], [LogScale], [Present], [OneHotIDs], [Ordinal], [LogMel], [PredictionSet] or
// [Unsure].
type FormulaLayer struct {
	Base
	rule  string // the one that its arguments break, "" for none
	build func(b *Builder, x *ir.Value) *ir.Value
	image func() Image // nil if it has none
}

// Named gives the layer a name.
func (l *FormulaLayer) Named(name string) *FormulaLayer { return Named(l, name) }

func (l *FormulaLayer) args() string { return l.rule }

// Build returns the function of x.
func (l *FormulaLayer) Build(b *Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }

// Image is a copy for elementwise functions, and the inverse for Scale, Shift and
// Permute; the others have none.
func (l *FormulaLayer) Image(ir.Type, bool) Image {
	if l.image == nil {
		return NoImage("what it leaves out cannot be restored")
	}
	return l.image()
}

// each is a function of each element of a float x.
func each(kind string, f func(b *Builder, x *ir.Value) *ir.Value) *FormulaLayer {
	l := &FormulaLayer{Base: newBase(kind), build: ofFloats(f)}
	l.image = func() Image { return Repeated(each(kind, f)) }
	return l
}

func ofFloats(f func(b *Builder, x *ir.Value) *ir.Value) func(b *Builder, x *ir.Value) *ir.Value {
	return func(b *Builder, x *ir.Value) *ir.Value {
		if !b.floats(x) {
			return bad()
		}
		return f(b, x)
	}
}

// floats reports whether x is floating point; if not that is a mistake.
func (b *Builder) floats(x *ir.Value) bool {
	if isBad(x) || x.Type.DType.Float() {
		return !isBad(x)
	}
	b.mistake(&mistake{op: func() string { return b.p.st.title() }, rule: text("x must be floating point, got %s", x.Type),
		hint: "spec.Floats() makes f32 of integers and truth values"})
	return false
}

// Exp is e to the power x, elementwise: x f32[N …] keeps its shape. Exp of ONNX.
// Mistakes, as for [Log], [Sqrt], [Abs], [Square], [Scale] and [Shift]: x is not a float.
func Exp() *FormulaLayer { return each("Exp", elementwise(ops.Exp{})) }

// Log is the natural logarithm of x, elementwise: -Inf at 0 and NaN below. Log of ONNX.
func Log() *FormulaLayer { return each("Log", elementwise(ops.Log{})) }

// Sqrt is the square root of x, elementwise: NaN below 0. Its gradient at 0 is
// infinite, which a [Shift] before it avoids. Sqrt of ONNX.
func Sqrt() *FormulaLayer { return each("Sqrt", elementwise(ops.Sqrt{})) }

// Abs is the absolute value of x, elementwise. Its gradient at 0 is 0. Abs of ONNX.
func Abs() *FormulaLayer { return each("Abs", elementwise(ops.Abs{})) }

// Square is x·x, elementwise. Mul of ONNX.
func Square() *FormulaLayer {
	return each("Square", func(b *Builder, x *ir.Value) *ir.Value { return b.Op(ops.Mul{}, x, x) })
}

func elementwise(op ir.Op) func(b *Builder, x *ir.Value) *ir.Value {
	return func(b *Builder, x *ir.Value) *ir.Value { return b.Op(op, x) }
}

// Scale is x times a number, elementwise. Mul of ONNX. A [Mirror] undoes it. Mistakes:
// the number is not finite in f32.
func Scale(by float64) *FormulaLayer { return affine("Scale", by, ops.Mul{}, 1/by) }

// Shift is x plus a number, elementwise. Add of ONNX. A [Mirror] undoes it. Mistakes:
// the number is not finite in f32.
func Shift(by float64) *FormulaLayer { return affine("Shift", by, ops.Add{}, -by) }

func affine(kind string, by float64, op ir.Op, inverse float64) *FormulaLayer {
	l := &FormulaLayer{Base: newBase(kind)}
	if x := float32(by); x-x != 0 {
		l.rule = fmt.Sprintf("the number must be finite in f32, got %v", by)
	}
	l.build = ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		return b.Op(op, x, b.sp.constant(x.Type.DType, by))
	})
	l.image = func() Image {
		if math.IsInf(inverse, 0) {
			return NoImage("a scale of 0 cannot be undone")
		}
		return UndoneBy(affine(kind, inverse, op, by))
	}
	return l
}

// End is the end of an axis, whatever its length, for [Slice].
const End = math.MaxInt

// Slice is the part of x from start up to but excluding end along an axis, not counting
// the batch; -1 is the last axis. Positions below 0 count from the end, and [End] is the
// end: Slice(-1, 1, End) drops the first element of f32[N … n], which gives f32[N … n-1].
// x has any dtype. Slice of ONNX. Mistakes: the axis does not exist, the part is empty or
// not within it.
func Slice(axis, start, end int) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("Slice")}
	l.build = func(b *Builder, x *ir.Value) *ir.Value {
		i, rule := axisOf(x.Type, axis)
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		n := x.Type.Shape[i]
		from, ok1 := positionIn(start, n)
		to, ok2 := positionIn(end, n)
		part, ok3 := ir.Sub(to, from)
		_, ok4 := ir.Sub(n, to)
		switch inside := ok1 && ok2 && ok3 && ok4; {
		case inside && part.Symbolic() && part.Least() < 1:
			return b.Errorf("[%s, %s) of axis %d would be empty at the smallest %s, which is %d (x is %s)", position(start), position(end), axis, n, n.Least(), x.Type)
		case !inside || part.Least() < 1:
			return b.Errorf("[%s, %s) is empty or not within axis %d of length %s (x is %s)", position(start), position(end), axis, n, x.Type)
		}
		return b.Op(ops.Slice{Axis: i, Start: from, End: to}, x)
	}
	return l
}

// positionIn returns a position of an axis of length n, counted from the end below 0.
func positionIn(at int, n ir.Dim) (ir.Dim, bool) {
	switch {
	case at == End:
		return n, true
	case at >= 0:
		return ir.Fixed(at), true
	}
	return ir.Sub(n, ir.Fixed(-at))
}

func position(at int) string {
	if at == End {
		return "End"
	}
	return itoa(at)
}

// Permute puts the axes of x in another order, not counting the batch: axis i of the
// result is axis axes[i] of x. Permute(1, 0) turns f32[N T d] into f32[N d T]. x has any
// dtype. Transpose of ONNX. A [Mirror] undoes it. Mistakes: the list does not have each
// axis of x exactly once.
func Permute(axes ...int) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("Permute")}
	axes = append([]int{}, axes...)
	l.build = func(b *Builder, x *ir.Value) *ir.Value {
		perm, rule := permutation(x.Type, axes)
		if rule != "" {
			return b.Errorf("%s", rule)
		}
		return b.Op(ops.Transpose{Perm: ir.MakeAxes(perm...)}, x)
	}
	l.image = func() Image {
		back := make([]int, len(axes)) // of a permutation: the layer was placed
		for i, a := range axes {
			if a < 0 {
				a += len(axes)
			}
			back[a] = i
		}
		return UndoneBy(Permute(back...))
	}
	return l
}

// permutation returns a user's order of the axes as one of all axes of a type, or the
// rule it breaks.
func permutation(t ir.Type, axes []int) (perm []int, rule string) {
	if rowsFirst(t.Shape) {
		perm = append(perm, 0)
	}
	if n := t.Rank() - len(perm); len(axes) != n {
		return nil, fmt.Sprintf("each of the %d axes, the batch not counted, must be given once, got %v (x is %s)", n, axes, t)
	}
	list, rule := axesOf(t, axes)
	return append(perm, list...), rule
}

// axesOf returns a user's axes, which do not count the batch, as axes of the type, or
// the rule they break: each exists and is given once.
func axesOf(t ir.Type, axes []int) ([]int, string) {
	out := make([]int, 0, len(axes))
	seen := map[int]bool{}
	for _, a := range axes {
		i, rule := axisOf(t, a)
		if rule != "" {
			return nil, rule
		}
		if seen[i] {
			return nil, fmt.Sprintf("axis %d is given twice in %v (x is %s)", a, axes, t)
		}
		seen[i] = true
		out = append(out, i)
	}
	return out, ""
}

// OneHot gives integers x i64[N …] a last axis of length depth, f32[N … depth], that is
// 1 at position x and 0 elsewhere, or all 0 if there is no such position. OneHot of ONNX.
// No gradient reaches x. Mistakes: depth is not positive, or is less than the number of
// values that x was declared with; x is not an integer.
func OneHot(depth int) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("OneHot")}
	if depth <= 0 || depth > maxElems {
		l.rule = fmt.Sprintf("depth must be from 1 to 2^31, got %d", depth)
	}
	l.build = func(b *Builder, x *ir.Value) *ir.Value {
		if !x.Type.DType.Integer() {
			return b.Errorf("x must be integers, got %s", x.Type)
		}
		for _, in := range b.sp.find().inputs {
			if in.v == x && in.limit > depth {
				return b.Errorf("depth is %d but input %q has %d different values (x is %s)", depth, in.name, in.limit, x.Type)
			}
		}
		return b.Op(ops.OneHot{Depth: depth}, x)
	}
	return l
}

// StopGradient is x, but passes no gradient: layers before it learn nothing from what
// follows. x has any dtype. A file has no trace of it, and a [Mirror] leaves it out.
func StopGradient() *FormulaLayer {
	return &FormulaLayer{Base: newBase("StopGradient"), build: elementwise(ops.StopGradient{}), image: PassedOver}
}

// BatchMean is the mean over the rows: f32[N …] becomes f32[…], which has no batch. Only
// BatchMean and [BatchSum] combine different rows: all other axes are within a row. A loss
// that is not linear in it cannot be used with accumulation or shards; train refuses it
// with its line. ReduceMean of ONNX. Mistakes: x is not a float or has no batch.
func BatchMean() *FormulaLayer {
	return overBatch("BatchMean", ops.ReduceMean{Axes: ir.MakeAxes(0)})
}

// BatchSum is the sum over the rows: f32[N …] becomes f32[…]. See [BatchMean]. ReduceSum
// of ONNX.
func BatchSum() *FormulaLayer { return overBatch("BatchSum", ops.ReduceSum{Axes: ir.MakeAxes(0)}) }

func overBatch(kind string, op ir.Op) *FormulaLayer {
	l := &FormulaLayer{Base: newBase(kind)}
	l.build = ofFloats(func(b *Builder, x *ir.Value) *ir.Value {
		if !x.Type.Shape.RowWise() {
			return b.Errorf("x must have the batch, [N …], got %s", x.Type)
		}
		return b.Op(op, x)
	})
	return l
}

// ReduceLayer combines the numbers along axes into one. It is made by [Sum], [Mean] or [Max].
type ReduceLayer struct {
	Base
	axes []int
	keep bool
	op   func(axes ir.Axes, keep bool) ir.Op
}

// Sum is the sum along axes, not counting the batch; -1 is the last axis: Sum(0) turns
// f32[N T d] into f32[N d]. ReduceSum of ONNX. Mistakes, as for [Mean] and [Max]: no axis
// is given, one does not exist or is given twice; x is not a float.
func Sum(axes ...int) *ReduceLayer {
	return reduction("Sum", axes, func(a ir.Axes, keep bool) ir.Op { return ops.ReduceSum{Axes: a, Keep: keep} })
}

// Mean is the mean along axes, not counting the batch. ReduceMean of ONNX. See [Sum].
func Mean(axes ...int) *ReduceLayer {
	return reduction("Mean", axes, func(a ir.Axes, keep bool) ir.Op { return ops.ReduceMean{Axes: a, Keep: keep} })
}

// Max is the greatest element along axes, not counting the batch, and NaN if one is. The
// gradient goes to the greatest element; several equal ones share it. ReduceMax of ONNX.
// See [Sum]; [Maximum] is the greater of two values.
func Max(axes ...int) *ReduceLayer {
	return reduction("Max", axes, func(a ir.Axes, keep bool) ir.Op { return ops.ReduceMax{Axes: a, Keep: keep} })
}

func reduction(kind string, axes []int, op func(ir.Axes, bool) ir.Op) *ReduceLayer {
	l := &ReduceLayer{Base: newBase(kind), axes: append([]int{}, axes...), op: op}
	return l
}

// Named gives the layer a name.
func (l *ReduceLayer) Named(name string) *ReduceLayer { return Named(l, name) }

// Keep leaves the axes with length 1, so that the result combines with x elementwise:
// spec.Sub(x, x.Then(spec.Mean(-1).Keep())).
func (l *ReduceLayer) Keep() *ReduceLayer {
	return Option(l, "Keep", func(l *ReduceLayer) { l.keep = true })
}

func (l *ReduceLayer) args() string {
	if len(l.axes) == 0 {
		return "at least one axis must be given, got none; to go over the batch use BatchSum or BatchMean"
	}
	return ""
}

// Build returns the reduced value.
func (l *ReduceLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if !b.floats(x[0]) {
		return bad()
	}
	axes, rule := axesOf(x[0].Type, l.axes)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	slices.Sort(axes)
	return b.Op(l.op(ir.MakeAxes(axes...), l.keep), x[0])
}
