package dataset

// GeneratorOf returns in words what generated the rows of a source, such as the text form of package synthetic, and "" for rows
// that were read. Tables that were collected of such rows, what is selected of them, and their edits say so too. A source of your
// own tells it by a method Generator, like [Table.Generator]. Of a [Mixture] or a [Concatenation] ask for each of its sources.
func GeneratorOf(src Source) string {
	if g, ok := src.(interface{ Generator() string }); ok {
		return g.Generator()
	}
	return ""
}

// SyntheticShare returns which share of the rows of a training a generator made, from 0 to 1: of a [Mixture] that in each batch.
func SyntheticShare(src Source) float64 {
	src = bareOf(src)
	if m, ok := src.(*Mixture); ok {
		if m.Err() != nil {
			return 0
		}
		a, b := &m.parts[0], &m.parts[1]
		return (float64(a.count)*SyntheticShare(a.given) + float64(b.count)*SyntheticShare(b.given)) / float64(a.count+b.count)
	}
	if GeneratorOf(src) != "" {
		return 1
	}
	if !partly(src) {
		return 0
	}
	n, made := src.Len(), 0
	for i := range n {
		if generated(src, i) {
			made++
		}
	}
	return float64(made) / float64(n)
}

// bareOf is the source without what makes it cancellable or readable by several.
func bareOf(src Source) Source {
	switch s := src.(type) {
	case until:
		return bareOf(s.Source)
	case untilBatch:
		return bareOf(s.Source)
	case *tableRows:
		return s.Table
	}
	return src
}

// bothOf is the rows of two sources, nil for others.
func bothOf(src Source) *Mixture {
	switch s := src.(type) {
	case *Concatenation:
		if s.Err() == nil {
			return s.m
		}
	case *Mixture:
		if s.Err() == nil {
			return s
		}
	}
	return nil
}

// chosenFrom is a [Selection], or one with other labels or columns.
type chosenFrom interface{ selection() *Selection }

func (s *Selection) selection() *Selection { return s }

// partly reports whether a generator made some rows of a source and others not, as far as sources tell.
func partly(src Source) bool {
	src = bareOf(src)
	if bothOf(src) != nil {
		return true
	}
	switch s := src.(type) {
	case chosenFrom:
		below := s.selection()
		return below.Err() == nil && partly(below.source())
	case *Spooled:
		return s.of != nil && partly(s.of)
	case *Table:
		return s.Err() == nil && s.made() != nil
	}
	return false
}

// generated reports whether a generator made row i.
func generated(src Source, i int) bool {
	src = bareOf(src)
	if m := bothOf(src); m != nil {
		p, first := m.of(i)
		return generated(p.given, i-first)
	}
	switch s := src.(type) {
	case chosenFrom:
		below := s.selection()
		return generated(below.source(), below.at(i))
	case *Spooled:
		if s.of != nil {
			return generated(s.of, i)
		}
	case *Table:
		if made := s.made(); made != nil {
			return made[s.at(i)]
		}
	}
	return GeneratorOf(src) != ""
}

// made says of each row of the memory whether a generator made it; nil where that is all of them or none.
func (t *Table) made() []bool {
	for i := range t.cols {
		if t.cols[i].made != nil {
			return t.cols[i].made
		}
	}
	return nil
}

// mark keeps in a table's columns what generated its rows, those of a source, and the sources that they are of.
func (t *Table) mark(src Source) {
	generator, made := GeneratorOf(src), []bool(nil)
	var both []Source
	if m := bothOf(bareOf(src)); m != nil {
		both = []Source{m.parts[0].given, m.parts[1].given}
	}
	if generator == "" && partly(src) {
		made = make([]bool, t.n)
		for i := range made {
			made[i] = generated(src, i)
		}
	}
	for i := range t.cols {
		t.cols[i].generator, t.cols[i].made, t.cols[i].both = generator, made, both
	}
}

// Generator returns in words what generated the rows, or "".
func (t *Table) Generator() string {
	if t.Err() != nil {
		return ""
	}
	for _, c := range t.cols {
		if c.generator != "" {
			return c.generator
		}
	}
	return ""
}

// Generator returns in words what generated the rows, or "".
func (s *Selection) Generator() string { return GeneratorOf(s.source()) }

// Generator is the source's own, if it has one.
func (u until) Generator() string { return GeneratorOf(u.Source) }
