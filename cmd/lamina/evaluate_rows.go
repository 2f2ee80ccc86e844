package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// evaluated are rows for a net, and the column that has their truth.
type evaluated struct {
	rows  *dataset.Table
	truth *dataset.Table // of one column
	from  string         // what the truth was read from
}

// truthColumn is the name of the truth's column.
const truthColumn = "truth"

// evaluationRows reads what --data and --labels name. All reading of rows for lamina evaluate is here.
func evaluationRows(net *engine.Net, data []string, labels string) (*evaluated, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("which rows? give --data FILE")
	case labels == "":
		return nil, errors.New("what is true of them? give --labels FILE, or the name of a column of the data")
	}
	ports, _ := netPorts(net)
	from, err := assign("data", data, ports)
	if err != nil && len(data) == 1 && len(ports) > 1 { // one file that has a column for each
		from, err = []assignment{{file: data[0]}}, nil
	}
	if err != nil {
		return nil, err
	}
	e := &evaluated{from: labels}
	for _, a := range from {
		t, err := e.read(a.port.Name, a.file, labels)
		if err != nil {
			return nil, err
		}
		if e.rows != nil {
			t = e.rows.Join(t)
		}
		if e.rows = t; t.Err() != nil {
			return nil, t.Err()
		}
	}
	if e.truth == nil {
		if e.truth, err = readTruth(labels, e.rows); err != nil {
			return nil, err
		}
	}
	if n, m := e.rows.Len(), e.truth.Len(); n != m {
		return nil, fmt.Errorf("--labels %s: there are %d labels, but %d rows of --data", command.Clean(labels), m, n)
	}
	return e, e.fit(net)
}

// read reads a file for an input, or, if that is "", for all. If it has a column of the name labels, that becomes the truth.
func (e *evaluated) read(input, file, labels string) (*dataset.Table, error) {
	column := input
	if column == "" {
		column = "x"
	}
	base := filepath.Base(file)
	var t *dataset.Table
	var err error
	switch ext := filepath.Ext(strings.TrimSuffix(base, ".gz")); {
	case ext == ".npz":
		t, err = dataset.NPZ(file)
	case ext == ".npy":
		t, err = dataset.NPY(file, column)
	case isIDX(base):
		t, err = dataset.IDX(file, "")
	case ext == ".csv":
		if t, err = csvWith(file, column, labels); errors.Is(err, errNoField) {
			t, err = csvWith(file, column, "")
		}
	default:
		err = fmt.Errorf("--data %s: it must be an .npy, .npz, .csv or IDX file", command.Clean(file))
	}
	if err != nil {
		return nil, absent(file, err)
	}
	names := columnNames(t)
	if i := slices.Index(names, labels); i >= 0 && len(names) > 1 {
		if e.truth, err = only(t, labels); err != nil {
			return nil, err
		}
		names = slices.Delete(names, i, i+1)
	}
	if input != "" && len(names) == 1 && names[0] != input { // the only column is the input's
		t = t.Rename(names[0], input)
	}
	return t, t.Err()
}

// errNoField says that a file has no field of the labels' name.
var errNoField = errors.New("no such field")

// csvWith reads a .csv file: all fields are one column, but the one of the labels, unless that is "".
func csvWith(file, column, labels string) (*dataset.Table, error) {
	o := dataset.CSVOptions{Groups: []dataset.CSVGroup{{Name: column, Rest: true}}}
	if labels != "" {
		o.Groups = append(o.Groups, dataset.CSVGroup{Name: labels, Fields: []string{labels}})
	}
	t, err := dataset.CSV(file, o)
	if err != nil && labels != "" {
		if _, other := dataset.CSV(file, dataset.CSVOptions{Groups: o.Groups[:1]}); other == nil {
			return nil, errNoField
		}
	}
	return t, err
}

func isIDX(base string) bool {
	return strings.Contains(base, "-ubyte") || strings.HasSuffix(strings.TrimSuffix(base, ".gz"), ".idx")
}

