package dataset

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Mixture is two sources whose rows come together in each batch: see [Mix]. It is a [BatchSource].
type Mixture struct {
	parts [2]ingredient
	whole string // what it is, for errors
	cols  []Column
	err   error
}

// ingredient is one of the sources of a mixture.
type ingredient struct {
	given Source
	src   BatchSource // the same
	name  string      // for errors
	n     int         // rows
	count int         // of a batch
	cols  []Column
	lacks []Column // of the mixture, i64 or Missing
	reads stock[*mixing]
}

// mixing is what one goroutine needs.
type mixing struct {
	block *block
	rows  []int
	cols  []column
}

// maxMixed bounds the rows of one source in a batch.
const maxMixed = 1 << 20

// Mix returns a source whose batches have n rows of the first source, then m of the second:
//
//	train.Fit(ctx, model, dataset.Mix(labelled, 32, unlabelled, 256), train.Options{…})
//
// An epoch is one pass over the second source, rounded up to whole batches. Each source is gone through in an order that is
// drawn by the key of the [Batches]. When it ends, be it in the middle of a batch or of an epoch, it starts again in another
// order. So every batch is full, and over time all rows of a source come equally often. If a source has fewer rows than a batch
// takes from it, the batch has some of them more than once. All of this is a function of the key and the [Position], so a
// training that is resumed there has the same rows.
//
// Row i of the first source is row i of the mixture; those of the second come after them. [Hash], [Each] and a validation
// read all rows once, in this order. A batch of a training has n+m rows, or several times as many where an update is read as a
// whole; train.Options.Batch is n+m, or is left out. Augmentation draws anew each time a row comes.
//
// The columns are those of both sources. A column of integers that one of them lacks is -1 in its rows, which is no label
// (spec.Labels(…).Optional()), and a column of float32 that is Missing is NaN, which is no value; any other column must be in
// both. A column that is Missing in one source may be so in the mixture. [Table.Unlabel](column, nil) hides labels that a source has.
//
// A source that is not a [BatchSource] is asked for one row at a time; rows of one such source on both sides are chosen from one
// [All]. Errors (of Err, and of every use): those of a source; counts that are not from 1 to 1,048,576; columns that differ; a
// column in one source only that is neither of integers nor Missing; a source that is a Mixture.
func Mix(first Source, n int, second Source, m int) *Mixture { return mix("Mix", first, n, second, m) }

// mix is what a method makes of two sources.
func mix(method string, first Source, n int, second Source, m int) *Mixture {
	x := &Mixture{whole: map[string]string{"Mix": "mix", "Concat": "concatenation"}[method]}
	for i, p := range []struct {
		src   Source
		count int
	}{{first, n}, {second, m}} {
		which := ordinal(i)
		if orderOf(p.src) != nil {
			return &Mixture{err: mistake("%s: the %s source is a mix itself; give sources of rows", method, which)}
		}
		cols, err := checkSource(p.src)
		if err != nil {
			return &Mixture{err: fmt.Errorf("dataset: %s: %w", method, &ofSource{"the " + which + " source", err})}
		}
		if p.count <= 0 || p.count > maxMixed {
			return &Mixture{err: mistake("Mix: a batch must have 1 to %d rows of the %s source, got %d", maxMixed, which, p.count)}
		}
		if rows := p.src.Len(); rows > maxBytes/8 {
			return &Mixture{err: mistake("%s: the %d rows of the %s source are too many to be ordered in memory; the limit is %d", method, rows, which, maxBytes/8)}
		}
		x.parts[i] = ingredient{given: p.src, src: several(p.src), name: which, n: p.src.Len(), count: p.count, cols: cols}
	}
	if rule := x.join(); rule != "" {
		return &Mixture{err: mistake("%s: %s", method, rule)}
	}
	return x
}

// ordinal names one of several sources.
func ordinal(i int) string {
	if i < 4 {
		return [...]string{"first", "second", "third", "fourth"}[i]
	}
	return fmt.Sprintf("%dth", i+1)
}

// join makes the columns of the mixture, or says which rule they break.
func (m *Mixture) join() string {
	for i := range m.parts {
		p, other := &m.parts[i], &m.parts[1-i]
		for _, c := range p.cols {
			j := slices.IndexFunc(other.cols, func(o Column) bool { return o.Name == c.Name })
			switch {
			case j >= 0 && c.typ() != other.cols[j].typ():
				return fmt.Sprintf("column %q is %s in the %s source and %s in the %s: they must be the same", c.Name, c.typ(), p.name, other.cols[j].typ(), other.name)
			case j >= 0 && i == 1: // it is there
			case j < 0 && c.DType != I64 && !c.Missing:
				return fmt.Sprintf("column %s is in the %s source only, and rows of the %s have no value for it: only integers may be missing, which -1 says, and float32 that is declared Missing; Join the column to the %s, or take it from the %s by Table.Without", c, p.name, other.name, other.name, p.name)
			default:
				c.Missing = c.Missing || j >= 0 && other.cols[j].Missing
				m.cols = append(m.cols, c)
				if j < 0 {
					other.lacks = append(other.lacks, c)
				}
			}
		}
	}
	return ""
}

// Err returns what is wrong with the mixture.
func (m *Mixture) Err() error {
	if m == nil {
		return errNilMixture
	}
	return m.err
}

var errNilMixture = errors.New("dataset: the mixture is nil")

