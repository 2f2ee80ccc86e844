package dataset

import "slices"

// Part is one of the sources of a [Mixture].
type Part struct {
	Source Source
	Rows   int // of each batch
}

// Parts returns the sources of a [Mixture], in order, and nil for any other source.
func Parts(src Source) []Part {
	m, ok := orderOf(src).(*Mixture)
	if !ok || m.Err() != nil {
		return nil
	}
	parts := make([]Part, len(m.parts))
	for i := range m.parts {
		parts[i] = Part{m.parts[i].given, m.parts[i].count}
	}
	return parts
}

// Unlabelled says which labels of a column Unlabel left as they were.
type Unlabelled struct {
	Column string `json:"column"`
	Kept   []int  `json:"kept,omitempty"` // numbers of the rows, in the data as they were read
}

// Unlabellings returns what [Table.Unlabel] and [Selection.Unlabel] did to the rows of a source, for a record of them. It is nil
// for a source of another type. Of more than 65,536 rows that kept their labels it tells nothing.
func Unlabellings(src Source) []Unlabelled {
	u, ok := src.(interface{ unlabellings() []Unlabelled })
	if !ok {
		return nil
	}
	return slices.DeleteFunc(u.unlabellings(), func(u Unlabelled) bool { return len(u.Kept) > maxChosen })
}

func (t *Table) unlabellings() []Unlabelled {
	if t.Err() != nil {
		return nil
	}
	var all []Unlabelled
	for _, c := range t.cols {
		if c.unlabelled {
			all = append(all, Unlabelled{c.Name, slices.Clone(c.kept)})
		}
	}
	return all
}

func (s *Selection) unlabellings() []Unlabelled {
	if s.Err() != nil {
		return nil
	}
	src := s.source()
	if u, ok := src.(interface{ unlabellings() []Unlabelled }); ok {
		return u.unlabellings()
	}
	return nil
}

func (u *unlabelled) unlabellings() []Unlabelled {
	all := u.Selection.unlabellings()
	numbers := u.Selection.chosen()
	var kept []int
	for i, k := range u.kept {
		switch {
		case !k:
		case numbers == nil:
			kept = append(kept, i)
		default:
			kept = append(kept, numbers[i])
		}
	}
	for i := range all {
		if all[i].Column == u.column {
			all[i].Kept = both(all[i].Kept, kept)
			return all
		}
	}
	return append(all, Unlabelled{u.column, kept})
}

// both returns the rows that are in both lists, in the order of the second.
func both(a, b []int) []int {
	in := make(map[int]bool, len(a))
	for _, r := range a {
		in[r] = true
	}
	return slices.DeleteFunc(slices.Clone(b), func(r int) bool { return !in[r] })
}
