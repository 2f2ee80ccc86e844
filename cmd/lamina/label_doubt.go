package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

type doubtFlags struct {
	data                               []string
	labels, dir, groups, codeName, out string
	folds                              int
	seed                               uint64
	classes                            []string
	json                               bool
}

func labelDoubtCommand() *cobra.Command {
	var f doubtFlags
	c := &cobra.Command{
		Use:   "doubt --data FILE --labels FILE|COLUMN",
		Short: "List labels that out-of-fold predictions contradict",
		Long: `Fits linear probes by cross-validation, stratified by label, and lists the labels that
predictions of probes which did not see the row contradict, the least believed first: a
class counts as predicted where its probability is no less than it is, on average, for the
rows labelled so (confident learning, Northcutt et al. 2021; counting alone, nothing is
calibrated). Such a label is worth a look and may be right.

A probe looks at the codes of --bundle, or at the numbers of the rows without one. Codes
that were trained with these very labels have seen them; those of pretraining have not.

` + dataHelp + `

Labels are an .npy, .npz, .csv or IDX file, or the name of a column of the data, with -1
for none. Rows of the same number in --groups, such as of one person, are in one fold.`,
		Example: `  lamina label doubt --data x.npy --labels y.npy
  lamina label doubt --data x.npy --labels labels.csv --bundle out/encoder --out doubt.csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return labelDoubt(c, f) },
	}
	c.Flags().StringArrayVar(&f.data, "data", nil, "`[INPUT=]FILE|DIR` of rows; repeat it when there are several inputs")
	c.Flags().StringVar(&f.labels, "labels", "", "`FILE|COLUMN` of the labels")
	c.Flags().StringVar(&f.dir, "bundle", "", "`BUNDLE` whose codes are looked at; by default the rows are")
	c.Flags().StringVar(&f.codeName, "code", "", "`NAME` of the bundle's output that has the codes")
	c.Flags().StringVar(&f.groups, "groups", "", "`FILE` of a number for each row; rows of the same are not divided")
	c.Flags().IntVar(&f.folds, "folds", 5, "parts of the cross-validation")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of the folds")
	c.Flags().StringSliceVar(&f.classes, "classes", nil, "`NAMES` of the classes in order; by default those of the bundle, or numbers")
	c.Flags().StringVar(&f.out, "out", "", "`FILE.csv` to write, whose label column is for corrections")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// doubted is a line of lamina label doubt.
type doubted struct {
	Row         int     `json:"row"`
	ID          string  `json:"id"`
	Given       string  `json:"given"`
	Confidence  float64 `json:"confidence"` // the probability of it
	Likely      string  `json:"likely"`
	Probability float64 `json:"probability"`
}

func labelDoubt(c *cobra.Command, f doubtFlags) error {
	if f.labels == "" {
		return errors.New("which labels? give --labels FILE, or the name of a column of the data")
	}
	var net *engine.Net
	code := ""
	if f.dir != "" {
		o, err := bundle.Load(c.Context(), f.dir)
		if err != nil {
			return err
		}
		net = o.Net
		if _, code, err = scoreOutputs(net, "", f.codeName); err != nil {
			return fmt.Errorf("%s: %w", f.dir, err)
		}
		if code == "" {
			return fmt.Errorf("%s: it has no codes: an output of floats besides the probabilities; --code NAME names it", f.dir)
		}
		tellSlow(c, net)
	}
	rows, err := readLabelRows(c.Context(), net, f.data, "labels", f.labels)
	if err != nil {
		return err
	}
	var known []int
	set := &evaluate.Set{}
	for i, y := range rows.labels {
		if y >= 0 {
			known, set.Y, set.Classes = append(known, i), append(set.Y, int(y)), max(set.Classes, int(y)+1)
		}
	}
	if set.Classes > mostClasses {
		return fmt.Errorf("--labels %s: there is the label %d; at most %d classes, from 0, can be told apart", command.Clean(f.labels), set.Classes-1, mostClasses)
	}
	if set.Classes < 2 {
		return fmt.Errorf("--labels %s: %s have a label, and of fewer than two classes: nothing can contradict them", command.Clean(f.labels), plainly(len(known), "row"))
	}
	names, err := f.names(net, set.Classes)
	if err != nil {
		return err
	}
	if f.out != "" {
		from := append(dataFiles(f.data, nil), assignment{verify.Port{Name: "labels"}, f.labels}, assignment{verify.Port{Name: "groups"}, f.groups})
		if err := rows.mayReplace(f.out, names, from); err != nil {
			return err
		}
	}
	chosen := rows.Select(known)
	if net != nil {
		codes, err := active.CodesOf(c.Context(), net, code, chosen)
		if err != nil {
			return err
		}
		set.Dim = codes.Dim
		for _, v := range codes.X {
			set.X = append(set.X, float64(v))
		}
	} else if err := rawCodes(set, &labelRows{Table: chosen}); err != nil {
		return err
	}
	var groups []int64
	if f.groups != "" {
		truth, err := readTruth("groups", f.groups, rows.Table)
		if err != nil {
			return err
		}
		all, err := classLabels("groups", f.groups, truth, rows.Len())
		if err != nil {
			return err
		}
		for _, i := range known {
			groups = append(groups, all[i])
		}
	}
	p, err := active.Probed(c.Context(), set, groups, f.folds, f.seed)
	if err != nil {
		return err
	}
	list, err := active.Doubt(set.Y, p, set.Classes)
	if err != nil {
		return err
	}
	lines := []doubted{}
	file := &active.Ranking{Of: rows.of}
	for _, d := range list {
		x := doubted{known[d.Row], rows.id(known[d.Row]), names[d.Label], d.Confidence, names[d.Likely], d.Probability}
		lines = append(lines, x)
		file.Rows = append(file.Rows, active.Ranked{Row: x.Row, ID: x.ID, Score: 1 - x.Confidence, Given: x.Given, Prediction: x.Likely, Probability: x.Probability})
	}
	if f.out != "" && len(list) > 0 {
		if err := file.Write(f.out); err != nil {
			return err
		}
	}
	if f.json {
		return command.PrintJSON(c.OutOrStdout(), struct {
			Rows  int       `json:"rows"`
			Folds int       `json:"folds"`
			Doubt []doubted `json:"doubtful"`
		}{len(known), f.folds, lines})
	}
	return printDoubt(c, f, lines, len(known))
}

// names are those of --classes, of the bundle, or numbers.
func (f *doubtFlags) names(net *engine.Net, classes int) ([]string, error) {
	names := f.classes
	if names == nil && net != nil {
		names = net.Record().Classes
	}
	switch {
	case names == nil:
		return numbered(classes), nil
	case len(names) < classes:
		return nil, fmt.Errorf("--labels %s: there is the label %d, but the classes are %.200q", command.Clean(f.labels), classes-1, strings.Join(names, ", "))
	}
	return names, nil
}

// rawCodes makes codes of all numbers of the rows.
func rawCodes(set *evaluate.Set, rows *labelRows) error {
	var parts [][]float64
	for _, c := range rows.Columns() {
		var x []float64
		for _, v := range rows.F32(c.Name) {
			if v != v {
				return fmt.Errorf("column %q lacks numbers, which a probe of the rows cannot do with: give a --bundle that says what they mean", command.Clean(c.Name))
			}
			x = append(x, float64(v))
		}
		for _, v := range rows.I64(c.Name) {
			x = append(x, float64(v))
		}
		for _, v := range rows.U8(c.Name) {
			x = append(x, float64(v))
		}
		parts, set.Dim = append(parts, x), set.Dim+c.Width()
	}
	for i := range rows.Len() {
		for _, x := range parts {
			w := len(x) / rows.Len()
			set.X = append(set.X, x[i*w:][:w]...)
		}
	}
	return nil
}

// mostDoubts is how many lines are printed.
const mostDoubts = 20

func printDoubt(c *cobra.Command, f doubtFlags, lines []doubted, rows int) error {
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%d of %d labels are contradicted by probes of the other folds (%d)\n", len(lines), rows, f.folds)
	if len(lines) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tid\tgiven\tprobability\tlikelier\tprobability")
	for _, x := range lines[:min(len(lines), mostDoubts)] {
		fmt.Fprintf(t, "%d\t%s\t%s\t%.4f\t%s\t%.4f\n", x.Row, command.Clean(x.ID), command.Clean(x.Given), x.Confidence, command.Clean(x.Likely), x.Probability)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := len(lines) - mostDoubts; n > 0 && f.out == "" {
		fmt.Fprintf(w, "and %d more: --out FILE.csv has all\n", n)
	}
	if f.out != "" {
		fmt.Fprintf(w, "%s: all of them; fill in the label column where one is wrong, then lamina label merge %s --into LABELS.csv --correct\n", f.out, f.out)
	}
	return nil
}
