package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/report"
)

type curveFlags struct {
	data, labels, test, testLabels, groups, model, bundle, output, size, schema string
	classes                                                                     []string
	curve                                                                       report.CurveFlags
}

func reportCurveCommand() *cobra.Command {
	var f curveFlags
	c := &cobra.Command{
		Use:   "label-curve --data FILE --labels FIELD --out DIR",
		Short: "Measure how good a model becomes with how many labels, and whether pretraining helps",
		Long: `Trains a model with more and more labels of your rows: from scratch, from each
pretraining on all rows without labels, with pseudo-labels, and with labels that a
strategy of --active chooses in place of a draw; beside them the most common class, logistic regression and the nearest neighbour on the columns as they are.
It writes a page, report.html, with report.json and report.csv, and the draws as files
of row numbers, with a scikit-learn script of boosted trees that learns from the same
draws: --join NAME=FILE adds its predictions, or those of any other tool.

Without test rows it measures by cross-validation: each draw divides the rows into folds
of its own, --groups never on both sides. What is interrupted goes on from the points
that are in DIR.

The rows are a .csv, .jsonl or .parquet file, whose field --labels is the label, read by
--schema or by what is found in it; a folder of PNG and JPEG files in a folder for each
class, scaled to --size; a folder of the IDX files of MNIST, which has test rows; or an
.npz file, whose column --labels is the label, -1 for none. --test is of the same kind.
Labels may also be a file of a number for each row, as lamina label merge writes it.

The model is --model, the text form of one with the outputs code and logits; the function
of --bundle, whose output is the code; or else a net for a table, for pictures, for
windows of signals or for rows of numbers, which is printed as Go.`,
		Example: `  lamina report label-curve --data people.csv --labels left --groups team --out out/curve
  lamina report label-curve --data pictures --size 32x32 --out out/curve --label-price 0.4
  lamina report label-curve --data rows.npz --labels y --out out/curve --ship out/best
  lamina report label-curve --data x.npy --labels labels.csv --classes cat,dog,bird --out out/curve`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := reportCurve(c, f); err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&f.data, "data", "", "`FILE` or folder of the rows")
	c.Flags().StringVar(&f.labels, "labels", "", "`FIELD|FILE` of the labels; by default the column y")
	c.Flags().StringSliceVar(&f.classes, "classes", nil, "`NAMES` of the classes in order, where labels are numbers")
	c.Flags().StringVar(&f.test, "test", "", "`FILE` or folder of rows to measure on, in place of a cross-validation")
	c.Flags().StringVar(&f.testLabels, "test-labels", "", "`FIELD|FILE` of their labels, if it has another name")
	c.Flags().StringVar(&f.groups, "groups", "", "`FIELD` or column of groups, such as people")
	c.Flags().StringVar(&f.schema, "schema", "", "`FILE` of a schema that the rows of a table are read by")
	c.Flags().StringVar(&f.model, "model", "", "`FILE` of the text form of a model")
	c.Flags().StringVar(&f.bundle, "bundle", "", "`DIR` of a bundle whose output is the code")
	c.Flags().StringVar(&f.output, "output", "", "`NAME` of that output, if it has several")
	c.Flags().StringVar(&f.size, "size", "", "height and width that files of pictures are scaled to, such as 64x64")
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	f.curve.Register(fs, "out")
	c.Flags().AddGoFlagSet(fs)
	return c
}

func reportCurve(c *cobra.Command, f curveFlags) error {
	switch {
	case f.data == "":
		return fmt.Errorf("which rows? give --data FILE")
	case f.curve.Out == "":
		return fmt.Errorf("where to? give --out DIR")
	case f.curve.Price < 0:
		return fmt.Errorf("--label-price must be zero or positive, got %v", f.curve.Price)
	case f.model != "" && f.bundle != "":
		return fmt.Errorf("--model and --bundle: give one of them")
	}
	rows, err := f.rows(c.Context(), f.data, f.labels, nil)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	o := report.CurveOptions{Rows: rows.src, Test: rows.test, Group: rows.group, Runtime: ort.Runtime(), Needs: ort.Check}
	if f.test != "" {
		test := f.labels
		if f.testLabels != "" {
			test = f.testLabels
		}
		t, err := f.rows(c.Context(), f.test, test, rows)
		if err != nil {
			return fmt.Errorf("--test: %w", err)
		}
		o.Test = t.src
	}
	var model func() report.Model
	switch {
	case f.model != "":
		text, err := os.ReadFile(f.model)
		if err != nil {
			return fmt.Errorf("--model: %w", err)
		}
		if model, err = report.TextModel(string(text), rows.label, rows.classes); err != nil {
			return fmt.Errorf("--model %s: %w", f.model, err)
		}
	case f.bundle != "":
		b, err := bundle.Load(c.Context(), f.bundle)
		if err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		if model, err = report.BundleModel(b.Net, f.output, rows.label, rows.classes); err != nil {
			return fmt.Errorf("--bundle %s: %w", f.bundle, err)
		}
		o.Arms = report.BundleArms(model())
		f.curve.Pretrain = "all"
	default:
		if model, err = report.DefaultModel(rows.src, rows.label, rows.classes, rows.group); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n", model().Text)
	}
	o.Progress = func(p report.CurveProgress) { fmt.Fprintln(c.ErrOrStderr(), p) }
	return f.curve.Run(c.Context(), c.OutOrStdout(), model, o)
}