// Len implements [Source]: the rows of both sources. An epoch has another number.
func (m *Mixture) Len() int {
	if m.Err() != nil {
		return 0
	}
	return m.parts[0].n + m.parts[1].n
}

// Columns implements [Source].
func (m *Mixture) Columns() []Column {
	if m.Err() != nil {
		return nil
	}
	return cloneColumns(m.cols)
}

func cloneColumns(cols []Column) []Column {
	cols = slices.Clone(cols)
	for i := range cols {
		cols[i].Shape = slices.Clone(cols[i].Shape)
	}
	return cols
}

// Row implements [Source].
func (m *Mixture) Row(i int, row Row) error {
	if err := m.Err(); err != nil {
		return err
	}
	return oneOf(m, i, row)
}

// Rows implements [BatchSource].
func (m *Mixture) Rows(index []int, dst Rows) error {
	if err := m.Err(); err != nil {
		return err
	}
	if err := checkIndex(index, m.Len(), dst); err != nil {
		return err
	}
	for _, c := range m.cols {
		if dst.whole(c); dst.Err() != nil {
			return dst.Err()
		}
	}
	for lo, hi := 0, 0; lo < len(index); lo = hi {
		p, first := m.of(index[lo])
		for hi = lo + 1; hi < len(index) && index[hi] >= first && index[hi] < first+p.n; hi++ {
		}
		if err := p.read(index[lo:hi], first, dst, lo); err != nil {
			return &ofSource{"the " + p.name + " source of the " + m.whole, err}
		}
	}
	return nil
}

// of returns the source that a row is of, and the number that its first row has.
func (m *Mixture) of(row int) (p *ingredient, first int) {
	if p = &m.parts[0]; row < p.n {
		return p, 0
	}
	return &m.parts[1], p.n
}

// read writes rows, whose numbers begin with first, to place lo of dst and on.
func (p *ingredient) read(index []int, first int, dst Rows, lo int) error {
	if err := p.readTo(index, first, lo, func(c Column) column { return *dst.b.memory(c.Name) }); err != nil {
		return err
	}
	for _, c := range p.lacks {
		none := dst.b.memory(c.Name).part(lo, lo+len(index))
		for i := range none.i64 {
			none.i64[i] = -1
		}
		for i := range none.f32 {
			none.f32[i] = noValue
		}
	}
	return nil
}

// readTo writes rows, whose numbers begin with first, to place lo and on of the columns that memory gives.
func (p *ingredient) readTo(index []int, first, lo int, memory func(c Column) column) error {
	r := p.reads.take()
	if r == nil || len(r.block.seen) < len(index) {
		r = &mixing{block: newBlock(makeColumns(p.cols, 0), len(index)), cols: make([]column, len(p.cols))}
	}
	defer p.reads.give(r)
	r.rows = r.rows[:0]
	for _, i := range index {
		r.rows = append(r.rows, i-first)
	}
	for j, c := range p.cols {
		r.cols[j] = memory(c)
	}
	r.block.begin(r.rows, r.cols, lo)
	if err := p.src.Rows(r.rows, Rows{r.block}); err != nil && r.block.err == nil {
		return err
	}
	if err := r.block.end(); err != nil {
		return placed(p.given, err)
	}
	return nil
}

// whole says that a column is written as a whole.
func (r Rows) whole(c Column) { r.column(c.Name, c.DType) }

// ofSource is a mistake of one of several sources.
type ofSource struct {
	which string
	err   error
}

func (e *ofSource) Error() string { return e.which + ": " + bare(e.err) }
func (e *ofSource) Unwrap() error { return e.err }

// origin is where a row comes from, for [Place].
func (m *Mixture) origin(row int) (src Source, at int, of string) {
	if row < 0 || row >= m.Len() {
		return nil, 0, ""
	}
	p, first := m.of(row)
	return p.given, row - first, "of the " + p.name + " source of the " + m.whole
}

// steps is the number of batches in an epoch.
func (m *Mixture) steps() int { return (m.parts[1].n-1)/m.parts[1].count + 1 }

func (m *Mixture) batchRows() int {
	if m.Err() != nil {
		return 0
	}
	return m.parts[0].count + m.parts[1].count
}

func (m *Mixture) epochRows() int { return m.steps() * m.batchRows() }

// drawn says how many rows there are too: the hash of all of them does not tell where the second source begins.
func (m *Mixture) drawn() string {
	if m.Err() != nil {
		return ""
	}
	a, b := &m.parts[0], &m.parts[1]
	return fmt.Sprintf("%d of %d rows and %d of %d", a.count, a.n, b.count, b.n)
}

func (m *Mixture) arrange(key random.Key, epoch int, rows, turns []int) {
	steps, first, at := m.steps(), 0, 0
	for i := range m.parts {
		p := &m.parts[i]
		key := key.Derive(uint64(i))
		order, n, made := make([]int, p.n), uint64(p.n), false
		next := uint64(epoch) * uint64(steps) * uint64(p.count) // place in all passes over the source, one after the other
		for s := range steps {
			for k := s*m.batchRows() + at; k < s*m.batchRows()+at+p.count; k++ {
				if !made || next%n == 0 {
					key.Derive(next / n).PermInto(order)
					made = true
				}
				rows[k], turns[k] = first+order[next%n], int(next/n)
				next++
			}
		}
		first, at = first+p.n, at+p.count
	}
}
