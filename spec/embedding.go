package spec

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// EmbeddingLayer is made by [Embedding].
type EmbeddingLayer struct {
	Base
	vocabulary, units int
	init              Init
}

// Embedding gives each id a row of a table that is trained (Bengio, Ducharme, Vincent and
// Jauvin 2003).
//
// Shapes: x i64[N …], y f32[N … units]. Parameters: table f32[vocabulary units], Glorot
// uniform unless Init is given, as of a [Dense] layer of one-hot rows. Gather of ONNX. No gradient reaches x, and
// it has no mirror image. Mistakes: vocabulary or units are not positive; x is not i64 with
// the batch first; an input of x has more ids than the vocabulary. An id outside the
// vocabulary is an error of a run, with its row; of an input, training says so before it
// begins.
func Embedding(vocabulary, units int) *EmbeddingLayer {
	return &EmbeddingLayer{newBase("Embedding"), vocabulary, units, Glorot()}
}

// Named gives the layer a name.
func (l *EmbeddingLayer) Named(name string) *EmbeddingLayer { return Named(l, name) }

// Init sets the initializer of the table.
func (l *EmbeddingLayer) Init(i Init) *EmbeddingLayer {
	return Option(l, "Init", func(l *EmbeddingLayer) { l.init = i })
}

func (l *EmbeddingLayer) args() string {
	if l.vocabulary <= 0 || l.units <= 0 {
		return fmt.Sprintf("vocabulary and units must be positive, got %d and %d", l.vocabulary, l.units)
	}
	return ""
}

// Build returns the rows of the ids.
func (l *EmbeddingLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if t.DType != ir.I64 || !rowsFirst(t.Shape) {
		return b.Errorf("x must be ids, i64[N …], got %s", t)
	}
	for _, in := range b.sp.find().inputs {
		if in.v == x[0] && in.limit > l.vocabulary {
			return b.Errorf("the vocabulary is %d but input %q has %d different values (x is %s)", l.vocabulary, in.name, in.limit, t)
		}
		if in.v == x[0] && in.optional {
			return b.Errorf("input %q may be absent, -1, which is no row of the table: give what is absent an id of its own", in.name)
		}
	}
	return b.Op(ops.Gather{}, b.Param("table", l.init, l.vocabulary, l.units), x[0])
}

// EmbeddingsLayer is made by [Embeddings].
type EmbeddingsLayer struct {
	Base
	cards, units []int
	init         Init
}

// Embeddings gives each id of several columns a row of its column's own table: for each
// column an [Embedding], side by side (Guo and Berkhahn 2016). units has a number for every
// column, or one for all.
//
// Shapes: x i64[N c], as of [Categories], y f32[N Σ units]. Parameters: table0 f32[n units],
// table1, … for the columns' numbers of ids n, as in Embedding. Slice, Gather and Concat of
// ONNX. Mistakes: those of Embedding and [OneHotIDs]; units are neither one nor as many as
// the columns, or not positive.
func Embeddings(cardinalities []int, units ...int) *EmbeddingsLayer {
	cards, units := slices.Clone(cardinalities), slices.Clone(units)
	if len(units) == 1 && len(cards) > 1 {
		units = slices.Repeat(units, len(cards))
	}
	return &EmbeddingsLayer{newBase("Embeddings"), cards, units, Glorot()}
}

// Named gives the layer a name.
func (l *EmbeddingsLayer) Named(name string) *EmbeddingsLayer { return Named(l, name) }

// Init sets the initializer of the tables.
func (l *EmbeddingsLayer) Init(i Init) *EmbeddingsLayer {
	return Option(l, "Init", func(l *EmbeddingsLayer) { l.init = i })
}

func (l *EmbeddingsLayer) args() string {
	if rule := cardsRule(l.cards); rule != "" {
		return rule
	}
	if len(l.units) != len(l.cards) || slices.Min(l.units) < 1 {
		return fmt.Sprintf("units must be positive, one number for all of the %d columns or one for each, got %v", len(l.cards), l.units)
	}
	return ""
}

// Build returns the rows of the ids, side by side.
func (l *EmbeddingsLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := b.ids(x[0], l.cards); rule != "" {
		return b.Errorf("%s", rule)
	}
	if in := (&Value{sp: b.sp, v: x[0]}); in.optional() {
		return b.Errorf("the ids may be absent, -1, which is no row of a table: give what is absent an id of its own")
	}
	return b.eachID(x[0], func(i int, ids *ir.Value) *ir.Value {
		return b.Op(ops.Gather{}, b.Param("table"+itoa(i), l.init, l.cards[i], l.units[i]), ids)
	})
}