// curveRows are rows with labels.
type curveRows struct {
	src, test    dataset.Source
	schema       *dataset.Schema
	label, group string
	classes      []string
}

// rows reads rows. Those to measure on are read as the others were.
func (f curveFlags) rows(ctx context.Context, path, labels string, like *curveRows) (*curveRows, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return f.folder(ctx, path, labels, like)
	}
	if _, ok := ofTable([]string{path}, nil); ok {
		return f.table(ctx, path, labels, like)
	}
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
	r.classes, err = f.numbers(t, path, labels, like)
	return r, err
}

// numbers are the classes of labels that are numbers.
func (f curveFlags) numbers(t *dataset.Table, path, labels string, like *curveRows) ([]string, error) {
	if like != nil {
		return like.classes, nil
	}
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
func (f curveFlags) folder(ctx context.Context, path, labels string, like *curveRows) (*curveRows, error) {
	own := isFile(labels)
	if holdsMNIST(path) && own {
		return nil, fmt.Errorf("%s has labels of its own; for those of %s give its file of images, such as train-images-idx3-ubyte.gz", command.Clean(path), command.Clean(labels))
	}
	if holdsMNIST(path) {
		s, err := dataset.MNIST(path)
		if err != nil {
			return nil, err
		}
		r := &curveRows{src: s.Train, test: s.Test, label: "y"}
		for k := range 10 {
			r.classes = append(r.classes, fmt.Sprint(k))
		}
		return r, nil
	}
	o := dataset.ImageOptions{Bytes: true, Unlabelled: own}
	if f.size != "" {
		if _, err := fmt.Sscanf(f.size+"\n", "%dx%d\n", &o.Height, &o.Width); err != nil {
			return nil, fmt.Errorf("--size must be a height and a width, such as 64x64, got %q", f.size)
		}
	}
	p, err := dataset.Images(path, o)
	if err != nil {
		return nil, err
	}
	if own {
		t, err := dataset.Collect(p)
		if err == nil {
			t, err = withLabels(ctx, t, path, labels)
		}
		if err != nil {
			return nil, err
		}
		r := &curveRows{src: t, label: "y"}
		r.classes, err = f.numbers(t, path, "y", like)
		return r, err
	}
	if like != nil && !slices.Equal(p.Classes(), like.classes) {
		return nil, fmt.Errorf("%s has the classes %s, and the other rows have %s", command.Clean(path), strings.Join(p.Classes(), ", "), strings.Join(like.classes, ", "))
	}
	t, err := dataset.Collect(p)
	return &curveRows{src: t, label: "y", classes: p.Classes()}, err
}

// table reads a file by its schema.
func (f curveFlags) table(ctx context.Context, path, labels string, like *curveRows) (*curveRows, error) {
	r := &curveRows{label: "y"}
	if f.groups != "" {
		r.group = "group"
	}
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
	default:
		if labels == "" {
			return nil, fmt.Errorf("what is true of the rows? give --labels FIELD")
		}
		var err error
		if r.schema, err = inferredWith(ctx, path, labels, f.groups); err != nil {
			return nil, err
		}
	}
	if r.schema.Field(labels) == nil && isFile(labels) {
		return f.tableWith(ctx, r, path, labels, like)
	}
	if r.classes = r.schema.Classes(); len(r.classes) < 2 {
		return nil, fmt.Errorf("%s: the label must have two values or more, and has %d", command.Clean(path), len(r.classes))
	}
	t, err := bySchema(ctx, r.schema, path)
	if err != nil {
		return nil, absent(path, err)
	}
	if r.group != "" && !slices.Contains(columnNames(t), r.group) {
		return nil, fmt.Errorf("--groups %s: the schema has no field of groups", command.Clean(f.groups))
	}
	r.src = t
	return r, nil
}

// tableWith reads a table whose labels are a file of their own.
func (f curveFlags) tableWith(ctx context.Context, r *curveRows, path, labels string, like *curveRows) (*curveRows, error) {
	for i := range r.schema.Fields {
		if x := &r.schema.Fields[i]; x.Kind == dataset.Label {
			x.Kind = dataset.Ignored
		}
	}
	t, err := bySchema(ctx, r.schema, path)
	if err != nil {
		return nil, absent(path, err)
	}
	if t, err = withLabels(ctx, t, path, labels); err != nil {
		return nil, err
	}
	if r.group != "" && !slices.Contains(columnNames(t), r.group) {
		return nil, fmt.Errorf("--groups %s: the schema has no field of groups", command.Clean(f.groups))
	}
	r.src = t
	r.classes, err = f.numbers(t, path, "y", like)
	return r, err
}
