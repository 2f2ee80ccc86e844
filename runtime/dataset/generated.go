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

// partly reports whether a generator made some rows of a source and others not, as far as sources tell.
func partly(src Source) bool {
	switch s := bareOf(src).(type) {
	case *Concatenation:
		return s.Err() == nil
	case *Selection:
		return s.Err() == nil && partly(s.source())
	case *Table:
		return s.Err() == nil && s.made() != nil
	}
	return false
}

// generated reports whether a generator made row i.
func generated(src Source, i int) bool {
	switch s := bareOf(src).(type) {
	case *Concatenation:
		p, first := s.m.of(i)
		return generated(p.given, i-first)
	case *Selection:
		return generated(s.source(), s.at(i))
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

// mark keeps in a table's columns what generated its rows, those of a source.
func (t *Table) mark(src Source) {
	generator, made := GeneratorOf(src), []bool(nil)
	if generator == "" && partly(src) {
		made = make([]bool, t.n)
		for i := range made {
			made[i] = generated(src, i)
		}
	}
	for i := range t.cols {
		t.cols[i].generator, t.cols[i].made = generator, made
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
