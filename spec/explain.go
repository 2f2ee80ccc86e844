package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Saliency is how strongly each element of x moves the score, in either direction,
// |∂score/∂x| (Simonyan, Vedaldi and Zisserman 2013). Its mistakes are those of [Grad].
func Saliency(score, x *Value) *Value {
	return join("Saliency", func(b *Builder, v []*ir.Value) *ir.Value {
		return b.Op(ops.Abs{}, b.grad(v[0], v[1]))
	}, score, x)
}

// GradientTimesInput is x ⊙ ∂score/∂x, what each element of x adds to a score that is
// linear in it (Shrikumar, Greenside and Kundaje 2017). For a linear score it equals
// [IntegratedGradients] from 0. Its mistakes are those of [Grad].
func GradientTimesInput(score, x *Value) *Value {
	return join("GradientTimesInput", func(b *Builder, v []*ir.Value) *ir.Value {
		return b.Op(ops.Mul{}, v[1], b.grad(v[0], v[1]))
	}, score, x)
}

// IntegratedGradientsLayer is made by [IntegratedGradients].
type IntegratedGradientsLayer struct {
	Base
	steps    int
	baseline []float64
	score    func(x *Value, with ...*Value) *Value
}

// maxSteps bounds the points on the path of IntegratedGradients.
const maxSteps = 1000

// IntegratedGradients gives what each element of x adds to a score, relative to a
// baseline (Sundararajan, Taly and Yan 2017):
//
//	(x - baseline) ⊙ ∫₀¹ ∂score/∂x at baseline + α(x - baseline) dα
//
// The integral is the mean over the midpoints of the given number of equal steps, all
// computed at once as rows of a batch that is steps+2 times as large. The elements add up
// to score(x) - score(baseline), the paper's completeness, up to the error of that mean.
// The error falls with the square of the number of steps if the score is smooth along the
// path, and in proportion to it if there are kinks, as with ReLU. Both scores are further
// results, so that they can be checked: [Value.Result] 1 is score(x), 2 is
// score(baseline), f32[N].
//
// Score computes the score of x with layers made outside of it, as in [Func]. It is called
// with x f32[points …], where points is a multiple of the rows. Each row has its own
// score, f32[points …], whose elements are added. Whatever else a score needs for a row,
// such as the class to be explained, is passed beside x by [Apply] and stays the same
// along the path.
//
//	ig := spec.IntegratedGradients(32, func(x *spec.Value, class ...*spec.Value) *spec.Value {
//		return spec.Mul(x.Then(classifier), class[0])
//	})
//	why := spec.Apply(ig, x, x.Then(classifier, spec.Predicted()))
//
// Shapes: x f32[N …], the result has its shape. Mistakes: steps are not in [1, 1,000],
// score is nil, the input has no rows, the score of a row is not f32 or depends on other
// rows; those of Grad.
func IntegratedGradients(steps int, score func(x *Value, with ...*Value) *Value) *IntegratedGradientsLayer {
	b := newBase("IntegratedGradients")
	b.st.own = false // it takes any number of operands
	return &IntegratedGradientsLayer{Base: b, steps: steps, baseline: []float64{0}, score: score}
}

// Named gives the layer a name.
func (l *IntegratedGradientsLayer) Named(name string) *IntegratedGradientsLayer {
	return Named(l, name)
}

// Baseline sets where the path starts: one number for all elements of a row, or one for
// each, such as their means over the training rows. The default is 0, a black picture.
// Mistakes: it has another number of elements than a row of x, or one is not finite.
func (l *IntegratedGradientsLayer) Baseline(x ...float64) *IntegratedGradientsLayer {
	return Option(l, "Baseline", func(l *IntegratedGradientsLayer) { l.baseline = append([]float64{}, x...) })
}

func (l *IntegratedGradientsLayer) args() string {
	switch {
	case l.score == nil:
		return "the score is nil"
	case l.steps <= 0 || l.steps > maxSteps:
		return fmt.Sprintf("the number of steps must be in [1, %d], got %d", maxSteps, l.steps)
	case len(l.baseline) == 0:
		return "the baseline must be one number or one for each element of a row, got none"
	}
	for i, x := range l.baseline {
		if rule := finite(fmt.Sprintf("element %d of the baseline", i), x); rule != "" {
			return rule
		}
	}
	return ""
}

