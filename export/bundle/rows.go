package bundle

import (
	"fmt"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Rows of the stored sets.
const (
	givenRows   = 64
	spannedRows = 32
	layerRows   = 8
)

// missingOne is one number of how many that is missing in the spanned rows, of an input that may lack them.
const missingOne = 7

// maxElems bounds the elements of one stored input.
const maxElems = maxTensor / 8

// span is the range of a column's features; one number of a list stands for all features.
type span struct{ min, max []float64 }

// head is the first n rows of a source.
type head struct {
	dataset.Source
	n int
}

func (h head) Len() int { return h.n }

// given returns the first rows of the user's source as the inputs need them; free
// lengths are those of the columns.
func given(inputs []*ir.Value, capacity ir.Binding, src dataset.Source) (verify.Set, error) {
	set := verify.Set{Name: "given rows", In: map[string]*ir.Tensor{}}
	if src == nil {
		return set, fmt.Errorf("bundle: there are no rows to replay; pass the test data")
	}
	if e, ok := src.(interface{ Err() error }); ok {
		if err := e.Err(); err != nil {
			return set, fmt.Errorf("bundle: %w", err)
		}
	}
	if w, ok := src.(with); ok {
		if w.Source == nil {
			return set, fmt.Errorf("bundle: there are no rows to replay; pass the test data to bundle.With")
		}
		if err := w.unused(inputs); err != nil {
			return set, err
		}
	}
	set.Rows = min(src.Len(), givenRows)
	if set.Rows <= 0 {
		return set, fmt.Errorf("bundle: the data have no rows")
	}
	t, err := dataset.Collect(head{src, set.Rows})
	if err != nil {
		return set, fmt.Errorf("bundle: %w", err)
	}
	at, err := engine.ColumnLengths(inputs, t.Columns(), capacity)
	if err != nil {
		return set, fmt.Errorf("bundle: %w", err)
	}
	for _, v := range inputs {
		if !hasRows(v) {
			if set.In[v.Name], err = fixed(v, src); err != nil {
				return set, err
			}
			continue
		}
		col, err := column(v, t.Columns(), at)
		if err != nil {
			return set, err
		}
		x := &ir.Tensor{DType: v.Type.DType, Shape: v.Type.Shape.At(at.WithRows(set.Rows))}
		engine.SetColumn(x, t, col.Name)
		x = x.Clone()
		if err := x.Check(); err != nil {
			return set, fmt.Errorf("bundle: column %q: %w", col.Name, err)
		}
		set.In[v.Name] = x
	}
	return set, nil
}

// column finds the column that feeds an input.
func column(v *ir.Value, cols []dataset.Column, at ir.Binding) (dataset.Column, error) {
	if !v.Type.Shape.RowWise() {
		return dataset.Column{}, fmt.Errorf("bundle: input %q is %s; only inputs with the batch first can be fed from rows", v.Name, v.Type)
	}
	var has []string
	for _, c := range cols {
		has = append(has, c.String())
		if c.Name != v.Name {
			continue
		}
		dtype := map[ir.DType]dataset.DType{ir.F32: dataset.F32, ir.F64: dataset.F32, ir.I64: dataset.I64, ir.U8: dataset.U8}[v.Type.DType]
		fits := engine.ColumnFits(v, c, at)
		if known, ok := v.Type.Shape[1:].Fixed(); ok {
			fits = ir.Elems(known) == c.Width()
		}
		width := c.Width()
		if dtype != c.DType || !fits {
			return c, fmt.Errorf("bundle: input %q is %s but the column of that name is %s", v.Name, v.Type, c)
		}
		if width > maxElems/givenRows {
			return c, fmt.Errorf("bundle: input %q has %d elements a row; a stored set takes at most %d", v.Name, width, maxElems/givenRows)
		}
		return c, nil
	}
	return dataset.Column{}, fmt.Errorf("bundle: the data have no column for input %q (%s); they have %s", v.Name, v.Type, strings.Join(has, ", "))
}

// otherLengths returns free lengths that are not those given, where the capacity has
// another: about half of it.
func otherLengths(inputs []*ir.Value, given map[string]*ir.Tensor, capacity ir.Binding) (ir.Binding, error) {
	at, err := engine.Lengths(&ir.Graph{Inputs: inputs}, given)
	if err != nil {
		return at, err
	}
	for _, name := range at.Free() {
		n, _ := at.Of(name)
		most, ok := capacity.Of(name)
		switch {
		case n > 1:
			at = at.With(name, (n+1)/2)
		case ok:
			at = at.With(name, min(2, most))
		}
	}
	return at, nil
}

// spanned returns seeded rows spread over the range that training saw, feature by
// feature, with the free lengths of at. A feature that never moved takes the range of its column, so that
// every input has a part in the result and no weight hides behind a constant 0. Of an input in lacks some numbers are
// missing.
func spanned(inputs []*ir.Value, spans map[string]span, like verify.Set, at ir.Binding, lacks map[*ir.Value]bool) verify.Set {
	set := verify.Set{Name: "spanned rows", Rows: spannedRows, In: map[string]*ir.Tensor{}}
	for k, v := range inputs {
		x := ir.NewTensor(v.Type.DType, v.Type.Shape.At(at.WithRows(spannedRows))...)
		width, of := x.Len()/spannedRows, like.Rows
		if !hasRows(v) {
			width, of = x.Len(), 1
		}
		key := random.New(0).DeriveString("bundle").Derive(uint64(k))
		s := measured(like.In[v.Name], of)
		fits := func(list []float64) bool { return len(list) == len(s.min) || len(list) == 1 }
		if r, ok := spans[v.Name]; ok && fits(r.min) && fits(r.max) {
			s = r
		}
		lo, hi := overall(s)
		for i := range x.Len() {
			a, b := s.min[i%width%len(s.min)], s.max[i%width%len(s.max)]
			if !(a < b) {
				a, b = lo, hi
			}
			u := key.Float64(uint64(i))
			switch v.Type.DType {
			case ir.F32:
				x.F32[i] = float32(a + (b-a)*u)
				if x.F32[i] == 0 {
					x.F32[i] = float32(b)
				}
				if lacks[v] && key.Derive(1).Uint64N(uint64(i), missingOne) == 0 {
					x.F32[i] = float32(math.NaN())
				}
			case ir.F64:
				x.F64[i] = a + (b-a)*u
			case ir.Bool:
				x.Bool[i] = u < 0.5
			default: // an index, or of a kind that has no others: never outside what was seen
				a, b = s.min[i%width%len(s.min)], s.max[i%width%len(s.max)]
				x.SetInt(i, max(min(int64(math.Floor(a+(b-a+1)*u)), int64(b)), int64(a)))
			}
		}
		set.In[v.Name] = x
	}
	return set
}

// measured returns the range of each feature of the rows themselves.
func measured(t *ir.Tensor, rows int) span {
	width := max(t.Len()/max(rows, 1), 1)
	s := span{make([]float64, width), make([]float64, width)}
	for j := range s.min {
		s.min[j], s.max[j] = math.Inf(1), math.Inf(-1)
	}
	for i := range t.Len() {
		if x, j := t.At(i), i%width; x == x { // or it is missing
			s.min[j], s.max[j] = min(s.min[j], x), max(s.max[j], x)
		}
	}
	return s
}

// overall returns the range of all features together, never empty or unbounded.
func overall(s span) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, x := range s.min {
		lo = min(lo, x)
	}
	for _, x := range s.max {
		hi = max(hi, x)
	}
	if !(lo < hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		if math.IsInf(lo, 0) || math.IsInf(hi, 0) || math.IsNaN(lo) || math.IsNaN(hi) {
			lo, hi = 0, 0
		}
		return lo - 1, hi + 1
	}
	return lo, hi
}
