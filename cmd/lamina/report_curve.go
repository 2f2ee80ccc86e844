package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/report"
	"github.com/lamina-ml/lamina/spec"
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
	case f.model != "" && f.bundle != "":
		return fmt.Errorf("--model and --bundle: give one of them")
	case f.output != "" && f.bundle == "":
		return fmt.Errorf("--output is one of --bundle, which is not given")
	case f.testLabels != "" && f.test == "":
		return fmt.Errorf("--test-labels are of --test, which is not given")
	case f.bundle != "" && f.curve.Pretrain == "none":
		return fmt.Errorf("--pretrain none: then there is nothing of --bundle to measure")
	}
	f.curve.Others = map[string]string{"Rows": "data", "Test": "test", "Group": "groups"}
	if _, err := f.curve.Options(report.CurveOptions{}); err != nil {
		return err
	}
	var text []byte
	var net *engine.Net
	var taker curveTaker
	switch {
	case f.model != "":
		var err error
		if text, err = os.ReadFile(f.model); err != nil {
			return fmt.Errorf("--model: %w", err)
		}
		if p, err := spec.Parse(string(text)); err == nil { // what is wrong is told below
			if g, _, err := spec.GraphOf("task", p.Tap("logits")); err == nil {
				taker.inputs = g.Inputs
			}
		}
	case f.bundle != "":
		b, err := bundle.Load(c.Context(), f.bundle)
		if err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		net = b.Net
		taker = curveTaker{net.Inputs(), net.Record().Schema}
	}
	rows, err := f.rows(c.Context(), f.data, f.labels, taker, nil)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	o := report.CurveOptions{Rows: rows.src, Group: rows.group, Runtime: ort.Runtime(), Needs: ort.Check}
	if rows.test != nil {
		o.Test = rows.test
	}
	if f.test != "" {
		t, err := f.rows(c.Context(), f.test, cmp.Or(f.testLabels, f.labels), taker, rows)
		if err != nil {
			return fmt.Errorf("--test: %w", err)
		}
		o.Test = t.src
	}
	var model func() report.Model
	switch {
	case f.model != "":
		if model, err = report.TextModel(string(text), rows.label, rows.classes); err != nil {
			return fmt.Errorf("--model %s: %w", f.model, err)
		}
	case f.bundle != "":
		if model, err = report.BundleModel(net, f.output, rows.label, rows.classes); err != nil {
			return fmt.Errorf("--bundle %s: %w", f.bundle, err)
		}
	default:
		if model, err = report.DefaultModel(rows.src, rows.label, rows.classes, rows.group); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n", model().Text)
	}
	o.Progress = func(p report.CurveProgress) { fmt.Fprintln(c.ErrOrStderr(), p) }
	return f.curve.Run(c.Context(), c.OutOrStdout(), model, o)
}
