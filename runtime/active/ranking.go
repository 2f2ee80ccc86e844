package active

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Ranked is a line of a [Ranking].
type Ranked struct {
	Row         int     // from 0, in the data
	ID          string  // what finds the row again for a person, such as the name of a file
	Score       float64 // by which it was chosen
	Prediction  string  // the likeliest class, "" if no classifier was asked
	Probability float64 // of it
	Given       string  // the label that it has, "" for none
	Answer      string  // name or number of the right class, "" as long as nobody has said it
}

// Ranking is rows that were chosen for labelling, the one to label first being the first: a CSV file with the columns rank, row,
// id, data, score, prediction, probability and label, of which the last is to be filled in. With labels that are given it has
// the column given before that.
type Ranking struct {
	Of   Data
	Rows []Ranked
}

var rankingHead = []string{"rank", "row", "id", "data", "score", "prediction", "probability"}

// Write writes the file, whole or not at all.
//
// Errors: no rows; one that is not of the data, or comes twice; the file cannot be written.
func (r *Ranking) Write(path string) error {
	if len(r.Rows) == 0 {
		return errors.New("active: a ranking without rows")
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	given := slices.ContainsFunc(r.Rows, func(x Ranked) bool { return x.Given != "" })
	line := func(fields []string, had, label string) {
		if given {
			fields = append(fields, had)
		}
		w.Write(append(fields, label)) // a Buffer takes everything
	}
	line(slices.Clone(rankingHead), "given", "label")
	seen := map[int]bool{}
	for i, x := range r.Rows {
		if x.Row < 0 || x.Row >= r.Of.Rows || seen[x.Row] {
			return fmt.Errorf("active: line %d of a ranking is row %d, which is not one of %d or comes twice", i+1, x.Row, r.Of.Rows)
		}
		seen[x.Row] = true
		p := ""
		if x.Prediction != "" {
			p = strconv.FormatFloat(x.Probability, 'f', 4, 64)
		}
		line([]string{strconv.Itoa(i + 1), strconv.Itoa(x.Row), x.ID, r.Of.String(), strconv.FormatFloat(x.Score, 'g', 6, 64), x.Prediction, p}, x.Given, x.Answer)
	}
	w.Flush()
	if err := errors.Join(w.Error(), atomicfile.WriteBytes(path, b.Bytes())); err != nil {
		return fmt.Errorf("active: %w", err)
	}
	return nil
}

// answered is a row of a file of answers.
type answered struct {
	row, line int
	answer    string
}

// readAnswers reads of a file of [Ranking.Write] what a person filled in. Columns may have been moved, added and removed, but
// for row, data and label; a spreadsheet may have put semicolons or tabs between them.
func readAnswers(path string) (of Data, list []answered, empty int, err error) {
	f, err := open(path)
	if err != nil {
		return of, nil, 0, err
	}
	defer f.Close()
	if of, list, empty, err = decodeAnswers(f); err != nil {
		err = fmt.Errorf("active: %s: %w", path, err)
	}
	return of, list, empty, err
}

func decodeAnswers(r io.Reader) (of Data, list []answered, empty int, err error) {
	b := withoutMark(r)
	in := csv.NewReader(b)
	first, _ := b.Peek(1 << 12)
	if bytes.HasPrefix(first, []byte("\xff\xfe")) || bytes.HasPrefix(first, []byte("\xfe\xff")) {
		return of, nil, 0, errors.New("it is UTF-16, as spreadsheets call Unicode text: save it as CSV in UTF-8")
	}
	first, _, _ = bytes.Cut(first, []byte("\n"))
	for _, comma := range ";\t" {
		if bytes.Count(first, []byte(string(comma))) > bytes.Count(first, []byte(string(in.Comma))) {
			in.Comma = comma
		}
	}
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	in.TrimLeadingSpace = in.Comma != '\t' // a tab is space too
	head, err := in.Read()
	if err == io.EOF {
		err = errors.New("the file is empty")
	}
	if err != nil {
		return of, nil, 0, err
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if before, ok := at[name]; ok && (name == "row" || name == "data" || name == "label") {
			return of, nil, 0, fmt.Errorf("columns %d and %d are both named %q: which of them is meant? rename or remove the other", before+1, i+1, name)
		}
		at[name] = i
	}
	for _, name := range []string{"row", "data", "label"} {
		if _, ok := at[name]; !ok {
			return of, nil, 0, fmt.Errorf("it has no column %q: a file of answers is one that label rank wrote, with its label column filled in", name)
		}
	}
	lines := map[int]int{} // of each row
	for {
		rec, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return of, nil, 0, err
		}
		line, _ := in.FieldPos(0)
		bad := func(format string, a ...any) error { return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, a...)) }
		field := func(name string) string {
			if i := at[name]; i < len(rec) {
				return strings.TrimSpace(rec[i])
			}
			return ""
		}
		if !slices.ContainsFunc(rec, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			continue // a line that a spreadsheet left
		}
		d, ok := parseData(field("data"))
		if !ok || d.Rows == 0 {
			return of, nil, 0, bad("its data are %q, and must be as label rank wrote them, such as %q", clip(field("data")), Data{60000, "6eb87a5ead38c62d"})
		}
		if d.Rows > mostRows {
			return of, nil, 0, bad("its data are %d rows, more than the %d that labels are taken of", d.Rows, mostRows)
		}
		if of.Rows == 0 {
			of = d
		}
		if d != of {
			return of, nil, 0, bad("row %s is of other data than the lines before: %s and %s", clip(field("row")), d, of)
		}
		row, ok := whole(field("row"))
		if !ok || row < 0 || row >= of.Rows {
			return of, nil, 0, bad("there is no row %q: the data have the rows 0 to %d", clip(field("row")), of.Rows-1)
		}
		if before, ok := lines[row]; ok {
			return of, nil, 0, bad("row %d is on line %d too", row, before)
		}
		lines[row] = line
		if a := field("label"); a != "" {
			list = append(list, answered{row, line, a})
		} else {
			empty++
		}
	}
	if of.Rows == 0 {
		return of, nil, 0, errors.New("there are no rows in it")
	}
	return of, list, empty, nil
}

// withoutMark drops the byte order mark that spreadsheets write.
func withoutMark(r io.Reader) *bufio.Reader {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		b.Discard(3) // they are there
	}
	return b
}
