package spec

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// centreRule returns the rule that a centre for codes of type t breaks, or "".
func centreRule(t ir.Type, centre []float64) string {
	if t.DType != ir.F32 || t.Rank() != 2 || !rowsFirst(t.Shape) || t.Shape[1:].Symbolic() {
		return fmt.Sprintf("the code must be f32[N units], got %s", t)
	}
	if n := t.Last(); n != len(centre) {
		return fmt.Sprintf("the centre must have a number for each of the %d units of the code, got %d", n, len(centre))
	}
	for i, c := range centre {
		if f := float64(float32(c)); f-f != 0 {
			return fmt.Sprintf("the centre must be finite in f32, got %v at %d", c, i)
		}
	}
	return ""
}

// SquaredDistanceLayer is made by [SquaredDistance].
type SquaredDistanceLayer struct {
	Base
	centre []float64
}

// SquaredDistance is the squared Euclidean distance of each code from a centre,
// Σ (x-centre)²: the anomaly score of a model trained with [OneClass] and the same centre.
//
// Shapes: x f32[N units], y f32[N]. Mistakes: the centre has another length or is not
// finite.
func SquaredDistance(centre []float64) *SquaredDistanceLayer {
	return &SquaredDistanceLayer{newBase("SquaredDistance"), append([]float64{}, centre...)}
}

// Named gives the layer a name.
func (l *SquaredDistanceLayer) Named(name string) *SquaredDistanceLayer { return Named(l, name) }

// Build returns the distances.
func (l *SquaredDistanceLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := centreRule(x[0].Type, l.centre); rule != "" {
		return b.Errorf("%s", rule)
	}
	return b.squaredDistance(x[0], l.centre)
}

func (b *Builder) squaredDistance(x *ir.Value, centre []float64) *ir.Value {
	d := b.Op(ops.Sub{}, x, b.vector(centre))
	return b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.Mul{}, d, d))
}

// oneClass is the loss of Deep SVDD.
type oneClass struct {
	Base
	centre []float64
	elems  *ir.Value
}

// leastCentre is how near to 0 a coordinate of a centre may be. What the theory excludes is
// 0; rounding of a mean makes other numbers of it.
const leastCentre = 1e-6

// OneClass is the loss of Deep Support Vector Data Description (Ruff et al. 2018, equation
// 4): the mean over the rows of the squared distance of a code from a centre. Trained on
// normal rows alone, the encoder maps them near the centre and others further away, as
// [SquaredDistance] tells. The centre is fixed: the mean code of the encoder as it is before
// this training, pretrained or not (train.Centre).
//
// An encoder that could give the centre for every row would learn just that. So the rules of
// the paper are enforced, on every layer with which the code is computed from the data:
//
//   - no coordinate of the centre is 0, which weights of 0 give (proposition 1);
//   - no layer has a bias, nor anything that acts as one, such as the bias of a
//     [BatchNorm] (proposition 2): write NoBias;
//   - no activation has a bound other than 0, such as Sigmoid, Tanh or ELU, for where it is
//     saturated it acts as a bias (proposition 3): ReLU, LeakyReLU, SiLU and GELU have none.
//
// Each layer that breaks one is a mistake at its own line. Further mistakes: the code is
// not f32[N units]; the centre has another length or is not finite.
func OneClass(code *Value, centre []float64) *Loss {
	at := callers(0)
	base := newBase("OneClass")
	base.st.loss = true
	l := &oneClass{Base: base, centre: append([]float64{}, centre...)}
	v := apply(at, "loss OneClass", l, []*Value{code})
	return &Loss{sp: v.sp, v: v.v, st: base.st, weight: 1, elems: l.elems}
}

// Build returns the mean distance.
func (l *oneClass) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := centreRule(x[0].Type, l.centre); rule != "" {
		return b.Errorf("%s", rule)
	}
	for i, c := range l.centre {
		if math.Abs(c) < leastCentre {
			return b.mistake(&mistake{op: text("loss OneClass"),
				rule: text("coordinate %d of the centre is %v, but weights of 0 give 0 for every row (Ruff et al. 2018, proposition 1)", i, c),
				hint: "train.Centre keeps the coordinates away from 0"})
		}
	}
	if !b.noBias(x[0]) {
		b.failed = true
		return bad()
	}
	l.elems = b.squaredDistance(x[0], l.centre)
	return mean(b, l.elems)
}

// noBias reports whether every layer on the way from the data to a code gives 0 for 0 and
// has no other bound. It records a mistake for each that does not.
func (b *Builder) noBias(code *ir.Value) bool {
	s := b.sp.find()
	w := &zeros{sp: s, zero: map[*ir.Value]bool{}, live: map[*ir.Value]bool{}, trained: map[*ir.Value]bool{}}
	for _, in := range s.inputs {
		w.zero[in.v], w.live[in.v] = true, true
	}
	for _, p := range s.params {
		w.trained[p.v] = true
	}
	for v, t := range s.data {
		w.zero[v] = allZero(t)
	}
	above, good := ir.Above(code), true
	blamed := map[*state]bool{}
	for _, n := range s.nodes {
		if !n.Makes(above) {
			continue
		}
		rule := w.visit(n)
		if rule == "" {
			continue
		}
		good = false
		st := s.made[n].st
		if !blamed[st] {
			blamed[st] = true
			s.fail(&mistake{st: st, at: b.p.at, placed: b.p.at, op: text("loss OneClass"), rule: text("%s", rule), hint: "NoBias leaves a bias out; of the activations, ReLU, LeakyReLU, SiLU and GELU will do"})
		}
	}
	return good
}