// Build returns the contributions, and beside them the scores at both ends.
func (l *IntegratedGradientsLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	for i, v := range x {
		if !rowsFirst(v.Type.Shape) || i == 0 && v.Type.DType != ir.F32 {
			return b.Errorf("operand %d must be f32[N …], got %s", i+1, v.Type)
		}
	}
	t, base := x[0].Type, b.Const(l.baseline[0])
	if len(l.baseline) != 1 {
		if n := t.Shape[1:].Count(); t.Shape[1:].Symbolic() || n != len(l.baseline) {
			return b.Errorf("the baseline must be one number or one for each element of a row, got %d (x is %s)", len(l.baseline), t)
		}
		base = b.numbers(l.baseline, t.Shape[1:].Lengths()...)
	}
	// The points of a row: the middles of the steps, then the baseline and x itself.
	count := l.steps + 2
	at := make([]float64, count)
	for i := range l.steps {
		at[i] = (float64(i) + 0.5) / float64(l.steps)
	}
	at[count-1] = 1
	lengths := []int{1, count}
	for range t.Rank() - 1 {
		lengths = append(lengths, 1)
	}
	way := b.Op(ops.Sub{}, x[0], base)
	points := b.points(b.Op(ops.Add{}, base, b.Op(ops.Mul{}, b.perRow(way), b.numbers(at, lengths...))))
	with := make([]*Value, 0, len(x))
	for _, v := range x[1:] {
		each := b.perRow(v)
		if isBad(each) {
			return bad()
		}
		shape := each.Type.Shape.Clone()
		shape[1] = ir.Fixed(count)
		with = append(with, &Value{v: b.points(b.Op(ops.Expand{Shape: ir.MakeDims(shape)}, each)), scope: b.p})
	}
	score := l.scored(b, points, with)
	if isBad(score) {
		return bad()
	}
	ofRow := score
	if n := score.Type.Rank(); n > 1 {
		ofRow = rowSum(b, score)
	}
	ends := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{t.Shape[0], ir.Fixed(count)})}, ofRow)
	end := func(i int) *ir.Value {
		one := b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(i), End: ir.Fixed(i + 1)}, ends)
		return b.Op(ops.Reshape{Shape: ir.MakeDims(t.Shape[:1])}, one)
	}
	slope := b.grad(score, points)
	if isBad(slope) {
		return bad()
	}
	slope = b.Op(ops.Reshape{Shape: ir.MakeDims(append(ir.Shape{t.Shape[0], ir.Fixed(count)}, t.Shape[1:]...))}, slope)
	slope = b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(0), End: ir.Fixed(l.steps)}, slope)
	b.Also(end(count-1), end(count-2))
	return b.Op(ops.Mul{}, way, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, slope))
}

// scored returns the score of the points, which is checked.
func (l *IntegratedGradientsLayer) scored(b *Builder, points *ir.Value, with []*Value) *ir.Value {
	if b.failed || isBad(points) {
		return bad()
	}
	for _, v := range with {
		v.sp = b.sp
	}
	y := l.score(&Value{sp: b.sp, v: points, scope: b.p}, with...)
	switch {
	case y == nil:
		return b.Errorf("the function returned nil")
	case y.sp == nil:
		return b.Errorf("the function returned a zero Value")
	}
	b.sp = union(b.sp, y.sp)
	if isBad(y.v) {
		return bad()
	}
	if t := y.v.Type; t.DType != ir.F32 || t.Rank() == 0 || t.Shape[0] != points.Type.Shape[0] {
		return b.Errorf("the score must be f32[%s …], as many as there are points, got %s", points.Type.Shape[0], t)
	}
	after := map[*ir.Value]bool{points: true}
	for _, n := range b.sp.find().nodes {
		for _, v := range n.In {
			if !after[v] {
				continue
			}
			for _, w := range n.Out {
				after[w] = true
			}
		}
	}
	need := ir.Above(y.v)
	for _, x := range b.sp.find().states {
		for i, f := range x.beside {
			x.beside[i].onWay = f.onWay || after[f.beside]
		}
	}
	for _, n := range b.sp.find().nodes {
		if _, ok := ir.Inferred(n.Op); ok && slices.ContainsFunc(n.In, func(v *ir.Value) bool { return v.Kind == ir.StateValue }) {
			continue // running statistics: rows are apart in what ships, and oneFollower refuses it in what is trained
		}
		if after[n.Out[0]] && need[n.Out[0]] && ir.UseOfRows(n.Op, ir.TypesOf(n.In), ir.TypesOf(n.Out)) != ir.Apart {
			return b.Errorf("the score of a row must not depend on others, but %s mixes them (%s)", n.Op.Name(), n.Out[0].Type)
		}
	}
	return y.v
}

// perRow shows a value f32[N …] as f32[N 1 …].
func (b *Builder) perRow(v *ir.Value) *ir.Value {
	if isBad(v) {
		return v
	}
	s := append(ir.Shape{v.Type.Shape[0], ir.Fixed(1)}, v.Type.Shape[1:]...)
	return b.Op(ops.Reshape{Shape: ir.MakeDims(s)}, v)
}

// points shows a value f32[N k …] as f32[k*N …].
func (b *Builder) points(v *ir.Value) *ir.Value {
	if isBad(v) {
		return v
	}
	n, ok := ir.Mul(v.Type.Shape[1], v.Type.Shape[0])
	if !ok {
		return b.Errorf("there are too many points (%s)", v.Type)
	}
	return b.Op(ops.Reshape{Shape: ir.MakeDims(append(ir.Shape{n}, v.Type.Shape[2:]...))}, v)
}

// numbers returns a constant f32 of those lengths.
func (b *Builder) numbers(x []float64, lengths ...int) *ir.Value {
	if b.failed {
		return bad()
	}
	s := b.sp.find()
	v := &ir.Value{Type: ir.T(ir.F32, ir.ShapeOf(lengths...)...), Kind: ir.DataValue}
	s.data[v] = &ir.Tensor{DType: ir.F64, Shape: append([]int{}, lengths...), F64: append([]float64{}, x...)}
	return s.own(v)
}

// PredictedLayer is made by [Predicted].
type PredictedLayer struct{ Base }

// Predicted is 1 at the greatest element along the last axis, the first of equal ones,
// and 0 elsewhere. Applied to logits it marks the predicted class, and Mul of the two is
// that class's score. No gradient goes through it. Shapes: x and y f32[N … classes].
// Mistakes: x has another type.
func Predicted() *PredictedLayer { return &PredictedLayer{newBase("Predicted")} }

// Named gives the layer a name.
func (l *PredictedLayer) Named(name string) *PredictedLayer { return Named(l, name) }

// Build returns the mark of the greatest element.
func (l *PredictedLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	return b.Op(ops.OneHot{Depth: x[0].Type.Last()}, b.Op(ops.ArgMax{Axis: x[0].Type.Rank() - 1}, x[0]))
}
