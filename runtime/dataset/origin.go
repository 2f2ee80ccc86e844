package dataset

import "fmt"

// readFrom notes the file that all columns come from.
func (t *Table) readFrom(path string) *Table {
	for i := range t.cols {
		t.cols[i].file = path
	}
	return t
}

// File returns the file that a column was read from, or "" if it was not read from a file or does not exist.
func (t *Table) File(column string) string {
	if c := t.find(column); c != nil {
		return c.file
	}
	return ""
}

// Place says where a value is, for use in an error: the row, the column and, for data that were read from a file, that
// file and the row's number there if it differs. Your own source can report the file of a column through a method File,
// like [Table.File], or that of a row through a method Path, like [Pictures.Path].
func Place(src Source, row int, column string) string { return place(src, row, column, "") }

func place(src Source, row int, column, which string) string {
	if m, ok := src.(interface {
		origin(row int) (src Source, at int, of string)
	}); ok {
		if part, at, of := m.origin(row); part != nil {
			return place(part, at, column, " "+of)
		}
	}
	what := fmt.Sprintf("row %d%s: column %q", row, which, column)
	if p, ok := src.(interface{ Path(row int) string }); ok {
		if path := p.Path(row); path != "" {
			return fmt.Sprintf("%s (of %s)", what, path)
		}
	}
	f, ok := src.(interface{ File(column string) string })
	if !ok || f.File(column) == "" {
		return what
	}
	if t, ok := src.(interface{ at(row int) int }); ok && row >= 0 && row < src.Len() && t.at(row) != row {
		return fmt.Sprintf("%s (row %d of %s)", what, t.at(row), f.File(column))
	}
	return fmt.Sprintf("%s (of %s)", what, f.File(column))
}

// inFile is a mistake of a file.
type inFile struct {
	path string
	err  error
}

func (e *inFile) Error() string { return "dataset: " + e.path + ": " + bare(e.err) }
func (e *inFile) Unwrap() error { return e.err }

// tableOf is NewTable of what a file holds.
func tableOf(path string, data ...Data) (*Table, error) {
	t, err := NewTable(data...)
	if err != nil {
		return nil, &inFile{path, err}
	}
	return t.readFrom(path), nil
}
