package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/parquet"
)

// dataUsage is what the help of a verb says of --data.
const dataUsage = "`[INPUT=]FILE` of rows; repeat it when there are several inputs"

// dataHelp is the paragraph of a verb's help about --data.
const dataHelp = `Rows of --data are .npy, .npz, .csv, .jsonl, .parquet or IDX files, as [INPUT=]FILE. A
.csv, .jsonl or .parquet file without INPUT= is read by the bundle's schema, if it has
one: texts become the ids of training, whatever the order of the columns; a column that
training had and the file has not is an error. .csv and .jsonl may be packed (.gz).`

// readRows reads what --data names, for a function with these inputs. All reading of rows for the verbs is here. If a file
// has a column of the name labels, that becomes truth, with one column, and else truth is nil. The schema may be nil.
func readRows(ctx context.Context, schema *dataset.Schema, ports []verify.Port, data []string, labels string) (rows, truth *dataset.Table, err error) {
	if len(data) == 0 {
		return nil, nil, errors.New("which rows? give --data FILE")
	}
	if file, ok := ofTable(data, ports); ok && schema != nil {
		return readTable(ctx, schema, file, labels)
	}
	from, err := assign("data", data, ports)
	if err != nil && len(data) == 1 && len(ports) > 1 { // one file that has a column for each
		from, err = []assignment{{file: data[0]}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, a := range from {
		if ext := extension(a.file); schema != nil && (ext == ".parquet" || ext == ".jsonl" || ext == ".ndjson") {
			return nil, nil, fmt.Errorf("--data %s: the schema of the bundle reads all inputs from one such file: give it as the only --data, without INPUT=", command.Clean(a.file))
		}
		t, y, err := readData(a.port.Name, a.file, labels)
		if err != nil {
			return nil, nil, err
		}
		if y != nil {
			truth = y
		}
		if rows != nil {
			t = rows.Join(t)
		}
		if rows = t; t.Err() != nil {
			return nil, nil, t.Err()
		}
	}
	return rows, truth, nil
}

// ofTable returns the file of a table, which has all columns.
func ofTable(data []string, ports []verify.Port) (file string, ok bool) {
	if len(data) != 1 || slices.ContainsFunc(ports, func(p verify.Port) bool { return strings.HasPrefix(data[0], p.Name+"=") }) {
		return "", false
	}
	return data[0], tabular(data[0])
}

// tabular reports whether a file is one that a schema reads.
func tabular(file string) bool {
	switch extension(file) {
	case ".csv", ".jsonl", ".ndjson", ".parquet":
		return true
	}
	return false
}

// extension is that of a file's name, of the name without .gz.
func extension(file string) string {
	name := strings.ToLower(filepath.Base(file))
	return filepath.Ext(strings.TrimSuffix(name, ".gz"))
}

// readTable reads a file by the schema of a bundle. Of the fields that are no inputs only the one that labels names is
// wanted, which may be the name of its column.
func readTable(ctx context.Context, schema *dataset.Schema, file, labels string) (rows, truth *dataset.Table, err error) {
	column := ""
	s := schema.Clone()
	for _, f := range s.Fields {
		switch {
		case labels == "":
		case (f.Kind == dataset.Label || f.Kind == dataset.Target) && (labels == f.Name || labels == s.Column(f.Kind)):
			column = s.Column(f.Kind)
		}
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		switch {
		case f.Kind == dataset.Number || f.Kind == dataset.Category || f.Kind == dataset.Date:
		case f.Kind == dataset.Label && column == s.Column(f.Kind):
		case f.Kind == dataset.Target && column == s.Column(f.Kind) && (labels == column || labels == f.Name):
		default: // a field of the schema all the same, if an error lists those that are new
			f.Kind, f.Unit = dataset.Ignored, ""
		}
	}
	if rows, err = bySchema(ctx, s, file); err != nil {
		return nil, nil, fmt.Errorf("by the schema of the bundle: %w", absent(file, err))
	}
	if column == "" {
		if f := schema.Field(labels); f != nil && labels != "" {
			return nil, nil, fmt.Errorf("--labels %s: the schema of the bundle has that column as a %s, which is not what the model says of a row", command.Clean(labels), f.Kind)
		}
		return rows, nil, nil
	}
	if truth, err = only(rows, column); err != nil {
		return nil, nil, err
	}
	rows = rows.Without(column)
	return rows, truth, rows.Err()
}

// bySchema reads a .csv, .jsonl or .parquet file by a schema.
func bySchema(ctx context.Context, s *dataset.Schema, file string) (*dataset.Table, error) {
	return s.Read(ctx, recordsOf(s, file))
}

// recordsOf are the records of such a file.
func recordsOf(s *dataset.Schema, file string) dataset.Records {
	if extension(file) == ".parquet" {
		return parquet.Records(file)
	}
	return s.Records(file)
}

// readData reads a file for an input, or, if that is "", for all. If it has a column of the name labels, that is the truth.
func readData(input, file, labels string) (t, truth *dataset.Table, err error) {
	t, err = readFile(file, cmp.Or(input, "x"), labels)
	if errors.Is(err, errKind) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, absent(file, err)
		}
		switch extension(file) {
		case ".parquet", ".jsonl", ".ndjson":
			err = fmt.Errorf("--data %s: it is read by the schema that a bundle has when it was trained on rows of a table, and this one has none", command.Clean(file))
		default:
			err = fmt.Errorf("--data %s: it must be an .npy, .npz, .csv, .jsonl, .parquet or IDX file", command.Clean(file))
		}
	}
	if err != nil {
		return nil, nil, absent(file, err)
	}
	names := columnNames(t)
	if i := slices.Index(names, labels); i >= 0 && len(names) > 1 {
		if truth, err = only(t, labels); err != nil {
			return nil, nil, err
		}
		names = slices.Delete(names, i, i+1)
	}
	if input != "" && len(names) == 1 && names[0] != input { // the only column is the input's
		t = t.Rename(names[0], input)
	}
	return t, truth, t.Err()
}

