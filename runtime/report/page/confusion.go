package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Confusion is a table of how often rows of one class were taken for another.
type Confusion struct {
	Title   string
	Note    string
	Classes []string
	Counts  [][]float64 // Counts[is][taken for]; square, one row for each class
	Small   bool        // takes half the width where there is room for two
}

const (
	maxConfusion = 32 // classes that are shown as a table; of more, the most frequent mistakes are
	shades       = 10
	mostMistakes = 40
)

type confusionView struct {
	ID, Title, Note string
	Classes         []string
	Rows            []confusionRow
	Small           bool
}

type confusionRow struct {
	Name, Total, Right string
	Cells              []confusionCell
}

type confusionCell struct {
	Text, Title string
	Shade       int
	Diagonal    bool
}

func (c *Confusion) view(id string) (string, any, error) {
	n := len(c.Classes)
	if len(c.Counts) != n {
		return "", nil, fmt.Errorf("confusion table %q: %d classes, but %d rows of counts", clean(c.Title), n, len(c.Counts))
	}
	for i, row := range c.Counts {
		if len(row) != n {
			return "", nil, fmt.Errorf("confusion table %q: class %q has %d counts, want one for each of %d classes", clean(c.Title), clean(c.Classes[i]), len(row), n)
		}
		for _, x := range row {
			if x-x != 0 || x < 0 {
				return "", nil, fmt.Errorf("confusion table %q: class %q has the count %v, want finite counts from 0 on", clean(c.Title), clean(c.Classes[i]), x)
			}
		}
	}
	if n > maxConfusion {
		t := c.mistakes().made()
		t.ID = id
		return "table.html", t, nil
	}
	v := confusionView{ID: id, Title: clean(c.Title), Note: clean(c.Note), Classes: cleanAll(c.Classes), Small: c.Small}
	for i, row := range c.Counts {
		total := 0.0
		for _, x := range row {
			total += x
		}
		r := confusionRow{Name: v.Classes[i], Total: Number(total), Right: share(row[i], total)}
		for j, x := range row {
			cell := confusionCell{Diagonal: i == j, Title: v.Classes[i] + " taken for " + v.Classes[j] + ": " + Number(x) + " of " + Number(total)}
			if x > 0 {
				cell.Text = Number(x)
				cell.Shade = shade(x/total, i == j)
			} else {
				cell.Text = "·"
			}
			r.Cells = append(r.Cells, cell)
		}
		v.Rows = append(v.Rows, r)
	}
	return "confusion.html", v, nil
}

// shade is one of the shares of a class. Mistakes are rare, so their roots count.
func shade(share float64, right bool) int {
	if !right {
		share = math.Sqrt(share)
	}
	return min(1+int(share*(shades-1)), shades)
}

func share(x, of float64) string {
	if of <= 0 {
		return "–"
	}
	return strconv.FormatFloat(100*x/of, 'f', 1, 64) + " %"
}

// mistakes is the table of the most frequent ones.
func (c *Confusion) mistakes() *Table {
	type mistake struct {
		is, as int
		count  float64
	}
	var all []mistake
	totals := make([]float64, len(c.Classes))
	for i, row := range c.Counts {
		for j, x := range row {
			totals[i] += x
			if i != j && x > 0 {
				all = append(all, mistake{i, j, x})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mistake) int { return cmp.Compare(b.count, a.count) })
	t := &Table{Title: clean(c.Title), Columns: []string{"class", "taken for", "rows", "of the class"},
		Note: clean(fmt.Sprintf("%s The most frequent mistakes among %d classes.", c.Note, len(c.Classes)))}
	for _, m := range all[:min(len(all), mostMistakes)] {
		t.Rows = append(t.Rows, []string{c.Classes[m.is], c.Classes[m.as], Number(m.count), share(m.count, totals[m.is])})
	}
	return t
}
