package spec

import "slices"

// Table is the front of a model that reads tables, made by [NewTable], and what can be said of its columns behind it.
type Table struct {
	Numeric     *Value // the input numeric, f32[N k], NaN where there is no number; nil without numbers
	Categorical *Value // the input categorical, i64[N c]; nil without categories
	Scaled      *Value // f32[N k]: the numbers clipped and standardised, missing where they are; nil without numbers
	Row         *Value // f32[N 2k+4c]: what an encoder reads

	numbers int
	cards   []int
}

// embedded is how many numbers stand for a category.
const embedded = 4

// NewTable declares the inputs of a table of k numbers and of categories, whose cardinalities are those of
// dataset.Schema.Cardinalities, and makes of them one row for an encoder. It is
//
//	numeric := spec.Input("numeric", k).Optional()
//	scaled := numeric.Then(spec.ClipQuantiles(0.01, 0.99), spec.Standardise())
//	category := spec.Categories("categorical", cardinalities...)
//	row := spec.Concat(0, scaled.Then(spec.FillMissing().With(0).Indicator()), category.Then(spec.Embeddings(cardinalities, 4)))
//
// where either may be absent. Write these lines instead where something is to be otherwise. Mistakes: those of these layers; a
// table of no columns.
func NewTable(k int, cardinalities ...int) *Table {
	t := &Table{numbers: k, cards: slices.Clone(cardinalities)}
	var parts []*Value
	if k != 0 || len(cardinalities) == 0 {
		t.Numeric = Input("numeric", k).Optional()
		t.Scaled = t.Numeric.Then(ClipQuantiles(0.01, 0.99), Standardise())
		parts = append(parts, t.Scaled.Then(FillMissing().With(0).Indicator()))
	}
	if len(cardinalities) > 0 {
		t.Categorical = Categories("categorical", cardinalities...)
		parts = append(parts, t.Categorical.Then(Embeddings(t.cards, embedded)))
	}
	t.Row = beside(parts)
	return t
}

// beside is the parts of a row, one after the other.
func beside(parts []*Value) *Value {
	if len(parts) == 1 {
		return parts[0]
	}
	return Concat(0, parts...)
}

// Reconstruction is how well a code tells the table's columns, each by a [Dense] layer of its own: the [MSE] of the scaled
// numbers that are there, and the [BinaryCrossEntropy] of all ids, of which one is 1 in each category. With noise on the row it
// trains a denoising autoencoder without any label:
//
//	code := t.Row.Then(spec.MaskingNoise(0.2), enc)
//	m := spec.NewModel("columns", t.Reconstruction(code)...)
//
// Shapes: code f32[N … d]. Mistakes: those of Dense.
func (t *Table) Reconstruction(code *Value) []*Loss {
	var list []*Loss
	if t.Scaled != nil {
		list = append(list, MSE(code.Then(Dense(t.numbers).Named("numbers")), t.Scaled))
	}
	if t.Categorical != nil {
		ids := 0
		for _, n := range t.cards {
			ids += n
		}
		list = append(list, BinaryCrossEntropy(code.Then(Dense(ids).Named("ids")), t.Categorical.Then(OneHotIDs(t.cards...))))
	}
	return list
}

// Contributions is what each column of the table adds to a score: f32[N k+c], the numbers first, named contributions. They are
// the [IntegratedGradients] of the row with that number of steps, each column's added up, a number's with its being there. Those
// of a row add up to its score less that of a row of average numbers and no categories, as far as the steps allow. The score is
// made of the row by a layer:
//
//	score := spec.Layers(enc, head, spec.Sigmoid())
//	ship := fit.Net(t.Row.Then(score).Named("score"), t.Contributions(32, score))
//
// Mistakes: those of IntegratedGradients.
func (t *Table) Contributions(steps int, score Layer) *Value {
	why := Apply(IntegratedGradients(steps, func(row *Value, _ ...*Value) *Value { return row.Then(score) }), t.Row)
	var parts []*Value
	at := 0
	if t.Scaled != nil {
		at = 2 * t.numbers
		parts = append(parts, why.Then(Slice(0, 0, at), Reshape(2, t.numbers), Sum(0)))
	}
	if c := len(t.cards); c > 0 {
		parts = append(parts, why.Then(Slice(0, at, End), Reshape(c, embedded), Sum(1)))
	}
	return beside(parts).Named("contributions")
}
