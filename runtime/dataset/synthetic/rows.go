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
	bin  *sync.Pool       // of what columns are written to that are left out; nil if none is
	err  error

	given string // names of all columns, joined by commas, if they are not the generator's own
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
	return r
}

// Without returns the rows without some columns, such as "factors" where they are mixed with real rows, which have none.
//
// Errors (of Err): no such column; no column is left.
func (r *Rows) Without(columns ...string) *Rows {
	to := map[string]string{}
	for _, name := range columns {
		to[name] = leftOut
	}
	return r.named("Without", to)
}

// Rename returns the rows with a column renamed, such as "y" to the name of a model's labels.
//
// Errors (of Err): no such column; a name that is empty, taken or "-", or has blanks or commas.
func (r *Rows) Rename(column, to string) *Rows {
	if to == "" || to == leftOut || strings.ContainsAny(to, ", \t\r\n\v\f\u0085\u00a0") || to != strings.Join(strings.Fields(to), " ") {
		return r.failed(fmt.Errorf("Rename: column %q cannot be named %q: a name is not empty and has no blanks and no commas", column, to))
	}
	return r.named("Rename", map[string]string{column: to})
}

// leftOut is the name of a column that is left out.
const leftOut = "-"

func (r *Rows) failed(err error) *Rows {
	if r.Err() != nil {
		return r
	}
	return &Rows{kind: r.kind, err: fmt.Errorf("synthetic: %s: %w", r.kind, err)}
}

// named returns the rows with other names of columns.
func (r *Rows) named(method string, to map[string]string) *Rows {
	if r.Err() != nil {
		return r
	}
	w := *r
	w.cols = slices.Clone(r.cols)
	width, seen := 0, map[string]bool{}
	names := make([]string, len(w.cols))
	for i := range w.cols {
		c := &w.cols[i]
		if name, ok := to[c.Name]; ok && c.Name != leftOut {
			delete(to, c.Name)
			c.Name = name
		}
		if c.Name != leftOut && seen[c.Name] {
			return r.failed(fmt.Errorf("%s: two columns are named %q", method, c.Name))
		}
		seen[c.Name] = true
		width = max(width, c.Width())
		names[i] = c.Name
	}
	for name := range to {
		return r.failed(fmt.Errorf("%s: no column %q; there are %v", method, name, r.Columns()))
	}
	if len(w.Columns()) == 0 {
		return r.failed(fmt.Errorf("%s: no column is left of %v", method, r.Columns()))
	}
	w.given = strings.Join(names, ",")
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
	for _, c := range r.cols {
		if c.Shape = slices.Clone(c.Shape); c.Name != leftOut {
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
		case floats && r.cols[j].Name == leftOut:
			c.f32[f] = bin.f32[:width]
			f++
		case floats:
			c.f32[f] = row.F32Slice(r.cols[j].Name)
			f++
		case r.cols[j].Name == leftOut:
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

// Picture returns the height and the width of pictures, and 0 for other rows.
func (r *Rows) Picture() (height, width int) {
	if p, ok := r.gen.(interface{ picture() (height, width int) }); ok && r.Err() == nil {
		return p.picture()
	}
	return 0, 0
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
	if r.gen.visit(f); f.read != nil || r.given != "" {
		f.text("columns", &r.given)
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
	if r.given != "" && out.err == nil {
		names := strings.Split(r.given, ",")
		if len(names) != len(out.cols) || slices.Contains(names, "") {
			return out, fmt.Errorf("synthetic: %s: columns must name each of %v, or be - where one is left out", words[0], out.cols)
		}
		// Not one after the other: x and y may change their names.
		to := map[string]string{}
		for i, name := range names {
			to[out.cols[i].Name] = name
		}
		out = out.named("columns", to)
	}
	return out, out.err
}
