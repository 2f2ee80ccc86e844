package synthetic

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Rows are generated rows. They are a [dataset.BatchSource], safe for any number of goroutines, and never change.
type Rows struct {
	n    int
	seed uint64
	kind string
	key  random.Key // of the seed and the kind
	gen  generator
	cols []dataset.Column // that the generator fills
	left string           // columns that are left out, joined by commas
	hide []bool           // the same, by place in cols
	bin  *sync.Pool       // of what they are written to
	err  error
}

// waste is where columns go that are left out.
type waste struct {
	f32 []float32
	i64 []int64
}

// generator is one kind of rows.
type generator interface {
	visit(f *form) // names what decides the rows, besides their number and the seed
	check() error  // fills the defaults in
	columns() []dataset.Column
	names() []string // of the factors
	// fill writes a row. rows is the key of all of them, key that of the row.
	fill(rows, key random.Key, c cells)
}

// cells is the memory of a row: its columns of float32 in order, and those of int64.
type cells struct {
	f32 [4][]float32
	i64 [2][]int64
}

// MostRows bounds the rows of a source.
const MostRows = 1 << 40

func newRows(kind string, n int, seed uint64, g generator) *Rows {
	r := &Rows{n: n, seed: seed, kind: kind, key: random.New(seed).DeriveString(kind), gen: g}
	if r.err = g.check(); r.err == nil && (n < 1 || n > MostRows) {
		r.err = fmt.Errorf("the rows must be 1 to %d, got %d", MostRows, n)
	}
	if r.err != nil {
		r.err = fmt.Errorf("synthetic: %s: %w", kind, r.err)
		return r
	}
	r.cols = g.columns()
	r.hide = make([]bool, len(r.cols))
	return r
}

// Without returns the rows without some columns, such as "factors" where they are mixed with real rows, which have none.
//
// Errors (of Err): no such column; no column is left.
func (r *Rows) Without(columns ...string) *Rows {
	if r.Err() != nil {
		return r
	}
	w := *r
	w.hide = slices.Clone(r.hide)
	for _, name := range columns {
		i := slices.IndexFunc(w.cols, func(c dataset.Column) bool { return c.Name == name })
		if i < 0 || w.hide[i] {
			return &Rows{err: fmt.Errorf("synthetic: %s: Without: no column %q; there are %v", r.kind, name, r.Columns())}
		}
		w.hide[i] = true
	}
	if !slices.Contains(w.hide, false) {
		return &Rows{err: fmt.Errorf("synthetic: %s: Without: no column is left of %v", r.kind, r.Columns())}
	}
	var left []string
	width := 0
	for i, c := range w.cols {
		if width = max(width, c.Width()); w.hide[i] {
			left = append(left, c.Name)
		}
	}
	w.left = strings.Join(left, ",")
	w.bin = &sync.Pool{New: func() any { return &waste{make([]float32, width), make([]int64, width)} }}
	return &w
}

// Err returns what is wrong with the options.
func (r *Rows) Err() error {
	if r == nil {
		return fmt.Errorf("synthetic: the rows are nil")
	}
	return r.err
}

// Len implements [dataset.Source].
func (r *Rows) Len() int {
	if r.Err() != nil {
		return 0
	}
	return r.n
}

// Columns implements [dataset.Source].
func (r *Rows) Columns() []dataset.Column {
	if r.Err() != nil {
		return nil
	}
	var cols []dataset.Column
	for i, c := range r.cols {
		if c.Shape = slices.Clone(c.Shape); !r.hide[i] {
			cols = append(cols, c)
		}
	}
	return cols
}

