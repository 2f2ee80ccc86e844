package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// curveRows are rows with labels.
type curveRows struct {
	src          *dataset.Table
	test         *dataset.Table // that are told apart where the rows are, or nil
	schema       *dataset.Schema
	label, group string
	classes      []string
	folder       bool
}

// curveTaker is what takes the rows, as far as it is known before they are read.
type curveTaker struct {
	inputs []*ir.Value
	schema *dataset.Schema // that it was trained with
}

// rows reads rows. Those to measure on are read as the others were.
func (f curveFlags) rows(ctx context.Context, path, labels string, taker curveTaker, like *curveRows) (*curveRows, error) {
	st, err := os.Stat(path)
	folder := err == nil && st.IsDir()
	_, table := ofTable([]string{path}, nil)
	if like != nil && (folder != like.folder || table && !folder != (like.schema != nil)) {
		return nil, fmt.Errorf("%s is of another kind than the rows of --data", command.Clean(path))
	}
	var r *curveRows
	switch {
	case folder:
		r, err = f.folder(ctx, path, labels, taker, like)
	case f.size != "":
		err = fmt.Errorf("--size is for folders of pictures, and %s is none", command.Clean(path))
	case table:
		r, err = f.table(ctx, path, labels, taker, like)
	case f.schema != "":
		err = fmt.Errorf("--schema is for .csv, .jsonl and .parquet files, and %s is none", command.Clean(path))
	default:
		r, err = f.arrays(ctx, path, labels, like)
	}
	if err != nil {
		return nil, err
	}
	for _, t := range []**dataset.Table{&r.src, &r.test} {
		if *t == nil {
			continue
		}
		if *t, err = taker.given(*t, r.label, r.group); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// given makes columns what the inputs take, where that changes no number.
func (c curveTaker) given(t *dataset.Table, not ...string) (*dataset.Table, error) {
	var names []string
	for _, name := range columnNames(t) {
		if !slices.Contains(not, name) {
			names = append(names, name)
		}
	}
	if len(c.inputs) == 1 && len(names) == 1 && names[0] != c.inputs[0].Name { // the only column is the input's
		if t = t.Rename(names[0], c.inputs[0].Name); t.Err() != nil {
			return nil, t.Err()
		}
	}
	there := slices.DeleteFunc(slices.Clone(c.inputs), func(v *ir.Value) bool { return !slices.Contains(columnNames(t), v.Name) })
	return fitted(t, there)
}

// arrays reads the columns of a file that no schema describes.
func (f curveFlags) arrays(ctx context.Context, path, labels string, like *curveRows) (*curveRows, error) {
	if labels == "" {
		labels = "y"
	}
	t, err := readFile(path, "x", "")
	if err != nil {
		return nil, absent(path, err)
	}
	if isFile(labels) && !slices.Contains(columnNames(t), labels) {
		if t, err = withLabels(ctx, t, path, labels); err != nil {
			return nil, err
		}
		labels = "y"
	}
	r := &curveRows{label: labels, group: f.groups}
	names := columnNames(t)
	for _, name := range []string{labels, f.groups} {
		if name != "" && !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s has no column %q; it has %s", command.Clean(path), command.Clean(name), strings.Join(names, ", "))
		}
	}
	for _, col := range t.Columns() { // labels of bytes, and pixels in integers
		switch {
		case col.Name == labels && col.DType != dataset.I64:
			if t, err = wholeLabels(t, labels); err != nil {
				return nil, err
			}
		case col.Name != labels && col.Name != f.groups && col.DType == dataset.I64 && len(col.Shape) > 0:
			t = t.Bytes(col.Name)
		}
	}
	if err := t.Err(); err != nil {
		return nil, err
	}
	r.src = t
	if like != nil {
		r.classes, r.label = like.classes, like.label
		if labels != like.label {
			r.src = t.Rename(labels, like.label)
		}
		return r, r.src.Err()
	}
	r.classes, err = f.numbers(t, path, labels)
	return r, err
}

// numbers are the classes of labels that are numbers.
func (f curveFlags) numbers(t *dataset.Table, path, labels string) ([]string, error) {
	most := int64(-1)
	for _, y := range t.I64(labels) {
		most = max(most, y)
	}
	switch {
	case most < 1 || most >= mostClasses:
		return nil, fmt.Errorf("%s: the labels %q must be classes from 0 to at most 4,095, two or more; the greatest is %d", command.Clean(path), labels, most)
	case f.classes == nil:
		return numbered(int(most) + 1), nil
	case len(f.classes) <= int(most):
		return nil, fmt.Errorf("--classes: %q has the label %d, and %s have a name", labels, most, plainly(len(f.classes), "class"))
	}
	return f.classes, nil
}

// withLabels joins labels of a file of their own, a number for each row, as the column y.
func withLabels(ctx context.Context, t *dataset.Table, path, labels string) (*dataset.Table, error) {
	r := &labelRows{Table: t, of: active.Data{Rows: t.Len()}}
	var err error
	if r.of.Mark, err = markOf(ctx, []string{path}, nil); err != nil {
		return nil, err
	}
	y, err := r.wholeNumbers("labels", labels, nil)
	if err != nil {
		return nil, err
	}
	column, err := (&active.Labels{Y: y}).Table("y")
	if err != nil {
		return nil, err
	}
	if slices.Contains(columnNames(r.Table), "y") {
		r.Table = r.Without("y")
	}
	t = r.Join(column)
	return t, t.Err()
}

// wholeLabels makes a column of labels integers.
func wholeLabels(t *dataset.Table, labels string) (*dataset.Table, error) {
	truth, err := only(t, labels)
	if err != nil {
		return nil, err
	}
	e := evaluated{truth: truth}
	y, ok := e.whole()
	if !ok || e.width() != 1 {
		return nil, fmt.Errorf("column %q has other numbers than one class a row", labels)
	}
	d := dataset.Data{Column: dataset.Column{Name: labels, DType: dataset.I64}}
	for _, k := range y {
		d.I64 = append(d.I64, int64(k))
	}
	with, err := dataset.NewTable(d)
	if err != nil {
		return nil, err
	}
	return t.Without(labels).Join(with), nil
}

// folder reads pictures.
func (f curveFlags) folder(ctx context.Context, path, labels string, taker curveTaker, like *curveRows) (*curveRows, error) {
	own := isFile(labels)
	switch {
	case f.groups != "":
		return nil, fmt.Errorf("--groups is for files, and %s is a folder of pictures, which have no groups", command.Clean(path))
	case own && holdsMNIST(path):
		return nil, fmt.Errorf("%s has labels of its own; for those of %s give its file of images, such as train-images-idx3-ubyte.gz", command.Clean(path), command.Clean(labels))
	case !own && labels != "" && labels != "y":
		return nil, fmt.Errorf("--labels: the labels of pictures are the folders that they are in, or a file of a number for each, and %q is none", labels)
	case f.schema != "":
		return nil, fmt.Errorf("--schema is for .csv, .jsonl and .parquet files, and %s is a folder of pictures", command.Clean(path))
	}
	r := &curveRows{label: "y", folder: true}
	if holdsMNIST(path) {
		if f.size != "" {
			return nil, fmt.Errorf("--size is for folders of PNG and JPEG files, and %s has IDX files", command.Clean(path))
		}
		s, err := dataset.MNIST(path)
		if err != nil {
			return nil, err
		}
		if r.src, r.test = s.Train, s.Test; like != nil {
			r.src, r.test = s.Test, nil
		}
		r.classes = numbered(10)
		return r, nil
	}
	o := dataset.ImageOptions{Bytes: true, Unlabelled: own}
	if len(taker.inputs) == 1 {
		v := taker.inputs[0]
		o.Bytes = v.Type.DType == ir.U8
		if row, ok := v.Type.Shape[1:].Fixed(); ok && len(row) == 3 {
			o.Channels, o.Height, o.Width = row[0], row[1], row[2]
		}
	}
	if f.size != "" {
		if _, err := fmt.Sscanf(f.size+"\n", "%dx%d\n", &o.Height, &o.Width); err != nil || o.Height < 1 || o.Width < 1 {
			return nil, fmt.Errorf("--size must be a height and a width, such as 64x64, got %q", f.size)
		}
	}
	p, err := dataset.Images(path, o)
	if err != nil {
		return nil, err
	}
	if own {
		t, err := dataset.Collect(p)
		if err != nil {
			return nil, err
		}
		return f.labelled(ctx, r, t, path, labels, like)
	}
	if r.classes = p.Classes(); like != nil && !slices.Equal(r.classes, like.classes) {
		return nil, fmt.Errorf("%s has the classes %s, and the other rows have %s", command.Clean(path), strings.Join(r.classes, ", "), strings.Join(like.classes, ", "))
	}
	r.src, err = dataset.Collect(p)
	return r, err
}

// table reads a file by its schema.
func (f curveFlags) table(ctx context.Context, path, labels string, taker curveTaker, like *curveRows) (*curveRows, error) {
	r := &curveRows{}
	switch {
	case like != nil:
		r.schema = like.schema.Clone()
		for i := range r.schema.Fields {
			if r.schema.Fields[i].Kind == dataset.Label && labels != "" && !isFile(labels) {
				r.schema.Fields[i].Name = labels
			}
		}
	case f.schema != "":
		var err error
		if r.schema, err = dataset.ReadSchema(f.schema); err != nil {
			return nil, fmt.Errorf("--schema: %w", err)
		}
	case labels == "":
		return nil, fmt.Errorf("what is true of the rows? give --labels FIELD")
	default:
		var err error
		if r.schema, err = inferredWith(ctx, path, labels, f.groups); err != nil {
			return nil, err
		}
		if taker.schema != nil {
			if r.schema, err = asTrained(taker.schema, r.schema); err != nil {
				return nil, err
			}
		}
	}
	own := r.schema.Field(labels) == nil && isFile(labels)
	if own {
		for i := range r.schema.Fields {
			if x := &r.schema.Fields[i]; x.Kind == dataset.Label {
				x.Kind = dataset.Ignored
			}
		}
	} else if r.classes = r.schema.Classes(); len(r.classes) < 2 {
		return nil, fmt.Errorf("%s: the label must have two values or more, and has %d", command.Clean(path), len(r.classes))
	}
	t, err := bySchema(ctx, r.schema, path)
	if err != nil {
		return nil, absent(path, err)
	}
	if f.groups != "" {
		if r.group = r.schema.Column(dataset.Group); !slices.Contains(columnNames(t), r.group) {
			return nil, fmt.Errorf("--groups %s: the schema has no field of groups", command.Clean(f.groups))
		}
	}
	if own {
		return f.labelled(ctx, r, t, path, labels, like)
	}
	r.src, r.label = t, r.schema.Column(dataset.Label)
	return r, nil
}

// labelled completes rows with labels of a file of their own.
func (f curveFlags) labelled(ctx context.Context, r *curveRows, t *dataset.Table, path, labels string, like *curveRows) (_ *curveRows, err error) {
	r.label = "y"
	if r.src, err = withLabels(ctx, t, path, labels); err != nil {
		return nil, err
	}
	if like != nil {
		r.classes = like.classes
		return r, nil
	}
	r.classes, err = f.numbers(r.src, path, r.label)
	return r, err
}

// asTrained is the schema that a bundle was trained with, by which its inputs have their meaning, with the label and the
// groups that were found in a file.
func asTrained(trained, found *dataset.Schema) (*dataset.Schema, error) {
	s := trained.Clone()
	for i := range s.Fields {
		if k := s.Fields[i].Kind; k != dataset.Number && k != dataset.Category && k != dataset.Date {
			s.Fields[i].Kind, s.Fields[i].Unit = dataset.Ignored, ""
		}
	}
	for _, f := range found.Fields {
		if f.Kind != dataset.Label && f.Kind != dataset.Group {
			continue
		}
		have := s.Field(f.Name)
		switch {
		case have == nil:
			s.Fields = append(s.Fields, f)
		case have.Kind != dataset.Ignored && f.Kind == dataset.Label:
			return nil, fmt.Errorf("the bundle reads field %q, the label, as a %s: it would see what it is to tell", command.Clean(f.Name), have.Kind)
		case have.Kind != dataset.Ignored:
			return nil, fmt.Errorf("the bundle reads field %q, the groups, as a %s, and a field is one of them", command.Clean(f.Name), have.Kind)
		default:
			*have = f
		}
	}
	return s, nil
}
