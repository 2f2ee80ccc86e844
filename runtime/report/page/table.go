package page

import (
	"fmt"
	"slices"
	"strings"
)

// Table is a table of text. The first cell of a row is its name. Columns of numbers are
// set flush right.
type Table struct {
	Title   string
	Note    string
	Columns []string
	Rows    [][]string
	Strong  []int // rows that stand out, from 0
}

const maxTableRows = 2000 // that a page shows

type tableView struct {
	ID, Title, Note string
	Columns         []columnView
	Rows            []rowView
}

type columnView struct {
	Name    string
	Numbers bool
}

type rowView struct {
	Name   cellView
	Cells  []cellView
	Strong bool
}

type cellView struct {
	Text    string
	Numbers bool
}

func (t *Table) view(id string) (string, any, error) {
	v := t.made()
	v.ID = id
	return "table.html", v, nil
}

func (t *Table) made() tableView {
	v := tableView{Title: clean(t.Title), Note: clean(t.Note)}
	columns := len(t.Columns)
	for _, r := range t.Rows {
		columns = max(columns, len(r))
	}
	rows := t.Rows
	if len(rows) > maxTableRows {
		v.Note = strings.TrimSpace(fmt.Sprintf("%s The first %s of %s rows.", v.Note, Number(maxTableRows), Number(float64(len(rows)))))
		rows = rows[:maxTableRows]
	}
	for c := range columns {
		col := columnView{Numbers: numbers(rows, c)}
		if c < len(t.Columns) {
			col.Name = clean(t.Columns[c])
		}
		v.Columns = append(v.Columns, col)
	}
	for i, r := range rows {
		row := rowView{Strong: slices.Contains(t.Strong, i)}
		for c := range columns {
			cell := cellView{Numbers: v.Columns[c].Numbers}
			if c < len(r) {
				cell.Text = clean(r[c])
			}
			if c == 0 {
				row.Name = cell
				continue
			}
			row.Cells = append(row.Cells, cell)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

// numbers reports whether a column has numbers only, at least one.
func numbers(rows [][]string, c int) bool {
	some := false
	for _, r := range rows {
		if c >= len(r) || strings.TrimSpace(r[c]) == "" || r[c] == "–" || r[c] == "—" {
			continue
		}
		if !number(r[c]) {
			return false
		}
		some = true
	}
	return some
}

// number reports whether a text is one or more numbers, such as "4.1 ± 0.2 %" or
// "0.2 (0.1 to 0.3) ✓".
func number(s string) bool {
	s = strings.ReplaceAll(s, " to ", " ")
	digits := 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case strings.ContainsRune(" .,+-−–±%()[]<>≤≥~×·/∞✓✗⁻⁰¹²³⁴⁵⁶⁷⁸⁹\u2009\u00a0:", r):
		case (r == 'e' || r == 'E') && digits > 0 && i+1 < len(s):
		default:
			return false
		}
	}
	return digits > 0 || strings.Contains(s, "∞")
}