// Row implements [dataset.Source].
func (r *Rows) Row(i int, row dataset.Row) error {
	if err := r.Err(); err != nil {
		return err
	}
	if i < 0 || i >= r.n {
		return fmt.Errorf("synthetic: there is no row %d of %d", i, r.n)
	}
	var c cells
	var bin *waste
	if r.bin != nil {
		bin = r.bin.Get().(*waste)
		defer r.bin.Put(bin)
	}
	f, n := 0, 0
	for j := range r.cols {
		width := r.cols[j].Width()
		switch floats := r.cols[j].DType == dataset.F32; {
		case floats && r.hide[j]:
			c.f32[f] = bin.f32[:width]
			f++
		case floats:
			c.f32[f] = row.F32Slice(r.cols[j].Name)
			f++
		case r.hide[j]:
			c.i64[n] = bin.i64[:width]
			n++
		default:
			c.i64[n] = row.I64Slice(r.cols[j].Name)
			n++
		}
	}
	if err := row.Err(); err != nil {
		return err
	}
	r.gen.fill(r.key, r.key.DeriveString("row").Derive(uint64(i)), c)
	return nil
}

// Rows implements [dataset.BatchSource].
func (r *Rows) Rows(index []int, dst dataset.Rows) error {
	for k, i := range index {
		if err := r.Row(i, dst.Row(k)); err != nil {
			return err
		}
	}
	return nil
}

// Factors names the numbers of the column "factors", in order.
func (r *Rows) Factors() []string {
	if r.Err() != nil {
		return nil
	}
	return r.gen.names()
}

// String returns the text form, which [Parse] reads: everything that decides the rows. Of an error it is the error's text.
func (r *Rows) String() string {
	if err := r.Err(); err != nil {
		return err.Error()
	}
	f := &form{}
	r.visit(f)
	return r.kind + " " + strings.Join(f.out, " ")
}

func (r *Rows) visit(f *form) {
	f.int("rows", &r.n)
	f.uint64("seed", &r.seed)
	if r.gen.visit(f); f.read != nil || r.left != "" {
		f.text("without", &r.left)
	}
}

// Generator says what made the rows, for [dataset.GeneratorOf].
func (r *Rows) Generator() string {
	if r.Err() != nil {
		return ""
	}
	return r.String()
}

// Stream returns the rows for [dataset.Spool], which recognizes them by their text form.
func (r *Rows) Stream() dataset.Stream {
	s := dataset.StreamOf(r)
	s.Source = func(context.Context) (string, error) { return r.String(), r.Err() }
	return s
}

// kinds makes a generator of each kind without its options.
var kinds = map[string]func() generator{
	"shapes":  func() generator { return &shapes{} },
	"strokes": func() generator { return &strokes{} },
	"waves":   func() generator { return &waves{} },
	"table":   func() generator { return &table{} },
}

// longest bounds a text form.
const longest = 1 << 14

// Parse returns the rows of a text form. Options that it leaves out have their defaults.
//
// Errors: no such kind or option; an option that comes twice or cannot be read; values out of range; rows of [Decoded], whose
// decoder no text holds.
func Parse(text string) (*Rows, error) {
	if len(text) > longest {
		return nil, fmt.Errorf("synthetic: a text form has at most %d bytes, this has %d", longest, len(text))
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, fmt.Errorf("synthetic: the text form is empty; it is such as %q", "strokes rows=1000 seed=1")
	}
	if words[0] == decodedKind {
		return nil, fmt.Errorf("synthetic: rows that a trained decoder made are made again only by the program that has it; give the rows themselves, such as in an .npz file")
	}
	make, ok := kinds[words[0]]
	if !ok {
		return nil, fmt.Errorf("synthetic: no generator is named %.40q; there are shapes, strokes, waves and table", words[0])
	}
	f := &form{read: map[string]string{}}
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if _, twice := f.read[name]; !ok || twice {
			return nil, fmt.Errorf("synthetic: %s: %.60q must be NAME=VALUE, each name once", words[0], w)
		}
		f.read[name] = value
	}
	r := &Rows{n: 1, gen: make()}
	r.visit(f)
	for name := range f.read {
		f.fail("no option is named %.40q; there are %s", name, strings.Join(f.names, ", "))
	}
	if f.err != nil {
		return nil, fmt.Errorf("synthetic: %s: %w", words[0], f.err)
	}
	out := newRows(words[0], r.n, r.seed, r.gen)
	if r.left != "" {
		out = out.Without(strings.Split(r.left, ",")...)
	}
	return out, out.err
}