var (
	errKind    = errors.New("no such kind of file is read")
	errNoField = errors.New("no such field")
)

// readFile reads a file that no schema describes. Numbers that have no name there become the column, except those of the
// .csv field labels, if there is one. The error is errKind if the file's name tells no kind that is read so.
func readFile(file, column, labels string, o ...dataset.IDXOptions) (*dataset.Table, error) {
	switch ext := extension(file); {
	case ext == ".npz":
		return dataset.NPZ(file)
	case ext == ".npy":
		return dataset.NPY(file, column)
	case isIDX(filepath.Base(file)):
		return dataset.IDX(file, "", o...)
	case ext == ".csv":
		t, err := csvWith(file, column, labels)
		if errors.Is(err, errNoField) {
			return csvWith(file, column, "")
		}
		return t, err
	}
	return nil, errKind
}

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

// fitted makes columns what the inputs take, where that changes no number: bytes that were read as integers, and the shape.
func fitted(rows *dataset.Table, inputs []*ir.Value) (*dataset.Table, error) {
	for _, v := range inputs {
		i := slices.IndexFunc(rows.Columns(), func(c dataset.Column) bool { return c.Name == v.Name })
		if i < 0 {
			return nil, fmt.Errorf("input %q (%s) has no column; the data have %s", command.Clean(v.Name), v.Type, strings.Join(columnNames(rows), ", "))
		}
		c := rows.Columns()[i]
		if v.Type.DType == ir.U8 && c.DType == dataset.I64 {
			rows = rows.Bytes(v.Name)
		}
		if row, ok := v.Type.Shape[1:].Fixed(); ok && ir.Elems(row) == c.Width() && !slices.Equal(row, c.Shape) {
			rows = rows.Reshape(v.Name, row...)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}
