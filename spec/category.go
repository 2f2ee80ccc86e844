package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Categories declares an input i64[N c] of c columns of ids, each below its own number, as
// a table's categories have them: dataset.Schema.Cardinalities gives the numbers. [Embeddings],
// [OneHotIDs] and [Ordinal] read them. Mistakes: there is no column, a number is not positive.
func Categories(name string, cardinalities ...int) *Value {
	most, rule := 0, cardsRule(cardinalities)
	for _, n := range cardinalities {
		most = max(most, n)
	}
	v := newInput(name, ir.I64, []int{max(len(cardinalities), 1)}, max(most, 1), "Categories")
	if isBad(v.v) {
		return v
	}
	if rule != "" {
		at := callers(0)
		v.sp.fail(&mistake{at: at, made: at, op: text("Categories %q", name), rule: text("%s", rule)})
		return &Value{sp: v.sp, v: bad()}
	}
	v.sp.inputs[0].cards = slices.Clone(cardinalities)
	return v
}

// Cardinalities returns, for each input of [Categories], the numbers below which the ids of
// its columns are.
func (m *Model) Cardinalities() map[string][]int {
	out := map[string][]int{}
	for _, in := range m.inputs() {
		if in.cards != nil {
			out[in.name] = slices.Clone(in.cards)
		}
	}
	return out
}

// cardsRule returns the rule that numbers of ids break, or "".
func cardsRule(cards []int) string {
	if len(cards) == 0 {
		return "the number of ids of each column is needed, got none"
	}
	for i, n := range cards {
		if n < 1 || n > maxElems {
			return fmt.Sprintf("the number of a column's ids must be from 1 to 2^31, got %d for column %d", n, i)
		}
	}
	return ""
}

// ids returns the rule that x breaks as columns of ids, each below its number, or "".
func (b *Builder) ids(x *ir.Value, cards []int) string {
	t := x.Type
	if t.DType != ir.I64 || t.Rank() != 2 || !rowsFirst(t.Shape) || t.Shape[1] != ir.Fixed(len(cards)) {
		return fmt.Sprintf("x must be i64[N %d], a column for each number of ids, got %s", len(cards), t)
	}
	for _, in := range b.sp.find().inputs {
		if in.v != x {
			continue
		}
		for i, n := range cards {
			have := in.limit
			if in.cards != nil {
				have = in.cards[i]
			}
			if have > n {
				return fmt.Sprintf("column %d of input %q has ids below %d, but here they are below %d", i, in.name, have, n)
			}
		}
	}
	return ""
}

// eachID returns what f makes of every column of ids, side by side.
func (b *Builder) eachID(x *ir.Value, f func(i int, ids *ir.Value) *ir.Value) *ir.Value {
	n := x.Type.Last()
	made := make([]*ir.Value, n)
	for i := range made {
		ids := x
		if n > 1 {
			ids = b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(i), End: ir.Fixed(i + 1)}, x)
		}
		made[i] = f(i, b.Op(ops.Reshape{Shape: ir.MakeDims(x.Type.Shape[:1])}, ids))
	}
	if n == 1 {
		return made[0]
	}
	return b.Op(ops.Concat{Axis: 1}, made...)
}

// OneHotIDs gives each column of ids x i64[N c] as many columns as it has ids, 1 at its id
// and 0 elsewhere: f32[N Σ cardinalities], one column's behind the other's. An id that is
// none gives zeros. Slice, OneHot and Concat of ONNX. No gradient reaches x, and it has no
// mirror image. Mistakes: x is not i64[N c] with a column for each number; an input of x has
// more ids than a number says.
func OneHotIDs(cardinalities ...int) *FormulaLayer {
	cards := slices.Clone(cardinalities)
	return &FormulaLayer{Base: newBase("OneHotIDs"), rule: cardsRule(cards), build: func(b *Builder, x *ir.Value) *ir.Value {
		if rule := b.ids(x, cards); rule != "" {
			return b.Errorf("%s", rule)
		}
		return b.eachID(x, func(i int, ids *ir.Value) *ir.Value { return b.Op(ops.OneHot{Depth: cards[i]}, ids) })
	}}
}

// firstValue is the id of a category's first value: 0 is one never seen, 1 a missing one.
const firstValue = 2

// Ordinal makes numbers of columns of ids x i64[N c] whose values are in order, such as
// sizes: f32[N c], from 0 for a column's first value to 1 for its last, and -1 for a value
// never seen or missing, which have the ids 0 and 1 (see dataset.Schema). Cast, Sub, Div and
// Where of ONNX. No gradient reaches x, and it has no mirror image. Mistakes: those of
// [OneHotIDs]; a column has no values, that is, fewer than three ids.
func Ordinal(cardinalities ...int) *FormulaLayer {
	cards := slices.Clone(cardinalities)
	l := &FormulaLayer{Base: newBase("Ordinal"), rule: cardsRule(cards)}
	steps := make([]float64, len(cards))
	for i, n := range cards {
		if steps[i] = float64(max(n-firstValue-1, 1)); n <= firstValue && l.rule == "" {
			l.rule = fmt.Sprintf("column %d has %d ids, but 0 and 1 are of no value, so it has none to put in order", i, n)
		}
	}
	l.build = func(b *Builder, x *ir.Value) *ir.Value {
		if rule := b.ids(x, cards); rule != "" {
			return b.Errorf("%s", rule)
		}
		place := b.Op(ops.Sub{}, b.Op(ops.Cast{To: ir.F32}, x), b.Const(firstValue))
		none := b.Op(ops.Less{}, place, b.Const(0))
		return b.Op(ops.Where{}, none, b.Const(-1), b.Op(ops.Div{}, place, b.vector(steps)))
	}
	return l
}