func columnNames(t *dataset.Table) (names []string) {
	for _, c := range t.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// absent says that a file is not there, if that is why it cannot be read.
func absent(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file", file)
	}
	return err
}

// only returns one column of a table, as the truth.
func only(t *dataset.Table, column string) (*dataset.Table, error) {
	for _, c := range t.Columns() {
		if c.Name == column {
			d := dataset.Data{Column: c, F32: t.F32(column), I64: t.I64(column), U8: t.U8(column)}
			d.Name = truthColumn
			switch c.DType {
			case dataset.F32:
				d.I64, d.U8 = nil, nil
			case dataset.I64:
				d.F32, d.U8 = nil, nil
			default:
				d.F32, d.I64 = nil, nil
			}
			return dataset.NewTable(d)
		}
	}
	return nil, fmt.Errorf("no column %q", column)
}

// readTruth reads a file of labels.
func readTruth(file string, rows *dataset.Table) (*dataset.Table, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--labels %s: there is neither such a file nor such a column; the data have %s", command.Clean(file), strings.Join(columnNames(rows), ", "))
	}
	base := filepath.Base(file)
	var t *dataset.Table
	var err error
	switch ext := filepath.Ext(strings.TrimSuffix(base, ".gz")); {
	case ext == ".npy":
		t, err = dataset.NPY(file, truthColumn)
	case ext == ".npz":
		t, err = dataset.NPZ(file)
	case isIDX(base):
		t, err = dataset.IDX(file, "", dataset.IDXOptions{Bytes: true})
	case ext == ".csv":
		t, err = csvWith(file, truthColumn, "")
	default:
		err = fmt.Errorf("--labels %s: it must be an .npy, .npz, .csv or IDX file, or the name of a column of the data", command.Clean(file))
	}
	if err != nil {
		return nil, err
	}
	names := columnNames(t)
	if len(names) != 1 {
		return nil, fmt.Errorf("--labels %s: it must hold one column, got %s", command.Clean(file), strings.Join(names, ", "))
	}
	return only(t, names[0])
}

// fit makes columns what the inputs take, where that changes no number: bytes that were read as integers, and the shape.
func (e *evaluated) fit(net *engine.Net) error {
	for _, v := range net.Inputs() {
		i := slices.IndexFunc(e.rows.Columns(), func(c dataset.Column) bool { return c.Name == v.Name })
		if i < 0 {
			return fmt.Errorf("input %q (%s) has no column; the data have %s", command.Clean(v.Name), v.Type, strings.Join(columnNames(e.rows), ", "))
		}
		c := e.rows.Columns()[i]
		if v.Type.DType == ir.U8 && c.DType == dataset.I64 {
			e.rows = e.rows.Bytes(v.Name)
		}
		if row, ok := v.Type.Shape[1:].Fixed(); ok && ir.Elems(row) == c.Width() && !slices.Equal(row, c.Shape) {
			e.rows = e.rows.Reshape(v.Name, row...)
		}
		if err := e.rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// width returns the numbers of the truth for each row.
func (e *evaluated) width() int { return e.truth.Columns()[0].Width() }

// whole returns the truth as integers, false if it has other numbers.
func (e *evaluated) whole() ([]int, bool) {
	var out []int
	for _, y := range e.truth.I64(truthColumn) {
		out = append(out, int(y))
	}
	for _, y := range e.truth.U8(truthColumn) {
		out = append(out, int(y))
	}
	for _, y := range e.truth.F32(truthColumn) {
		if y != float32(math.Trunc(float64(y))) || math.Abs(float64(y)) > 1<<24 {
			return nil, false
		}
		out = append(out, int(y))
	}
	return out, true
}

// numbers returns the truth as numbers.
func (e *evaluated) numbers() []float64 {
	var out []float64
	for _, y := range e.truth.F32(truthColumn) {
		out = append(out, float64(y))
	}
	if out == nil {
		whole, _ := e.whole()
		for _, y := range whole {
			out = append(out, float64(y))
		}
	}
	return out
}
