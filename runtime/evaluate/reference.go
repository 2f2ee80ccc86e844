package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Limits of a [Reference].
const (
	ReferenceRows   = 8192 // rows that are looked at, spread evenly over those given
	ReferencePlaces = 1024 // places of all columns and outputs
	placesOfOne     = 256  // of one column or output: pictures are not looked at pixel by pixel
	gridSteps       = 256  // numbers of a place that are kept, less one
	mostIDs         = 1024 // ids of a place; with more they are numbers
	mostText        = 1 << 16
)

// Reference is how the inputs and the outputs of a function were distributed over rows that are as they should be, for
// [Reference.Compare] with rows that come later. It is plain data for JSON.
type Reference struct {
	Rows    int      `json:"rows"`              // that were looked at
	Of      int      `json:"of"`                // that there were
	Places  []Spread `json:"places"`            // of columns, then of outputs
	Skipped []string `json:"skipped,omitempty"` // columns and outputs that are not looked at
}

// Spread is how one place of a column or of an output was distributed: either numbers or ids.
type Spread struct {
	Name    string `json:"name"`             // of a table's column, or such as code[3]
	Value   string `json:"value"`            // the column or output
	Output  bool   `json:"output,omitempty"` // which of the two
	Place   int    `json:"place"`            // in the row
	Unit    string `json:"unit,omitempty"`
	Missing int    `json:"missing,omitempty"` // rows without a finite number, or with the id that says so

	// At are numbers in ascending order: all that there are, or 257 quantiles. Under counts the rows with less than each,
	// and To those with at most that.
	At    []float64 `json:"at,omitempty"`
	Under []int     `json:"under,omitempty"`
	To    []int     `json:"to,omitempty"`

	IDs    []int64  `json:"ids,omitempty"`    // in ascending order
	Counts []int    `json:"counts,omitempty"` // rows of each
	Texts  []string `json:"texts,omitempty"`  // what each stands for, if that is known
	Table  bool     `json:"table,omitempty"`  // the ids are those of a [dataset.Schema]: 0 is a value never seen, 1 is none
}

