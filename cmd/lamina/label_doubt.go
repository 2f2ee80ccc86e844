package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

type doubtFlags struct {
	data                               []string
	labels, dir, groups, codeName, out string
	schema                             string
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

A probe looks at the codes of --bundle, or at the rows without one: their numbers, a place
for each value of a category, and a mark where a value is missing. Codes that were trained
with these very labels have seen them; those of pretraining have not.

` + dataHelp + `
` + schemaHelp + `

Labels are an .npy, .npz, .csv or IDX file, or the name of a column of the data, with -1
or nothing for none. Rows of the same --groups, such as of one person, are in one fold.
Labels of a class with fewer rows than folds, or all of whose rows are of one group, are
left out, and the last lines say so.`,
		Example: `  lamina label doubt --data x.npy --labels y.npy
  lamina label doubt --data x.npy --labels labels.csv --bundle out/encoder --out doubt.csv
  lamina label doubt --data people.csv --labels left --groups team`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return labelDoubt(c, f) },
	}
	c.Flags().StringArrayVar(&f.data, "data", nil, "`[INPUT=]FILE|DIR` of rows; repeat it when there are several inputs")
	c.Flags().StringVar(&f.labels, "labels", "", "`FILE|COLUMN` of the labels")
	c.Flags().StringVar(&f.dir, "bundle", "", "`BUNDLE` whose codes are looked at; by default the rows are")
	c.Flags().StringVar(&f.codeName, "code", "", "`NAME` of the bundle's output that has the codes")
	c.Flags().StringVar(&f.groups, "groups", "", "`FILE|COLUMN` of a number for each row; rows of the same are not divided")
	c.Flags().StringVar(&f.schema, "schema", "", "`FILE` of a schema that a table is read by, without a bundle")
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
	source := labelSource{data: f.data, option: "labels", labels: f.labels, groups: f.groups, schema: f.schema}
	rows, err := readLabelRows(c.Context(), net, source)
	if err != nil {
		return err
	}
	classes := len(rows.classes)
	for _, y := range rows.labels {
		classes = max(classes, int(min(y, mostClasses))+1)
	}
	if classes > mostClasses {
		return fmt.Errorf("--labels %s: there is the label %d; at most %d classes, from 0, can be told apart", command.Clean(f.labels), slices.Max(rows.labels), mostClasses)
	}
	names, err := f.names(net, rows.classes, classes)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := rows.mayReplace(f.out, names, append(dataFiles(f.data, nil), source.files()...)); err != nil {
			return err
		}
	}
	known, rare, err := judged(rows.labels, rows.groups, names, f.folds)
	if err != nil {
		return fmt.Errorf("--labels %s: %w", command.Clean(f.labels), err)
	}
	set := &evaluate.Set{Classes: classes}
	var groups []int64
	for _, i := range known {
		set.Y = append(set.Y, int(rows.labels[i]))
		if rows.groups != nil {
			groups = append(groups, rows.groups[i])
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
	} else if err := rawCodes(set, chosen, rows.schema); err != nil {
		return err
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
			Rows    int       `json:"rows"`
			Folds   int       `json:"folds"`
			Doubt   []doubted `json:"doubtful"`
			LeftOut []rareOne `json:"left_out,omitempty"`
		}{len(known), f.folds, lines, rare})
	}
	if err := printDoubt(c, f, lines, len(known), names, rows.classes != nil); err != nil {
		return err
	}
	for _, r := range rare {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "left out: %s of %s: %s\n", plainly(r.Rows, "label"), command.Clean(r.Class), r.Why); err != nil {
			return err
		}
	}
	return nil
}

// rareOne is a class of which no prediction is made.
type rareOne struct {
	Class string `json:"class"`
	Rows  int    `json:"rows"`
	Why   string `json:"why"`
}

// judged are the rows with a label whose class is in several folds, and the classes that are not.
func judged(labels, groups []int64, names []string, folds int) (known []int, rare []rareOne, err error) {
	count, group, several := make([]int, len(names)), make([]int64, len(names)), make([]bool, len(names))
	for i, y := range labels {
		if y < 0 {
			continue
		}
		if groups != nil && count[y] > 0 && groups[i] != group[y] || groups == nil {
			several[y] = true
		} else {
			group[y] = groups[i]
		}
		count[y]++
	}
	left := make([]bool, len(names))
	classes, labelled := 0, 0
	for y, n := range count {
		labelled += n
		switch {
		case n == 0:
		case n < folds:
			left[y], rare = true, append(rare, rareOne{names[y], n, fmt.Sprintf("fewer than the %d folds", folds)})
		case !several[y]:
			left[y], rare = true, append(rare, rareOne{names[y], n, "all are of one group"})
		default:
			classes++
		}
	}
	if classes < 2 {
		why := ""
		for k, r := range rare {
			if why += fmt.Sprintf("; %q has %s: %s", r.Class, plainly(r.Rows, "label"), r.Why); k == 9 {
				break
			}
		}
		if why != "" {
			why += ": take fewer folds, or give more labels"
		}
		return nil, nil, fmt.Errorf("%s have a label, and of fewer than two classes that can be judged: nothing can contradict them%s", plainly(labelled, "row"), why)
	}
	for i, y := range labels {
		if y >= 0 && !left[y] {
			known = append(known, i)
		}
	}
	return known, rare, nil
}

// names are those of --classes, of the table, of the bundle, or numbers.
func (f *doubtFlags) names(net *engine.Net, table []string, classes int) ([]string, error) {
	names := f.classes
	switch {
	case names != nil && table != nil && !slices.Equal(table, numbered(len(table))):
		return nil, fmt.Errorf("--classes: the labels %q of the data are names already: %s", command.Clean(f.labels), command.Clean(strings.Join(table, ", ")))
	case names == nil && table != nil:
		names = table
	case names == nil && net != nil:
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

// mostDoubts is how many lines are printed.
const mostDoubts = 20

func printDoubt(c *cobra.Command, f doubtFlags, lines []doubted, rows int, names []string, column bool) error {
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
	switch {
	case f.out == "":
	case extension(f.labels) == ".csv" && !column:
		classes := "--classes " + strings.Join(names, ",")
		if f.classes == nil && f.dir != "" {
			classes = "--bundle " + f.dir
		} else if slices.Equal(names, numbered(len(names))) {
			classes = fmt.Sprintf("--classes %d", len(names))
		}
		fmt.Fprintf(w, "%s: all of them; fill in the label column where one is wrong, then lamina label merge %s --into %s %s --correct\n", f.out, f.out, f.labels, classes)
	default:
		fmt.Fprintf(w, "%s: all of them; correct %s where one is wrong\n", f.out, command.Clean(f.labels))
	}
	return nil
}
