package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// evaluated are rows for a net, and the column that has their truth.
type evaluated struct {
	rows  *dataset.Table
	truth *dataset.Table // of one column
	class bool           // it is the label of a schema, whose -1 is none whatever is measured
	from  string         // what the truth was read from
}

// truthColumn is the name of the truth's column.
const truthColumn = "truth"

// evaluationRows reads what --data and --labels name. Without --labels the schema says what the label is.
func evaluationRows(ctx context.Context, net *engine.Net, data []string, labels string) (*evaluated, error) {
	ports, _ := netPorts(net)
	schema := net.Record().Schema
	if _, ok := ofTable(data, ports); ok && labels == "" && schema != nil {
		for _, f := range schema.Fields {
			if f.Kind == dataset.Label || f.Kind == dataset.Target && labels == "" {
				if labels = f.Name; f.Kind == dataset.Label {
					break
				}
			}
		}
	}
	if len(data) > 0 && labels == "" {
		return nil, errors.New("what is true of them? give --labels FILE, or the name of a column of the data")
	}
	e := &evaluated{from: labels}
	var err error
	if e.rows, e.truth, err = readRows(ctx, schema, ports, data, labels); err != nil {
		return nil, err
	}
	if _, ok := ofTable(data, ports); ok && schema != nil && e.truth != nil {
		e.class = e.truth.Columns()[0].DType == dataset.I64
	}
	if e.truth == nil {
		if e.truth, err = readTruth("labels", labels, e.rows); err != nil {
			return nil, err
		}
	}
	if n, m := e.rows.Len(), e.truth.Len(); n != m {
		return nil, fmt.Errorf("--labels %s: there are %d labels, but %d rows of --data", command.Clean(labels), m, n)
	}
	e.rows, err = fitted(e.rows, net.Inputs())
	return e, err
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

// readTruth reads the file of labels that an option names.
func readTruth(option, file string, rows *dataset.Table) (*dataset.Table, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--%s %s: there is neither such a file nor such a column; the data have %s", option, command.Clean(file), strings.Join(columnNames(rows), ", "))
	}
	t, err := readFile(file, truthColumn, "", dataset.IDXOptions{Bytes: true})
	if errors.Is(err, errKind) {
		err = fmt.Errorf("--%s %s: it must be an .npy, .npz, .csv or IDX file, or the name of a column of the data", option, command.Clean(file))
	}
	if err != nil {
		return nil, err
	}
	names := columnNames(t)
	if len(names) != 1 {
		return nil, fmt.Errorf("--%s %s: it must hold one column, got %s", option, command.Clean(file), strings.Join(names, ", "))
	}
	return only(t, names[0])
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

// numbers returns the truth as numbers, NaN for none.
func (e *evaluated) numbers() []float64 {
	var out []float64
	for _, y := range e.truth.F32(truthColumn) {
		out = append(out, float64(y))
	}
	if out == nil {
		whole, _ := e.whole()
		for _, y := range whole {
			if e.class && y == evaluate.None {
				out = append(out, math.NaN())
				continue
			}
			out = append(out, float64(y))
		}
	}
	return out
}
