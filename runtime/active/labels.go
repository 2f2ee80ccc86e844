package active

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// Data tells the rows of one data set from those of another.
type Data struct {
	Rows int
	Mark string // up to 64 hexadecimal digits, such as of a hash; "" is not known
}

// DataOf returns what tells these rows from others, by their hash. Errors: those of the source.
func DataOf(rows dataset.Source) (Data, error) {
	hash, err := dataset.Hash(rows)
	if err != nil {
		return Data{}, err
	}
	return Data{rows.Len(), hash[:markDigits]}, nil
}

// markDigits is how much of a hash is kept: enough to tell data sets apart, and short enough to be read.
const markDigits = 16

// String returns the form in files, such as "60000 rows 6eb87a5ead38c62d".
func (d Data) String() string { return strings.TrimSpace(fmt.Sprintf("%d rows %s", d.Rows, d.Mark)) }

var dataForm = regexp.MustCompile(`^(\d{1,18}) rows(?: ([0-9a-f]{1,64}))?$`)

func parseData(s string) (d Data, ok bool) {
	m := dataForm.FindStringSubmatch(s)
	if m == nil {
		return d, false
	}
	n, err := strconv.Atoi(m[1])
	return Data{n, m[2]}, err == nil
}

// mostRows bounds the rows of a data set that labels are taken of.
const mostRows = 1 << 28

// other says what differs, "" if nothing that both know does.
func (d Data) other(e Data) string {
	switch {
	case d.Rows != e.Rows:
		return fmt.Sprintf("%d rows and %d", d.Rows, e.Rows)
	case d.Mark != "" && e.Mark != "" && d.Mark != e.Mark:
		return fmt.Sprintf("hashes %.16s and %.16s", d.Mark, e.Mark)
	}
	return ""
}

// Labels are the labels of the rows of a data set, one for each, in the form that lamina evaluate --labels and a [dataset.CSV]
// read: a CSV file of one column with a heading, and a number on each line, -1 for none. The heading that is written says which
// data they are of: "label (60000 rows 6eb87a5ead38c62d)".
type Labels struct {
	Of Data
	Y  []int64 // from 0; evaluate.None for none
}

// NewLabels returns the labels of data of which none is known yet.
func NewLabels(of Data) *Labels {
	l := &Labels{Of: of, Y: make([]int64, of.Rows)}
	for i := range l.Y {
		l.Y[i] = evaluate.None
	}
	return l
}

// Known returns the numbers of the rows that have a label.
func (l *Labels) Known() (rows []int) {
	for i, y := range l.Y {
		if y != evaluate.None {
			rows = append(rows, i)
		}
	}
	return rows
}

// Unknown returns the numbers of the rows that have none.
func (l *Labels) Unknown() (rows []int) {
	for i, y := range l.Y {
		if y == evaluate.None {
			rows = append(rows, i)
		}
	}
	return rows
}

// Table returns the labels as a column, to join to the rows.
func (l *Labels) Table(column string) (*dataset.Table, error) {
	return dataset.NewTable(dataset.Data{Column: dataset.Column{Name: column, DType: dataset.I64}, I64: l.Y})
}

const labelHeading = "label"

// Write writes the file, whole or not at all. Where a link leads to it, the file that it leads to is written. Errors: a file that may
// only be read; it cannot be written.
func (l *Labels) Write(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o200 == 0 { // a new file in its place would not ask
		return fmt.Errorf("active: %s: it is read-only: permit writing it, or name another file", path)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s (%s)\n", labelHeading, l.Of)
	for _, y := range l.Y {
		b.Write(strconv.AppendInt(nil, y, 10))
		b.WriteByte('\n')
	}
	if err := atomicfile.WriteBytes(path, b.Bytes()); err != nil {
		return fmt.Errorf("active: %w", err)
	}
	return nil
}

// maxFile bounds the bytes of a file that is read.
const maxFile = 1 << 30

// open opens a file for reading.
func open(path string) (*os.File, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("active: %s: there is no such file: %w", path, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("active: %w", err)
	}
	if size > maxFile {
		f.Close()
		return nil, fmt.Errorf("active: %s: it has %d MB, more than the %d that are read", path, size>>20, maxFile>>20)
	}
	return f, nil
}

// ReadLabels reads a file of labels, of [Labels.Write] or any CSV file of one column of whole numbers with a heading or
// without. Without the data in its heading Of has the number of rows alone.
//
// Errors, with the line: there is no such file (fs.ErrNotExist); several columns; an empty line before the last label; what is no
// whole number from -1 to 2147483647; another number of labels than the heading says.
func ReadLabels(path string) (*Labels, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := decodeLabels(f)
	if err != nil {
		return nil, fmt.Errorf("active: %s: %w", path, err)
	}
	return l, nil
}

func decodeLabels(r io.Reader) (*Labels, error) {
	in := csv.NewReader(withoutMark(r))
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	l := &Labels{}
	next := 1 // line
	for first := true; ; first = false {
		rec, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if line != next { // a reader of CSV passes over it, and all labels behind it would be those of other rows
			return nil, fmt.Errorf("line %d is empty: each row has a label, and %d is none", next, evaluate.None)
		}
		next += 1 + strings.Count(rec[0], "\n")
		if len(rec) != 1 {
			return nil, fmt.Errorf("line %d: labels are one column, got %d", line, len(rec))
		}
		text := strings.TrimSpace(rec[0])
		y, err := strconv.ParseInt(text, 10, 32)
		if _, number := strconv.ParseFloat(text, 64); err != nil && number != nil && first {
			if name, of, ok := strings.Cut(strings.TrimSuffix(text, ")"), " ("); ok && name == labelHeading {
				l.Of, _ = parseData(of)
			}
			continue
		}
		if err != nil || y < evaluate.None {
			return nil, fmt.Errorf("line %d: %q is no label: they are whole numbers from 0, and %d is none", line, clip(text), evaluate.None)
		}
		l.Y = append(l.Y, y)
	}
	if len(l.Y) == 0 {
		return nil, errors.New("there are no labels in it")
	}
	if l.Of.Rows != 0 && l.Of.Rows != len(l.Y) {
		return nil, fmt.Errorf("the heading says %d rows, but there are %d labels", l.Of.Rows, len(l.Y))
	}
	l.Of.Rows = len(l.Y)
	return l, nil
}

// clip shortens what is quoted in an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