// zeros follows what a graph gives where its data are 0.
type zeros struct {
	sp      *space
	zero    map[*ir.Value]bool // 0 there, whatever the weights are
	live    map[*ir.Value]bool // depends on data
	trained map[*ir.Value]bool // depends on weights
}

// visit finds out about the results of a node, whose operands are known, and returns the
// rule that it breaks. It goes on as if it broke none.
func (w *zeros) visit(n *ir.Node) (rule string) {
	live, trained := false, false
	zero := make([]bool, len(n.In))
	for i, v := range n.In {
		zero[i] = w.zero[v]
		live = live || w.live[v]
		trained = trained || w.trained[v] || v.Kind == ir.StateValue
	}
	live = live && !ir.ShapeOnly(n.Op)
	is := live && !trained || w.vanishes(n, zero) // what is made of data alone is data
	switch {
	case n.Out[0].Type.DType == ir.Bool: // chooses, and adds nothing
	case live && !is:
		rule = fmt.Sprintf("a one-class encoder must have no bias, but %s, so it could give the centre for every row (Ruff et al. 2018, proposition 2)", w.adds(n, zero))
		is = true
	case live && trained:
		if bound, ok := w.bound(n); ok {
			rule = fmt.Sprintf("a one-class encoder must have no activation with a bound other than 0, but %s has the bound %.4g; where it is saturated it acts as a bias (Ruff et al. 2018, proposition 3)", n.Op.Name(), bound)
		}
	}
	for _, v := range n.Out {
		w.zero[v], w.live[v], w.trained[v] = is, live, trained
	}
	return rule
}

// adds says what keeps the result of n from being 0: an operand without which it would be,
// or the op.
func (w *zeros) adds(n *ir.Node, zero []bool) string {
	for j, v := range n.In {
		without := slices.Clone(zero)
		if without[j] = true; zero[j] || !w.vanishes(n, without) {
			continue
		}
		for _, p := range w.sp.params {
			if p.v == v {
				return fmt.Sprintf("this layer adds its parameter %q", p.name)
			}
		}
		return fmt.Sprintf("this layer adds operand %d of %s, which is not 0", j+1, n.Op.Name())
	}
	return fmt.Sprintf("%s, which need not give 0 for 0, acts as one", n.Op.Name())
}

// adding reports whether a linear op adds an operand to what it makes of those that are 0.
// One that multiplies them it does not: the op is not linear in these and that one together.
func adding(l ir.Linear, zero []bool) bool {
	for j := range zero {
		if zero[j] {
			continue
		}
		both := slices.Clone(zero)
		both[j] = true
		if l.Linear(both) {
			return true
		}
	}
	return false
}

// vanishes reports whether the results of n are 0 where these operands are.
func (w *zeros) vanishes(n *ir.Node, zero []bool) bool {
	if ir.TrainingOnly(n.Op) {
		return zero[0]
	}
	if !slices.Contains(zero, true) {
		return false
	}
	if v, ok := n.Op.(ir.Vanisher); ok {
		return v.Vanishes(zero)
	}
	if l, ok := n.Op.(ir.Linear); ok && l.Linear(zero) {
		return !adding(l, zero)
	}
	for _, other := range []float64{0.7, -0.7, 0} {
		y, ok := w.element(n, func(i int) (float64, bool) { return 0, zero[i] }, other)
		if !ok || y != 0 {
			return false
		}
	}
	return true
}

// bound returns what the elements of an activation tend to where its operand does to
// infinity, if that is neither 0 nor infinite.
func (w *zeros) bound(n *ir.Node) (float64, bool) {
	at, count := 0, 0
	for i, v := range n.In {
		if w.live[v] {
			at, count = i, count+1
		}
	}
	if l, ok := n.Op.(ir.Linear); count != 1 || ok && l.Linear(only(at, len(n.In))) || ir.TrainingOnly(n.Op) || !n.Out[0].Type.DType.Float() {
		return 0, false
	}
	for _, far := range []float64{1e30, -1e30} {
		y, ok := w.element(n, func(i int) (float64, bool) { return far, i == at }, 0.7)
		if a := math.Abs(y); ok && a > 1e-9 && a < 1e9 {
			return y, true
		}
	}
	return 0, false
}

func only(i, n int) []bool {
	out := make([]bool, n)
	out[i] = true
	return out
}

// element returns what an op that works element by element makes of one element of each
// operand: of what is given, else of a constant that is one number, else of other.
func (w *zeros) element(n *ir.Node, given func(i int) (float64, bool), other float64) (float64, bool) {
	p, ok := n.Op.(ir.InPlacer)
	if !ok {
		return 0, false
	}
	types, in := make([]ir.Type, len(n.In)), make([]*ir.Tensor, len(n.In))
	for i, v := range n.In {
		types[i] = ir.T(v.Type.DType)
		x, ok := given(i)
		if t := w.sp.data[v]; !ok && t != nil && t.Len() == 1 {
			x, ok = t.At(0), true
		}
		if !ok {
			x = other
		}
		in[i] = ir.NewTensor(v.Type.DType.Reference())
		in[i].Set(0, x)
	}
	if _, each := p.InPlace(ir.TypesOf(n.In)); !each {
		return 0, false
	}
	if _, err := ir.InferOp(n.Op, types); err != nil { // it works along an axis
		return 0, false
	}
	out, err := ir.EvalOp(&ir.Env{Binding: ir.RowsOf(1)}, n.Op, types, in)
	if err != nil || len(out) != 1 || out[0].Len() != 1 {
		return 0, false
	}
	return out[0].At(0), true
}

// allZero reports whether every element of a constant is 0.
func allZero(t *ir.Tensor) bool {
	for i := range t.Len() {
		if t.At(i) != 0 {
			return false
		}
	}
	return true
}