// NewReference looks at the rows, and at what the function makes of them: at most [ReferenceRows], spread evenly over all, and
// [ReferencePlaces] places of inputs and outputs. Inputs and outputs with free lengths, without rows, or with more than 256
// numbers a row are skipped. Memory is 8 bytes for each of these numbers. It is the same for any number of workers.
//
// Errors: those of [engine.Net.Each].
func NewReference(ctx context.Context, net *engine.Net, rows dataset.Source) (*Reference, error) {
	if rows == nil {
		return nil, errors.New("evaluate: there are no rows: the source is nil")
	}
	if err := net.Err(); err != nil {
		return nil, err
	}
	r := &Reference{Of: rows.Len()}
	r.declare(net)
	seen := make([][]float64, len(r.Places))
	err := eachOf(ctx, net, spread(rows, ReferenceRows), func(n int, in, out map[string]*ir.Tensor) error {
		r.Rows += n
		for k := range r.Places {
			t, width := r.Places[k].of(in, out)
			for i := r.Places[k].Place; i < n*width; i += width {
				seen[k] = append(seen[k], valueAt(t, i))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("evaluate: reference: %w", err)
	}
	schema := net.Record().Schema
	for k := range r.Places {
		r.Places[k].keep(seen[k])
		r.Places[k].texts(schema)
		seen[k] = nil
	}
	return r, nil
}

// declare lists the places.
func (r *Reference) declare(net *engine.Net) {
	names := tableNames(net.Record().Schema)
	add := func(v *ir.Value, output bool) {
		shape := v.Type.Shape
		known := shape.RowWise() && !shape[1:].Symbolic()
		width := 0
		if known {
			width = shape[1:].Count()
		}
		if !known || width < 1 || width > placesOfOne || len(r.Places)+width > ReferencePlaces {
			r.Skipped = append(r.Skipped, v.Name)
			return
		}
		for i := range width {
			s := Spread{Name: v.Name, Value: v.Name, Output: output, Place: i}
			if width > 1 {
				s.Name = fmt.Sprintf("%s[%d]", v.Name, i)
			}
			if of := names[v.Name]; !output && len(of) == width {
				s.Name, s.Unit, s.Table = of[i].Name, of[i].Unit, of[i].Kind == dataset.Category
			}
			if v.Type.DType.Integer() && v.Type.DType != ir.U8 || v.Type.DType == ir.Bool {
				s.IDs = []int64{}
			}
			r.Places = append(r.Places, s)
		}
	}
	for _, v := range net.Inputs() {
		add(v, false)
	}
	for _, v := range net.Outputs() {
		add(v, true)
	}
}

// tableNames are the fields behind the places of the columns of a table.
func tableNames(s *dataset.Schema) map[string][]dataset.Field {
	all := map[string][]dataset.Field{}
	if s == nil {
		return all
	}
	numeric := s.Numeric()
	for _, f := range s.Fields {
		switch f.Kind {
		case dataset.Number, dataset.Date:
			for range f.Places() {
				all[s.Column(f.Kind)], numeric = append(all[s.Column(f.Kind)], dataset.Field{Name: numeric[0], Unit: f.Unit}), numeric[1:]
			}
		case dataset.Category:
			all[s.Column(f.Kind)] = append(all[s.Column(f.Kind)], f)
		}
	}
	return all
}

// of returns the tensor that has the place, and its numbers a row.
func (s *Spread) of(in, out map[string]*ir.Tensor) (*ir.Tensor, int) {
	t := in[s.Value]
	if s.Output {
		t = out[s.Value]
	}
	return t, ir.Elems(t.Shape[1:])
}

func valueAt(t *ir.Tensor, i int) float64 {
	if t.DType == ir.F32 {
		return float64(t.F32[i])
	}
	return t.At(i)
}

// keep makes the spread of the values of a place.
func (s *Spread) keep(x []float64) {
	slices.SortFunc(x, func(a, b float64) int { // those that are not finite go to the end
		switch af, bf := a-a == 0, b-b == 0; {
		case af != bf && af, af && a < b:
			return -1
		case af != bf, bf && a > b:
			return 1
		}
		return 0
	})
	n := len(x)
	for n > 0 && x[n-1]-x[n-1] != 0 {
		n--
	}
	s.Missing, x = len(x)-n, x[:n]
	distinct := 0
	for i := range x {
		if i == 0 || x[i] != x[i-1] {
			distinct++
		}
	}
	if s.IDs != nil && distinct <= mostIDs {
		for i := 0; i < n; {
			to := over(x, x[i])
			if id := int64(x[i]); s.Table && id == dataset.MissingID {
				s.Missing += to - i
			} else {
				s.IDs, s.Counts = append(s.IDs, id), append(s.Counts, to-i)
			}
			i = to
		}
		return
	}
	s.IDs, s.Table = nil, false
	add := func(v float64) {
		if k := len(s.At); k == 0 || v > s.At[k-1] {
			from, _ := slices.BinarySearch(x, v)
			s.At, s.Under, s.To = append(s.At, v), append(s.Under, from), append(s.To, over(x, v))
		}
	}
	if distinct <= gridSteps+1 {
		for _, v := range x {
			add(v)
		}
		return
	}
	for k := 0; k <= gridSteps; k++ {
		add(x[k*(n-1)/gridSteps])
	}
}

// over returns how many of the sorted numbers are at most v.
func over(x []float64, v float64) int {
	i, _ := slices.BinarySearch(x, math.Nextafter(v, math.Inf(1)))
	return i
}

// texts puts the values of a category to its ids.
func (s *Spread) texts(schema *dataset.Schema) {
	if !s.Table {
		return
	}
	f := schema.Field(s.Name)
	for _, id := range s.IDs {
		text := ""
		if k := id - dataset.MissingID - 1; k >= 0 && k < int64(len(f.Values)) {
			text = f.Values[k]
		}
		s.Texts = append(s.Texts, text)
	}
}

// spread returns at most n rows of a source, evenly over all.
func spread(rows dataset.Source, n int) dataset.Source {
	if rows.Len() <= n {
		return rows
	}
	return spreadRows{rows, n}
}

type spreadRows struct {
	dataset.Source
	n int
}

func (s spreadRows) Len() int { return s.n }

func (s spreadRows) Row(i int, row dataset.Row) error {
	return s.Source.Row(int(int64(i)*int64(s.Source.Len())/int64(s.n)), row)
}

// eachOf runs the rows, and calls f with inputs and outputs.
func eachOf(ctx context.Context, net *engine.Net, rows dataset.Source, f func(n int, in, out map[string]*ir.Tensor) error) error {
	in := map[string]*ir.Tensor{}
	inputs := net.Inputs()
	return net.Each(ctx, rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		for _, v := range inputs {
			x := &ir.Tensor{DType: v.Type.DType}
			n := 0
			switch v.Type.DType {
			case ir.F32, ir.F64:
				x.DType, x.F32 = ir.F32, b.F32(v.Name)
				n = len(x.F32)
			case ir.I64:
				x.I64 = b.I64(v.Name)
				n = len(x.I64)
			case ir.U8:
				x.Raw = b.U8(v.Name)
				n = len(x.Raw)
			}
			x.Shape = []int{b.Rows, n / b.Rows}
			in[v.Name] = x
		}
		return f(b.Rows, in, out)
	})
}

// Check returns what is wrong with a reference that was read from anywhere.
func (r *Reference) Check() error {
	if r == nil {
		return errors.New("evaluate: there is no reference")
	}
	if r.Rows < 1 || r.Rows > ReferenceRows || r.Of < r.Rows || len(r.Places) > ReferencePlaces || len(r.Skipped) > mostText {
		return errors.New("evaluate: reference: it has too many rows or places, or none")
	}
	for k := range r.Places {
		if rule := r.Places[k].rule(r.Rows); rule != "" {
			return fmt.Errorf("evaluate: reference: place %d: %s", k, rule)
		}
	}
	return nil
}

// rule says what is wrong, "" for nothing.
func (s *Spread) rule(rows int) string {
	n := rows - s.Missing
	switch {
	case len(s.Name) > mostText || len(s.Value) > mostText || len(s.Unit) > mostText || s.Place < 0 || s.Place >= placesOfOne:
		return "its name or its place cannot be"
	case s.Missing < 0 || n < 0:
		return "more rows are missing than there are"
	case len(s.At) > 0 && len(s.IDs) > 0:
		return "it has both numbers and ids"
	case len(s.At) > gridSteps+1 || len(s.Under) != len(s.At) || len(s.To) != len(s.At):
		return "the numbers and their counts are not as many"
	case len(s.IDs) > mostIDs || len(s.Counts) != len(s.IDs) || len(s.Texts) > 0 && len(s.Texts) != len(s.IDs):
		return "the ids and their counts are not as many"
	case n > 0 && len(s.At) == 0 && len(s.IDs) == 0:
		return "it has neither numbers nor ids"
	}
	last := 0
	for i, v := range s.At {
		if v-v != 0 || i > 0 && v <= s.At[i-1] || s.Under[i] < last || s.To[i] <= s.Under[i] || s.To[i] > n {
			return "the numbers do not ascend, or their counts do not"
		}
		last = s.To[i]
	}
	if len(s.At) > 0 && (s.Under[0] != 0 || last != n) {
		return "the counts do not add up to the rows"
	}
	sum := 0
	for i, id := range s.IDs {
		if i > 0 && id <= s.IDs[i-1] || s.Counts[i] < 1 || s.Counts[i] > n {
			return "the ids do not ascend, or a count cannot be"
		}
		sum += s.Counts[i]
	}
	if len(s.IDs) > 0 && sum != n {
		return "the counts do not add up to the rows"
	}
	return ""
}

// Fits returns an error unless the reference is one of a function with these inputs and outputs.
func (r *Reference) Fits(net *engine.Net) error {
	if err := r.Check(); err != nil {
		return err
	}
	want := &Reference{}
	want.declare(net)
	same := slices.EqualFunc(r.Places, want.Places, func(a, b Spread) bool {
		return a.Value == b.Value && a.Output == b.Output && a.Place == b.Place && (len(a.IDs) == 0 || b.IDs != nil)
	})
	if !same {
		return errors.New("evaluate: reference: its places are not those of the function")
	}
	return nil
}
